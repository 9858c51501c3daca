"""The audit on made images whose truth is known: copies, strangers, members and others."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as Picture

from radsmith.cli import cli
from radsmith.engines.engine import Completion
from radsmith.errors import InvalidInput, NotFound
from radsmith.evaluation.audit import inferring, membership, page, risks
from radsmith.evaluation.audit.alignment import aligned, contrast
from radsmith.evaluation.audit.copies import (
    Look,
    Standard,
    Thresholds,
    false_alarms,
    verdict,
)
from radsmith.evaluation.audit.coverage import coverage
from radsmith.evaluation.audit.files import load_detector, read_canaries, took_part, write_audit
from radsmith.evaluation.audit.looking import Search
from radsmith.evaluation.audit.planted import STRENGTHS, TRANSFORMS, plain, redrawn
from radsmith.evaluation.audit.request import AuditOptions, Parts, independent
from radsmith.evaluation.audit.run import audit, null_of
from radsmith.evaluation.audit.search import AuditSpace, Store, Whitening, merged, nearest_of
from radsmith.evaluation.audit.sets import ImageSet, Item, read_set
from radsmith.evaluation.audit.statistics import Share
from radsmith.evaluation.features import pixel_space
from radsmith.images.resize import enlarge
from tests.evaluation.test_evaluate import FakeEngine

pytestmark = pytest.mark.slow


PIXELS = AuditSpace(name="pixels", space=pixel_space, digest="pixels-1")


def scene(number):
    """A smooth random picture of its own, 60 x 72, around a form that all share."""
    rng = np.random.default_rng([5, number])
    low = rng.normal(size=(9, 9)).astype(np.float32)
    field = enlarge(low, 8)[:60, :72]
    rows, columns = np.mgrid[:60, :72] / 60
    body = np.exp(-((rows - 0.5) ** 2 + (columns - 0.6) ** 2) / 0.1)
    grain = rng.normal(0, 0.01, field.shape)
    return np.clip(0.45 * body + 0.12 * field + 0.2 + grain, 0, 1).astype(np.float32)


def scenes(numbers, *, kind="chest x-ray", same_patient=False, concepts=(), name="image"):
    items = [
        Item(
            name=f"{name}{n}",
            sha256=f"{name}{n}",
            kind=kind,
            patient=f"p{n // 2 if same_patient else n}",
            source="made",
            concepts=concepts,
            facts={"trained_on": "1"},
        )
        for n in numbers
    ]
    numbers = list(numbers)
    return ImageSet(items, lambda i: scene(numbers[i]))


class Blurring(FakeEngine):
    """Redraws an image as something near it: noise in proportion to the strength."""

    def fill(self, given, ask):
        rng = np.random.default_rng(ask.seed)
        low = rng.normal(size=(10, 10)).astype(np.float32)
        height, width = given.pixels.shape
        noise = enlarge(low, 8)[:height, :width]
        pixels = np.clip(given.pixels + 0.08 * given.strength * noise, 0, 1).astype(np.float32)
        return Completion(pixels=pixels, concepts=ask.concepts)


@pytest.fixture(scope="module")
def parts():
    return Parts(
        synthetic=scenes(range(2000, 2030), name="made"),
        training=scenes(range(50), name="train"),
        held_out=scenes(range(1000, 1050), name="held"),
        spaces=[PIXELS, AuditSpace(name="halves", space=halves_space, digest="halves-1")],
        engine=Blurring(),
        took_part={},
    )


def halves_space(images):
    """A second space of no network: the pixels' signs."""
    return np.sign(pixel_space(images) - 0.3).astype(np.float32)


def telling(what, done, total):
    """Says nothing."""


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_alignment_finds_what_was_moved_and_no_stranger(name):
    rng = np.random.default_rng(0)
    others = np.stack([contrast(scene(n)) for n in range(5)])
    changed = TRANSFORMS[name](scene(3), rng)
    found = aligned(contrast(changed), others)
    assert found.argmax() == 3
    assert found[3] > np.delete(found, 3).max() + 0.1


