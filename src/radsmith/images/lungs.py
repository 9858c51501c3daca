"""Where the lungs are in a frontal chest radiograph or a CT slice, by what such pictures look like.

Two dark domes beside a bright column and above a bright abdomen are looked for at every place and
size (normalised correlation); from there each lung is what is dark and connected. No learning, and
no claim to a border to the pixel: it tells where a finding of the lungs can lie. Where lungs are
white, cut off or upside down they are not found. In a slice of CT they are the air that the body
encloses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from radsmith.images.blur import blurred
from radsmith.images.image import Array, Mask
from radsmith.images.resize import resize

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, as fractions of the image."""

_COARSE, _GRID = 32, 64
"""Cells on a side in which the domes are looked for, and in which lungs are told."""
_WIDTHS, _HEIGHTS = (0.5, 0.58, 0.66, 0.74, 0.82, 0.9), (0.36, 0.44, 0.52, 0.6, 0.68, 0.76)
_ACROSS, _DOWN = np.arange(0.36, 0.66, 0.04), np.arange(0.28, 0.7, 0.05)
_CUT_OFF = 0.07
"""How far domes may reach beyond the picture."""
_RIGHT, _LEFT = 0.44, 0.58
"""Where, in the box of both lungs, the right one ends and the left one begins."""
_HEART: Box = (0.58, 0.55, 0.72, 1.0)
_LEAST_LIKE = 0.35
"""Correlation below which it is no chest from the front."""
_AREA = (0.015, 0.32)
"""Least and greatest share of the picture that one lung is."""
_LEAST_AIR = 0.01
"""Share of a slice below which air in one half of a body is no lung."""
_TO_TISSUE = 1.15
"""How much brighter than what parts air from tissue best lungs may be: they hold vessels."""
_ROUND_THE_BODY = 0.8
"""Share of a slice, across and down, that air takes in a frame: it is no lung then."""
_BESIDE = 0.2
"""Intensity below which it may be air beside the body."""


@dataclass(frozen=True, kw_only=True)
class Lungs:
    """The patient's right lung, at the viewer's left, and the left one: (64, 64), over the whole
    picture, True inside; of a slice one may be empty."""

    right: Mask
    left: Mask

    def box(self, side: str | None = None) -> Box:
        """Of the lung of a side ("side:right", "side:left"); of both where none is said or seen."""
        one = {"side:right": self.right, "side:left": self.left}.get(side or "")
        found = self.right | self.left if one is None or not one.any() else one
        (left, right), (top, bottom) = (
            np.quantile(places, (0.02, 0.98)) for places in np.nonzero(found)[::-1]
        )
        edges = (left, top, right + 1, bottom + 1)
        return tuple(float(edge) / _GRID for edge in edges)  # type: ignore[return-value]

    def inward(self, place: Box) -> Box:
        """A place moved until its middle lies in a lung, where it does not."""
        left, top, right, bottom = place
        middle = np.array([(top + bottom) / 2, (left + right) / 2])
        cells = (np.argwhere(self.right | self.left) + 0.5) / _GRID
        far = np.abs(cells - middle).max(1)
        if far.min() <= 0.5 / _GRID:
            return place
        down, across = cells[far.argmin()] - middle
        return left + across, top + down, right + across, bottom + down

    def share(self, width: int, height: int) -> Array:
        """How surely each pixel of the picture in this size is lung, 0-1; their borders wholly."""
        soft = 2 * blurred((self.right | self.left).astype(np.float32), 1.0)
        return np.clip(resize(soft, width, height), 0, 1)


def find_lungs(image: Array, *, ct: bool = False) -> Lungs | None:
    """The lungs of a chest (height, width) in 0-1, air dark, the patient's right at the viewer's
    left; None where they are not found.

    ct: it is a slice of CT, axial or coronal, not a frontal radiograph. One lung is enough there.
    """
    return _enclosed(image) if ct else _like_domes(image)


def _like_domes(image: Array) -> Lungs | None:
    domes = _domes()
    seen = resize(np.asarray(image, np.float32), _COARSE, _COARSE).ravel()
    mean = domes.among @ seen / domes.size
    spread = np.sqrt(np.maximum(domes.among @ seen**2 / domes.size - mean**2, 1e-6))
    alike = (mean - domes.lungs @ seen / domes.lung) / spread * domes.weight
    best = int(alike.round(4).argmax())  # the same on every machine
    if alike[best] < _LEAST_LIKE:
        return None
    found = _grown(resize(np.asarray(image, np.float32), _GRID, _GRID), domes.boxes[best])
    areas = [lung.mean() for lung in found]
    if min(areas) < _AREA[0] or max(areas) > _AREA[1]:
        return None
    return Lungs(right=found[0], left=found[1])


