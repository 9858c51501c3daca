"""Mean and covariance of images with differential privacy, and how much of them is left.

What a private prior of the default base would be fitted from: per patient, one clipped row; the
Gaussian mechanism on the sums; both releases composed exactly as Gaussian differential privacy
(Dong, Roth and Su 2022, corollary 2 and theorem 2.7). Whether that is usable is a matter of
figures: `usable_directions`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput

Array = NDArray[np.float64]
_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True)
class PrivateMoments:
    """mean: (d,).  covariance: (d, d), symmetric, made positive.  noise: spread of the noise of
    one entry of the covariance."""

    mean: Array
    covariance: Array
    noise: float


def gaussian_delta(mu: float, epsilon: float) -> float:
    """The delta at which mu-GDP is (epsilon, delta)-differentially private, exactly."""
    if mu <= 0:
        return 0.0
    one, two = _NORMAL.cdf(mu / 2 - epsilon / mu), _NORMAL.cdf(-mu / 2 - epsilon / mu)
    return max(0.0, one - math.exp(epsilon) * two)


def gaussian_mu(epsilon: float, delta: float) -> float:
    """The largest mu that is (epsilon, delta)-differentially private."""
    if not (epsilon > 0 and 0 < delta < 1):
        raise InvalidInput(f"needs epsilon above 0 and delta in 0-1, got {epsilon} and {delta}")
    low, high = 0.0, 1.0
    while gaussian_delta(high, epsilon) < delta:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if gaussian_delta(middle, epsilon) < delta else (low, middle)
    return low


def composed_mu(*parts: float) -> float:
    """mu of several releases of the same patients: the root of the sum of squares."""
    return math.sqrt(sum(mu * mu for mu in parts))


def private_moments(
    rows: Array, clip: float, epsilon: float, delta: float, rng: np.random.Generator
) -> PrivateMoments:
    """Of one row (n, d) a patient, each shortened to length `clip`; n is public.

    Exchanging a patient moves the sum by 2 clip and the sum of squares by sqrt(2) clip^2 at most
    (Frobenius), half of mu^2 each.
    """
    if rows.ndim != 2 or len(rows) < 2 or clip <= 0:
        raise InvalidInput(f"needs rows (patients, d) and a length above 0, got {rows.shape}")
    n, d = rows.shape
    part = gaussian_mu(epsilon, delta) / math.sqrt(2)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    kept = rows * np.minimum(1, clip / np.maximum(length, 1e-12))
    mean = kept.mean(0) + rng.normal(0, 2 * clip / (n * part), d)
    noise = math.sqrt(2) * clip**2 / (n * part)
    draw = rng.normal(0, noise, (d, d))
    second = kept.T @ kept / n + np.triu(draw) + np.triu(draw, 1).T
    values, vectors = np.linalg.eigh(second - np.outer(mean, mean))
    covariance = (vectors * np.maximum(values, 0)) @ vectors.T
    return PrivateMoments(mean=mean, covariance=covariance, noise=noise)


def usable_directions(covariance: Array, noise: float) -> int:
    """Principal directions whose variance exceeds the largest that noise alone would show.

    The spectral norm of a symmetric matrix of such noise is 2 noise sqrt(d) (Wigner).
    """
    values = np.linalg.eigvalsh(covariance)
    return int((values > 2 * noise * math.sqrt(len(covariance))).sum())


def variance_held(found: Array, held_out: Array, directions: int) -> float:
    """Share of held-out rows' variance within the leading directions of a covariance."""
    vectors = np.linalg.eigh(found)[1][:, ::-1][:, :directions]
    centred = held_out - held_out.mean(0)
    return float(((centred @ vectors) ** 2).sum() / (centred**2).sum())