def test_alignment_of_an_image_with_itself_is_one():
    one = contrast(scene(0))
    assert aligned(one, one[None])[0] == pytest.approx(1, abs=1e-4)
    assert aligned(np.zeros_like(one), one[None])[0] == 0


def test_planted_changes_keep_the_range_and_move_nothing_when_plain():
    rng = np.random.default_rng(0)
    image = scene(0)
    assert plain(image, rng) is image
    for change in TRANSFORMS.values():
        changed = change(image, rng)
        assert changed.min() >= 0 and changed.max() <= 1
        assert min(changed.shape) >= 0.79 * min(image.shape)
    small, large = (np.abs(redrawn(image, s, Blurring(), 0) - image).mean() for s in (0.1, 0.5))
    assert 0 < small < large


def test_a_blocked_search_is_the_search_of_everything(tmp_path, monkeypatch):
    from radsmith.evaluation.audit import search

    queries, training = scenes(range(30, 41)), scenes(range(37))
    whole = nearest_of(
        Store(tmp_path / "a"), queries, training, PIXELS, whitening := white(training), 3
    )
    monkeypatch.setattr(search, "CHUNK", 5)
    blocked = nearest_of(Store(tmp_path / "b"), queries, training, PIXELS, whitening, 3)
    assert np.array_equal(whole.index, blocked.index)
    assert np.allclose(whole.score, blocked.score, atol=1e-5)
    assert (whole.index[:7, 0] == np.arange(30, 37)).all()  # themselves
    assert len(list((tmp_path / "b").iterdir())) == 3 + 8


def white(images):
    return Whitening.of(pixel_space(images), whitened=True)


def test_a_stopped_search_takes_what_is_there(tmp_path):
    calls = []

    def counted(images):
        calls.append(len(images))
        return pixel_space(images)

    space = replace(PIXELS, space=counted)
    for _ in range(2):
        nearest_of(
            Store(tmp_path), scenes(range(4)), scenes(range(9)), space, white(scenes(range(9))), 1
        )
    assert calls == [4, 4, 9]  # two views of the queries, one of the training images, once


def test_merging_keeps_the_best_of_both():
    best, where = np.array([[0.9, 0.5]], np.float32), np.array([[3, 1]])
    found = merged(best, where, np.array([[0.7, 0.1, 0.95]], np.float32), first=10)
    assert found[0][0] == pytest.approx([0.95, 0.9])
    assert found[1].tolist() == [[12, 3]]


def test_whitening_gives_every_axis_one_spread():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 4)) * [100, 10, 5, 3]
    moved = (features - features.mean(0)) @ white_axes(features)
    assert np.cov(moved.T) == pytest.approx(np.cov(moved.T)[0, 0] * np.eye(4), abs=1e-6)


def white_axes(features):
    return Whitening.of(features, whitened=True).axes.astype(np.float64)


def look_of(scores, kind="k"):
    scores = np.asarray(scores, np.float64)
    return Look(
        scores={"detector": scores}, nearest=np.zeros(len(scores), int), kinds=[kind] * len(scores)
    )


def test_one_in_a_hundred_of_the_null_passes_its_threshold():
    """Known truth: scores of one distribution; false alarms are then what was promised."""
    rng = np.random.default_rng(0)
    null = look_of(rng.normal(3, 2, 4000))
    standard = Standard.of(null)
    over = Thresholds.of(null, standard).over(
        standard.joined(look_of(rng.normal(3, 2, 20000))), ["k"] * 20000
    )
    assert (over > 0).mean() == pytest.approx(0.01, abs=0.004)
    alarms = false_alarms(null, [f"p{i}" for i in range(4000)])
    assert alarms[""].n == 4000
    assert alarms[""].estimate == pytest.approx(0.01, abs=0.006)


