"""Acceptance sampling: published values, scipy, and simulations with a fixed seed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsmith.errors import InvalidInput
from radsmith.evaluation.exact import (
    binomial_at_most,
    clopper_pearson,
    hypergeometric_at_most,
    incomplete_beta,
    t_quantile,
    upper_bound,
)
from radsmith.review.sampling import (
    Sensitivity,
    bound_by_reader,
    defect_bound,
    lot_bound,
    reads_needed,
    rest_bound,
)
from radsmith.review.sequential import Sequential, real_errors


@pytest.mark.parametrize(
    ("rate", "n"),
    [(0.1, 29), (0.05, 59), (0.03, 99), (0.02, 149), (0.01, 299), (0.005, 598), (0.001, 2995)],
)
def test_reads_without_a_defect(rate, n):
    assert reads_needed(rate) == n
    assert defect_bound(0, n) <= rate < defect_bound(0, n - 1)


def test_other_published_values():
    assert reads_needed(0.01, 0.99) == 459
    assert upper_bound(0, 59) == pytest.approx(0.04951, abs=5e-6)
    assert upper_bound(0, 300) == pytest.approx(0.009936, abs=5e-7)
    assert clopper_pearson(0, 300) == pytest.approx((0, 0.01222), abs=5e-6)
    assert clopper_pearson(3, 100) == pytest.approx((0.00623, 0.08518), abs=5e-6)
    assert clopper_pearson(10, 100) == pytest.approx((0.04900, 0.17622), abs=5e-6)
    for n, points in ((50, 14.5), (100, 10.2), (154, 8.2), (200, 7.1), (300, 5.8)):
        low, high = clopper_pearson(n // 2, n)
        assert 50 * (high - low) == pytest.approx(points, abs=0.06)


@pytest.mark.parametrize(
    ("n", "most", "accepted", "rate"),
    [
        (125, 3, 0.95, 0.0110),
        (125, 3, 0.10, 0.0527),
        (200, 5, 0.95, 0.0131),
        (200, 5, 0.10, 0.0459),
        (59, 0, 0.95, 0.00087),
        (59, 0, 0.10, 0.0383),
        (93, 1, 0.05, 0.0500),
    ],
)
def test_operating_characteristics_of_single_plans(n, most, accepted, rate):
    above, below = binomial_at_most(most, n, rate - 6e-5), binomial_at_most(most, n, rate + 6e-5)
    assert below - 2e-3 <= accepted <= above + 2e-3


def test_scipy_agrees():
    from scipy import special, stats

    random = np.random.default_rng(5)
    for _ in range(200):
        a, b, x = random.uniform(0.1, 400), random.uniform(0.1, 400), random.random()
        assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), abs=1e-12)
        lot = int(random.integers(2, 500))
        defects, n = (int(v) for v in random.integers(1, lot + 1, 2))
        k = int(random.integers(0, n + 1))
        theirs = stats.hypergeom.cdf(k, lot, defects, n)
        assert hypergeometric_at_most(k, lot, defects, n) == pytest.approx(theirs, abs=1e-9)
        found = stats.binomtest(min(k, n), n).proportion_ci(0.95, "exact")
        assert clopper_pearson(k, n) == pytest.approx((found.low, found.high), abs=1e-9)
    for degrees in (1, 2, 5, 30, 1000):
        assert t_quantile(0.975, degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-9)


@given(st.integers(1, 400), st.floats(0.02, 0.3), st.sampled_from([1.0, 0.9, 0.7]))
def test_a_small_lot_needs_fewer_reads(lot, rate, sensitivity):
    try:
        n = reads_needed(rate, lot=lot, sensitivity=sensitivity)
    except InvalidInput as error:
        assert sensitivity < 1
        assert "read twice" in str(error)
        return
    assert n <= min(lot, reads_needed(rate, sensitivity=sensitivity))
    assert lot_bound(0, n, lot, sensitivity=sensitivity) <= rate
    assert n == 1 or lot_bound(0, n - 1, lot, sensitivity=sensitivity) > rate


def test_all_read_is_all_known():
    assert lot_bound(3, 100, 100) == 0.03
    assert rest_bound(3, 100, 100) == 0
    assert rest_bound(3, 100, 100, sensitivity=0.8) > 0  # some were overlooked


@pytest.mark.parametrize("sensitivity", [1.0, 0.8])
def test_bounds_of_a_lot_hold(sensitivity):
    """Simulated: the bound is at least the truth 95 times of 100, whatever was overlooked."""
    random = np.random.default_rng(11)
    lot, n, runs = 400, 80, 1500
    for defects in (4, 20, 60):
        held = 0
        for _ in range(runs):
            drawn = random.hypergeometric(defects, lot - defects, n)
            seen = random.binomial(drawn, sensitivity)
            held += _bound(seen, n, lot, sensitivity) * lot >= defects
        assert held / runs >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / runs)


def _bound(seen, n, lot, sensitivity, known={}):  # noqa: B006
    key = seen, n, lot, sensitivity
    if key not in known:
        known[key] = lot_bound(int(seen), n, lot, sensitivity=sensitivity)
    return known[key]


def test_a_readers_own_sensitivity_enters():
    random = np.random.default_rng(12)
    rate, truth, runs, held, known = 0.05, 0.8, 1000, 0, {}
    for _ in range(runs):
        seen, found = random.binomial(150, rate * truth), random.binomial(40, truth)
        key = int(seen), int(found)
        known.setdefault(key, bound_by_reader(key[0], 150, None, key[1], 40))
        held += known[key] >= rate
    assert held / runs >= 0.95
    assert bound_by_reader(0, 59, None, 20, 20) > defect_bound(0, 59)
    assert bound_by_reader(0, 59, None, 0, 20) == 1
    assert Sensitivity.of(18, 20).low == pytest.approx(0.717, abs=1e-3)


@pytest.mark.parametrize(
    ("rates", "h0", "h1", "s", "earliest"),
    [
        ((0.01, 0.05), 1.3639, 1.7510, 0.0250, 55),
        ((0.02, 0.08), 1.5532, 1.9941, 0.0436, 36),
        ((0.05, 0.15), 1.8608, 2.3891, 0.0919, 21),
    ],
)
def test_walds_lines(rates, h0, h1, s, earliest):
    test = Sequential(good=rates[0], bad=rates[1])
    assert (test.accept_at, test.reject_at) == pytest.approx((h0, h1), abs=5e-5)
    assert test.slope == pytest.approx(s, abs=5e-5)
    assert test.earliest == earliest
    assert test.decide(0, earliest) == "accept"
    assert test.decide(0, earliest - 1) == "read on"


def test_a_truncated_tests_errors_are_what_simulation_finds():
    test = Sequential(good=0.02, bad=0.08, most=150)
    alpha, beta = real_errors(test)
    random = np.random.default_rng(13)
    for rate, wrong, error in ((0.02, "reject", alpha), (0.08, "accept", beta)):
        runs = 1500
        ends = [test.follow(random.random(150) < rate) for _ in range(runs)]
        share = sum(decision == wrong for decision, _ in ends) / runs
        assert share == pytest.approx(error, abs=4 * math.sqrt(error * (1 - error) / runs))
        mean = sum(n for _, n in ends) / runs
        assert mean == pytest.approx(test.operating(rate).reads, rel=0.05)
    assert alpha < 0.09
    assert beta < 0.11


@pytest.mark.parametrize(
    ("rates", "asn"), [((0.01, 0.05), (81, 58)), ((0.02, 0.08), (58, 45)), ((0.05, 0.15), (39, 34))]
)
def test_expected_reads_come_near_walds(rates, asn):
    """Wald's figures leave out by how much the last read passes the line, so they are lower."""
    test = Sequential(good=rates[0], bad=rates[1], most=400)
    for rate, expected in zip(rates, asn, strict=True):
        assert 0.95 * expected <= test.operating(rate).reads <= 1.35 * expected


def test_what_cannot_be_is_refused():
    for call in (
        lambda: defect_bound(5, 4),
        lambda: lot_bound(1, 10, 9),
        lambda: reads_needed(0),
        lambda: Sequential(good=0.1, bad=0.05),
        lambda: Sequential(good=0.01, bad=0.05, most=20),
        lambda: Sequential(good=0.01, bad=0.05).operating(0.01),
        lambda: Sensitivity.of(0, 0),
    ):
        with pytest.raises(InvalidInput):
            call()
