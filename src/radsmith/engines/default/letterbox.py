"""The content of an image on the coarsest grid of the default model."""

from __future__ import annotations

from radsmith.images.letterbox import Box

CELL = 8
"""Pixels a side of a cell of the coarsest grid, 32x32."""


def on_grid(box: Box) -> Box:
    """The smallest box of whole cells of the coarsest grid around a box.

    A cell half content, half bar would be known and unknown at once: what is drawn fills whole
    cells, and the content is cut out of it.
    """
    left, top, width, height = box
    x0, y0 = left // CELL * CELL, top // CELL * CELL
    x1, y1 = (-(-end // CELL) * CELL for end in (left + width, top + height))
    return x0, y0, x1 - x0, y1 - y0