def test_kinds_have_thresholds_of_their_own_where_they_are_large():
    rng = np.random.default_rng(1)
    one, two = rng.normal(0, 1, 300), rng.normal(50, 9, 300)
    null = Look(
        scores={"detector": np.r_[one, two]},
        nearest=np.zeros(600, int),
        kinds=["a"] * 300 + ["b"] * 300,
    )
    standard = Standard.of(null)
    thresholds = Thresholds.of(null, standard)
    assert set(thresholds.by_kind) == {"", "a", "b"}
    alike = thresholds.over(standard.joined(null), null.kinds) > 0
    assert alike[:300].sum() <= 3 and alike[300:].sum() <= 3


def test_a_null_that_is_too_small_is_refused():
    with pytest.raises(InvalidInput, match="at least 20"):
        Standard.of(look_of(np.arange(5)))


GOOD = {"transformed": Share(found=118, n=120), "redrawn": Share(found=99, n=100)}
FEW = Share(found=3, n=400)


def test_no_copies_is_said_only_with_what_the_search_finds():
    said = verdict(Share(found=4, n=400), 0, FEW, GOOD)
    assert said.status == "none"
    assert "No copies found" in said.sentence
    assert "98% (94%-100%) of 120 transformed copies" in said.sentence


@pytest.mark.parametrize(
    ("alarms", "planted", "why"),
    [
        (Share(found=1, n=298), GOOD, "298 held-out images are fewer than 299"),
        (FEW, GOOD | {"redrawn": Share(found=58, n=58)}, "58 planted redrawn copies"),
        (FEW, GOOD | {"redrawn": Share(found=85, n=100)}, "finds 85%"),
        (FEW, {}, "no copies were planted"),
    ],
)
def test_the_sentence_is_refused_without_its_conditions(alarms, planted, why):
    said = verdict(Share(found=4, n=400), 0, alarms, planted)
    assert said.status == "open"
    assert why in said.sentence
    assert "No copies found" not in said.sentence


def test_more_than_chance_and_a_single_certain_one_are_copies():
    assert verdict(Share(found=20, n=400), 0, FEW, GOOD).status == "copies"
    assert verdict(Share(found=1, n=400), 1, FEW, {}).status == "copies"
    assert verdict(Share(found=8, n=400), 0, FEW, GOOD).status == "none"


@pytest.fixture(scope="module")
def clean(tmp_path_factory, parts):
    return audit(parts, tmp_path_factory.mktemp("clean"), AuditOptions(planted=2), telling)


def test_an_audit_of_strangers_finds_no_copies_and_what_was_planted(clean):
    report = clean.report
    assert report["flagged"]["found"] <= 3
    assert report["controls"]["plain"]["found"] == 2
    assert report["controls"]["redrawn"]["n"] == 2 * len(STRENGTHS)
    assert report["controls"]["transformed"]["n"] == 2 * len(TRANSFORMS)


def test_an_audit_of_a_set_with_copies_names_them(tmp_path, parts):
    stolen = [scene(n) for n in range(2000, 2020)] + [
        TRANSFORMS["mirrored"](scene(n), np.random.default_rng(n)) for n in range(10)
    ]
    items = [replace(i, sha256=f"{i.sha256} stolen") for i in parts.synthetic.items]
    bad = replace(parts, synthetic=ImageSet(items, stolen.__getitem__))
    found = audit(bad, tmp_path, AuditOptions(planted=1), telling).report
    assert found["verdict"]["status"] == "copies"
    named = {c["file"]: c["nearest"] for c in found["copies"]}
    assert sum(named.get(f"made{2020 + n}") == f"train{n}" for n in range(10)) >= 9
    assert list(found["copies"][0]) == ["file", "nearest", "score", "certain", "spaces"]


def test_the_report_holds_what_others_read_and_never_the_forbidden_word(tmp_path, parts, clean):
    page = write_audit(tmp_path, clean, "2026-01-01T00:00:00+00:00").read_text(encoding="utf-8")
    report = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert {"made", "synthetic", "verdict", "controls", "copies"} <= set(report)
    assert report["synthetic"]["images"] == 30
    assert report["synthetic"]["digest"] == parts.synthetic.digest
    assert {"sentence", "rule"} <= set(report["verdict"])
    assert report["verdict"]["sentence"] in page.replace("&#x27;", "'")
    for text in (page, json.dumps(report)):
        assert "anonym" not in text.lower()


