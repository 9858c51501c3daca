"""Findings that are told where to lie: put in by hand, as `language.places` says of their kind.

The model learned of too few placed findings to place any itself. What is known is put in by hand:
within a soft ellipse at the usual place the image is drawn on towards one of its own grays at each
step (air towards soft tissue in a chest), and the networks make of it what goes with the rest. In a
chest the place is one in the lungs as they are found there, and in a radiograph what is put in lies
over what is there, as shadows do: ribs stay to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from radsmith.engines.engine import Ask
from radsmith.images.blur import blurred
from radsmith.images.image import Array, Mask
from radsmith.images.letterbox import SIDE, Box, inside
from radsmith.images.lungs import Lungs, find_lungs, from_the_sides
from radsmith.images.regions import around
from radsmith.images.resize import resize
from radsmith.language.places import (
    SIDES,
    Rule,
    by_hand,
    by_rule,
    can_place,
    half_axes,
    in_ct,
    on_sides,
    only_there,
    place_of,
    shows_lungs,
)
from radsmith.language.places import Box as Place
from radsmith.language.prompt import NORMAL, Finding, Prompt, is_abnormal
from radsmith.language.vocabulary import default_vocabulary

_MIDDLE = 0.5
"""Quantile from which on a gray is one that is drawn brighter to."""
_BAR, _DARK = -0.95, -0.6
"""Gray of the bars, and below which lungs and the air beside a body are."""
_GRID = 64
"""Cells on a side in which that air is looked for."""
_LEVEL, _RISE = 0.1, 0.6
_HALF = 0.5
_BELOW = 0.15
"""Of the height of lungs, how far below their base fluid reaches that hides it."""
_SMOOTH = 32
"""A shadow changes what is broader than the image's side over this."""
_WAVES = 7
"""On a side of an image, of a border that strays."""
_OFF = 0.12
"""Half axes by which the core of what is hollow lies aside, at most."""
_LEFT_OVER = 0.2
"""Of a shadow, how much must lie in the lungs that were found; else they are not asked."""
TOLD_FOR = 12
"""Steps that shares are told for."""


T = TypeVar("T", float, Array)


def in_steps(share: T, count: float) -> T:
    """A share of a way that is gone at each step, as that of so many steps at once."""
    return 1 - (1 - share) ** count


@dataclass(frozen=True, kw_only=True)
class Shade:
    """What is drawn by rule. share: (height, width), 0-1, of the way that is gone.  gray: where to,
    a quantile of the image.  air: what lies beside a body stays air.  over: it is a shadow, in
    which what is there can still be seen."""

    share: Array
    gray: float
    air: bool = False
    over: bool = False

    def steps(self, count: float) -> Shade:
        """So many of its steps as one."""
        return replace(self, share=np.asarray(in_steps(self.share, count), np.float32))

    def weaker(self, share: float) -> Shade:
        """As much of it."""
        return replace(self, share=np.float32(share) * self.share)

    def within(self, box: Box, width: int, height: int) -> Shade:
        """That of what lies in a box of its square of SIDE, on another grid."""
        return replace(self, share=resize(inside(self.share, box), width, height))

    def apply(self, image: Array) -> Array:
        """The image (height, width) in [-1, 1], a share of the way gone."""
        shown = image[image > _BAR]
        gray = np.quantile(shown, self.gray) if shown.size else np.float32(0)
        way = self.share * (1 - outside_of(image)) if self.air else self.share
        off = gray - (_broad(image) if self.over else image)
        to_go = np.maximum(off, 0) if self.gray >= _MIDDLE else np.minimum(off, 0)
        return np.asarray(image + way * to_go, np.float32)


def _broad(image: Array) -> Array:
    """What is broader than the longer side over _SMOOTH."""
    longer = max(image.shape)
    height, width = (max(1, round(min(1, SIDE / longer) * n)) for n in image.shape)
    small = resize(image, width, height)
    return resize(blurred(small, max(small.shape) / _SMOOTH), *image.shape[::-1])


