"""Findings that are told where to lie: put in by hand, as `language.places` says of their kind.

The model learned of too few placed findings to place any itself. What is known is put in by hand:
within a soft ellipse at the usual place the image is drawn on towards one of its own grays at each
step (air towards soft tissue in a chest), and the networks make of it what goes with the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from radsmith.images.image import Array, Mask
from radsmith.images.letterbox import SIDE, Box
from radsmith.images.regions import around
from radsmith.images.resize import resize
from radsmith.language.places import Box as Place
from radsmith.language.places import (
    by_hand,
    by_rule,
    can_place,
    half_axes,
    only_there,
    place_of,
)
from radsmith.language.prompt import Finding, Prompt

_MIDDLE = 0.5
"""Quantile from which on a gray is one that is drawn brighter to."""
_BAR, _DARK = -0.95, -0.6
"""Gray of the bars, and below which lungs and the air beside a body are."""
_GRID = 64
"""Cells on a side in which that air is looked for."""
_LEVEL, _RISE, _NO_SIDE = 0.1, 0.6, 0.05
TOLD_FOR = 12
"""Steps that shares are told for."""
_AT_ONCE = 3
"""Of them, as many as make of an image what it is drawn on from at half of its noise."""


T = TypeVar("T", float, Array)


def in_steps(share: T, count: float) -> T:
    """A share of a way that is gone at each step, as that of so many steps at once."""
    return 1 - (1 - share) ** count


@dataclass(frozen=True, kw_only=True)
class Shade:
    """What is drawn by rule. share: (height, width), 0-1, of the way that is gone at a step.
    gray: where to, a quantile of the image.  air: what lies beside a body stays air."""

    share: Array
    gray: float
    air: bool = False

    def steps(self, count: float) -> Shade:
        """So many of its steps as one."""
        return replace(self, share=np.asarray(in_steps(self.share, count), np.float32))

    def at_once(self) -> Shade:
        """As that of an image that is drawn on from half of its noise."""
        return self.steps(_AT_ONCE)

    def weaker(self, share: float) -> Shade:
        """As much of it."""
        return replace(self, share=np.float32(share) * self.share)

    def of_size(self, width: int, height: int) -> Shade:
        """On another grid."""
        return replace(self, share=resize(self.share, width, height))

    def apply(self, image: Array) -> Array:
        """The image (height, width) in [-1, 1], a share of the way gone."""
        shown = image[image > _BAR]
        gray = np.quantile(shown, self.gray) if shown.size else np.float32(0)
        way = self.share * (1 - outside_of(image)) if self.air else self.share
        off = gray - image
        to_go = np.maximum(off, 0) if self.gray >= _MIDDLE else np.minimum(off, 0)
        return np.asarray(image + way * to_go, np.float32)


def placed(prompt: Prompt | None) -> tuple[Finding, ...]:
    """The findings that are told where to lie, and that nothing but the rule is asked for."""
    if prompt is None:
        return ()
    return tuple(finding for finding in prompt.findings if only_there(prompt, finding))


@dataclass(frozen=True, kw_only=True)
class Hole:
    """What is made of an image. place: left, top, right, bottom as fractions of it.  adds: concept
    of the finding that is put there."""

    place: Place
    adds: str = ""

    @classmethod
    def of(cls, mask: Mask, adds: str) -> Hole:
        """Around all that is True in mask (height, width)."""
        region, (height, width) = around(mask, 0), mask.shape
        rows, columns = (region.top, region.bottom), (region.left, region.right)
        (left, right), (top, bottom) = (
            (first / length, last / length)
            for (first, last), length in ((columns, width), (rows, height))
        )
        return cls(place=(left, top, right, bottom), adds=adds)

    def holds(self, place: Place) -> bool:
        """Whether the middle of a place lies inside."""
        left, top, right, bottom = self.place
        across, down = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
        return left <= across <= right and top <= down <= bottom


def shade_of(
    prompt: Prompt | None,
    box: Box,
    side: int,
    where: np.random.Generator | Hole | None,
) -> Shade | None:
    """What is drawn by rule, on (side, side); None where no finding is.

    box: of the image in a square of SIDE pixels.  where: a generator chooses the side of a finding
    that names no place; None: it fills its usual place.  Of an edit its hole: only that is drawn
    whose place is named, and what is added: where it is said to be, or, where that is outside or
    nothing is said, in the middle of the hole.
    """
    drawn = by_hand(prompt) if prompt else None
    hole = where if isinstance(where, Hole) else None
    if prompt is None or drawn is None:
        return None
    shade = np.zeros((side, side), np.float32)
    x, y, width, height = (n * side / SIDE for n in box)
    down, across = np.mgrid[:side, :side] + 0.5
    for finding in prompt.findings:
        rule, named = by_rule(prompt, finding), can_place(prompt, finding)
        if rule is None or (hole and not named and finding.concept != hole.adds):
            continue
        if isinstance(where, np.random.Generator) and not (rule.midline or named):
            finding = replace(finding, side=str(where.choice(("side:left", "side:right"))))
        place = place_of(prompt, finding, rule)
        wide, high = half_axes(rule, place, width, height)
        if hole and finding.concept == hole.adds and not hole.holds(place):
            place, whole = hole.place, replace(rule, extent=1 / (1 + rule.rim / 2))
            most = half_axes(whole, place, width, height)
            wide, high = min(wide, most[0]), min(high, most[1])
        left, top, right, bottom = place
        u = (across - x - (left + right) / 2 * width) / wide
        v = (down - y - (top + bottom) / 2 * height) / high
        if rule.fluid:
            inside = _fluid(u, v, (left + right) / 2 - 0.5, rule.rim)
        else:
            inside = _within(np.hypot(u, v), rule.rim)
        if rule.core:
            inside = inside - _within(np.hypot(u, v) / rule.core, rule.rim)
        np.maximum(shade, rule.share * inside, out=shade)
    if not shade.any():
        return None
    return Shade(share=shade, gray=drawn.gray, air=prompt.modality == "modality:x-ray")


def _within(far: Array, rim: float) -> Array:
    """How surely a distance, in half axes, is inside."""
    return np.asarray(np.clip((1 + rim / 2 - far) / rim, 0, 1), np.float32)


def _fluid(u: Array, v: Array, off: float, rim: float) -> Array:
    """How surely fluid is at u, v in the half axes of its place; it stands higher away from the
    middle.  off: of its place to the right of the image's middle, about 0 where it has no side."""
    out = np.abs(u) if abs(off) < _NO_SIDE else u * np.sign(off)
    level = _LEVEL - _RISE * np.clip(out, -1, 1) ** 3
    within = _within(np.maximum(np.abs(u), v), rim)
    return np.asarray(within * np.clip((v - level) / rim + 0.5, 0, 1), np.float32)


def outside_of(image: Array) -> Array:
    """How surely each pixel of an image (height, width) in [-1, 1] is air beside the body, 0-1:
    dark, and reached from the left or right edge through what is dark."""
    height, width = image.shape
    rows, columns = min(_GRID, height), min(_GRID, width)
    dark = resize(np.asarray(image, np.float32), columns, rows) < _DARK
    found = np.zeros_like(dark)
    found[:, [0, -1]] = dark[:, [0, -1]]
    while True:
        grown = found.copy()
        grown[1:] |= found[:-1]
        grown[:-1] |= found[1:]
        grown[:, 1:] |= found[:, :-1]
        grown[:, :-1] |= found[:, 1:]
        grown &= dark
        if (grown == found).all():
            return np.clip(resize(found.astype(np.float32), width, height), 0, 1)
        found = grown
