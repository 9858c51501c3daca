"""Grain, speckle and noise: the spectrum of images and how their flattest places scatter.

Nothing is learned: figures with a meaning, for generated images beside real ones of their kind.
Where ultrasound is speckled, a CT noisy or a film grainy, it shows here and to hardly any feature.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.features import Images
from radsmith.evaluation.metrics import auroc
from radsmith.images.blur import blurred
from radsmith.images.image import Array
from radsmith.images.resize import resize

SIDE = 256
"""Longer side at which spectra are compared; frequencies are cycles a pixel of it."""
EDGES = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
BANDS = tuple(f"power {low:.3g} to {high:.3g}" for low, high in pairwise(EDGES))
FIGURES = (*BANDS, "slope", "flat scatter", "flat contrast", "flat tails", "flat grain")
"""power: mean spectral density of a band, dB of full scale squared.  slope: β of 1/f^β over the
bands.  Of the flattest tenth of blocks that are not black: flat scatter: median deviation of what
is finer than two pixels; flat contrast: that over the brightness (speckle keeps it alike, additive
noise does not); flat tails: excess kurtosis; flat grain: correlation of neighbours, 0 for white."""
_BLOCK = 8
_NARROWEST = 4 * _BLOCK
_FLAT = 0.1
_DARK = 0.04
_FLOOR = 1e-12


def noise_figures(image: NDArray[np.floating]) -> NDArray[np.float64]:
    """FIGURES of an image (height, width) in 0-1 without bars: (len(FIGURES),).

    NaN where an image has no block that is not black. Raises InvalidInput for one smaller than
    32 pixels or not finite.
    """
    level = np.asarray(image, np.float32)
    if level.ndim != 2 or min(level.shape) < _NARROWEST or not np.isfinite(level).all():
        raise InvalidInput(
            f"expected a finite (height, width) of 32 pixels each, got {level.shape}"
        )
    scale = SIDE / max(level.shape)
    if scale != 1:
        wide, high = (max(_NARROWEST, round(n * scale)) for n in level.shape[::-1])
        level = resize(level, wide, high)
    power = _bands(level)
    middles = np.log10([np.sqrt(a * b) for a, b in pairwise(EDGES)])
    slope = -np.polyfit(middles, power / 10, 1)[0]
    return np.array([*power, slope, *_flat(level)])


def compare_noise(real: Images, other: Images, generated: Images) -> dict[str, Any]:
    """By figure: medians, and how well it alone tells generated from real images (AUROC, 0.5: not
    at all); beside it other real images, `auroc_real`."""
    sets = [_figures(images) for images in (real, other, generated)]
    found: dict[str, Any] = {}
    for number, name in enumerate(FIGURES):
        columns = [own[:, number][np.isfinite(own[:, number])] for own in sets]
        if any(len(column) < 2 for column in columns):
            continue
        found[name] = {
            "real": round(float(np.median(columns[0])), 4),
            "generated": round(float(np.median(columns[2])), 4),
            "auroc": round(_apart(columns[2], columns[0]), 4),
            "auroc_real": round(_apart(columns[1], columns[0]), 4),
        }
    return found


def _figures(images: Images) -> NDArray[np.float64]:
    """(n, len(FIGURES)), without images that are too narrow."""
    broad = [image for image in images if SIDE * min(image.shape) >= _NARROWEST * max(image.shape)]
    return np.array([noise_figures(image) for image in broad]).reshape(-1, len(FIGURES))


def most_apart(compared: Mapping[str, Mapping[str, float]]) -> str:
    """The figure that tells best."""
    return max(compared, key=lambda name: abs(compared[name]["auroc"] - 0.5))


def _apart(ones: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    scores = np.concatenate([ones, others])
    return auroc(scores, np.arange(len(scores)) < len(ones))


def _bands(level: Array) -> NDArray[np.float64]:
    """Mean spectral density by band in dB, under a Hann window: no edge of the frame leaks in."""
    height, width = level.shape
    window = np.hanning(height)[:, None] * np.hanning(width)[None]
    seen = (level - np.average(level, weights=window)) * window
    density = np.abs(np.fft.fft2(seen)) ** 2 / (window**2).sum()
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    means = [
        density[(frequency >= low) & (frequency < high)].mean() for low, high in pairwise(EDGES)
    ]
    return 10 * np.log10(np.maximum(means, _FLOOR))


def _flat(level: Array) -> tuple[float, float, float, float]:
    fine = level - blurred(level, 1.0)
    coarse = blurred(level, 2.0)
    mean, tilt, noise = (_blocks(a) for a in (level, coarse, fine))
    bright = mean.mean((1, 2))
    lit = (bright > _DARK) & (bright < 1 - _DARK)
    if not lit.any():
        return (float("nan"),) * 4
    steep = np.where(lit, tilt.std((1, 2)), np.inf)
    chosen = np.argsort(steep)[: max(1, round(_FLAT * lit.sum()))]
    own, bright = noise[chosen], bright[chosen]
    own = own - own.mean((1, 2), keepdims=True)
    spread = own.std((1, 2))
    square = max(float((own**2).mean()), _FLOOR)
    tails = float((own**4).mean()) / square**2 - 3
    beside = ((own[:, 1:] * own[:, :-1]).mean() + (own[:, :, 1:] * own[:, :, :-1]).mean()) / 2
    return (
        float(np.median(spread)),
        float(np.median(spread / bright)),
        tails,
        float(beside) / square,
    )


def _blocks(level: Array) -> Array:
    """(n, block, block) of a (height, width)."""
    high, wide = (n // _BLOCK for n in level.shape)
    cut = level[: high * _BLOCK, : wide * _BLOCK].reshape(high, _BLOCK, wide, _BLOCK)
    return cut.transpose(0, 2, 1, 3).reshape(-1, _BLOCK, _BLOCK)
