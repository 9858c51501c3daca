"""How far generated images are from real ones: plain functions of features or pixels.

Features are (n, d) arrays of one feature space, one row an image. Every distance is meaningless
without its n and the same distance between two halves of the real images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput

Array = NDArray[np.float64]
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, Wang, Simoncelli and Bovik 2003, section 3.2."""
_WINDOW, _SIGMA = 11, 1.5
_BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its 95 % bootstrap interval and the numbers of images behind it."""

    estimate: float
    low: float
    high: float
    n_real: int
    n_generated: int


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Precision, recall (Kynkäänniemi 2019), density and coverage (Naeem 2020)."""

    precision: float
    recall: float
    density: float
    coverage: float


def frechet_distance(real: NDArray[np.floating], generated: NDArray[np.floating]) -> float:
    """Squared Fréchet distance of the Gaussians fitted to two sets (Heusel et al. 2017, eq. 6).

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2), biased upward for small n. At least
    two rows each; with fewer rows than dimensions the covariances are singular, which is allowed.
    """
    one, two = _features(real, generated, least=2)
    gap = one.mean(0) - two.mean(0)
    first, second = np.atleast_2d(np.cov(one.T)), np.atleast_2d(np.cov(two.T))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    distance = gap @ gap + np.trace(first) + np.trace(second) - 2 * cross
    return max(0.0, float(distance))


def kernel_distance(
    real: NDArray[np.floating],
    generated: NDArray[np.floating],
    rng: np.random.Generator,
    resamples: int = 200,
) -> Interval:
    """Squared maximum mean discrepancy, unbiased, kernel (x.y / d + 1)^3 (Bińkowski 2018).

    The estimate uses all images; the interval is a bootstrap over images, in which pairs of the
    same image are left out. May be below 0 where the sets are alike.
    """
    one, two = _features(real, generated, least=4)
    within, across, other = _kernel(one, one), _kernel(one, two), _kernel(two, two)
    ones, twos = np.ones(len(one)), np.ones(len(two))
    estimate = _discrepancy(within, across, other, ones, twos)
    draws = [
        _discrepancy(within, across, other, _weights(len(one), rng), _weights(len(two), rng))
        for _ in range(resamples)
    ]
    low, high = np.quantile(draws, (0.025, 0.975)) if draws else (estimate, estimate)
    return Interval(
        estimate=estimate,
        low=float(low),
        high=float(high),
        n_real=len(one),
        n_generated=len(two),
    )


def neighbours(
    real: NDArray[np.floating], generated: NDArray[np.floating], k: int = 5
) -> Neighbours:
    """The four figures from distances to the k-th nearest neighbour of the own set.

    Precision and recall: share of images inside the other set's balls. Density: mean number of
    real balls around a generated image, over k. Coverage: share of real balls with a generated
    image inside. Raises InvalidInput unless each set has more than k images.
    """
    one, two = _features(real, generated, least=k + 1)
    real_radius, generated_radius = _radius(one, k), _radius(two, k)
    distance = _distances(one, two)
    in_real = distance <= real_radius[:, None]
    in_generated = distance <= generated_radius[None, :]
    return Neighbours(
        precision=float(in_real.any(0).mean()),
        recall=float(in_generated.any(1).mean()),
        density=float(in_real.sum(0).mean() / k),
        coverage=float((distance.min(1) <= real_radius).mean()),
    )


