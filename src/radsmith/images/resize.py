"""Fixed linear resizing between the model's two grids: arrays in, arrays out."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from radsmith.images.image import Array


@cache
def cubic_matrix(length: int, wanted: int) -> Array:
    """Catmull-Rom interpolation from `length` to `wanted` samples: (wanted, length).

    Samples are cell centres; edges repeat.
    """
    position = (np.arange(wanted) + 0.5) * (length / wanted) - 0.5
    first = np.floor(position).astype(int)
    matrix = np.zeros((wanted, length), np.float32)
    for offset in range(-1, 3):
        weight = _catmull_rom(np.abs(position - (first + offset)))
        column = np.clip(first + offset, 0, length - 1)
        np.add.at(matrix, (np.arange(wanted), column), weight)
    return matrix


def enlarge(low: Array, scale: int) -> Array:
    """Catmull-Rom enlargement of (..., height, width) images."""
    height, width = low.shape[-2:]
    rows, columns = cubic_matrix(height, height * scale), cubic_matrix(width, width * scale)
    return np.asarray(rows @ low @ columns.T, np.float32)


def shrink(fine: Array, scale: int) -> Array:
    """Mean of scale x scale blocks of (..., side, side) images."""
    *batch, height, width = fine.shape
    blocks = fine.reshape(*batch, height // scale, scale, width // scale, scale)
    return np.asarray(blocks.mean((-3, -1)), np.float32)


def resize(
    image: Array,
    width: int,
    height: int,
    *,
    rows: tuple[float, float] | None = None,
    columns: tuple[float, float] | None = None,
) -> Array:
    """An image (h, w) at another size: area average along shrinking sides, else Catmull-Rom.

    rows, columns: from where to where of the image, in its pixels (all of it).  Memory stays that
    of the images, whatever their size.
    """
    down, over = rows or (0.0, float(len(image))), columns or (0.0, float(image.shape[1]))
    image = np.ascontiguousarray(_across(image, width, *over).T)
    return np.ascontiguousarray(_across(image, height, *down).T, np.float32)


def _across(image: Array, wanted: int, first: float, last: float) -> Array:
    """Each row from `first` to `last` at another length."""
    change = _averaged if wanted < last - first else _interpolated
    return change(image, wanted, first, last)


def _interpolated(image: Array, wanted: int, first: float, last: float) -> Array:
    """By Catmull-Rom interpolation at cell centres; edges repeat."""
    length = image.shape[1]
    if wanted == length and (first, last) == (0, length):
        return image
    position = first + (np.arange(wanted) + 0.5) * ((last - first) / wanted) - 0.5
    start = np.floor(position).astype(int)
    found = np.zeros((len(image), wanted), np.float32)
    for offset in range(-1, 3):
        weight = _catmull_rom(np.abs(position - (start + offset))).astype(np.float32)
        found += weight * image[:, np.clip(start + offset, 0, length - 1)]
    return found


def _averaged(image: Array, wanted: int, first: float, last: float) -> Array:
    """By area average: sums of whole pixels, and shares of those that an edge cuts."""
    edge = np.linspace(first, last, wanted + 1)
    cell = edge.astype(int)
    share = (edge - cell).astype(np.float32)
    found = np.empty((len(image), wanted), np.float32)
    np.add.reduceat(image, cell[:-1], axis=1, out=found)
    found[:, -1] = image[:, cell[-2] : cell[-1]].sum(1)
    found[:, cell[1:] == cell[:-1]] = 0
    if share.any():
        cut = image[:, np.minimum(cell, image.shape[1] - 1)] * share
        found += cut[:, 1:] - cut[:, :-1]
    found *= np.float32(wanted / (last - first))
    return found


def _catmull_rom(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))


def fitted(image: Array, width: int, height: int) -> Array:
    """The middle of an image (h, w) of this width over height, at this size."""
    rows, columns = image.shape
    high = min(rows, max(1, round(columns * height / width)))
    wide = min(columns, max(1, round(rows * width / height)))
    top, left = (rows - high) // 2, (columns - wide) // 2
    return resize(image[top : top + high, left : left + wide], width, height)


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
