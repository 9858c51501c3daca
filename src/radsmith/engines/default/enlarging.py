"""Images of more than 256 pixels: drawn finer again and again, by a stage that takes any size.

Plain arrays in [-1, 1] in and out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.default.stages import FinerStage, FinerStep, Noise
from radsmith.images.image import Array, Mask
from radsmith.images.regions import Region, tiles
from radsmith.images.resize import resize

TILE, OVERLAP = 96, 16
"""Largest side, in cells of its network, that a finer stage draws at once, and what neighbours
share."""
CORRECTIONS = 3
"""Times that what a finer drawing changed of the image it was drawn from is taken back."""


def larger(
    stage: FinerStage,
    content: Array,
    size: tuple[int, int],
    ids: NDArray[np.int64],
    rng: np.random.Generator,
) -> Array:
    """The content (h, w) drawn finer to (width, height), the stage's scale at most a step.

    Brought back to its size it stays what it was: the finer stage adds detail alone.
    """
    step, longer = stage.step, max(size)
    while max(content.shape) < longer:
        side = min(longer, step.scale * max(content.shape))
        columns, rows = (-(-n * side // (longer * step.unit)) * step.cell for n in size)
        content = held(_drawn(stage, resize(content, columns, rows), ids, rng), content)
    return content if content.shape == size[::-1] else resize(content, *size)


def held(finer: Array, content: Array, where: Mask | None = None) -> Array:
    """The finer image (H, W) so that, brought to the size of content (h, w), it is that.

    where: (H, W), True where it may change.
    """
    for _ in range(CORRECTIONS):
        lost = content - resize(finer, *content.shape[::-1])
        back = resize(lost, *finer.shape[::-1])
        finer = finer + (back if where is None else np.where(where, back, 0))
    return np.asarray(finer, np.float32)


def in_tiles(
    step: FinerStep,
    region: Region,
    shape: tuple[int, ...],
    draw: Callable[[Region], Array | None],
) -> Array:
    """A fine grid of this shape of which a region of cells is drawn in tiles, the rest 0.

    draw: the fine pixels of a tile, where cells are counted as in `region`; None: nothing there.
    """
    drawn = np.zeros(shape, np.float32)
    for part, weight in tiles(region, TILE, OVERLAP):
        piece = draw(part)
        if piece is not None:
            weights = weight.repeat(step.unit, 0).repeat(step.unit, 1)
            part.of(drawn, step.unit)[...] += piece * weights
    return drawn


def _drawn(
    stage: FinerStage,
    low: Array,
    ids: NDArray[np.int64],
    rng: np.random.Generator,
) -> Array:
    """(scale h, scale w) from low (h, w) of whole cells, in tiles of one field of noise."""
    step, (height, width) = stage.step, low.shape
    noise = Noise.of(low.shape, rng, step.scale)

    def draw(part: Region) -> Array:
        own = Noise(low=part.of(noise.low, step.cell), fine=part.of(noise.fine, step.unit))
        unknown = np.ones_like(own.fine)
        return stage.draw(part.of(low, step.cell), ids, unknown, unknown, own)

    whole = Region(top=0, bottom=height // step.cell, left=0, right=width // step.cell)
    return in_tiles(step, whole, noise.fine.shape, draw)