def auroc(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties half.

    The Mann-Whitney statistic from mean ranks. Raises InvalidInput unless both classes are there.
    """
    values = np.asarray(scores, np.float64)
    count = int(positive.sum())
    if values.ndim != 1 or values.shape != positive.shape or not 0 < count < len(values):
        raise InvalidInput("AUROC needs one score an image, and images of both classes")
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2)[group]
    least = count * (count + 1) / 2
    return float((rank[positive].sum() - least) / (count * (len(values) - count)))


def ms_ssim(one: NDArray[np.floating], two: NDArray[np.floating]) -> float:
    """Multi-scale structural similarity of two (height, width) images in 0-1; 1 is identical.

    Five scales, 11-pixel Gaussian window, without padding: sides of at least 176 pixels.
    """
    if one.shape != two.shape or one.ndim != 2:
        raise InvalidInput(f"expected two images of one size, got {one.shape} and {two.shape}")
    least = _WINDOW * 2 ** (len(MS_SSIM_WEIGHTS) - 1)
    if min(one.shape) < least:
        raise InvalidInput(f"MS-SSIM needs sides of at least {least} pixels, got {one.shape}")
    a, b = np.asarray(one, np.float64), np.asarray(two, np.float64)
    product = 1.0
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        luminance, contrast = ssim_parts(a, b)
        last = scale == len(MS_SSIM_WEIGHTS) - 1
        similarity = float((luminance * contrast).mean() if last else contrast.mean())
        product *= max(similarity, 0.0) ** weight
        a, b = _halved(a), _halved(b)
    return product


def ssim_parts(a: Array, b: Array) -> tuple[Array, Array]:
    """Luminance and contrast-structure maps of SSIM (Wang et al. 2004, eq. 13), data range 1."""
    small, other = 0.01**2, 0.03**2
    mean_a, mean_b = _smooth(a), _smooth(b)
    var_a, var_b = _smooth(a * a) - mean_a**2, _smooth(b * b) - mean_b**2
    both = _smooth(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + small) / (mean_a**2 + mean_b**2 + small)
    return luminance, (2 * both + other) / (var_a + var_b + other)


def _features(
    one: NDArray[np.floating], two: NDArray[np.floating], least: int
) -> tuple[Array, Array]:
    for name, features in (("real", one), ("generated", two)):
        if features.ndim != 2 or len(features) < least:
            raise InvalidInput(
                f"{name} features must be (n, d) with n of at least {least}, got {features.shape}"
            )
        if not np.isfinite(features).all():
            raise InvalidInput(f"{name} features hold NaN or infinite values")
    if one.shape[1] != two.shape[1]:
        raise InvalidInput(
            f"features of two spaces: {one.shape[1]} and {two.shape[1]} dimensions; use one encoder"
        )
    return np.asarray(one, np.float64), np.asarray(two, np.float64)


def _kernel(one: Array, two: Array) -> Array:
    return np.asarray((one @ two.T / one.shape[1] + 1) ** 3)


def _weights(n: int, rng: np.random.Generator) -> Array:
    """How often each image is drawn in one bootstrap sample."""
    return np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)


def _discrepancy(within: Array, across: Array, other: Array, p: Array, q: Array) -> float:
    """Unbiased MMD^2 of weighted samples; an image is never paired with itself."""

    def pairs(kernel: Array, w: Array) -> float:
        total = w @ kernel @ w - (w**2) @ np.diag(kernel)
        return float(total / (w.sum() ** 2 - (w**2).sum()))

    return pairs(within, p) + pairs(other, q) - 2 * float(p @ across @ q / (p.sum() * q.sum()))


def _distances(one: Array, two: Array) -> Array:
    """Euclidean, (n, m), block by block so that memory stays at one (block, m, ...) product."""
    square = (two**2).sum(1)
    rows = [
        (block**2).sum(1)[:, None] + square - 2 * block @ two.T
        for block in np.array_split(one, max(1, len(one) // _BLOCK))
    ]
    return np.asarray(np.sqrt(np.maximum(np.concatenate(rows), 0)))


def _radius(features: Array, k: int) -> Array:
    """Distance to the k-th nearest other image."""
    distance = _distances(features, features)
    np.fill_diagonal(distance, np.inf)
    return np.asarray(np.partition(distance, k - 1, axis=1)[:, k - 1])


def _smooth(image: Array) -> Array:
    """Gaussian window, valid part only."""
    at = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-(at**2) / (2 * _SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(image, _WINDOW, axis=axis)
        image = np.asarray(windows @ weights)
    return image


def _halved(image: Array) -> Array:
    """Mean of 2x2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in image.shape)
    blocks = image[:height, :width].reshape(height // 2, 2, width // 2, 2)
    return np.asarray(blocks.mean((1, 3)))
