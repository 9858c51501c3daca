"""Fixed linear resizing between the model's two grids: arrays in, arrays out."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@cache
def cubic_matrix(side: int, scale: int) -> Array:
    """Catmull-Rom interpolation from `side` to `side * scale` samples: (side*scale, side).

    Samples are cell centres; edges repeat.
    """
    position = (np.arange(side * scale) + 0.5) / scale - 0.5
    first = np.floor(position).astype(int)
    matrix = np.zeros((side * scale, side), np.float32)
    for offset in range(-1, 3):
        distance = np.abs(position - (first + offset))
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        column = np.clip(first + offset, 0, side - 1)
        np.add.at(matrix, (np.arange(side * scale), column), np.where(distance <= 1, near, far))
    return matrix


def enlarge(low: Array, scale: int) -> Array:
    """Catmull-Rom enlargement of (..., side, side) images."""
    matrix = cubic_matrix(low.shape[-1], scale)
    return np.asarray(matrix @ low @ matrix.T, np.float32)


def shrink(fine: Array, scale: int) -> Array:
    """Mean of scale x scale blocks of (..., side, side) images."""
    *batch, height, width = fine.shape
    blocks = fine.reshape(*batch, height // scale, scale, width // scale, scale)
    return np.asarray(blocks.mean((-3, -1)), np.float32)


def resample(image: Array, width: int, height: int) -> Array:
    """Area-average an image (h, w) down to (height, width); sizes above the input repeat."""
    return np.asarray(
        _area_matrix(image.shape[0], height) @ image @ _area_matrix(image.shape[1], width).T,
        np.float32,
    )


@cache
def _area_matrix(length: int, wanted: int) -> Array:
    edges = np.linspace(0, length, wanted + 1)
    cells = np.arange(length)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weight = np.maximum(overlap, 0)
    return np.asarray(weight / weight.sum(1, keepdims=True), np.float32)
