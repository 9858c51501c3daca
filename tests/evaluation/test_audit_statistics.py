"""Every statistic against a closed form, a published value or a simulation with known truth."""

import math

import numpy as np
import pytest

from radsmith.errors import InvalidInput
from radsmith.evaluation.audit import statistics as st


@pytest.mark.parametrize(
    ("found", "n", "low", "high"),
    [(0, 59, 0, 1 - 0.025 ** (1 / 59)), (0, 300, 0, 0.01222), (190, 200, 0.910, 0.976),
     (50, 100, 0.3983, 0.6017), (100, 100, 0.025 ** (1 / 100), 1)],
)  # fmt: skip
def test_exact_intervals(found, n, low, high):
    """Closed form at the ends (1 - 0.025^(1/n)), tables elsewhere."""
    assert st.binomial_interval(found, n) == pytest.approx((low, high), abs=6e-4)


def test_an_exact_interval_covers_at_least_its_level():
    n, p = 40, 0.13
    mass = np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])
    inside = [low <= p <= high for low, high in (st.binomial_interval(k, n) for k in range(n + 1))]
    assert mass[inside].sum() >= 0.95


def test_a_share_says_its_numbers_and_refuses_what_is_none():
    assert st.Share(found=0, n=0).said()["estimate"] is None
    with pytest.raises(InvalidInput):
        st.binomial_interval(3, 2)


@pytest.mark.parametrize(
    ("m", "r", "v", "delta", "epsilon"),
    [(100, 100, 100, 0, 3.4930), (1000, 600, 600, 1e-5, 5.2704), (200, 50, 40, 0, 0.7741),
     (200, 100, 62, 0, 0.1332), (40, 40, 40, 0, 2.554), (200, 100, 50, 0, 0)],
)  # fmt: skip
def test_one_run_bound(m, r, v, delta, epsilon):
    assert st.one_run_epsilon(m, r, v, delta) == pytest.approx(epsilon, abs=6e-4)


def test_one_run_bound_holds_for_randomised_response():
    """An epsilon-DP mechanism is answered truly with probability e^eps / (1 + e^eps)."""
    rng, epsilon, m = np.random.default_rng(0), 1.0, 200
    right = rng.binomial(m, 1 / (1 + math.exp(-epsilon)), 400)
    bounds = np.array([st.one_run_epsilon(m, m, int(v)) for v in right])
    assert (bounds <= epsilon).mean() >= 0.93
    assert bounds.mean() > 0.5


def test_gaussian_reading():
    assert st.gaussian_mu(0.10, 0.01) == pytest.approx(1.0448, abs=1e-4)
    assert st.gaussian_mu(0.01, 0.01) == 0
    low = st.gaussian_bound(st.Share(found=300, n=1000), st.Share(found=10, n=1000))
    assert 0 < low < st.gaussian_mu(0.3, 0.01)


def test_area_of_two_gaussians_and_its_interval():
    """Phi(d / sqrt 2) for means d apart; the interval covers it about 95 times of 100."""
    d, rng = 1.0, np.random.default_rng(0)
    truth = 0.5 * (1 + math.erf(d / 2))
    found = [st.area(rng.normal(d, 1, 80), rng.normal(0, 1, 60)) for _ in range(300)]
    assert np.mean([value for value, _, _ in found]) == pytest.approx(truth, abs=0.01)
    assert 0.91 <= np.mean([low <= truth <= high for _, low, high in found]) <= 0.99


def test_area_where_all_is_told_apart():
    value, low, high = st.area(np.arange(60.0) + 100, np.arange(60.0))
    assert (value, low, high) == (1, 0.95, 1)


def test_rates_at_few_false_alarms_keep_their_rate():
    rng = np.random.default_rng(1)
    negative = rng.normal(size=1000)
    hits, alarms = st.rate_at(rng.normal(2.326, 1, 1000), negative, 0.01)
    assert alarms.found <= 10
    assert hits.estimate == pytest.approx(0.5, abs=0.06)  # threshold at the mean of the positives
    with pytest.raises(InvalidInput):
        st.threshold_at(negative[:50], 0.01)


def test_the_rarest_rate_needs_a_thousand():
    rng = np.random.default_rng(2)
    few = st.attack_figures(rng.normal(size=300), rng.normal(size=300))
    many = st.attack_figures(rng.normal(size=1000), rng.normal(size=1000))
    assert few["tpr_at_0.001"] is None
    assert many["tpr_at_0.001"]["n"] == 1000


def test_exposure():
    assert st.exposure(1, 1024) == 10
    assert st.exposure(1024, 1024) == 0


def test_memorization_index_of_the_null_itself():
    null = np.random.default_rng(3).normal(5, 2, 5000)
    index = st.memorization_index(null, null)
    assert (index.mean(), index.std()) == pytest.approx((0, 1), abs=1e-9)
    assert st.novelty(np.array([0.0, 50.0])) == pytest.approx([0, -1])


def test_risk_of_an_attack_beside_its_control():
    """Equal rates are no risk; 80 % against 60 % is half of what was left to learn."""
    assert st.attack_risk(st.Share(found=300, n=1000), st.Share(found=300, n=1000))["risk"] == 0
    found = st.attack_risk(st.Share(found=8000, n=10000), st.Share(found=6000, n=10000))
    assert found["risk"] == pytest.approx(0.5, abs=0.001)
    assert found["low"] < 0.5 < found["high"]
