"""Lungs are found where they are, whatever the frame; nothing is found where there are none."""

import numpy as np
import pytest

from radsmith.engines.choice import load_engine
from radsmith.generation.plan import plan
from radsmith.images.lungs import connected, find_lungs
from radsmith.images.provenance import Settings
from radsmith.images.resize import resize


def chest(across=0.5, top=0.2, wide=0.7, high=0.5, side=120):
    """Two dark domes in a bright trunk with dark air beside it."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    image = np.where(abs(x - across) < 0.6 * wide, 0.7, 0.03)
    for middle in (across - 0.28 * wide, across + 0.28 * wide):
        u, v = (x - middle) / (0.2 * wide), (y - top) / high
        inside = (v > 0) & (v < 1) & (abs(u) < np.sqrt(1 - (1 - np.clip(v, 0, 1)) ** 2))
        image[inside] = 0.25
    return image.astype(np.float32)


@pytest.mark.parametrize(
    ("across", "top", "wide", "high"),
    [(0.5, 0.2, 0.7, 0.5), (0.42, 0.1, 0.6, 0.7), (0.58, 0.3, 0.6, 0.4), (0.5, 0.15, 0.8, 0.6)],
)
def test_each_lung_is_found_on_its_side(across, top, wide, high):
    lungs = find_lungs(chest(across, top, wide, high))
    right, left = lungs.box("side:right"), lungs.box("side:left")
    assert right[2] < across < left[0], "the patient's right is at the viewer's left"
    for box, middle in ((right, across - 0.28 * wide), (left, across + 0.28 * wide)):
        wanted = (middle - 0.2 * wide, top, middle + 0.2 * wide, top + high)
        assert np.abs(np.subtract(box, wanted)).max() < 0.09
    both = lungs.box()
    assert both[0] == pytest.approx(right[0], abs=0.03)
    assert both[2] == pytest.approx(left[2], abs=0.03)


@pytest.mark.parametrize("tissue", [0.45, 0.9])
@pytest.mark.parametrize(("across", "size"), [(0.5, 1.0), (0.44, 0.7)])
def test_lungs_of_a_slice_are_the_air_that_the_body_encloses(tissue, across, size):
    """In a window for lungs and in one for the mediastinum, with a table and an airway."""
    y, x = (np.mgrid[:200, :200] + 0.5) / 200

    def within(middle, wide, high, down=0.5):
        return np.hypot((x - middle) / (wide * size), (y - down) / (high * size)) < 1

    image = np.where(within(across, 0.42, 0.32), tissue, 0.0)
    image[(abs(x - across) < 0.4) & (abs(y - 0.93) < 0.02)] = 0.8
    lungs = [within(across + off * size, 0.13, 0.2) for off in (-0.2, 0.2)]
    image[lungs[0] | lungs[1]] = tissue / 4
    image[within(across, 0.025, 0.025)] = 0
    found = find_lungs(image.astype(np.float32), ct=True)
    for side, lung, own in zip(("right", "left"), lungs, (found.right, found.left), strict=True):
        rows, columns = (np.nonzero(lung.any(axis))[0] / 200 for axis in (1, 0))
        wanted = (columns[0], rows[0], columns[-1], rows[-1])
        assert np.abs(np.subtract(found.box(f"side:{side}"), wanted)).max() < 0.04
        assert not own[30:34, round(64 * across)].any(), "the airway is none"


def test_a_slice_may_show_one_lung_or_none():
    flat = np.full((50, 60), 0.5, np.float32)
    for image in (flat, 0 * flat, np.eye(64, dtype=np.float32), flat[:1, :1]):
        assert find_lungs(image, ct=True) is None
    flat[20:30, 10:20] = 0
    lungs = find_lungs(flat, ct=True)
    assert lungs.right.any() and not lungs.left.any()
    for side in ("side:right", "side:left", None):
        assert lungs.box(side) == pytest.approx((1 / 6, 0.4, 1 / 3, 0.6), abs=0.03)


@pytest.mark.parametrize("frame", ["all round", "left and right"])
def test_air_between_a_frame_and_the_body_is_no_lung(frame):
    y, x = (np.mgrid[:128, :128] + 0.5) / 128
    image = np.where(np.hypot((x - 0.5) / 0.4, (y - 0.5) / 0.3) < 1, 0.6, 0.0)
    for middle in (0.32, 0.68):
        image[np.hypot((x - middle) / 0.12, (y - 0.5) / 0.18) < 1] = 0.1
    image[:, :5] = image[:, -5:] = 1
    if frame == "all round":
        image[:5] = image[-5:] = 1
    lungs = find_lungs(image.astype(np.float32), ct=True)
    assert np.abs(np.subtract(lungs.box(), (0.2, 0.32, 0.8, 0.68))).max() < 0.04


def test_air_beside_the_body_is_no_lung():
    lungs = find_lungs(chest(wide=0.6))
    assert not (lungs.right | lungs.left)[:, :6].any()


def test_a_share_is_whole_inside_and_nothing_far_away():
    lungs = find_lungs(chest())
    share = lungs.share(240, 120)
    assert share.shape == (120, 240)
    found = resize((lungs.right | lungs.left).astype(np.float32), 240, 120)
    assert share[found > 0.99].min() > 0.9
    assert share[-10:].max() == 0
    assert share.min() >= 0 and share.max() <= 1


def test_a_place_outside_is_moved_to_the_nearest_lung():
    lungs = find_lungs(chest())
    inside = (0.25, 0.4, 0.35, 0.5)
    assert lungs.inward(inside) == inside
    left, top, right, bottom = lungs.inward((0.45, 0.4, 0.55, 0.5))
    assert (right - left, bottom - top) == pytest.approx((0.1, 0.1))
    assert abs((left + right) / 2 - 0.5) > 0.04
    found = lungs.inward((0.2, -0.3, 0.4, -0.1))
    assert (found[1] + found[3]) / 2 == pytest.approx(0.22, abs=0.04)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((50, 40)),
        np.ones((64, 64)),
        np.random.default_rng(0).random((200, 100)),
        np.linspace(0, 1, 64)[:, None] * np.ones(64),
    ],
)
def test_what_shows_no_lungs_has_none(image):
    assert find_lungs(image.astype(np.float32)) is None


def test_a_single_row_or_pixel_is_no_error():
    assert find_lungs(np.zeros((1, 1), np.float32)) is None
    assert find_lungs(np.zeros((1, 300), np.float32)) is None


def test_only_what_is_connected_is_reached():
    allowed = np.ones((9, 9), bool)
    allowed[4] = False
    seeds = np.zeros((9, 9), bool)
    seeds[0, 0] = True
    assert connected(seeds, allowed)[:4].all()
    assert not connected(seeds, allowed)[4:].any()
    assert not connected(seeds, ~allowed).any(), "a seed must be allowed itself"


@pytest.fixture(scope="module")
def engine():
    return load_engine(None)


def test_they_are_found_in_chests_that_the_model_draws_and_not_in_knees(engine):
    def found(text):
        return [
            find_lungs(engine.generate(plan(text, engine.facts).ask(seed, Settings()))) is not None
            for seed in range(6)
        ]

    assert sum(found("chest x-ray, PA view, adult, normal")) >= 5
    assert sum(found("right knee x-ray")) <= 1
