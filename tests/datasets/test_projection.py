"""Projection against closed forms, and the simulated corpus made of a phantom."""

import csv
import tarfile

import numpy as np
import pytest

from radsmith.datasets import projection, simulated
from radsmith.datasets.labels import concepts_of
from radsmith.datasets.simulated_bodies import volume_body
from radsmith.datasets.simulated_regions import EXPOSURES, REGIONS, VolumeField
from radsmith.errors import InvalidInput, NotFound
from radsmith.language.vocabulary import default_vocabulary

SPACING = (2.0, 2.0, 2.0)


def ball(radius=60.0, side=100, centre=(100.0, 100.0, 100.0)):
    """A ball of water in air, in HU."""
    at = (np.arange(side) + 0.5) * 2
    z, y, x = np.meshgrid(at, at, at, indexing="ij")
    inside = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2
    return np.where(inside, 0, -1000).astype(np.int16)


def test_a_ball_of_water_casts_its_chords():
    beam = projection.Beam(size=(65, 65), pixel=2.0, source_distance=1e6)
    path = projection.project(projection.attenuation(ball()), SPACING, beam, step=1.0)
    offset = np.abs(np.arange(65) - 32) * 2.0
    chord = 2 * np.sqrt(np.maximum(60**2 - offset**2, 0)) * projection.WATER
    near = offset < 54  # the voxels' staircase is left out
    np.testing.assert_allclose(path[32, near], chord[near], rtol=0.04)
    assert path[32, offset >= 64].max() == 0


@pytest.mark.parametrize(("azimuth", "tilt"), [(0, 0), (90, 0), (180, 0), (37, 20)])
def test_a_ball_looks_the_same_from_everywhere(azimuth, tilt):
    mu = projection.attenuation(ball())
    front = projection.project(mu, SPACING, projection.Beam(size=(49, 49), pixel=3.0))
    turned = projection.project(
        mu, SPACING, projection.Beam(size=(49, 49), pixel=3.0, azimuth=azimuth, tilt=tilt)
    )
    assert np.abs(front - turned)[14:-14, 14:-14].max() < 0.06 * front.max()


def test_the_patients_left_is_at_the_viewers_right_from_the_front_and_not_from_behind():
    mu = projection.attenuation(ball(20, centre=(60.0, 100.0, 150.0)))
    front = projection.project(mu, SPACING, projection.Beam(size=(50, 50), pixel=4.0))
    behind = projection.project(mu, SPACING, projection.Beam(size=(50, 50), pixel=4.0, azimuth=180))
    row, column = np.unravel_index(front.argmax(), front.shape)
    assert column > 30 and row < 20  # left of the patient, towards the head
    assert np.unravel_index(behind.argmax(), behind.shape)[1] < 20


def test_what_is_nearer_to_the_source_looks_larger():
    near = projection.attenuation(ball(20, centre=(100.0, 40.0, 100.0)))
    far = projection.attenuation(ball(20, centre=(100.0, 160.0, 100.0)))
    beam = projection.Beam(size=(81, 81), pixel=1.0, source_distance=400)
    areas = [(projection.project(mu, SPACING, beam) > 0.05).sum() for mu in (near, far)]
    assert areas[0] / areas[1] == pytest.approx((460 / 340) ** 2, rel=0.12)


def test_a_roll_turns_the_picture_clockwise():
    mu = projection.attenuation(ball(20, centre=(40.0, 100.0, 100.0)))  # towards the head: up
    turned = projection.project(
        mu, SPACING, projection.Beam(size=(50, 50), pixel=4.0, roll=90, source_distance=1e6)
    )
    assert np.unravel_index(turned.argmax(), turned.shape)[1] > 30


def cube_in_ball(half=10):
    hu = ball(80)
    middle = slice(50 - half, 50 + half)
    hu[middle, middle, middle] = 1000
    return projection.project(
        projection.attenuation(hu), SPACING, projection.Beam(size=(80, 80), pixel=2.0)
    )


def test_dense_parts_are_bright_and_dose_sets_the_noise():
    path = cube_in_ball()
    body = path > projection.SKIN
    shown = [
        projection.displayed(
            projection.expose(path, np.random.default_rng(0), projection.Detector(photons=p)),
            body,
            projection.Display(),
        )
        for p in (1e2, 1e5)
    ]
    assert all(s.min() >= 0 and s.max() <= 1 for s in shown)
    assert shown[1][40, 40] > shown[1][40, 65] > shown[1][2, 2]
    rough = [np.abs(np.diff(s[30:50, 52:62], n=2, axis=1)).mean() for s in shown]
    assert rough[0] > 2 * rough[1]


@pytest.mark.parametrize("contrast", [0.0, 3.0])
@pytest.mark.parametrize("middle", [0.3, 0.6])
def test_the_median_of_the_body_gets_the_brightness_asked_for(middle, contrast):
    path = cube_in_ball()
    body = path > projection.SKIN
    shown = projection.displayed(
        path, body, projection.Display(middle=middle, contrast=contrast, flatten=0.6)
    )
    assert np.median(shown[body]) == pytest.approx(middle, abs=0.01)
    assert (shown[~body] == 0).all()


