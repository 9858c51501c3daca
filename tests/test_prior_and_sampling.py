"""Closed forms: the prior against dense linear algebra, samplers on paths with known ends."""

from dataclasses import replace

import numpy as np

from radsmith.prior import Prior
from radsmith.sampling import sample_euler, sample_heun, timesteps, velocity_of


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


def test_posterior_mean_and_error_equal_dense_algebra():
    rng = np.random.default_rng(0)
    prior = small_prior(rng, rest_variance=1e-6)
    mean = prior.center + prior.basis @ prior.means[0]
    x_t, t = rng.standard_normal((1, 36)).astype(np.float32), np.array([0.6], np.float32)
    dense = covariance(prior)
    gain = 0.4 * dense @ np.linalg.inv(0.16 * dense + 0.36 * np.eye(36))
    wanted = mean + gain @ (x_t[0] - 0.4 * mean)
    got = prior.denoise(x_t, t, np.array([0]), np.zeros_like(x_t), np.ones_like(x_t))
    assert np.allclose(got[0], wanted, atol=1e-3)
    left = np.trace(dense - 0.4 * gain @ dense) / 36
    assert np.isclose(prior.error(t, np.array([0]))[0] ** 2, left, rtol=1e-3)


def test_known_pixels_are_kept_and_inform_the_rest():
    rng = np.random.default_rng(1)
    prior = small_prior(rng)
    truth = prior.draw(0, rng)
    mask = np.ones((1, 36), np.float32)
    mask[:, :27] = 0
    x_t, t = rng.standard_normal((1, 36)).astype(np.float32), np.array([0.99], np.float32)
    got = prior.denoise(x_t, t, np.array([0]), truth, mask)
    blind = prior.denoise(x_t, t, np.array([0]), truth * 0, mask * 0 + 1)
    assert np.array_equal(got[:, :27], truth[:, :27])
    assert ((got - truth)[:, 27:] ** 2).sum() < ((blind - truth)[:, 27:] ** 2).sum()


def test_known_pixels_with_harsh_variances_equal_dense_algebra():
    rng = np.random.default_rng(2)
    prior = replace(
        small_prior(rng, rest_variance=0.008),
        variances=np.array([[500.0, 20.0, 0.03]], np.float32),
        floor=np.array([0.004], np.float32),
    )
    inside = covariance(replace(prior, rest_variance=0.0))
    for known_pixels in (3, 18, 33):
        mask = np.ones((1, 36), np.float32)
        mask[:, :known_pixels] = 0
        truth = prior.draw(0, rng)
        x_t, t = rng.standard_normal((1, 36)).astype(np.float32), np.array([0.9], np.float32)
        got = prior.denoise(x_t, t, np.array([0]), truth, mask)
        seen = np.where(mask[0] > 0, 0.1, 1.0)
        spread = np.where(mask[0] > 0, 0.81 + 0.01 * 0.008, 2 * 0.008)
        start = prior.center + prior.basis @ prior.means[0]
        gain = inside * seen @ np.linalg.inv(np.diag(spread) + seen[:, None] * inside * seen)
        data = np.where(mask[0] > 0, x_t[0], truth[0])
        smooth = start + gain @ (data - seen * start)
        left = x_t[0] - 0.1 * smooth
        outside = left - prior.basis @ (prior.basis.T @ left)
        wanted = smooth + 0.1 * 0.008 / (0.01 * 0.008 + 0.81) * outside
        unknown = mask[0] > 0
        assert np.allclose(got[0][unknown], wanted[unknown], atol=2e-3)


def test_samplers_are_exact_on_straight_paths():
    target = np.full((1, 4, 4), 0.3, np.float32)
    noise = np.random.default_rng(2).standard_normal((1, 4, 4)).astype(np.float32)
    for sampler in (sample_euler, sample_heun):
        for steps in (1, 3, 8):
            end = sampler(velocity_of(lambda x, t: target), noise, timesteps(steps))
            assert np.allclose(end, target, atol=1e-5)


def test_evidence_and_conditional_draws_equal_dense_algebra():
    rng = np.random.default_rng(3)
    prior = small_prior(rng)
    prior = replace(
        prior,
        means=np.concatenate([prior.means, prior.means + 1]).astype(np.float32),
        group=np.zeros(2, np.int64),
    )
    inside = covariance(replace(prior, rest_variance=0.0))
    mask = np.ones((1, 36), np.float32)
    mask[:, :20] = 0
    truth = prior.draw(0, rng)
    seen = mask[0] == 0
    dense = (inside + 2 * 0.01 * np.eye(36))[np.ix_(seen, seen)]
    wanted = []
    for mean in prior.means:
        off = (truth[0] - prior.center - prior.basis @ mean)[seen].astype(float)
        wanted.append(-0.5 * (off @ np.linalg.solve(dense, off) + np.linalg.slogdet(dense)[1]))
    got = prior.log_evidence(truth, mask, np.array([0, 1]))
    assert np.isclose(got[0] - got[1], wanted[0] - wanted[1], rtol=1e-3)
    draws = np.concatenate([prior.draw_given(0, truth, mask, rng) for _ in range(3000)])
    assert np.array_equal(draws[0, seen], truth[0, seen])
    start = prior.center + prior.basis @ prior.means[0]
    gain = inside[:, seen] @ np.linalg.inv(dense)
    mean = start + gain @ (truth[0] - start)[seen]
    left = inside - gain @ inside[seen]
    assert np.allclose(draws.mean(0)[~seen], mean[~seen], atol=0.1)
    outside = np.eye(36) - prior.basis @ prior.basis.T
    spread = np.diag(left + 0.01 * outside)[~seen]
    assert np.allclose(draws.var(0)[~seen], spread, rtol=0.15)
