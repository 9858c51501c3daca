"""Closed forms: the prior against dense linear algebra, samplers on paths with known ends."""

from dataclasses import replace

import numpy as np
import pytest

from radsmith.engines.default.conditional import Conditional
from radsmith.engines.default.evidence import log_evidence
from radsmith.engines.default.prior import Prior
from radsmith.engines.default.sampling import sample_euler, sample_multistep, timesteps, velocity_of
from radsmith.engines.model_files import load_engine


def small_prior(rng, rest_variance=0.01, pixels=36, basis=8, rank=3):
    directions = np.linalg.qr(rng.standard_normal((pixels, basis)))[0].astype(np.float32)
    axes = np.linalg.qr(rng.standard_normal((basis, rank)))[0].astype(np.float32)
    return Prior(
        center=rng.standard_normal(pixels).astype(np.float32) * 0.1,
        basis=directions,
        means=rng.standard_normal((1, basis)).astype(np.float32),
        group=np.zeros(1, np.int64),
        axes=axes[None],
        variances=np.array([[2.0, 1.0, 0.5]], np.float32),
        floor=np.array([0.1], np.float32),
        rest_variance=rest_variance,
    )


def covariance(prior):
    axes, basis = prior.axes[0].astype(float), prior.basis.astype(float)
    inside = prior.floor[0] * (np.eye(len(axes)) - axes @ axes.T)
    inside += axes @ np.diag(prior.variances[0]) @ axes.T
    rest = np.eye(len(basis)) - basis @ basis.T
    return basis @ inside @ basis.T + prior.rest_variance * rest


def posterior_mean(prior, known, mask, x_t, t, component=0):
    """By plain inversion: unknown pixels seen through noise, known ones within 2 rest variances."""
    g = prior.group[component]
    axes, floor = prior.axes[g].astype(float), float(prior.floor[g])
    inside = floor * (np.eye(len(axes)) - axes @ axes.T)
    inside += axes @ np.diag(prior.variances[g].astype(float)) @ axes.T
    basis = prior.basis.astype(float)
    own = float(prior.rest_variance)
    gain = np.where(mask > 0, (1 - t) / (t**2 + (1 - t) ** 2 * own), 1 / (2 * own))
    weight = np.where(mask > 0, (1 - t) * gain, 1 / (2 * own))
    start = prior.center + basis @ prior.means[component].astype(float)
    off = np.where(mask > 0, gain * (x_t - (1 - t) * start), weight * (known - start))
    system = np.linalg.inv(inside) + (basis * weight[:, None]).T @ basis
    smooth = start + basis @ np.linalg.solve(system, basis.T @ off)
    left = x_t - (1 - t) * smooth
    rest = (1 - t) * own / (t**2 + (1 - t) ** 2 * own)
    return np.where(mask > 0, smooth + rest * (left - basis @ (basis.T @ left)), known)


def test_posterior_mean_and_error_equal_dense_algebra():
    rng = np.random.default_rng(0)
    prior = small_prior(rng, rest_variance=1e-6)
    mean = prior.center + prior.basis @ prior.means[0]
    x_t, t = rng.standard_normal(36).astype(np.float32), np.array([0.6], np.float32)
    dense = covariance(prior)
    gain = 0.4 * dense @ np.linalg.inv(0.16 * dense + 0.36 * np.eye(36))
    wanted = mean + gain @ (x_t - 0.4 * mean)
    got = Conditional(prior, np.zeros_like(x_t), np.ones_like(x_t)).denoise(x_t, 0.6, 0)
    assert np.allclose(got, wanted, atol=1e-3)
    left = np.trace(dense - 0.4 * gain @ dense) / 36
    assert np.isclose(prior.error(t, np.array([0]))[0] ** 2, left, rtol=1e-3)


def test_known_pixels_are_kept_and_inform_the_rest():
    rng = np.random.default_rng(1)
    prior = small_prior(rng)
    truth = prior.draw(0, rng)[0]
    mask = np.ones(36, np.float32)
    mask[:27] = 0
    x_t = rng.standard_normal(36).astype(np.float32)
    got = Conditional(prior, truth, mask).denoise(x_t, 0.99, 0)
    blind = Conditional(prior, truth * 0, mask * 0 + 1).denoise(x_t, 0.99, 0)
    assert np.array_equal(got[:27], truth[:27])
    assert ((got - truth)[27:] ** 2).sum() < ((blind - truth)[27:] ** 2).sum()


@pytest.mark.parametrize("known_pixels", [3, 10, 18, 26, 33])
@pytest.mark.parametrize("t", [0.9, 0.5, 0.05])
def test_known_pixels_with_harsh_variances_equal_dense_algebra(known_pixels, t):
    """Few known, few unknown, and neither: every form of the system."""
    rng = np.random.default_rng(2)
    prior = replace(
        small_prior(rng, rest_variance=0.008),
        variances=np.array([[500.0, 20.0, 0.03]], np.float32),
        floor=np.array([0.004], np.float32),
    )
    mask = np.ones(36, np.float32)
    mask[:known_pixels] = 0
    truth = prior.draw(0, rng)[0]
    x_t = ((1 - t) * truth + t * rng.standard_normal(36)).astype(np.float32)
    got = Conditional(prior, truth, mask).denoise(x_t, t, 0)
    wanted = posterior_mean(prior, truth, mask, x_t, t)
    assert np.allclose(got, wanted, atol=2e-3)


