"""Findings that are told where to lie: put in by hand, as `language.places` says of their kind.

The model learned of too few placed findings to place any itself. What is known is put in by hand:
within a soft ellipse at the usual place the image is drawn on towards one of its own grays at each
step (air towards soft tissue in a chest), and the networks make of it what goes with the rest. In a
chest radiograph the place is one in the lungs as they are found there, and what is put in lies over
what is there, as shadows do: ribs stay to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from radsmith.images.blur import blurred
from radsmith.images.image import Array, Mask
from radsmith.images.letterbox import SIDE, Box, inside
from radsmith.images.lungs import Lungs, connected, find_lungs
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
    shows_lungs,
)
from radsmith.language.prompt import Finding, Prompt

_MIDDLE = 0.5
"""Quantile from which on a gray is one that is drawn brighter to."""
_BAR, _DARK = -0.95, -0.6
"""Gray of the bars, and below which lungs and the air beside a body are."""
_GRID = 64
"""Cells on a side in which that air is looked for."""
_LEVEL, _RISE, _NO_SIDE = 0.1, 0.6, 0.05
_SMOOTH = 32
"""A shadow changes what is broader than the image's side over this."""
_WAVES = 7
"""On a side of an image, of a border that strays."""
_LEFT_OVER = 0.1
"""Of a shadow, how much must lie in the lungs that were found; else they are not asked."""
TOLD_FOR = 12
"""Steps that shares are told for."""


T = TypeVar("T", float, Array)


def in_steps(share: T, count: float) -> T:
    """A share of a way that is gone at each step, as that of so many steps at once."""
    return 1 - (1 - share) ** count


