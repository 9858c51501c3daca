"""Known pixels at several scales, and tiles: geometry for completing images of any size.

Plain arrays in, arrays out; masks are True where pixels are to be made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from radsmith.images.image import Array, Mask
from radsmith.images.resize import resize

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

    def grown(self, margin: int, shape: tuple[int, ...]) -> Region:
        """`margin` wider on each side where an array of this shape has room."""
        return Region(
            top=max(0, self.top - margin),
            bottom=min(shape[0], self.bottom + margin),
            left=max(0, self.left - margin),
            right=min(shape[1], self.right + margin),
        )

    def within(self, other: Region) -> Region:
        """This region as the other, which holds it, counts rows and columns."""
        return Region(
            top=self.top - other.top,
            bottom=self.bottom - other.top,
            left=self.left - other.left,
            right=self.right - other.left,
        )


def around(mask: Mask, margin: int) -> Region:
    """The smallest region with all True cells, `margin` wider on each side where there is room."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    tight = Region(
        top=int(rows[0]),
        bottom=int(rows[-1]) + 1,
        left=int(columns[0]),
        right=int(columns[-1]) + 1,
    )
    return tight.grown(margin, mask.shape)


def scaled(pixels: Array, mask: Mask, width: int, height: int) -> tuple[Array, Mask]:
    """Both at another size: the average of what is known, and True where anything is unknown.

    Cells of which nothing is known keep the average of what stands there. What is looked at
    besides the result is the neighbourhood of the unknown pixels alone.
    """
    if (height, width) == mask.shape:
        return pixels, mask
    mean, unknown = resize(pixels, width, height), np.zeros((height, width), np.bool_)
    if not mask.any():
        return mean, unknown
    hole = around(mask, 0)
    rows, down, near_rows = _reached(hole.top, hole.bottom, mask.shape[0], height)
    columns, over, near_columns = _reached(hole.left, hole.right, mask.shape[1], width)
    own = mask[near_rows, near_columns].astype(np.float32)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    share = 1 - np.clip(resize(own, *size, rows=down, columns=over), 0, 1)
    own = np.where(own > 0, np.float32(0), pixels[near_rows, near_columns])
    known = resize(own, *size, rows=down, columns=over)
    part = mean[rows, columns]
    part[...] = np.where(share > 0.05, known / np.maximum(share, 0.05), part)
    unknown[rows, columns] = share < 1 - 1e-4
    return mean, unknown