def _enclosed(image: Array) -> Lungs | None:
    smooth = blurred(resize(np.asarray(image, np.float32), _GRID, _GRID), 0.5)
    air = smooth < min(_TO_TISSUE * _between(smooth), float(smooth.max()))
    beside = from_the_sides(air)
    within = air & ~beside
    around = _largest(within)
    if min(around.any(0).sum(), around.any(1).sum()) > _ROUND_THE_BODY * _GRID:
        beside, within = beside | around, within & ~around
    if beside.all() or not within.any():
        return None
    columns = np.nonzero((~beside).any(0))[0]
    middle = round((columns[0] + columns[-1] + 1) / 2)
    right = np.arange(_GRID)[None, :] < middle
    found = [_largest(within & half) for half in (right, ~right)]
    one, other = (np.where(lung.mean() < _LEAST_AIR, False, lung) for lung in found)
    return Lungs(right=one, left=other) if (one | other).any() else None


def _between(image: Array) -> float:
    """The gray that parts an image's dark from its bright best (Otsu's)."""
    levels = np.linspace(image.min(), image.max(), 65)[1:-1]
    below = np.array([(image < level).mean() for level in levels])
    dark = np.array([image[image < level].sum() / image.size for level in levels])
    apart = (image.mean() * below - dark) ** 2 / np.maximum(below * (1 - below), 1e-9)
    return float(levels[apart.argmax()])


def _largest(found: Mask) -> Mask:
    """The largest of its connected parts."""
    best, left = np.zeros_like(found), found.copy()
    while left.sum() > best.sum():
        seed = np.zeros_like(found)
        seed.flat[left.argmax()] = True
        part = connected(seed, left)
        best, left = max(best, part, key=np.sum), left & ~part
    return best


@dataclass(frozen=True, kw_only=True)
class _Domes:
    """All places and sizes that are tried. lungs, among: (number, cells), 1 inside, those of lungs
    and those around too; lung, size: how many; weight: of the difference between the two."""

    boxes: list[Box]
    lungs: Array
    among: Array
    lung: Array
    size: Array
    weight: Array


@cache
def _domes() -> _Domes:
    boxes = [
        (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
        for wide, high, x, y in product(_WIDTHS, _HEIGHTS, _ACROSS.tolist(), _DOWN.tolist())
        if min(x - wide / 2, y - high / 2) > -_CUT_OFF
        and max(x + wide / 2, y + high / 2) < 1 + _CUT_OFF
    ]
    found, near_them = [], []
    for box in boxes:
        across, down = _within(box, _COARSE)
        dome = np.logical_or(*_pair(across, down))
        near = (abs(across - 0.5) < 0.62) & (down > -0.06) & (down < 1.18)
        found.append((dome & near).ravel())
        near_them.append(near.ravel())
    lungs, among = np.array(found, np.float32), np.array(near_them, np.float32)
    lung, size = lungs.sum(1), among.sum(1)
    weight = np.sqrt(lung / size / (1 - lung / size))
    return _Domes(boxes=boxes, lungs=lungs, among=among, lung=lung, size=size, weight=weight)


def _within(box: Box, side: int) -> tuple[Array, Array]:
    """Each cell of a grid across and down a box, 0-1 inside."""
    left, top, right, bottom = box
    down, across = (np.mgrid[:side, :side] + 0.5) / side
    return (across - left) / (right - left), (down - top) / (bottom - top)


def _pair(across: Array, down: Array) -> tuple[Mask, Mask]:
    """The right and the left lung in their box."""
    left, top, right, bottom = _HEART
    heart = (across > left) & (across < right) & (down > top) & (down < bottom)
    return (
        _dome(across / _RIGHT, down),
        _dome((across - _LEFT) / (1 - _LEFT), down / 0.96) & ~heart,
    )


def _dome(across: Array, down: Array) -> Mask:
    half = 0.5 * np.sqrt(1 - (1 - np.clip(down, 0, 1)) ** 2.2)
    return np.asarray((abs(across - 0.5) <= half) & (down >= 0) & (down <= 1))


def _grown(image: Array, box: Box) -> tuple[Mask, Mask]:
    """Each lung: as dark as its dome rather than as the column between, and connected with it."""
    smooth = blurred(image, 0.7)
    across, down = _within(box, _GRID)
    column = smooth[(abs(across - 0.51) < 0.05) & (down > 0) & (down < 1)]
    beside = from_the_sides(smooth < _BESIDE)
    found = []
    for dome, own in zip(_pair(across, down), (across < 0.5, across >= 0.5), strict=True):
        gray = np.median(smooth[dome]) if dome.any() else np.float32(0)
        dark = smooth < (gray + np.median(column)) / 2
        near = own & (abs(across - 0.5) < 0.6) & (down > -0.3) & (down < 1.8)
        found.append(connected(dome, dark & near & ~beside))
    return found[0], found[1]


def from_the_sides(allowed: Mask) -> Mask:
    """What can be reached from the left or right edge through what is allowed."""
    edges = np.zeros_like(allowed)
    edges[:, [0, -1]] = True
    return connected(edges, allowed)


def connected(seeds: Mask, allowed: Mask) -> Mask:
    """What can be reached from seeds through what is allowed, in steps to the four neighbours."""
    found = seeds & allowed
    while True:
        grown = found.copy()
        grown[1:] |= found[:-1]
        grown[:-1] |= found[1:]
        grown[:, 1:] |= found[:, :-1]
        grown[:, :-1] |= found[:, 1:]
        grown &= allowed
        if (grown == found).all():
            return found
        found = grown
