"""Known pixels at several scales, and tiles: geometry for completing images of any size.

Plain arrays in, arrays out; masks are True where pixels are to be made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from radsmith.resize import resize

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, kw_only=True)
class Region:
    """Rows top to bottom and columns left to right of an array, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, array: NDArray[T], scale: int = 1) -> NDArray[T]:
        """A view of this region of an array whose cells are `scale` pixels wide."""
        return array[self.top * scale : self.bottom * scale, self.left * scale : self.right * scale]


def around(mask: Mask, margin: int) -> Region:
    """The smallest region with all True cells, `margin` wider on each side where there is room."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    height, width = mask.shape
    return Region(
        top=max(0, int(rows[0]) - margin),
        bottom=min(height, int(rows[-1]) + 1 + margin),
        left=max(0, int(columns[0]) - margin),
        right=min(width, int(columns[-1]) + 1 + margin),
    )


def scaled(pixels: Array, mask: Mask, width: int, height: int) -> tuple[Array, Mask]:
    """Both at a smaller size: the average of what is known, and True where anything is unknown.

    Cells of which nothing is known keep the average of what stands there.
    """
    if (height, width) == mask.shape:
        return pixels, mask
    unknown = np.clip(resize(mask.astype(np.float32), width, height), 0, 1)
    share = 1 - unknown
    known = resize(np.where(mask, 0, pixels).astype(np.float32), width, height)
    whole = resize(pixels, width, height)
    mean = np.where(share > 0.05, known / np.maximum(share, 0.05), whole)
    return np.asarray(mean, np.float32), unknown > 1e-4


def coarser(mask: Mask, scale: int) -> Mask:
    """True where any of scale x scale pixels is."""
    height, width = mask.shape
    blocks = mask.reshape(height // scale, scale, width // scale, scale)
    return np.asarray(blocks.any((1, 3)))


def padded(array: NDArray[T], multiple: int) -> NDArray[T]:
    """The array with its last rows and columns repeated up to a multiple."""
    rows, columns = (-length % multiple for length in array.shape)
    return np.pad(array, ((0, rows), (0, columns)), mode="edge")


def tiles(region: Region, side: int, overlap: int) -> Iterator[tuple[Region, Array]]:
    """Regions of at most `side` that cover `region`, with weights that add up to one.

    Neighbours share `overlap` cells, over which their weights rise and fall linearly.
    """
    rows = list(_spans(region.top, region.bottom, side, overlap))
    columns = list(_spans(region.left, region.right, side, overlap))
    for top, bottom, down in rows:
        for left, right, across in columns:
            part = Region(top=top, bottom=bottom, left=left, right=right)
            yield part, np.asarray(down[:, None] * across, np.float32)


def _spans(first: int, last: int, side: int, overlap: int) -> Iterator[tuple[int, int, Array]]:
    length = last - first
    count = 1 if length <= side else -(-(length - overlap) // (side - overlap))
    size = min(length, side)
    begins = [first + round(i * (length - size) / max(count - 1, 1)) for i in range(count)]
    weights = np.zeros((count, length), np.float32)
    for weight, begin in zip(weights, begins, strict=True):
        at = np.arange(size) + 0.5
        ramp = np.minimum(at, size - at) / max(overlap, 1)
        weight[begin - first : begin - first + size] = np.clip(ramp, 1e-3, 1)
    weights /= weights.sum(0)
    for weight, begin in zip(weights, begins, strict=True):
        yield begin, begin + size, weight[begin - first : begin - first + size]