def test_no_string_of_the_audit_says_the_forbidden_word():
    from pathlib import Path

    from radsmith import cli
    from radsmith.evaluation import audit as room

    files = [*Path(room.__file__).parent.glob("*.py"), Path(cli.__file__).with_name("auditing.py")]
    assert len(files) > 10
    for path in files:
        assert "anonym" not in path.read_text(encoding="utf-8").lower(), path


def test_a_network_that_made_or_filtered_the_images_never_scores_them(tmp_path, parts):
    kept, refused = independent(parts.spaces, {"halves-1": "it filtered the images"})
    assert [s.name for s in kept] == ["pixels"]
    assert refused[0]["reason"] == "it filtered the images"
    report = audit(
        replace(parts, took_part={"halves-1": "it made the images"}),
        tmp_path,
        AuditOptions(planted=1),
        telling,
    ).report
    assert [s["name"] for s in report["spaces"]] == ["pixels"]
    assert not any("halves" in c["spaces"] for c in report["copies"])
    with pytest.raises(InvalidInput, match="another encoder"):
        independent(parts.spaces, dict.fromkeys(("halves-1", "pixels-1"), "x"))


def test_what_took_part_is_read_from_the_set(tmp_path):
    (tmp_path / "augment.json").write_text(
        json.dumps({"settings": {"judge": "abc"}, "copies are told apart": {}})
    )
    images = scenes(range(2))
    images.items[0].facts["model_digest"] = "made-it"
    assert took_part(tmp_path, images) == {
        "made-it": "it made the images",
        "abc": "it filtered the images",
        "pixels-1": "it filtered the images",
    }


def test_held_out_images_of_training_patients_are_left_out(parts):
    mixed = scenes([*range(5), *range(1000, 1030)], name="held")
    null, left_out = null_of(replace(parts, held_out=mixed), AuditOptions())
    assert left_out["left_out_same_patient"] == 5
    assert len(null) == 30
    assert left_out["of_unknown_patients"] == 0
    with pytest.raises(InvalidInput, match="no held-out image"):
        null_of(replace(parts, held_out=scenes(range(5))), AuditOptions())


def test_images_of_unknown_patients_set_no_threshold_where_others_are_enough(parts):
    held = scenes(range(1000, 1320), name="held")
    for item in held.items[:21]:
        object.__setattr__(item, "patient", item.name)
    null, left_out = null_of(replace(parts, held_out=held), AuditOptions())
    assert left_out["left_out_unknown_patient"] == 21
    assert all(item.patient_known for item in null.items)
    few = held.take(range(100))
    null, left_out = null_of(replace(parts, held_out=few), AuditOptions())
    assert (len(null), left_out["of_unknown_patients"]) == (100, 21)


