"""Findings that are told where to lie: put in by hand, as `language.places` says of their kind.

The model learned of too few placed findings to place any itself. What is known is put in by hand:
within a soft ellipse at the usual place the image is drawn on towards one of its own grays at each
step (air towards soft tissue in a chest), and the networks make of it what goes with the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from radsmith.images.image import Array
from radsmith.images.letterbox import SIDE, Box
from radsmith.images.resize import resize
from radsmith.language.places import by_rule, can_place, half_axes, kind_of, only_there, place_of
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


@dataclass(frozen=True, kw_only=True)
class Shade:
    """What is drawn by rule. share: (height, width), 0-1, of the way that is gone at a step.
    gray: where to, a quantile of the image.  air: what lies beside a body stays air."""

    share: Array
    gray: float
    air: bool = False

    def steps(self, count: float) -> Shade:
        """So many of its steps as one."""
        return replace(self, share=np.asarray(1 - (1 - self.share) ** count, np.float32))

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


def shade_of(
    prompt: Prompt | None, box: Box, side: int, rng: np.random.Generator | None
) -> Shade | None:
    """What is drawn by rule, on (side, side); None where no finding is.

    box: of the image in a square of SIDE pixels.  rng: chooses the side of a finding that names no
    place; None: it fills its usual place.
    """
    kind = kind_of(prompt) if prompt else None
    if prompt is None or kind is None:
        return None
    shade = np.zeros((side, side), np.float32)
    x, y, width, height = (n * side / SIDE for n in box)
    down, across = np.mgrid[:side, :side] + 0.5
    for finding in prompt.findings:
        rule = by_rule(prompt, finding)
        if rule is None:
            continue
        if rng is not None and not (rule.midline or can_place(prompt, finding)):
            finding = replace(finding, side=str(rng.choice(("side:left", "side:right"))))
        left, top, right, bottom = place_of(prompt, finding)
        wide, high = half_axes(rule, (right - left) * width, (bottom - top) * height)
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
    return Shade(share=shade, gray=kind.gray, air=prompt.modality == "modality:x-ray")


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