def placed(prompt: Prompt | None, adds: str | None = None) -> tuple[Finding, ...]:
    """The findings that are told where to lie, and that nothing but the rule is asked for.

    adds: of these only the one of this concept, where others are there already.
    """
    if prompt is None:
        return ()
    return tuple(
        finding
        for finding in prompt.findings
        if only_there(prompt, finding) and adds in (None, finding.concept)
    )


def plainly(ask: Ask, adds: str | None = None) -> Ask:
    """Without the findings that are told where to lie: as normal where there are no others.

    adds: of an image that shows the others already, the one that it is to show.
    """
    told = placed(ask.prompt, adds)
    if ask.prompt is None or not told:
        return ask
    here = [f for f in ask.prompt.findings if f.present and is_abnormal(f.concept)]
    if len(told) < len(here):
        vocabulary = default_vocabulary()
        rest = vocabulary.with_implied(finding.concept for finding in here if finding not in told)
        gone = set(vocabulary.with_implied(f.concept for f in told)) - set(rest)
        return replace(ask, concepts=tuple(c for c in ask.concepts if c not in gone))
    kept = (c for c in ask.concepts if not c.startswith(("finding:", "severity:")))
    return replace(ask, concepts=(*kept, NORMAL))


@dataclass(frozen=True, kw_only=True)
class Hole:
    """What is made of an image. place: left, top, right, bottom as fractions of it.  adds: concept
    of the finding that is put there.  seed: of its border.  afresh: nothing of it is there yet."""

    place: Place
    adds: str = ""
    seed: int = 0
    afresh: bool = True

    @classmethod
    def of(cls, mask: Mask, adds: str, seed: int = 0, *, afresh: bool = True) -> Hole:
        """Around all that is True in mask (height, width)."""
        region, (height, width) = around(mask, 0), mask.shape
        rows, columns = (region.top, region.bottom), (region.left, region.right)
        (left, right), (top, bottom) = (
            (first / length, last / length)
            for (first, last), length in ((columns, width), (rows, height))
        )
        return cls(place=(left, top, right, bottom), adds=adds, seed=seed, afresh=afresh)

    def asks(self, finding: Finding, *, alone: bool) -> bool:
        """Whether the finding is to be put into it: it is added, or nothing else draws it."""
        return finding.concept == self.adds or (self.afresh and alone)

    def holds(self, place: Place) -> bool:
        """Whether the middle of a place lies inside."""
        left, top, right, bottom = self.place
        across, down = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
        return left <= across <= right and top <= down <= bottom


@dataclass(frozen=True, kw_only=True)
class Shading:
    """What is to be drawn by rule in an image that is not begun yet: all that `shade_of` asks.

    lungs: those of the image, where it is known; look: else they are looked for in what is drawn.
    share: of it that is drawn.
    """

    prompt: Prompt | None
    box: Box
    where: np.random.Generator | Hole | None
    lungs: Lungs | None = None
    look: bool = True
    share: float = 1.0

    @property
    def looks(self) -> bool:
        """Whether what it draws depends on the lungs of what is drawn."""
        prompt = self.prompt
        if not self.look or prompt is None or not shows_lungs(prompt):
            return False
        return any(by_rule(prompt, finding) for finding in prompt.findings)

    def lungs_in(self, picture: Array) -> Lungs | None:
        """Those of a picture (height, width) in 0-1, where it shows lungs."""
        if self.prompt is None or not shows_lungs(self.prompt):
            return None
        return find_lungs(picture, ct=in_ct(self.prompt))

    def on(self, image: Array, *, dense: bool = False) -> Shade | None:
        """In an image (side, side) in [-1, 1].  dense: as in what an edit begins from, not as at a
        step."""
        lungs = self.lungs
        if self.looks:
            left, top, width, height = (round(n * len(image) / SIDE) for n in self.box)
            content = inside(image, (left, top, width, height))
            picture = np.asarray(content / 2 + 0.5, np.float32)
            lungs = self.lungs_in(picture) if content.size else None
        shade = shade_of(self.prompt, self.box, len(image), self.where, lungs, dense=dense)
        return shade and shade.weaker(self.share)


