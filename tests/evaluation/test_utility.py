"""Usefulness: scores against closed forms, and an experiment whose outcome is known."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from radsmith.errors import InvalidInput
from radsmith.evaluation.audit.search import AuditSpace
from radsmith.evaluation.audit.sets import ImageSet, Item
from radsmith.evaluation.features import pixel_space
from radsmith.evaluation.utility import heads, scores
from radsmith.evaluation.utility.arms import PRETRAINED, REAL, arm_names, composed, on_features
from radsmith.evaluation.utility.experiment import UtilityOptions, UtilitySets, run_task
from radsmith.evaluation.utility.files import write_utility
from radsmith.evaluation.utility.leakage import without_leaks
from radsmith.evaluation.utility.page import sentence
from radsmith.evaluation.utility.tasks import UtilityTask, tasks_of

pytestmark = pytest.mark.slow


CHEST = ("modality:x-ray", "body_part:chest")
SICK, WELL = "finding:pneumonia", "finding:normal"
KIND = "chest x-ray"


def lung(number, sick, contrast=0.25):
    rng = np.random.default_rng([9, number])
    image = rng.normal(0.4, 0.2, (16, 16)).repeat(2, 0).repeat(2, 1)
    image[8:16, 8:16] += contrast * sick
    return np.clip(image, 0, 1).astype(np.float32)


def lungs(first, count, *, contrast=0.25, wrong=0.0, name="real"):
    """Half of them sick; wrong: share whose label says the opposite."""
    rng = np.random.default_rng(first)
    sick = [n % 2 == 0 for n in range(count)]
    said = [s != (rng.random() < wrong) for s in sick]
    items = [
        Item(
            name=f"{name}{first + n}",
            sha256=f"{name}{first + n}",
            kind=KIND,
            patient=f"p{first + n}",
            source="made",
            concepts=(*CHEST, SICK if s else WELL, *(("severity:mild",) if s else ())),
            facts={"sex": "FM"[n // 2 % 2]},
        )
        for n, s in enumerate(said)
    ]
    return ImageSet(items, lambda i: lung(first + i, sick[i], contrast))


@pytest.fixture(scope="module")
def sets():
    return UtilitySets(
        train=lungs(0, 120), test=lungs(1000, 80), synthetic=lungs(2000, 200, name="made")
    )


def test_average_precision_is_that_of_others():
    rng = np.random.default_rng(0)
    for _ in range(5):
        positive, values = rng.random(60) < 0.3, rng.integers(0, 12, 60).astype(float)
        theirs = average_precision_score(positive, values)
        assert scores.average_precision(values, positive) == pytest.approx(theirs)


def test_calibration_error_of_known_chances():
    rng = np.random.default_rng(0)
    chance = rng.random(40000)
    positive = rng.random(40000) < chance
    assert scores.calibration_error(chance, positive) < 0.01
    assert scores.calibration_error(np.full(1000, 0.9), np.arange(1000) < 500) == pytest.approx(0.4)


def test_logistic_regression_is_that_of_others():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    y = (x[:, 0] - x[:, 1] + rng.normal(size=200) > 0).astype(float)
    found = heads.fit(x, y[:, None])[:, 0]
    theirs = LogisticRegression(C=1 / heads.PENALTY, tol=1e-8).fit(x, y)
    assert found[:-1] == pytest.approx(theirs.coef_[0], abs=2e-3)
    assert found[-1] == pytest.approx(theirs.intercept_[0], abs=2e-3)


def test_fine_tuning_stays_near_what_was_learned_where_there_is_little():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 3))
    start = np.array([[2.0], [-1.0], [0.5], [0.0]])
    unknown = np.full((4, 1), np.nan)
    assert heads.fit(x, unknown, start) == pytest.approx(start)


def test_the_bootstrap_draws_whole_patients_of_both_classes():
    patients = [f"p{i // 3}" for i in range(60)]
    positive = np.arange(60) < 30
    for draw in scores.patient_draws(patients, positive, 20, 0):
        assert len(draw) == 60
        counts = np.bincount(draw, minlength=60).reshape(20, 3)
        assert (counts == counts[:, :1]).all()
        assert positive[draw].sum() == 30


def test_a_bootstrap_interval_covers_the_truth():
    """AUROC of two Gaussians one spread apart is 0.760."""
    inside = []
    for k in range(40):
        rng = np.random.default_rng(k)
        positive = np.arange(120) < 60
        values = rng.normal(positive, 1)
        draws = scores.patient_draws([str(i) for i in range(120)], positive, 100, k)
        found = scores.with_interval(scores.auroc_draws([values], positive, draws))
        inside.append(found["low"] <= 0.760 <= found["high"])
    assert np.mean(inside) >= 0.85


def test_arms_are_made_of_what_they_say():
    real, made, changed = np.arange(10), np.arange(10, 30), np.arange(30, 40)
    rng = np.random.default_rng(0)
    training = {n: composed(n, real, made, changed, rng) for n in arm_names(20)}
    assert training[REAL].main.tolist() == real.tolist()
    assert len(training["mixed 1:0.5"].main) == 15
    assert set(training["mixed 1:2"].main) == set(range(30))
    assert set(training["real and augmented"].main) == {*real, *changed}
    assert set(training[PRETRAINED].first) == set(made)
    assert not set(training["synthetic"].main) & set(real)
    assert arm_names(0) == [REAL, "real and augmented"]


def test_useful_images_are_found_useful_and_mislabelled_ones_harmful(sets):
    """Known truth: synthetic images of the same law help few real ones; wrong labels harm."""
    task = UtilityTask(kind=KIND, findings=(SICK,))
    options = UtilityOptions(most=200, seeds=3)
    spoilt = UtilitySets(
        train=sets.train, test=sets.test, synthetic=lungs(2000, 200, wrong=1.0, name="made")
    )
    gain = {}
    for name, some in (("good", sets), ("spoilt", spoilt)):
        report = run_task(task, some, {"pixels": pixel_space}, options)
        few = report["curves"][0]
        assert few["real_images"] == 50
        gain[name] = {r["arm"]: r["gain"] for r in few["rows"]}
    assert gain["good"]["mixed 1:2"]["low"] > 0
    assert gain["spoilt"]["synthetic"]["high"] < 0
    row = report["curves"][-1]["rows"][0]
    assert row["recall_by_severity"]["mild"]["n"] == 40
    assert {g["group"] for g in row["groups"]} == {"sex: F", "sex: M", "source: made"}


def test_the_report_is_a_page_with_every_arm(sets, tmp_path):
    task = UtilityTask(kind=KIND, findings=(SICK,))
    result = run_task(task, sets, {"pixels": pixel_space}, UtilityOptions(most=80))
    report = {
        "sentence": sentence([result]),
        "seeds": 3,
        "backbones": ["pixels"],
        "left_out": "",
        "leakage": {
            "training_images_of_test_patients": 0,
            "synthetic_copies_of_test_images": 0,
            "expected_by_chance": 2.0,
        },
        "made": "2026-01-01",
        "tasks": [result],
    }
    page = write_utility(tmp_path, report).read_text(encoding="utf-8")
    for arm in arm_names(1):
        assert arm in page
    assert json.loads((tmp_path / "utility.json").read_text())["tasks"]
    assert "of 8 comparisons" in report["sentence"]


def test_leaks_are_taken_out_and_counted(sets, tmp_path):
    copies = [lung(1000 + n, n % 2 == 0) for n in range(6)]
    items = [Item(name=f"c{n}", sha256=f"c{n}", kind=KIND, patient=f"c{n}") for n in range(6)]
    own = sets.synthetic.take(range(20))
    mixed = ImageSet([*items, *own.items], lambda i: copies[i] if i < 6 else own[i - 6])
    train = ImageSet(
        [*sets.train.items, sets.test.items[0]],
        lambda i: sets.train[i] if i < 120 else sets.test[0],
    )
    space = AuditSpace(name="detector", space=pixel_space, digest="pixels-1")
    test = sets.test.take(range(30))
    some = UtilitySets(train=train, test=test, synthetic=mixed)
    kept, report = without_leaks(some, space, tmp_path, 0, lambda *said: None, strangers=60)
    assert report["training_images_of_test_patients"] == 1
    assert not {i.name for i in kept.synthetic.items} & {f"c{n}" for n in range(6)}
    assert report["synthetic_copies_of_test_images"] <= 9


def test_tasks_are_found_by_what_there_is_enough_of(sets):
    tasks = tasks_of(sets.train.items, sets.test.items, None, ())
    assert [(t.kind, t.findings) for t in tasks] == [(KIND, (SICK,))]
    assert tasks_of(sets.train.items, sets.test.items, KIND, ("pneumonia",))
    with pytest.raises(InvalidInput, match="no finding of"):
        tasks_of(sets.train.items, sets.test.items, "knee x-ray", ())
    with pytest.raises(InvalidInput, match="no finding “tumbler”"):
        tasks_of(sets.train.items, sets.test.items, None, ("tumbler",))
    with pytest.raises(InvalidInput, match="3 seeds"):
        UtilityOptions(seeds=2)


def test_frozen_features_learn_from_the_numbers_they_are_given():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 2))
    labels = (features[:, :1] > 0).astype(float)
    learner = on_features(features, labels, np.array([[3.0, 0], [-3.0, 0]]))
    chance = learner(composed(REAL, np.arange(60), np.arange(0), np.arange(0), rng), 0)
    assert chance[0, 0] > 0.9 > 0.1 > chance[1, 0]
