"""Metrics against closed forms, brute force and an independent implementation."""

import numpy as np
import pytest

from radsmith.errors import InvalidInput
from radsmith.evaluation.metrics import (
    frechet_distance,
    kernel_distance,
    ms_ssim,
    neighbours,
    ssim_parts,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def with_moments(rng, mean, covariance, n=50):
    """n rows whose sample mean and covariance are exactly these."""
    x = rng.standard_normal((n, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_of_known_gaussians(rng):
    one = with_moments(rng, np.zeros(3), np.diag([1.0, 4.0, 9.0]))
    two = with_moments(rng, np.array([1.0, 2.0, 2.0]), np.diag([4.0, 4.0, 1.0]))
    assert frechet_distance(one, two) == pytest.approx(9 + 1 + 0 + 4)


def test_frechet_distance_of_covariances_that_do_not_commute(rng):
    a, b = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[3.0, 0.0], [0.0, 0.5]])
    product = np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a @ b))  # tr(M^1/2)^2 of a 2x2
    wanted = np.trace(a) + np.trace(b) - 2 * np.sqrt(product)
    got = frechet_distance(with_moments(rng, np.zeros(2), a), with_moments(rng, np.zeros(2), b))
    assert got == pytest.approx(wanted)


def test_frechet_distance_is_a_distance_of_few_images_too(rng):
    few, many = rng.standard_normal((5, 20)), rng.standard_normal((9, 20))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(few, many) == pytest.approx(frechet_distance(many, few))


def test_kernel_distance_is_the_brute_force_one(rng):
    one, two = rng.standard_normal((6, 3)), rng.standard_normal((5, 3)) + 0.3

    def k(x, y):
        return (x @ y / 3 + 1) ** 3

    within = np.mean([k(a, b) for i, a in enumerate(one) for j, b in enumerate(one) if i != j])
    other = np.mean([k(a, b) for i, a in enumerate(two) for j, b in enumerate(two) if i != j])
    across = np.mean([k(a, b) for a in one for b in two])
    got = kernel_distance(one, two, rng, resamples=0)
    assert got.estimate == pytest.approx(within + other - 2 * across)
    assert (got.n_real, got.n_generated) == (6, 5)


def test_kernel_distance_is_unbiased_and_its_interval_honest():
    estimates, covered = [], 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        one, two = rng.standard_normal((2, 60, 4))
        got = kernel_distance(one, two, rng, resamples=100)
        estimates.append(got.estimate)
        covered += got.low <= 0 <= got.high
    assert abs(np.mean(estimates)) < 3 * np.std(estimates) / np.sqrt(60)
    assert covered >= 50
    far = kernel_distance(one, two + 1, rng)
    assert far.low > 0


def test_neighbours_of_the_same_and_of_far_sets(rng):
    real = rng.standard_normal((200, 3))
    same = neighbours(real, real)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    far = neighbours(real, real + 100)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)


def test_density_and_coverage_of_independent_samples_have_their_expected_values():
    rng = np.random.default_rng(1)
    real, generated = rng.standard_normal((2, 800, 4))
    got = neighbours(real, generated, k=5)
    assert got.density == pytest.approx(1, abs=0.1)  # Naeem 2020, lemma 1
    assert got.coverage == pytest.approx(1 - 1 / 2**5, abs=0.02)  # lemma 2, equal n


def test_collapse_costs_recall_and_coverage_not_precision(rng):
    real = rng.standard_normal((300, 3))
    collapsed = real[:1] + 0.001 * rng.standard_normal((300, 3))
    got = neighbours(real, collapsed)
    assert got.precision == 1 and got.recall < 0.05 and got.coverage < 0.1


def test_ssim_is_that_of_scikit_image(rng):
    metrics = pytest.importorskip("skimage.metrics")
    one = rng.random((64, 80))
    two = np.clip(one + 0.2 * rng.standard_normal(one.shape), 0, 1)
    luminance, contrast = ssim_parts(one, two)
    _, full = metrics.structural_similarity(
        one, two, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        full=True,
    )  # fmt: skip
    np.testing.assert_allclose(luminance * contrast, full[5:-5, 5:-5], atol=1e-9)


def test_ms_ssim_is_one_for_the_same_and_falls_with_noise(rng):
    image = rng.random((200, 180))
    noise = rng.standard_normal(image.shape)
    values = [ms_ssim(image, np.clip(image + s * noise, 0, 1)) for s in (0, 0.05, 0.2, 0.6)]
    assert values[0] == pytest.approx(1)
    assert values == sorted(values, reverse=True) and values[-1] < 0.9


def test_ms_ssim_of_flat_images_is_the_luminance_term_of_the_last_scale():
    one, two = np.full((176, 176), 0.2), np.full((176, 176), 0.6)
    luminance = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert ms_ssim(one, two) == pytest.approx(luminance**0.1333)


@pytest.mark.parametrize(
    "call",
    [
        lambda: frechet_distance(np.zeros((1, 3)), np.zeros((5, 3))),
        lambda: frechet_distance(np.zeros((5, 3)), np.zeros((5, 4))),
        lambda: frechet_distance(np.full((5, 3), np.nan), np.zeros((5, 3))),
        lambda: neighbours(np.zeros((5, 3)), np.zeros((9, 3))),
        lambda: ms_ssim(np.zeros((100, 200)), np.zeros((100, 200))),
        lambda: ms_ssim(np.zeros((200, 200)), np.zeros((200, 201))),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(InvalidInput):
        call()