def shade_of(
    prompt: Prompt | None,
    box: Box,
    side: int,
    where: np.random.Generator | Hole | None,
    lungs: Lungs | None = None,
    *,
    dense: bool = False,
) -> Shade | None:
    """What is drawn by rule, on (side, side); None where no finding is.

    box: of the image in a square of SIDE pixels.  where: a generator chooses the side of a finding
    that names no place, and where in its place it lies; None: in the middle.  Of an edit its hole:
    what is added is drawn where it is said to be, or, where that is outside or nothing is said, in
    the middle of the hole; other findings only where nothing of them is there yet and their place
    is named.  lungs: of a chest, as they were found.  dense: as `Rule.dense` says.
    """
    drawn = by_hand(prompt) if prompt else None
    hole = where if isinstance(where, Hole) else None
    chance = where if isinstance(where, np.random.Generator) else None
    if prompt is None or drawn is None:
        return None
    shade = np.zeros((side, side), np.float32)
    rng = np.random.default_rng(hole.seed) if hole else chance
    x, y, width, height = (n * side / SIDE for n in box)
    for finding in prompt.findings:
        rule, named = by_rule(prompt, finding), can_place(prompt, finding)
        if rule is None:
            continue
        added = hole is not None and hole.asks(finding, alone=rule.alone and not named)
        if hole and not added and not (hole.afresh and named):
            continue
        chosen = None
        if chance and not rule.midline and (shows_lungs(prompt) or not named):
            chosen = str(chance.choice(SIDES))
        elif hole and shows_lungs(prompt) and not rule.fluid:
            chosen = SIDES[(hole.place[0] + hole.place[2]) / 2 > _HALF]
        for own in on_sides(prompt, finding, rule, chosen):
            place = place_of(prompt, own, rule, lungs.box if lungs else None)
            wide, high = half_axes(rule, place, width, height)
            confined = lungs
            if chance and not (rule.fluid or rule.midline or (lungs is None and rule.alone)):
                reach = (rule.reach * wide / width, rule.reach * high / height)
                place = _somewhere(place, reach, chance)
            if lungs is not None and not rule.fluid:
                place = lungs.inward(place)
            if added and hole is not None and not hole.holds(place):
                place, whole = hole.place, replace(rule, extent=1 / rule.reach)
                most = half_axes(whole, place, width, height)
                wide, high, confined = min(wide, most[0]), min(high, most[1]), None
            within = _ellipse(
                rule, own, (side, side), place, (wide, high), (x, y, width, height), rng
            )
            if confined is not None:
                within = _confined(within, confined, (x, y, width, height), fluid=rule.fluid)
            np.maximum(shade, (rule.dense if dense else rule.share) * within, out=shade)
    if not shade.any():
        return None
    film = prompt.modality == "modality:x-ray"
    return Shade(share=shade, gray=drawn.gray, air=film and lungs is None, over=film)


