"""Limbs of sampled measures: the right bones in the right places, and the corpus made of them."""

import csv

import numpy as np
import pytest
from scipy import ndimage

from radsmith.datasets import simulated
from radsmith.datasets.labels import SIMULATED, concepts_of
from radsmith.datasets.limb_shapes import Blob, Rod, Shaft, scanned
from radsmith.datasets.limbs import LIMBS, arm, leg
from radsmith.datasets.simulated_bodies import limb_body, mirrored, warped
from radsmith.datasets.simulated_exposure import Body
from radsmith.datasets.simulated_regions import EXPOSURES, LIMB_REGIONS
from radsmith.editing.body_map import places
from radsmith.errors import InvalidInput
from radsmith.language.vocabulary import default_vocabulary


def grid(*points):
    return tuple(np.array(axis, np.float32).reshape(-1, 1, 1) for axis in zip(*points, strict=True))


def test_distances_are_negative_inside_and_in_millimetres():
    blob = Blob(centre=(0, 0, 0), radii=(10, 10, 10))
    assert blob.distance(grid((0, 0, 0), (0, 0, 10), (13, 0, 0))).ravel() == pytest.approx(
        [-10, 0, 3], abs=1e-4
    )
    rod = Rod(start=(0, 0, 0), end=(20, 0, 0), radii=(4, 4))
    assert rod.distance(grid((10, 0, 0), (10, 0, 6), (-7, 0, 0))).ravel() == pytest.approx(
        [-4, 2, 3], abs=1e-4
    )
    shaft = Shaft(knots=((0, 0, 0, 5, 5), (40, 0, 0, 5, 5)))
    found = shaft.distance((np.float32([[[20]], [[44]]]), np.float32([[[0]]]), np.float32([[[0]]])))
    assert found.ravel() == pytest.approx([-5, 4], abs=1e-4)


def bones_across(limb, joint):
    """Connected parts of bone in the slice at a joint."""
    z, y, x = limb.joints[joint]
    low, high = (z - 3, y - 90, x - 90), (z + 3, y + 90, x + 90)
    hu = scanned(limb, low, high, 1.0, np.random.default_rng(0))[3]
    bone = ndimage.binary_fill_holes(hu > 400)
    labels, count = ndimage.label(bone)
    sizes = ndimage.sum_labels(bone, labels, range(1, count + 1))
    return hu, [labels == 1 + i for i, size in enumerate(sizes) if size > 30]


@pytest.mark.parametrize("seed", range(6))
def test_one_bone_above_the_joint_and_two_below(seed):
    for limb, joint, count in (
        (leg, "thigh", 1),
        (leg, "shin", 2),
        (arm, "upper arm", 1),
        (arm, "forearm", 2),
    ):
        _, bones = bones_across(limb(np.random.default_rng(seed)), joint)
        assert len(bones) == count, joint


def test_a_long_bone_is_a_tube_of_compact_bone_around_marrow():
    hu, (femur,) = bones_across(leg(np.random.default_rng(1)), "thigh")
    area = femur.sum()
    assert 350 < area < 1000  # 21 to 36 mm across
    compact = femur & (hu > 800)
    assert 0.4 < compact.sum() / area < 0.95
    middle = ndimage.binary_erosion(femur, iterations=round(0.35 * np.sqrt(area)))
    assert hu[middle].mean() < 200


def test_measures_stay_within_what_people_have():
    drawn = [LIMBS["leg"](np.random.default_rng(seed)).joints for seed in range(60)]
    thigh = np.array([j["knee"][0] for j in drawn])
    shin = np.array([j["ankle"][0] - j["knee"][0] for j in drawn])
    assert 340 < thigh.min() < thigh.max() < 510
    assert 290 < shin.min() < shin.max() < 440
    assert thigh.std() > 10
    arms = [LIMBS["arm"](np.random.default_rng(seed)).joints for seed in range(60)]
    upper = np.array([j["elbow"][0] for j in arms])
    assert 240 < upper.min() < upper.max() < 385


def test_every_limb_field_can_be_exposed_and_read_and_is_a_part_of_the_body_map():
    mapped = {place.part: place.size for place in places("male")}
    for region in LIMB_REGIONS:
        assert region.body_part in EXPOSURES
        assert region.joint in LIMBS[region.limb](np.random.default_rng(0)).joints
        (concept,) = default_vocabulary().find(region.body_part)
        for view in region.views:
            cells = dict.fromkeys(simulated.COLUMNS, "") | {
                "modality": "x-ray", "body_part": region.body_part, "view": view,
                "source": simulated.LIMB_SOURCE, "laterality": "left",
            }  # fmt: skip
            assert {concept, "side:left", "modality:x-ray"} <= set(concepts_of(cells))
        part = {"tibia and fibula": "lower leg"}.get(region.body_part, region.body_part)
        if part in mapped:
            assert region.field == pytest.approx(mapped[part])


def test_a_corpus_of_limbs(tmp_path, monkeypatch):
    region = next(r for r in LIMB_REGIONS if r.body_part == "forearm")
    monkeypatch.setattr(simulated, "LIMB_REGIONS", (region,))
    assert simulated.simulate(None, tmp_path / "out", 4, 0, limbs=True) == 8
    rows = list(csv.DictReader((tmp_path / "out/train.csv").read_text().splitlines()))
    assert {r["source"] for r in rows} == {"parametric_limb"} <= set(SIMULATED)
    assert {r["technique"] for r in rows} == {"simulated from shapes"}
    assert [r["laterality"] for r in rows[:4]] == ["right", "left"] * 2
    assert len({r["patient_id"] for r in rows}) == 2  # a limb of each view
    simulated.simulate(None, tmp_path / "again", 4, 0, limbs=True)
    one, two = (tmp_path / f"{name}/train-000.tar" for name in ("out", "again"))
    assert one.read_bytes() == two.read_bytes()


def test_nothing_to_simulate_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="limbs"):
        simulated.simulate(None, tmp_path, 4, 0)
    with pytest.raises(InvalidInput, match="warp"):
        simulated.simulate(None, tmp_path, 4, 0, limbs=True, warp=-1)


def test_a_right_limb_is_a_left_one_in_the_mirror():
    region = next(r for r in LIMB_REGIONS if r.body_part == "humerus")
    left = limb_body(region, np.random.default_rng(3))
    assert np.array_equal(mirrored(left).mu, left.mu[:, :, ::-1])
    assert mirrored(left).spacing == left.spacing


def test_a_warp_is_smooth_and_about_as_large_as_asked():
    z, y, x = np.mgrid[:60, :60, :60]
    balls = [(z - a) ** 2 + (y - 30) ** 2 + (x - 30) ** 2 < 36 for a in (15, 45)]
    body = Body(
        mu=0.02 * (balls[0] | balls[1]).astype(np.float32), spacing=(3.0, 3.0, 3.0),
        open_top=False, step=4.0,
    )  # fmt: skip
    assert warped(body, 0, np.random.default_rng(0)) is body
    moves = []
    for seed in range(8):
        found = warped(body, 8.0, np.random.default_rng(seed)).mu
        assert found.sum() == pytest.approx(body.mu.sum(), rel=0.5)
        labels, count = ndimage.label(found > 0.008)
        assert count == 2  # a ball stays one ball
        centres = ndimage.center_of_mass(found, labels, [1, 2])
        moves += [np.subtract(c, (a, 30, 30)) * 3 for c, a in zip(centres, (15, 45), strict=True)]
    typical = np.sqrt(np.mean(np.square(moves)))
    assert 3 < typical < 12
