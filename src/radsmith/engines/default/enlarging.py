"""Images larger than any the model learned from: the finer stage again, over what it drew.

Plain arrays in [-1, 1] in and out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.default.stages import SCALE, FinerStage, Noise
from radsmith.images.image import Array
from radsmith.images.regions import Region, tiles
from radsmith.images.resize import resize

TILE, OVERLAP = 96, 16
"""Cells of the coarse grid that are drawn at once, and that neighbours share."""
CORRECTIONS = 3
"""Times that what a finer drawing changed of the image it was drawn from is taken back."""


def larger(
    detail: FinerStage,
    content: Array,
    size: tuple[int, int],
    ids: NDArray[np.int64],
    rng: np.random.Generator,
) -> Array:
    """The content (h, w) drawn finer to (width, height), four times at most a step.

    Brought back to its size it stays what it was: the finer stage adds detail alone.
    """
    longer = max(size)
    while max(content.shape) < longer:
        side = min(longer, SCALE * max(content.shape))
        columns, rows = (-(-n * side // (longer * SCALE)) for n in size)
        finer = _drawn(detail, resize(content, columns, rows), ids, rng)
        for _ in range(CORRECTIONS):
            lost = content - resize(finer, *content.shape[::-1])
            finer += resize(lost, *finer.shape[::-1])
        content = finer
    return content if content.shape == size[::-1] else resize(content, *size)


def _drawn(
    detail: FinerStage,
    low: Array,
    ids: NDArray[np.int64],
    rng: np.random.Generator,
) -> Array:
    """(4h, 4w) from low (h, w), in tiles that draw from one field of noise."""
    height, width = low.shape
    noise = Noise.of(low.shape, rng)
    drawn = np.zeros((SCALE * height, SCALE * width), np.float32)
    whole = Region(top=0, bottom=height, left=0, right=width)
    for part, weight in tiles(whole, TILE, OVERLAP):
        own = Noise(low=part.of(noise.low), fine=part.of(noise.fine, SCALE))
        unknown = np.ones_like(own.fine)
        piece = detail.draw(part.of(low), ids, unknown, unknown, own)
        part.of(drawn, SCALE)[...] += piece * weight.repeat(SCALE, 0).repeat(SCALE, 1)
    return drawn
