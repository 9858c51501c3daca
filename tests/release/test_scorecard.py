"""Figures of the scorecard are measured, or said not to be."""

import json

import numpy as np
import pytest

from radsmith.evaluation.judge_files import load_judge
from radsmith.evaluation.real_set import RealSet
from radsmith.release import scorecard
from radsmith.release.request import ReleaseRequest
from radsmith.release.run import release
from radsmith.release.scorecard import CRITERIA, against_real, doubles, gap, share, wilson
from tests.release.making import MADE, audit_in, bundled, pixels, record, verdicts, write_png

CLASSES = ["a"] * 20 + ["b"] * 20


def features(seed, shift=0.0):
    rng = np.random.default_rng(seed)
    centre = np.repeat([[4.0, 0, 0, 0], [0, 4.0, 0, 0]], 20, axis=0)
    return centre + rng.standard_normal((40, 4)) + shift


def by_name(measures):
    return {m.name: m for m in measures}


def test_wilson_has_published_values():
    """Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20."""
    for hits, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
    ):
        assert wilson(hits, n) == pytest.approx((low, high), abs=1e-4)


def test_sets_of_one_distribution_agree_and_others_do_not():
    alike = by_name(against_real(features(0), features(1), CLASSES, CLASSES, "test"))
    apart = by_name(against_real(features(0), features(1, 6.0), CLASSES, CLASSES, "test"))
    near, far = (m["kernel distance to real images"] for m in (alike, apart))
    assert near.interval[0] <= 0.05 * far.value and far.interval[0] > near.interval[1]
    covered = "real images with a made one near them"
    assert alike[covered].value > apart[covered].value
    same = by_name(against_real(features(0), features(0), CLASSES, CLASSES, "test"))
    assert same[covered].value == 1 and same[covered].n == 40
    classes = alike["nearness to the real class"]
    assert classes.n == 40 and classes.interval[0] < classes.value < classes.interval[1]
    swapped = by_name(against_real(features(0), features(1), CLASSES, CLASSES[::-1], "test"))
    assert swapped["nearness to the real class"].value < classes.value


def test_too_few_images_or_no_common_class_are_said():
    few = list(against_real(features(0)[:2], features(1), ["a", "a"], CLASSES, "test"))
    assert {m.criterion for m in few} == {"congruence", "coverage", "constraint", "consistency"}
    assert all(m.value is None and "fewer than 4" in m.unmeasured for m in few)
    other = by_name(against_real(features(0), features(1), CLASSES, ["c"] * 40, "test"))
    assert other["nearness to the real class"].unmeasured == "no class in common"


def test_doubles_and_gaps_are_counted():
    found = by_name(doubles(["x", "y", "x"], ["00" * 8, "ff" * 8, "00" * 7 + "03"]))
    assert found["exact doubles"].value == pytest.approx(1 / 3)
    assert found["near doubles"].value == pytest.approx(1 / 3)
    groups = {"chest": (90, 100), "knee": (40, 100), "few": (0, 5)}
    measure = gap("consistency", "x", "y", groups)
    assert measure.value == pytest.approx(0.5) and measure.n == 200
    assert measure.interval[0] > 0.3 and "lowest knee" in measure.method
    assert gap("consistency", "x", "y", {"chest": (9, 10)}).unmeasured
    assert share("coverage", "x", "y", 0, 0, sample=True).unmeasured


def test_every_criterion_is_there_and_nothing_is_claimed(tmp_path, images, key):
    bundled(images, tmp_path / "b", key)
    said = json.loads((tmp_path / "b/data/scorecard.json").read_bytes())
    assert [c["criterion"] for c in said["criteria"]] == list(CRITERIA)
    for part in said["criteria"]:
        for measure in part["measures"]:
            assert bool(measure["unmeasured"]) == (measure["value"] is None)
    assert said["set"]["images"] == 6
    page = (tmp_path / "b/data/scorecard.html").read_text("utf-8")
    assert "not measured" in page and "no real images were given" in page
    for word in ("FDA-compliant", "complies with", "FDA approved"):
        assert word not in page


def test_it_is_measured_from_the_bundle(tmp_path, images, key):
    """With the shipped judge, a real set, verdicts and an audit every criterion has a figure."""
    files = sorted(images.glob("*.png"))
    said = dict(zip(files, ["accept"] * 5 + ["reject"], strict=True))
    accepted = verdicts(tmp_path / "v.json", said, rejected=1)
    request = ReleaseRequest(
        source=images,
        out=tmp_path / "b",
        title="x",
        accepted=accepted,
        audit=audit_in(tmp_path / "a", files),
        credentials=False,
    )
    ids = record().concepts
    real = RealSet(
        images=[pixels(seed) for seed in range(20, 28)],
        concepts=[ids] * 8,
        patients=[str(n) for n in range(8)],
    )
    release(request, key, MADE, lambda *_: None, load_judge(), real)
    card = json.loads((tmp_path / "b/data/scorecard.json").read_bytes())
    found = {m["name"]: m for c in card["criteria"] for m in c["measures"]}
    accepted = found["images that readers accepted, of those they decided"]
    assert accepted["value"] == pytest.approx(5 / 6) and accepted["n"] == 6
    assert found["images recognised as asked"]["n"] == 5
    assert found["kernel distance to real images"]["n"] == 5
    assert found["images found near a training image"]["interval"][1] > 0.3  # none of six
    measured = {
        c["criterion"] for c in card["criteria"] if any(not m["unmeasured"] for m in c["measures"])
    }
    assert measured == set(CRITERIA)


def test_an_image_that_shows_something_else_counts_against_the_set(tmp_path, key):
    """The judge is asked: a ramp is no foot."""
    for seed in range(4):
        foot = record("foot x-ray, adult, normal", seed=seed)
        write_png(
            tmp_path / "s", f"i{seed}", foot, np.tile(np.linspace(0, 1, 64), (48, 1)) ** (seed + 1)
        )
    request = ReleaseRequest(
        source=tmp_path / "s", out=tmp_path / "b", title="x", without_review=True,
        without_audit=True, credentials=False,
    )  # fmt: skip
    release(request, key, MADE, lambda *_: None, load_judge())
    card = json.loads((tmp_path / "b/data/scorecard.json").read_bytes())
    found = {m["name"]: m for c in card["criteria"] for m in c["measures"]}
    assert found["images recognised as asked"]["value"] < 1


def test_tables_show_every_measure(images, tmp_path, key):
    bundled(images, tmp_path / "b", key)
    said = json.loads((tmp_path / "b/data/scorecard.json").read_bytes())
    shown = scorecard.tables(said)
    assert len(shown) == 1 + len(CRITERIA)
    assert sum(len(t.rows) for t in shown[1:]) == sum(len(c["measures"]) for c in said["criteria"])