@dataclass(frozen=True, kw_only=True)
class Shade:
    """What is drawn by rule. share: (height, width), 0-1, of the way that is gone at a step; dense:
    the same in what an edit begins from.  gray: where to, a quantile of the image.  air: what lies
    beside a body stays air.  over: it is a shadow, in which what is there can still be seen."""

    share: Array
    dense: Array
    gray: float
    air: bool = False
    over: bool = False

    def steps(self, count: float) -> Shade:
        """So many of its steps as one."""
        return replace(self, share=np.asarray(in_steps(self.share, count), np.float32))

    def weaker(self, share: float) -> Shade:
        """As much of it."""
        return replace(self, share=np.float32(share) * self.share)

    def of_size(self, width: int, height: int) -> Shade:
        """On another grid."""
        share, dense = (resize(own, width, height) for own in (self.share, self.dense))
        return replace(self, share=share, dense=dense)

    def at_once(self) -> Shade:
        """As it is in what an edit begins from."""
        return replace(self, share=self.dense)

    def apply(self, image: Array) -> Array:
        """The image (height, width) in [-1, 1], a share of the way gone."""
        shown = image[image > _BAR]
        gray = np.quantile(shown, self.gray) if shown.size else np.float32(0)
        way = self.share * (1 - outside_of(image)) if self.air else self.share
        under = blurred(image, max(image.shape) / _SMOOTH) if self.over else image
        off = gray - under
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
    of the finding that is put there.  seed: of its border."""

    place: Place
    adds: str = ""
    seed: int = 0

    @classmethod
    def of(cls, mask: Mask, adds: str, seed: int = 0) -> Hole:
        """Around all that is True in mask (height, width)."""
        region, (height, width) = around(mask, 0), mask.shape
        rows, columns = (region.top, region.bottom), (region.left, region.right)
        (left, right), (top, bottom) = (
            (first / length, last / length)
            for (first, last), length in ((columns, width), (rows, height))
        )
        return cls(place=(left, top, right, bottom), adds=adds, seed=seed)

    def holds(self, place: Place) -> bool:
        """Whether the middle of a place lies inside."""
        left, top, right, bottom = self.place
        across, down = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
        return left <= across <= right and top <= down <= bottom


@dataclass(frozen=True, kw_only=True)
class Shading:
    """What is to be drawn by rule in an image that is not begun yet: all that `shade_of` asks.

    share: of it that is drawn.
    """

    prompt: Prompt | None
    box: Box
    where: np.random.Generator | Hole | None
    lungs: Lungs | None = None
    share: float = 1.0

    def on(self, image: Array) -> Shade | None:
        """In an image (side, side) in [-1, 1] that is drawn on; its lungs where none were given."""
        lungs = self.lungs or self.found(image)
        shade = shade_of(self.prompt, self.box, len(image), self.where, lungs)
        return shade and shade.weaker(self.share)

    def found(self, image: Array) -> Lungs | None:
        """The lungs of a square image in [-1, 1]; None where there are none to be seen."""
        if self.prompt is None or not shows_lungs(self.prompt):
            return None
        left, top, width, height = (round(n * len(image) / SIDE) for n in self.box)
        content = inside(image, (left, top, width, height))
        return find_lungs(np.asarray(content / 2 + 0.5, np.float32)) if content.size else None


def shade_of(
    prompt: Prompt | None,
    box: Box,
    side: int,
    where: np.random.Generator | Hole | None,
    lungs: Lungs | None = None,
) -> Shade | None:
    """What is drawn by rule, on (side, side); None where no finding is.

    box: of the image in a square of SIDE pixels.  where: a generator chooses the side of a finding
    that names no place, and where in its place it lies; None: in the middle.  Of an edit its hole:
    only that is drawn whose place is named, and what is added: where it is said to be, or, where
    that is outside or nothing is said, in the middle of the hole.  lungs: of a chest radiograph,
    as they were found.
    """
    drawn = by_hand(prompt) if prompt else None
    hole = where if isinstance(where, Hole) else None
    if prompt is None or drawn is None:
        return None
    shade, dense = np.zeros((2, side, side), np.float32)
    chance = where if isinstance(where, np.random.Generator) else None
    rng = np.random.default_rng(hole.seed) if hole else chance
    x, y, width, height = (n * side / SIDE for n in box)
    down, across = np.mgrid[:side, :side] + 0.5
    for finding in prompt.findings:
        rule, named = by_rule(prompt, finding), can_place(prompt, finding)
        if rule is None or (hole and not named and finding.concept != hole.adds):
            continue
        if chance and not (rule.midline or named):
            finding = replace(finding, side=str(chance.choice(("side:left", "side:right"))))
        place = place_of(prompt, finding, rule, lungs.box if lungs else None)
        wide, high = half_axes(rule, place, width, height)
        if chance and not (rule.fluid or rule.midline):
            place = _somewhere(place, (wide / width, high / height), chance)
        if hole and finding.concept == hole.adds and not hole.holds(place):
            place, whole = hole.place, replace(rule, extent=1 / (1 + rule.rim / 2))
            most = half_axes(whole, place, width, height)
            wide, high = min(wide, most[0]), min(high, most[1])
        left, top, right, bottom = place
        u = (across - x - (left + right) / 2 * width) / wide
        v = (down - y - (top + bottom) / 2 * height) / high
        if rule.ragged and rng is not None:
            strays = 1 + np.float32(rule.ragged) * _waves(rng, side)
            u, v = u / strays, v / strays
        if rule.fluid:
            within = _fluid(u, v, (left + right) / 2 - 0.5, rule.rim, deep=lungs is not None)
        else:
            within = _within(np.hypot(u, v), rule.rim)
        if rule.core:
            within = within - _within(np.hypot(u, v) / rule.core, rule.rim)
        if lungs is not None:
            within = _confined(within, lungs, (x, y, width, height), fluid=rule.fluid)
        np.maximum(shade, rule.share * within, out=shade)
        np.maximum(dense, rule.dense * within, out=dense)
    if not shade.any():
        return None
    film = prompt.modality == "modality:x-ray"
    return Shade(share=shade, dense=dense, gray=drawn.gray, air=film, over=film)


def _confined(
    within: Array, lungs: Lungs, box: tuple[float, float, float, float], *, fluid: bool
) -> Array:
    """A share (side, side) where lungs are, as long as something of it is left.

    box: of the image in it.  fluid: below them too, where it hides their base.
    """
    left, top, width, height = map(round, box)
    share = np.zeros_like(within)
    part = inside(share, (left, top, width, height))
    part[:] = lungs.share(part.shape[1], part.shape[0])
    if fluid:
        np.maximum.accumulate(part, axis=0, out=part)
    found = within * share
    return found if found.sum() > _LEFT_OVER * within.sum() else within


def _somewhere(place: Place, half: tuple[float, float], rng: np.random.Generator) -> Place:
    """The place moved at random, as far as an ellipse of these half axes stays in that of it."""
    left, top, right, bottom = place
    spare = (max(0.0, (right - left) / 2 - half[0]), max(0.0, (bottom - top) / 2 - half[1]))
    far, angle = rng.random() ** 0.5, rng.uniform(0, 2 * np.pi)
    across, down = far * np.cos(angle) * spare[0], far * np.sin(angle) * spare[1]
    return left + across, top + down, right + across, bottom + down


def _waves(rng: np.random.Generator, side: int) -> Array:
    """Smooth noise of about unit variance, at most 2: (side, side)."""
    return np.clip(resize(rng.standard_normal((_WAVES, _WAVES), np.float32), side, side), -2, 2)


def _within(far: Array, rim: float) -> Array:
    """How surely a distance, in half axes, is inside."""
    return np.asarray(np.clip((1 + rim / 2 - far) / rim, 0, 1), np.float32)


def _fluid(u: Array, v: Array, off: float, rim: float, *, deep: bool) -> Array:
    """How surely fluid is at u, v in the half axes of its place; it stands higher away from the
    middle.  off: of its place to the right of the image's middle, about 0 where it has no side.
    deep: below its place too."""
    out = np.abs(u) if abs(off) < _NO_SIDE else u * np.sign(off)
    level = _LEVEL - _RISE * np.clip(out, -1, 1) ** 3
    within = _within(np.abs(u) if deep else np.maximum(np.abs(u), v), rim)
    return np.asarray(within * np.clip((v - level) / rim + 0.5, 0, 1), np.float32)


def outside_of(image: Array) -> Array:
    """How surely each pixel of an image (height, width) in [-1, 1] is air beside the body, 0-1:
    dark, and reached from the left or right edge through what is dark."""
    height, width = image.shape
    rows, columns = min(_GRID, height), min(_GRID, width)
    dark = resize(np.asarray(image, np.float32), columns, rows) < _DARK
    edges = np.zeros_like(dark)
    edges[:, [0, -1]] = True
    found = connected(edges, dark)
    return np.clip(resize(found.astype(np.float32), width, height), 0, 1)