def _reached(
    first: int, last: int, length: int, wanted: int
) -> tuple[slice, tuple[float, float], slice]:
    """Of the cells that pixels first to last reach: which, from where to where in the pixels that
    reach them, and which these are."""
    support = 2 if wanted >= length else 0
    begin = max(0, int((first - support) * wanted // length))
    end = min(wanted, -int(-(last + support) * wanted // length))
    low, high = begin * length / wanted, end * length / wanted
    near = slice(max(0, int(low) - support), min(length, -int(-high // 1) + support))
    return slice(begin, end), (low - near.start, high - near.start), near


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
    size = -(-(length + (count - 1) * overlap) // count)
    begins = [first + round(i * (length - size) / max(count - 1, 1)) for i in range(count)]
    weights = np.zeros((count, length), np.float32)
    for weight, begin in zip(weights, begins, strict=True):
        at = np.arange(size) + 0.5
        ramp = np.minimum(at, size - at) / max(overlap, 1)
        weight[begin - first : begin - first + size] = np.clip(ramp, 1e-3, 1)
    weights /= weights.sum(0)
    for weight, begin in zip(weights, begins, strict=True):
        yield begin, begin + size, weight[begin - first : begin - first + size]


CONTEXT = 1.5
"""Sides of a window, of the longer side of the hole in it."""
Draw = Callable[[Array, Mask], Array]
"""Known pixels and the hole, both (side, side), to drawn pixels of that shape, in 0-1."""


def through_square(pixels: Array, mask: Mask, side: int, draw: Draw) -> Array:
    """The image (h, w) completed by what draws squares of `side` pixels; known pixels as given.

    A square window around the hole, `side` wide or more where the hole asks for it, is brought to
    `side`, drawn and brought back: a hole of more than two thirds of `side` is drawn coarser than
    the image.  A window that reaches beyond the image repeats its last pixels there.
    """
    if not mask.any():
        return pixels
    hole = around(mask, 0)
    extent = max(hole.bottom - hole.top, hole.right - hole.left)
    length = min(max(side, -int(-CONTEXT * extent // 1)), max(mask.shape))
    top, bottom = _window(hole.top, hole.bottom, length, mask.shape[0])
    left, right = _window(hole.left, hole.right, length, mask.shape[1])
    part = Region(top=top, bottom=bottom, left=left, right=right)
    spare = (length - (bottom - top), length - (right - left))
    pad = tuple((rest // 2, rest - rest // 2) for rest in spare)
    known = np.pad(part.of(pixels), pad, mode="edge")
    unknown = np.pad(part.of(mask), pad, mode="edge")
    drawn = draw(*scaled(known, unknown, side, side))
    drawn = resize(drawn, length, length) if drawn.shape != known.shape else drawn
    found = pixels.copy()
    part.of(found)[...] = Region(
        top=pad[0][0], bottom=length - pad[0][1], left=pad[1][0], right=length - pad[1][1]
    ).of(joined(drawn, known, unknown))
    return np.where(mask, np.clip(found, 0, 1), pixels).astype(np.float32)


def _window(first: int, last: int, length: int, available: int) -> tuple[int, int]:
    """`length` cells around first to last where there are as many, else all."""
    if length >= available:
        return 0, available
    begin = min(max(0, (first + last - length) // 2), available - length)
    return begin, begin + length


REACH, FADE = 0.12, 0.9
"""How far a step is spread, of the longer side, and how much of it a doubling of distance keeps."""
RIM, FARTHER = 2, 0.3
"""Pixels on both sides of a hole's edge that are compared, and what one that does not touch the
edge counts beside one that does."""


def joined(drawn: Array, known: Array, hole: Mask) -> Array:
    """Drawn pixels shifted so that they meet the known ones at the hole's edge.

    The step between a narrow rim of known and one of drawn pixels, taken locally, is spread into
    the hole and fades with distance. Detail is untouched; (h, w), known where hole is False.
    """
    found = np.where(hole, drawn, known).astype(np.float32)
    if not hole.any() or hole.all():
        return found
    reach = max(1, round(np.log2(max(2.0, REACH * max(hole.shape)))))
    near = around(hole, 3 * RIM)  # all that is looked at
    inner, outer, hole = near.of(drawn), near.of(known), near.of(hole)
    rim_in, rim_out = hole & _near(~hole, RIM), ~hole & _near(hole, RIM)
    weight = np.where(_near(hole, 1) & _near(~hole, 1), np.float32(1), np.float32(FARTHER))
    step = _local_mean(outer, weight * rim_out) - _local_mean(inner, weight * rim_in)
    step = np.where(rim_in, step, 0)
    spread = _spread(step.astype(np.float32), rim_in.astype(np.float32), reach)
    near.of(found)[...] += np.where(hole, spread, 0)
    return found


def _local_mean(values: Array, weight: Array) -> Array:
    return np.asarray(_boxed(values * weight) / np.maximum(_boxed(weight), 1e-6))


def _boxed(array: Array) -> Array:
    """Sum over the 4 RIM + 1 cells around each cell on a side, the outside counting as 0."""
    side = 4 * RIM
    for _ in range(2):
        length, width = array.shape
        wide = np.zeros((length + side, width), np.float32)
        wide[side // 2 : side // 2 + length] = array
        total, span = wide, 1
        while span < side:
            total = total[:-span] + total[span:]
            span *= 2
        array = np.ascontiguousarray((total[:length] + wide[side:]).T)
    return array


def _near(mask: Mask, distance: int) -> Mask:
    """Cells within a distance of a True one, in both directions."""
    for _ in range(2):
        found = mask.copy()
        for offset in range(1, distance + 1):
            found[offset:] |= mask[:-offset]
            found[:-offset] |= mask[offset:]
        mask = found.T
    return mask


def _spread(values: Array, weight: Array, levels: int) -> Array:
    """Smooth interpolation of weighted values over the whole grid: pull down, push up.

    Beyond `levels` halvings there is nothing to interpolate from: 0.  (Gortler et al. 1996, 3.4.)
    """
    if levels == 0 or max(values.shape) < 2:
        return np.where(weight > 0, values, 0).astype(np.float32)
    height, width = values.shape
    rows, columns = height + height % 2, width + width % 2
    parts = []
    for array in (values * weight, weight):
        even = np.zeros((rows, columns), np.float32)
        even[:height, :width] = array
        parts.append(even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2])
    below = np.where(parts[1] > 0, parts[0] / np.maximum(parts[1], 1e-9), 0).astype(np.float32)
    coarse = _spread(below, np.minimum(parts[1], 1).astype(np.float32), levels - 1)
    finer = _doubled(_doubled(coarse).T).T[:height, :width]
    return np.asarray(weight * values + (1 - weight) * FADE * finer, np.float32)


def _doubled(array: Array) -> Array:
    """Twice as many rows, linearly between cell centres; edges repeat."""
    found = array.repeat(2, 0)
    near, far = np.float32(0.75) * array, np.float32(0.25) * array
    found[2::2] = near[1:] + far[:-1]
    found[1:-1:2] = near[:-1] + far[1:]
    return found
