"""An image in a square: centred, its longer side filling it, bars on both sides of the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.images.image import Array, Mask
from radsmith.images.resize import resample

SIDE = 256
"""Pixels a side of the square that the default model and its data have."""
Box = tuple[int, int, int, int]
"""Left, top, width and height of the content in the square."""


def centred(width: int, height: int, side: int = SIDE) -> Box:
    """Content of this size in the middle of the square."""
    return (side - width) // 2, (side - height) // 2, width, height


def box_of(aspect: float) -> Box:
    """Content of this width over height, filling the square of SIDE."""
    width, height = (max(1, round(min(1.0, a) * SIDE)) for a in (aspect, 1 / aspect))
    return centred(width, height)


def fitted_box(width: int, height: int, side: int) -> Box:
    """An image of this size, its longer side brought to `side`."""
    longer = max(width, height)
    fitted, high = (max(1, round(side * n / longer)) for n in (width, height))
    return centred(fitted, high, side)


def inside(square: NDArray[Any], box: Box) -> NDArray[Any]:
    """A view of the content."""
    left, top, width, height = box
    return square[top : top + height, left : left + width]


def content_mask(box: Box, side: int) -> Array:
    """1 inside the content of the square of SIDE, on a grid of `side` cells; never empty."""
    left, top, width, height = box
    columns, rows = _covered(left, width, side), _covered(top, height, side)
    return (rows[:, None] & columns[None, :]).astype(np.float32)


def letterboxed(image: NDArray[np.floating], side: int) -> Array:
    """Area-average the longer side to `side`, centre on black: (side, side) in 0-1."""
    if image.ndim != 2 or not np.isfinite(image).all():
        raise InvalidInput(f"expected a finite (height, width) image, got shape {image.shape}")
    box = fitted_box(image.shape[1], image.shape[0], side)
    canvas = np.zeros((side, side), np.float32)
    inside(canvas, box)[:] = resample(np.clip(image, 0, 1).astype(np.float32), *box[2:])
    return canvas


def _covered(first: int, length: int, side: int) -> Mask:
    """Cells whose centre lies in a stretch of the square, or the one it lies in."""
    at = (np.arange(side) + 0.5) * (SIDE / side)
    inside_it = (at >= first) & (at <= first + length)
    if not inside_it.any():
        inside_it[int((first + length / 2) * side / SIDE)] = True
    return inside_it