def test_scatter_takes_contrast_away_and_stays_within_the_body():
    path = cube_in_ball(half=3)
    rng = np.random.default_rng(0)
    clear, veiled = (
        projection.expose(path, rng, projection.Detector(photons=1e6, scatter=s))
        for s in (0.0, 1.0)
    )
    contrast = [d[40, 40] - d[40, 48] for d in (clear, veiled)]
    assert contrast[1] < 0.9 * contrast[0]
    np.testing.assert_allclose(clear[:4, :4], veiled[:4, :4], atol=0.01)


def test_the_table_is_taken_away():
    hu = ball(50)
    hu[:, 92:95, 5:95] = 100
    clean = projection.body_only(hu)
    assert (clean[:, 90:, :] == -1000).all()
    assert (clean[ball(46) == 0] == 0).all()


def test_bad_input_is_refused():
    with pytest.raises(InvalidInput):
        projection.Beam(pixel=0)
    for wrong in ({"photons": 0}, {"scatter": -1}):
        with pytest.raises(InvalidInput):
            projection.Detector(**wrong)
    for wrong in ({"window": (0.9, 0.1)}, {"middle": 1}, {"flatten": 0}):
        with pytest.raises(InvalidInput):
            projection.Display(**wrong)
    with pytest.raises(InvalidInput):
        projection.project(np.zeros((4, 4)), SPACING, projection.Beam())
    with pytest.raises(InvalidInput):
        projection.body_only(np.full((9, 9, 9), -1000))


def test_a_corpus_of_a_phantom(tmp_path, monkeypatch):
    volumes = tmp_path / "volumes"
    volumes.mkdir()
    region = VolumeField(
        volume="phantom", body_part="chest", centre=(0.5, 0.5, 0.5), field=(160, 140),
        views=("AP", "lateral"), finding="pleural effusion", finding_side="right",
    )  # fmt: skip
    monkeypatch.setattr(simulated, "REGIONS", (region,))
    with pytest.raises(NotFound, match=r"expected \.npz"):
        simulated.simulate(volumes, tmp_path / "out", 2, 0)
    np.savez(volumes / "phantom.npz", hu=ball(), spacing=np.array(SPACING))
    assert simulated.simulate(volumes, tmp_path / "out", 2, 0) == 4
    rows = list(csv.DictReader((tmp_path / "out/train.csv").read_text().splitlines()))
    assert {(r["view"], r["body_part"], r["patient_id"]) for r in rows} == {
        ("AP", "chest", "phantom"),
        ("lateral", "chest", "phantom"),
    }
    for row in rows:  # a side is said where the picture shows it
        ids = concepts_of(row)
        assert "finding:pleural-effusion" in ids
        assert ("side:right" in ids) == (row["view"] == "AP")
    with tarfile.open(tmp_path / "out/train-000.tar") as tar:
        assert len(tar.getnames()) == 4
    simulated.simulate(volumes, tmp_path / "again", 2, 0)
    one, two = (tmp_path / f"{n}/train-000.tar" for n in ("out", "again"))
    assert one.read_bytes() == two.read_bytes()
    simulated.simulate(volumes, tmp_path / "more", 3, 0)  # an image does not depend on the count
    with tarfile.open(tmp_path / "more/train-000.tar") as more, tarfile.open(one) as few:
        for name in few.getnames():
            assert more.extractfile(name).read() == few.extractfile(name).read()


def test_every_region_can_be_exposed_viewed_and_read():
    vocabulary = default_vocabulary()
    keys = [(r.volume, r.body_part, r.laterality, view) for r in REGIONS for view in r.views]
    assert len(set(keys)) == len(keys)
    for region in REGIONS:
        assert region.body_part in EXPOSURES
        for view in region.views:
            cells = {
                "modality": "x-ray", "body_part": region.body_part, "view": view,
                "findings": region.finding, "source": simulated.SOURCE,
            }  # fmt: skip
            ids = concepts_of(dict.fromkeys(simulated.COLUMNS, "") | cells)
            assert set(ids) <= set(vocabulary.concepts)
            kinds = {c.partition(":")[0] for c in ids}
            assert {"modality", "body_part", "view"} <= kinds
            assert ("finding" in kinds) == bool(region.finding)


def test_arms_beside_a_region_are_left_out(tmp_path):
    np.savez(tmp_path / "phantom.npz", hu=ball(), spacing=np.array(SPACING))
    region = VolumeField(
        volume="phantom", body_part="skull", centre=(0.5, 0.5, 0.5), field=(160, 140),
        views=("AP",), x_range=(0.3, 0.6),
    )  # fmt: skip
    body = volume_body(tmp_path / "phantom.npz", region)
    assert (body.mu[:, :, 30:60] > 0).any()
    assert not body.mu[:, :, :30].any()
    assert not body.mu[:, :, 60:].any()