def _ellipse(
    rule: Rule,
    finding: Finding,
    shape: tuple[int, int],
    place: Place,
    half: tuple[float, float],
    box: tuple[float, float, float, float],
    rng: np.random.Generator | None,
) -> Array:
    """How surely each pixel is in a finding of these half axes in the middle of its place.

    box: of the image, in which the place is told.  rng: of what differs from one to the other.
    """
    (left, top, right, bottom), (x, y, width, height) = place, box
    down, across = np.mgrid[: shape[0], : shape[1]] + 0.5
    u = (across - x - (left + right) / 2 * width) / half[0]
    v = (down - y - (top + bottom) / 2 * height) / half[1]
    if rule.varied and rng is not None:
        angle = rng.uniform(0, np.pi) if rule.round else 0.0
        long, short = 1 - rule.varied * rng.random(2)
        along, aside = np.cos(angle), np.sin(angle)
        u, v = (along * u + aside * v) / long, (along * v - aside * u) / short
    if rule.ragged and rng is not None:
        strays = 1 + np.float32(rule.ragged) * _waves(rng, shape)
        u, v = u / strays, v / strays
    if rule.fluid:
        return _fluid(u, v, finding.side, rule.rim)
    within = _within(np.hypot(u, v), rule.rim)
    if not rule.core:
        return within
    core: float | Array = rule.core
    if rule.ragged and rng is not None:  # a wall that is thick here and thin there
        x, y = _OFF * rng.uniform(-1, 1, 2)
        u, v, core = u - x, v - y, core * (1 + 2 * np.float32(rule.ragged) * _waves(rng, shape))
    return np.asarray(within * (1 - _within(np.hypot(u, v) / core, rule.rim)), np.float32)


def _confined(
    within: Array, lungs: Lungs, box: tuple[float, float, float, float], *, fluid: bool
) -> Array:
    """A share (side, side) where lungs are, as long as something of it is left.

    box: of the image in it.  fluid: a little below them too, where it hides their base.
    """
    left, top, width, height = map(round, box)
    share = np.zeros_like(within)
    part = inside(share, (left, top, width, height))
    part[:] = lungs.share(part.shape[1], part.shape[0])
    if fluid:
        tall = (lungs.box()[3] - lungs.box()[1]) * height
        for _ in range(round(_BELOW * tall)):
            np.maximum(part[1:], part[:-1].copy(), out=part[1:])
    found = within * share
    return found if found.sum() > _LEFT_OVER * within.sum() else within


def _somewhere(place: Place, half: tuple[float, float], rng: np.random.Generator) -> Place:
    """The place moved at random, about as far as an ellipse of these half axes stays in its own."""
    left, top, right, bottom = place
    spare = (max(0.0, (right - left) / 2 - half[0]), max(0.0, (bottom - top) / 2 - half[1]))
    far, angle = rng.random() ** 0.5, rng.uniform(0, 2 * np.pi)
    across, down = far * np.cos(angle) * spare[0], far * np.sin(angle) * spare[1]
    return left + across, top + down, right + across, bottom + down


def _waves(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Smooth noise, -1 to 1, on a grid of this shape."""
    rough = rng.standard_normal((_WAVES, _WAVES), np.float32)
    return np.clip(resize(rough, shape[1], shape[0]), -1, 1)


def _within(far: Array, rim: float) -> Array:
    """How surely a distance, in half axes, is inside."""
    return np.asarray(np.clip((1 + rim / 2 - far) / rim, 0, 1), np.float32)


def _fluid(u: Array, v: Array, side: str | None, rim: float) -> Array:
    """How surely fluid is at u, v in the half axes of its place; it stands higher at the chest's
    wall, that of its side or both."""
    out = {"side:left": u, "side:right": -u}.get(side or "", np.abs(u))
    level = _LEVEL - _RISE * np.clip(out, -1, 1) ** 3
    within = _within(np.maximum(np.abs(u), v), rim)
    return np.asarray(within * np.clip((v - level) / rim + 0.5, 0, 1), np.float32)


def outside_of(image: Array) -> Array:
    """How surely each pixel of an image (height, width) in [-1, 1] is air beside the body, 0-1:
    dark, and reached from the left or right edge through what is dark."""
    height, width = image.shape
    rows, columns = min(_GRID, height), min(_GRID, width)
    found = from_the_sides(resize(np.asarray(image, np.float32), columns, rows) < _DARK)
    return np.clip(resize(found.astype(np.float32), width, height), 0, 1)
