"""The content of an image in the model's square: centred, the longer side filling it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.engine import SIDE

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""Left, top, width and height of the content in the 256-pixel square."""
CELL = 8
"""Pixels a side of a cell of the coarsest grid, 32x32."""


def box_of(aspect: float) -> Box:
    """The content of this width over height, centred in the square."""
    width, height = (max(1, round(min(1.0, a) * SIDE)) for a in (aspect, 1 / aspect))
    return (SIDE - width) // 2, (SIDE - height) // 2, width, height


def on_grid(box: Box) -> Box:
    """The smallest box of whole cells of the coarsest grid around a box.

    A cell half content, half bar would be known and unknown at once: what is drawn fills whole
    cells, and the content is cut out of it.
    """
    left, top, width, height = box
    x0, y0 = left // CELL * CELL, top // CELL * CELL
    x1, y1 = (-(-end // CELL) * CELL for end in (left + width, top + height))
    return x0, y0, x1 - x0, y1 - y0


def inside(square: NDArray[Any], box: Box) -> NDArray[Any]:
    """A view of the content."""
    left, top, width, height = box
    return square[top : top + height, left : left + width]


def content_mask(box: Box, side: int) -> Array:
    """1 inside the content, on a grid of `side` cells: (side, side); never empty."""
    left, top, width, height = box
    columns, rows = _covered(left, width, side), _covered(top, height, side)
    return (rows[:, None] & columns[None, :]).astype(np.float32)


def _covered(first: int, length: int, side: int) -> Mask:
    """Cells whose centre lies in a stretch of the square, or the one it lies in."""
    at = (np.arange(side) + 0.5) * (SIDE / side)
    inside_it = (at >= first) & (at <= first + length)
    if not inside_it.any():
        inside_it[int((first + length / 2) * side / SIDE)] = True
    return inside_it