@pytest.mark.parametrize("hole", [(14, 18), (8, 24), (1, 32), (0, 31)])
def test_the_shipped_prior_is_solved_as_plain_algebra_would(hole):
    """Within 1/10 of an 8-bit gray level, from a few unknown pixels to a few known ones."""
    prior = load_engine()._model.prior
    rng = np.random.default_rng(3)
    mask = np.zeros((32, 32), np.float32)
    mask[hole[0] : hole[1], hole[0] : hole[1]] = 1
    component = 5
    known = np.clip(prior.draw(component, rng)[0], -1, 1)
    beside = Conditional(prior, known, mask.ravel())
    for t in (0.8, 0.2):
        x_t = ((1 - t) * known + t * rng.standard_normal(1024)).astype(np.float32)
        wanted = posterior_mean(prior, known, mask.ravel(), x_t, t, component)
        assert np.abs(beside.denoise(x_t, t, component) - wanted).max() < 0.1 * 2 / 255


def test_half_precision_leaves_the_shipped_covariances_positive():
    prior = load_engine()._model.prior
    for columns in (prior.basis, *prior.axes[::9]):
        wide = columns.astype(float)
        assert np.abs(wide.T @ wide - np.eye(wide.shape[1])).max() < 1e-5


def test_samplers_are_exact_on_straight_paths():
    target = np.full((1, 4, 4), 0.3, np.float32)
    noise = np.random.default_rng(2).standard_normal((1, 4, 4)).astype(np.float32)
    for sampler in (sample_euler, sample_multistep):
        for steps in (1, 3, 8):
            end = sampler(velocity_of(lambda x, t: target), noise, timesteps(steps))
            assert np.allclose(end, target, atol=1e-5)


def test_multistep_errs_by_the_square_of_the_step():
    """dx/dt = x: the error of the end falls fourfold where steps are halved, Euler's twofold."""
    begun = np.ones((1, 2, 2), np.float32)

    def error(sampler, steps):
        return abs(float(sampler(lambda x, t: x, begun, timesteps(steps))[0, 0, 0]) - np.exp(-1))

    for sampler, least, most in ((sample_multistep, 3.5, 4.5), (sample_euler, 1.9, 2.2)):
        assert least < error(sampler, 16) / error(sampler, 32) < most


def test_evidence_and_conditional_draws_equal_dense_algebra():
    rng = np.random.default_rng(3)
    prior = small_prior(rng)
    prior = replace(
        prior,
        means=np.concatenate([prior.means, prior.means + 1]).astype(np.float32),
        group=np.zeros(2, np.int64),
    )
    inside = covariance(replace(prior, rest_variance=0.0))
    mask = np.ones(36, np.float32)
    mask[:20] = 0
    truth = prior.draw(0, rng)[0]
    seen = mask == 0
    dense = (inside + 2 * 0.01 * np.eye(36))[np.ix_(seen, seen)]
    wanted = []
    for mean in prior.means:
        off = (truth - prior.center - prior.basis @ mean)[seen].astype(float)
        wanted.append(-0.5 * (off @ np.linalg.solve(dense, off) + np.linalg.slogdet(dense)[1]))
    got = log_evidence(prior, truth, mask, np.array([0, 1]))
    assert np.isclose(got[0] - got[1], wanted[0] - wanted[1], rtol=1e-3)
    beside = Conditional(prior, truth, mask)
    draws = np.stack([beside.draw(0, rng) for _ in range(3000)])
    assert np.array_equal(draws[0, seen], truth[seen])
    start = prior.center + prior.basis @ prior.means[0]
    gain = inside[:, seen] @ np.linalg.inv(dense)
    mean = start + gain @ (truth - start)[seen]
    left = inside - gain @ inside[seen]
    assert np.allclose(draws.mean(0)[~seen], mean[~seen], atol=0.1)
    outside = np.eye(36) - prior.basis @ prior.basis.T
    spread = np.diag(left + 0.01 * outside)[~seen]
    assert np.allclose(draws.var(0)[~seen], spread, rtol=0.15)


def test_times_lie_twice_as_close_where_texture_is_made():
    assert timesteps(4, 0.5) == [0.5, 0.375, 0.25, 0.125, 0]
    steps = -np.diff(timesteps(12))
    assert np.allclose(steps, [1 / 8] * 4 + [1 / 16] * 8)
    for count in (1, 3, 10):
        for first in (0.3, 0.7, 1.0):
            times = timesteps(count, first)
            assert len(times) == count + 1 and times[0] == pytest.approx(first) and times[-1] == 0
            assert (np.diff(times) < 0).all()
