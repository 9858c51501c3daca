"""Private moments: the accountant against closed forms, the noise against what is promised."""

import numpy as np
import pytest

from radsmith.errors import InvalidInput
from radsmith.training.private_moments import (
    composed_mu,
    gaussian_delta,
    gaussian_mu,
    private_moments,
    usable_directions,
    variance_held,
)


def test_the_accountant_is_exact():
    """delta(mu = 1, epsilon = 1) = Phi(-1/2) - e Phi(-3/2)."""
    assert gaussian_delta(1, 1) == pytest.approx(0.308538 - np.e * 0.0668072, abs=1e-5)
    for epsilon in (0.5, 3, 8):
        assert gaussian_delta(gaussian_mu(epsilon, 1e-5), epsilon) == pytest.approx(1e-5, rel=1e-6)
    assert composed_mu(3, 4) == 5
    with pytest.raises(InvalidInput):
        gaussian_mu(0, 1e-5)


def test_the_noise_is_as_large_as_is_promised():
    rng = np.random.default_rng(0)
    rows = np.zeros((50, 40))
    found = private_moments(rows, 1, 2, 1e-5, rng)
    part = gaussian_mu(2, 1e-5) / np.sqrt(2)
    assert found.mean.std() == pytest.approx(2 / (50 * part), rel=0.3)
    assert found.noise == pytest.approx(np.sqrt(2) / (50 * part))


def test_one_patient_moves_the_sums_no_further_than_the_noise_allows_for():
    rng = np.random.default_rng(1)
    for _ in range(20):
        one, two = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 6)))
        assert np.linalg.norm(one - two) <= 2
        assert np.linalg.norm(np.outer(one, one) - np.outer(two, two)) <= np.sqrt(2) + 1e-9


def test_many_patients_keep_what_few_lose():
    rng = np.random.default_rng(2)
    spread = 1 / np.arange(1, 21)
    held = rng.normal(size=(500, 20)) * spread
    true = np.diag(spread**2)
    kept, usable = [], []
    for n in (100, 100_000):
        found = private_moments(rng.normal(size=(n, 20)) * spread, 1.3, 1, 1e-5, rng)
        kept.append(variance_held(found.covariance, held, 3))
        usable.append(usable_directions(true, found.noise))
    assert kept[0] < kept[1] - 0.2
    assert usable[0] <= 1 and usable[1] >= 10
    assert kept[1] == pytest.approx(variance_held(true, held, 3), abs=0.02)
