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
from radsmith.language.places import by_rule, can_place, place_of
from radsmith.language.prompt import Finding, Prompt

_RIM = 0.5
"""Share of an ellipse's radii over which it fades at its rim."""
_TISSUE = 0.75
"""Quantile of a chest radiograph, bars left out, that has the gray of soft tissue or fluid."""
_BAR = -0.95


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
        half = opacity.extent / 2
        u = ((across - x) / width - (left + right) / 2) / ((right - left) * half)
        v = ((down - y) / height - (top + bottom) / 2) / ((bottom - top) * half)
        inside = np.clip((1 + _RIM / 2 - np.hypot(u, v)) / _RIM, 0, 1)
        np.maximum(shade, opacity.share * inside, out=shade)
    return shade if shade.any() else None


def shaded(image: Array, shade: Array) -> Array:
    """The image (side, side) in [-1, 1], its air a share of the way to soft tissue."""
    shown = image[image > _BAR]
    tissue = np.quantile(shown, _TISSUE) if shown.size else np.float32(0)
    return np.asarray(image + shade * np.maximum(tissue - image, 0), np.float32)
