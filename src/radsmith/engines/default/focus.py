"""Findings that are told where to lie: opacities in the lungs, drawn where air would be.

The model learned of too few placed findings to place any itself. What is known is put in by hand:
within a soft ellipse at the usual place air is drawn on towards the gray of soft tissue at each
step, and the networks make of it what goes with the rest of the image.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from radsmith.images.image import Array
from radsmith.images.letterbox import SIDE, Box
from radsmith.images.resize import resize
from radsmith.language.places import RIM, by_rule, can_place, half_axes, place_of
from radsmith.language.prompt import Finding, Prompt

_TISSUE = 0.75
"""Quantile of a chest radiograph, bars left out, that has the gray of soft tissue or fluid."""
_BAR, _DARK = -0.95, -0.6
"""Gray of the bars, and below which lungs and the air beside a body are."""
_GRID = 64
"""Cells on a side in which that air is looked for."""
_LEVEL, _RISE, _NO_SIDE = 0.1, 0.6, 0.05
_AT_ONCE = 3


def placed(prompt: Prompt | None) -> tuple[Finding, ...]:
    """The findings that are told where to lie."""
    if prompt is None:
        return ()
    return tuple(finding for finding in prompt.findings if can_place(prompt, finding))


def shade_of(
    prompt: Prompt | None, box: Box, side: int, rng: np.random.Generator | None
) -> Array | None:
    """How much of the way to soft tissue each pixel goes at a step, 0-1: (side, side); None where
    no finding is drawn so.

    box: of the image in a square of SIDE pixels.  rng: chooses the side of a finding that names no
    place; None: it fills its usual place.
    """
    if prompt is None:
        return None
    shade = np.zeros((side, side), np.float32)
    x, y, width, height = (n * side / SIDE for n in box)
    down, across = np.mgrid[:side, :side] + 0.5
    for finding in prompt.findings:
        opacity = by_rule(prompt, finding)
        if opacity is None:
            continue
        if rng is not None and not can_place(prompt, finding):
            finding = replace(finding, side=str(rng.choice(("side:left", "side:right"))))
        left, top, right, bottom = place_of(prompt, finding)
        wide, high = half_axes(opacity, (right - left) * width, (bottom - top) * height)
        u = (across - x - (left + right) / 2 * width) / wide
        v = (down - y - (top + bottom) / 2 * height) / high
        if opacity.fluid:
            inside = _fluid(u, v, (left + right) / 2 - 0.5)
        else:
            inside = np.clip((1 + RIM / 2 - np.hypot(u, v)) / RIM, 0, 1)
        np.maximum(shade, opacity.share * inside, out=shade)
    return shade if shade.any() else None


def _fluid(u: Array, v: Array, off: float) -> Array:
    """How surely fluid is at u, v in the half axes of its place; it stands higher away from the
    middle.  off: of its place to the right of the image's middle, about 0 where it has no side."""
    out = np.abs(u) if abs(off) < _NO_SIDE else u * np.sign(off)
    level = _LEVEL - _RISE * np.clip(out, -1, 1) ** 3
    within = np.clip((1 + RIM / 2 - np.maximum(np.abs(u), v)) / RIM, 0, 1)
    return np.asarray(within * np.clip((v - level) / RIM + 0.5, 0, 1), np.float32)


def shaded(image: Array, shade: Array) -> Array:
    """The image (height, width) in [-1, 1], air in the body a share of the way to soft tissue."""
    shown = image[image > _BAR]
    tissue = np.quantile(shown, _TISSUE) if shown.size else np.float32(0)
    way = shade * (1 - outside_of(image))
    return np.asarray(image + way * np.maximum(tissue - image, 0), np.float32)


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


def at_once(shade: Array) -> Array:
    """A shade of twelve steps as that of an image that is drawn on from half of its noise."""
    return np.asarray(1 - (1 - shade) ** _AT_ONCE, np.float32)
