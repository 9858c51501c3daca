"""Whether one image is another, moved: the best correlation over turns, sizes, places, mirrors.

The second look at what a feature space brings near: costly, so it is given a few candidates an
image. Local contrast is compared, so that brightness hides nothing, on a grid so coarse that what
a model redraws of an image's detail hides little. Plain functions of arrays.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from radsmith.images.letterbox import letterboxed

Array = NDArray[np.float32]
SIDE = 64
DEGREES = (-10.0, -6.67, -3.33, 0.0, 3.33, 6.67, 10.0)
SIZES = (0.78, 0.85, 0.92, 1.0)
"""Of the image in the other's frame: a crop of 80 % fills 0.8 of what it was cut from."""
REACH = SIDE // 4
"""Farthest that the image is moved, in pixels of the grid."""
_WINDOW = 9
_FAINT = 0.02


def contrast(image: NDArray[np.floating]) -> Array:
    """(2, SIDE, SIDE): departures from the local mean in local spreads, and where content is."""
    content = letterboxed(np.ones(image.shape, np.float32), SIDE) > 0.5
    square = letterboxed(image, SIDE)
    weight = _box(content.astype(np.float32))
    mean = _box(square * content) / np.maximum(weight, 1e-6)
    centred = (square - mean) * content
    spread = np.sqrt(_box(centred**2) / np.maximum(weight, 1e-6) + _FAINT**2)
    return np.stack([np.clip(centred / spread, -3, 3), content]).astype(np.float32)


def aligned(image: Array, others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Best correlation of one contrast (2, SIDE, SIDE) with each of the others (n, 2, SIDE, SIDE).

    0 is unlike, 1 the same. The image is turned, shrunk and moved; both ways round.
    """
    here = np.concatenate([_moved(image), _moved(image[:, :, ::-1])])  # (m, 2, SIDE, SIDE)
    wide = (SIDE + REACH, SIDE + REACH)
    signal = np.fft.rfft2(here[:, 0], wide, axes=(1, 2)).conj()
    norm = np.sqrt(np.maximum((here[:, 0] ** 2).sum((1, 2)), 1e-6))
    near = np.r_[0 : REACH + 1, SIDE : SIDE + REACH]
    best = np.zeros(len(others))
    for k, other in enumerate(others):
        there = np.fft.rfft2(other[0], wide)
        table = np.fft.irfft2(signal * there, wide, axes=(1, 2))
        table = table[:, near][:, :, near].max((1, 2))
        energy = np.minimum((other[0] ** 2).sum(), norm**2)
        best[k] = float((table / (norm * np.sqrt(np.maximum(energy, 1e-6)))).max())
    return np.clip(best, 0, 1)


def _moved(image: Array) -> Array:
    """The image at all turns and sizes: (m, 2, SIDE, SIDE)."""
    index, weight = _places()
    flat = np.concatenate([image.reshape(2, -1), np.zeros((2, 1), np.float32)], 1)
    found = np.zeros((2, *index.shape[:2]), np.float32)
    for corner in range(index.shape[2]):
        found += flat[:, index[:, :, corner]] * weight[:, :, corner]
    return np.ascontiguousarray(found.reshape(2, -1, SIDE, SIDE).swapaxes(0, 1))


@cache
def _places() -> tuple[NDArray[np.int64], Array]:
    """For each move and pixel the four pixels it comes from, and their weights."""
    line = np.arange(SIDE) - (SIDE - 1) / 2
    y, x = np.meshgrid(line, line, indexing="ij")
    index, weight = [], []
    for degrees in DEGREES:
        angle = np.deg2rad(degrees)
        for size in SIZES:
            rows = (np.cos(angle) * y - np.sin(angle) * x) / size + (SIDE - 1) / 2
            columns = (np.sin(angle) * y + np.cos(angle) * x) / size + (SIDE - 1) / 2
            top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
            four, share = [], []
            for down in (0, 1):
                for across in (0, 1):
                    r, c = top + down, left + across
                    inside = (r >= 0) & (r < SIDE) & (c >= 0) & (c < SIDE)
                    four.append(np.where(inside, r * SIDE + c, SIDE * SIDE).ravel())
                    share.append(((1 - np.abs(rows - r)) * (1 - np.abs(columns - c))).ravel())
            index.append(np.stack(four, 1))
            weight.append(np.stack(share, 1))
    return np.stack(index), np.stack(weight).astype(np.float32)


def _box(image: NDArray[np.floating]) -> Array:
    """Mean over a window, zeros outside."""
    half = _WINDOW // 2
    for axis in (0, 1):
        pad = [(half + 1, half) if a == axis else (0, 0) for a in (0, 1)]
        total = np.pad(image, pad).cumsum(axis, dtype=np.float64)
        ahead, behind = (
            np.take(total, range(first, first + image.shape[axis]), axis) for first in (_WINDOW, 0)
        )
        image = (ahead - behind) / _WINDOW
    return np.asarray(image, np.float32)