def test_folders_are_read_and_what_cannot_be_is_said(tmp_path):
    for n in range(3):
        levels = np.round(scene(n) * 255).astype(np.uint8)
        Picture.fromarray(levels).save(tmp_path / f"{n}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("not an image")
    found = read_set(tmp_path, "synthetic", tmp_path / "cache")
    assert [item.name for item in found.items] == ["0.png", "1.png", "2.png"]
    assert found[1] == pytest.approx(scene(1), abs=1 / 255)
    assert [name for name, _ in found.unread] == ["broken.png"]
    with pytest.raises(NotFound):
        read_set(tmp_path / "none", "train", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="no image"):
        read_set(tmp_path / "empty", "train", tmp_path)
    assert read_canaries(tmp_path) is None


def test_the_shipped_detector_brings_a_copy_near():
    detector = load_detector()
    rng = np.random.default_rng(0)
    known = detector([scene(n) for n in range(12)])
    asked = detector([TRANSFORMS["resampled"](scene(n), rng) for n in range(12)])
    assert ((asked @ known.T).argmax(1) == np.arange(12)).mean() > 0.9
    assert np.linalg.norm(known, axis=1) == pytest.approx(1, abs=1e-3)


def test_a_changed_detector_is_refused(tmp_path):
    (tmp_path / "copies.json").write_text('{"digest": "0"}')
    (tmp_path / "copies.onnx").write_bytes(b"other")
    with pytest.raises(InvalidInput, match="changed"):
        load_detector(tmp_path / "copies.json")


def people(numbers, source="made"):
    return [
        Item(name=str(n), sha256=str(n), kind="k", patient=f"p{n}", source=source) for n in numbers
    ]


def test_members_and_others_are_matched_by_source_and_kind():
    members = people(range(50)) + people(range(50, 60), "rare")
    others = people(range(100, 130)) + people(range(130, 140), "third") + people([3])
    found = membership.matched(members, others, 1000, 0)
    assert len(found.members) == len(found.others) == 30
    assert {members[i].source for i in found.members} == {"made"}
    assert "p3" not in {members[i].patient for i in found.members}


def test_a_leak_is_told_from_a_difference_of_sets():
    """Known truth: shifted members leak; two equal sets do not, and their controls are alike."""
    rng = np.random.default_rng(0)
    who = [f"a{i}" for i in range(400)], [f"b{i}" for i in range(400)]
    leak = membership.attack(rng.normal(1, 1, 400), rng.normal(0, 1, 400), who)
    fair = membership.attack(rng.normal(0, 1, 400), rng.normal(0, 1, 400), who)
    assert membership.leaks(leak) and not membership.leaks(fair)
    for control in leak["controls"].values():
        assert control["auc"]["low"] < 0.5 < control["auc"]["high"]
    with pytest.raises(InvalidInput, match="too few"):
        membership.attack(np.zeros(5), np.zeros(5), (who[0][:5], who[1][:5]))


def test_quantile_regression_finds_the_quantile_of_a_known_law():
    """loss = 2 x + noise in 0-1: its 10 % quantile is 2 x + 0.1."""
    rng = np.random.default_rng(0)
    facts = rng.normal(size=(3000, 1))
    losses = 2 * facts[:, 0] + rng.uniform(0, 1, 3000)
    slope, constant = membership.quantile_regression(facts, losses, 0.1)
    assert (slope, constant) == pytest.approx((2, 0.1), abs=0.03)


def test_quantile_membership_keeps_its_false_alarms_whatever_the_images():
    """Losses depend on the image; members' are lower by as much as the noise."""
    rng = np.random.default_rng(1)
    facts = [rng.normal(size=(800, 2)) for _ in range(2)]
    losses = [
        5 * f[:, 0] + rng.normal(-shift, 1, 800) for f, shift in zip(facts, (2, 0), strict=True)
    ]
    found = membership.quantile_scores((losses[0], losses[1]), (facts[0], facts[1]), 0.05)
    assert found["fpr"]["low"] <= 0.05 <= found["fpr"]["high"]
    assert found["tpr"]["estimate"] == pytest.approx(0.64, abs=0.09)  # Phi(-1.645 + 2)


def labelled(number, finding, patient=None):
    return Item(
        name=str(number),
        sha256=str(number),
        kind="chest x-ray",
        patient=patient or f"p{number}",
        source="made",
        concepts=("modality:x-ray", "body_part:chest", finding),
        facts={"sex": "F" if number % 2 else "M"},
    )


def test_singling_out_counts_descriptions_of_one_patient_alone():
    synthetic = [labelled(0, "finding:pneumonia"), labelled(1, "finding:normal")]
    members = [
        labelled(0, "finding:pneumonia"),
        labelled(1, "finding:normal"),
        labelled(3, "finding:normal"),
    ]
    others = [labelled(n, "finding:normal") for n in (1, 3, 5)]
    found = risks.singling_out(synthetic, members, others)
    assert (found["attack"]["found"], found["control"]["found"]) == (1, 0)


def test_linkability_and_inference_against_known_truth():
    items = [labelled(n, "finding:pneumonia", f"p{n // 2}") for n in range(40)]
    same, apart = np.arange(40) // 2, np.arange(40)
    linked = risks.linkability((same, apart), (items, items))
    assert (linked["attack"]["found"], linked["control"]["found"]) == (20, 0)
    assert linked["risk"] > 0.8
    synthetic = [
        labelled(n, "finding:pneumonia" if n < 20 else "finding:normal") for n in range(40)
    ]
    told = risks.inference((np.arange(40) % 20, 20 + np.arange(40) % 20), (items, items), synthetic)
    assert (told["attack"]["found"], told["control"]["found"]) == (40, 0)


def test_a_patient_is_recognised_where_the_other_images_are_nearer():
    items = [labelled(n, "finding:normal", f"p{n // 2}") for n in range(100)]
    nearest = np.arange(0, 100, 2)

    def alike(rows, columns):
        return np.array(
            [float(nearest[r] // 2 == c // 2) for r, c in zip(rows, columns, strict=True)]
        )

    assert risks.recognised(alike, nearest, items)["auc"] == 1
    rng = np.random.default_rng(0)
    chance = risks.recognised(lambda rows, columns: rng.random(len(rows)), nearest, items)
    assert chance["low"] < 0.5 < chance["high"]
    assert risks.recognised(alike, nearest[:5], items) is None


def test_coverage_names_what_is_lacking_and_thin():
    real = [labelled(n, "finding:pneumonia" if n < 50 else "finding:normal") for n in range(100)]
    synthetic = [labelled(n, "finding:pneumonia") for n in range(1, 80, 2)]
    found = coverage(synthetic, real)
    standing = {row["class"]: row["standing"] for row in found["classes"]}
    assert standing["finding: normal"] == "lacking"
    assert standing["sex: M"] == "lacking"
    assert standing["finding: pneumonia"] == "there"
    knees = [replace(item, kind="knee x-ray") for item in real]
    assert coverage(synthetic, knees)["kinds_without_synthetic_images"] == ["knee x-ray"]


def test_the_search_hands_the_right_image_to_the_second_look(tmp_path):
    search = Search.of(scenes(range(30)), [PIXELS], tmp_path, telling)
    look = search.look(scenes(range(5)))
    assert look.nearest.tolist() == [0, 1, 2, 3, 4]
    assert look.scores["aligned"] == pytest.approx(np.ones(5), abs=1e-3)
    again = search.look(scenes(range(5)))
    assert np.array_equal(again.scores["aligned"], look.scores["aligned"])


def test_a_data_set_whose_test_split_is_empty_can_have_been_trained_on(tmp_path):
    (tmp_path / "pictures").mkdir()
    for n in range(3):
        levels = np.round(scene(n) * 255).astype(np.uint8)
        Picture.fromarray(levels).save(tmp_path / f"pictures/{n}.png")
    places = [str(tmp_path / "pictures"), "-o", str(tmp_path / "set")]
    labels = ["--modality", "x-ray", "--body-part", "chest", "--text", "keep", "--test-share", "0"]
    said = CliRunner().invoke(cli, ["import", *places, *labels])
    assert said.exit_code == 0, said.output
    assert len(read_set(tmp_path / "set", "train", tmp_path / "cache")) == 3
    with pytest.raises(InvalidInput, match="lists no image"):  # never the other split
        read_set(tmp_path / "set", "held-out", tmp_path / "cache")


def test_risks_are_not_asked_where_no_people_are_alike():
    """A hospital's own images, and held-out ones of another source: it is said, not a fault."""
    sides = [
        ImageSet(
            [
                Item(name=f"{source}{n}", sha256="", kind="chest x-ray", patient=f"{source}{n}",
                     source=source, facts={"trained_on": "1"})
                for n in range(4)
            ],
            lambda i: scene(i),
        )
        for source in ("ours", "theirs")
    ]  # fmt: skip
    found = inferring._risks(None, None, None, tuple(sides), AuditOptions())
    assert found == {"singling_out": None, "linkability": None, "inference": None}
    none = {"auc": None, "beyond_chance": False, "synthetic": None, "held_out": None}
    said = page._risks({"risks": found, "risks_not_done": "nobody alike", "recognised": none})
    assert [row[1] for row in said.rows[:3]] == ["nobody alike"] * 3
