"""The gate: fitted on one half, measured on the other; honest on what experts were shown."""

import math

import numpy as np
import pytest

from radsmith.errors import InvalidInput
from radsmith.evaluation.exact import lower_bound
from radsmith.review.gate import (
    choose_reads,
    corrected,
    fit_check,
    halves,
    largest_threshold,
    unsure,
)
from radsmith.review.sampling import lot_bound


def lot(seed, n=2000, rate=0.15, apart=1.2):
    """Scores of a gate of middling worth, and which images are defective."""
    random = np.random.default_rng(seed)
    defective = random.random(n) < rate
    return random.normal(defective * apart, 1), defective


def units(n):
    return [f"patient {i // 2}" for i in range(n)]


def test_the_threshold_is_the_largest_that_surely_meets_the_goal():
    scores, defective = lot(1)
    threshold, _ = largest_threshold(scores, defective, 0.8)
    bad = scores[defective]
    assert lower_bound(int((bad >= threshold).sum()), len(bad)) >= 0.8
    above = bad[bad > threshold].min()
    assert lower_bound(int((bad >= above).sum()), len(bad)) < 0.8


def test_it_is_measured_on_what_it_was_not_fitted_on():
    scores, defective = lot(2)
    names = units(len(scores))
    fitted = fit_check("check", scores, defective, names, [""] * len(scores))
    half = halves(names)
    assert half[::2].tolist() == half[1::2].tolist()  # a patient lies on one side
    test = ~half & defective
    assert fitted.sensitivity.n == test.sum()
    assert fitted.sensitivity.value == (scores[test] >= fitted.threshold).mean()
    # turning the test half round changes what is measured, not the threshold
    turned = np.where(half, scores, -scores)
    other = fit_check("check", turned, defective, names, [""] * len(scores))
    assert other.threshold == fitted.threshold
    assert other.sensitivity.value < 0.6 < fitted.sensitivity.value


def test_the_goal_is_met_on_new_images_nearly_always():
    met = 0
    for seed in range(40):
        scores, defective = lot(100 + seed, 1200)
        threshold, _ = largest_threshold(scores, defective, 0.8)
        fresh, bad = lot(900 + seed, 6000)
        met += (fresh[bad] >= threshold).mean() >= 0.8
    assert met / 40 >= 0.9


def test_too_few_verdicts_measure_nothing():
    scores, defective = lot(3, 100)
    fitted = fit_check("check", scores, defective, units(100), [""] * 100)
    assert fitted.threshold is None
    assert fitted.why.startswith("not measured: ")
    assert fitted.sensitivity.value is None
    scores, defective = lot(3, 900)
    groups = ["hand" if i % 9 == 0 else "chest" for i in range(900)]
    fitted = fit_check("check", scores, defective, units(900), groups)
    assert fitted.by_group["hand"][0].value is None
    assert "not measured" in fitted.by_group["hand"][0].in_words
    assert fitted.by_group["chest"][1].value > 0


def test_a_check_that_tells_nothing_is_not_sold_as_one():
    random = np.random.default_rng(4)
    scores, defective = random.normal(size=2000), random.random(2000) < 0.2
    fitted = fit_check("noise", scores, defective, units(2000), [""] * 2000)
    low, high = fitted.sensitivity.interval
    stopped = 1 - fitted.specificity.value
    assert low <= stopped + 0.08
    assert high >= stopped - 0.08


def test_reads_go_where_the_gate_is_unsure_and_a_tenth_to_chance():
    scores, _ = lot(5)
    chosen = choose_reads(scores, 1.0, 200, seed=3)
    assert len(chosen) == 200
    assert sum(how == "random" for _, how in chosen) == 20
    doubted = [scores[i] for i, how in chosen if how == "unsure"]
    assert max(abs(score - 1) for score in doubted) < 0.4
    assert choose_reads(scores, 1.0, 200, seed=3) == chosen
    assert [i for i, h in choose_reads(scores, 1.0, 200, seed=4) if h == "random"] != [
        i for i, h in chosen if h == "random"
    ]
    with pytest.raises(InvalidInput, match="at least 10%"):
        choose_reads(scores, 1.0, 200, seed=3, random_share=0.05)
    unseen = scores.copy()
    unseen[17] = math.nan
    assert unsure(unseen, 1.0)[0] == 17


def test_only_the_random_part_bounds_the_lot_honestly():
    """Bounds from chance's part hold 95 times of 100; those from all reads do not."""
    held = naive = 0
    runs, known = 400, {}
    for seed in range(runs):
        scores, defective = lot(2000 + seed, 600, rate=0.08, apart=-2.0)  # a gate that is mistaken
        chosen = choose_reads(scores, 0.5, 150, seed=seed, random_share=0.3)
        at = [i for i, how in chosen if how == "random"]
        key = int(defective[at].sum()), len(at)
        known.setdefault(key, lot_bound(*key, 600))
        held += known[key] >= defective.mean()
        everything = [i for i, _ in chosen]
        key = int(defective[everything].sum()), len(everything)
        known.setdefault(key, lot_bound(*key, 600))
        naive += known[key] >= defective.mean()
    assert held / runs >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / runs)
    assert naive / runs < 0.8


def test_verification_bias_is_corrected():
    """What experts saw because it was suspect makes the gate look better than it is."""
    errors, plain, covered = [], [], 0
    runs = 40
    for seed in range(runs):
        scores, defective = lot(3000 + seed, 3000)
        stopped = scores >= 1.0
        truth = stopped[defective].mean()
        doubted = np.zeros(len(scores), bool)
        doubted[np.argsort(-scores)[:400]] = True  # what is most suspect is read
        random = np.random.default_rng(seed)
        verified = doubted | (random.random(len(scores)) < 0.1)
        found = corrected(doubted.astype(np.int64), stopped, verified, defective)["sensitivity"]
        errors.append(found.value - truth)
        plain.append(stopped[verified & defective].mean() - truth)
        covered += found.interval[0] <= truth <= found.interval[1]
    assert abs(np.mean(errors)) < 0.02
    assert np.mean(plain) > 0.05
    assert covered / runs >= 0.85


def test_a_cell_without_verdicts_is_not_guessed():
    scores, defective = lot(6, 400)
    verified = scores >= 1.0
    found = corrected(np.zeros(400, np.int64), scores >= 1.0, verified, defective)
    assert found["sensitivity"].value is None
    assert "not measured" in found["sensitivity"].why
