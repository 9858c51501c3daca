"""A watermark in the pixels: a faint pattern that repeats, found again by its phases.

Spread spectrum (Cox et al. 1997) with one public pattern: a tile of PERIOD pixels, flat in a middle
band of frequencies, added everywhere or within a mask. The detector folds the picture onto one
tile and correlates phases alone (Kuglin and Hines 1975), so that a crop is a shift; sizes are
searched. Whoever knows the pattern can take it out: it marks what is lost by accident, not by
intent. Pure functions of arrays; figures are in docs/release.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from radsmith.compute.one_thread import one_thread

Array = NDArray[np.float64]
PERIOD = 64
THRESHOLD = 6.5
"""Of `Detection.score`; docs/release.md has the false alarms measured at it."""
_BAND = (4.0, 13.0)
"""Cycles per period: wavelengths of 16 to 5 pixels, which survive halving and JPEG."""
_LEVEL = 1.0 / 255
_SEED = 0x5AD5
_LARGEST = 512
"""Pixels a side that the detector looks at, from the middle."""
_SCALES = np.exp(np.arange(np.log(0.45), np.log(2.2), 0.01))
_LEAST_SIDE = 40


@dataclass(frozen=True, kw_only=True)
class Detection:
    """score: height of the correlation's peak in its own standard deviations.

    scale: of the picture, against the one that was marked.
    """

    score: float
    scale: float

    @property
    def present(self) -> bool:
        """Whether the watermark is there."""
        return self.score >= THRESHOLD


def marked(
    pixels: NDArray[np.floating], mask: NDArray[np.bool_] | None = None
) -> NDArray[np.floating]:
    """The picture (height, width) in 0-1 with the watermark; outside the mask as it was.

    Black and white pixels stay: burned-in background is left clean. About one of 255 levels where
    the picture is smooth, up to two where it is busy.
    """
    height, width = pixels.shape
    rows, columns = -(-height // PERIOD), -(-width // PERIOD)
    pattern = np.tile(_pattern(), (rows, columns))[:height, :width]
    busy = _local_spread(pixels.astype(np.float64)) / (4 * _LEVEL)
    change = pattern * _LEVEL * (0.7 + np.minimum(1.3, busy))
    change[(pixels <= _LEVEL) | (pixels >= 1 - _LEVEL)] = 0
    if mask is not None:
        change[~mask] = 0
    return np.where(change == 0, pixels, np.clip(pixels + change, 0, 1)).astype(pixels.dtype)


def detect(pixels: NDArray[np.floating]) -> Detection:
    """Look for the watermark in a picture (height, width) in 0-1, whatever was cut off or resized.

    Sizes from 0.45 to 2.2 times the marked one are tried; the best decides.
    """
    seen = _middle(_flattened(pixels.astype(np.float64)), _LARGEST).astype(np.float32)
    best = Detection(score=0.0, scale=1.0)
    with one_thread():  # products of small matrices: more threads wait on each other
        for scale in (1.0, *_SCALES):
            score = _score(_folded(seen, scale))
            if score > best.score and min(seen.shape) >= _LEAST_SIDE * scale:
                best = Detection(score=score, scale=float(scale))
    return best


def _score(tile: Array) -> float:
    spectrum = np.fft.rfft2(tile)
    phases = np.where(_band(), spectrum / np.maximum(np.abs(spectrum), 1e-12), 0)
    found = np.fft.irfft2(phases * np.conj(_phases()), (PERIOD, PERIOD))
    spread = float(found.std())
    return float(found.max()) / spread if spread > 0 else 0.0


def _folded(pixels: NDArray[np.float32], scale: float) -> Array:
    """The mean of all tiles of a picture that was resized by `scale`: (PERIOD, PERIOD)."""
    rows, columns = (_places(n, scale) for n in pixels.shape)
    weight = rows.sum(0)[:, None] * columns.sum(0)[None]
    return np.asarray((rows.T @ pixels @ columns) / np.maximum(weight, 1e-6), np.float64)


def _places(length: int, scale: float) -> NDArray[np.float32]:
    """For each pixel of a row its place in a tile, between two neighbours: (length, PERIOD)."""
    position = (np.arange(length) + 0.5) / scale - 0.5
    first = np.floor(position).astype(int)
    share = (position - first).astype(np.float32)
    places = np.zeros((length, PERIOD), np.float32)
    pixel = np.arange(length)
    places[pixel, first % PERIOD] = 1 - share
    places[pixel, (first + 1) % PERIOD] += share
    return places


def _flattened(pixels: Array) -> Array:
    """Without what is smooth, each place in units of its own busyness: edges do not outvote."""
    detail = pixels - _smoothed(pixels, 9)
    spread = np.sqrt(np.maximum(_smoothed(detail * detail, 17), 0)) + 0.5 * _LEVEL
    return np.asarray(np.clip(detail / spread, -2.5, 2.5))


def _local_spread(pixels: Array) -> Array:
    mean = _smoothed(pixels, 9)
    return np.asarray(np.sqrt(np.maximum(_smoothed(pixels * pixels, 9) - mean * mean, 0)))


def _smoothed(pixels: Array, side: int) -> Array:
    """Means of squares of `side` pixels around each; at the edges of what there is of them."""
    for axis in (0, 1):
        n = pixels.shape[axis]
        total = np.insert(pixels.cumsum(axis), 0, 0, axis)
        high = np.minimum(np.arange(n) + side // 2 + 1, n)
        low = np.maximum(np.arange(n) - side // 2, 0)
        size = (high - low).reshape((-1, 1) if axis == 0 else (1, -1))
        pixels = (total.take(high, axis) - total.take(low, axis)) / size
    return pixels


def _middle(pixels: Array, side: int) -> Array:
    height, width = pixels.shape
    rows, columns = min(height, side), min(width, side)
    top, left = (height - rows) // 2, (width - columns) // 2
    return pixels[top : top + rows, left : left + columns]


@cache
def _band() -> NDArray[np.bool_]:
    rows = np.fft.fftfreq(PERIOD)[:, None] * PERIOD
    columns = np.fft.rfftfreq(PERIOD)[None] * PERIOD
    radius = np.hypot(rows, columns)
    return (radius >= _BAND[0]) & (radius <= _BAND[1]) & (columns > 0)


@cache
def _phases() -> NDArray[np.complex128]:
    rng = np.random.default_rng(_SEED)
    return np.exp(2j * np.pi * rng.random(_band().shape)) * _band()


@cache
def _pattern() -> Array:
    """One tile, unit variance."""
    tile = np.fft.irfft2(_phases(), (PERIOD, PERIOD))
    return np.asarray(tile / tile.std())
