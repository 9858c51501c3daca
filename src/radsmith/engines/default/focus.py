"""Where on the base's grid the findings of a prompt are to lie, softly."""

from __future__ import annotations

import numpy as np

from radsmith.images.image import Array
from radsmith.images.letterbox import SIDE, Box
from radsmith.language.places import can_place, place_of
from radsmith.language.prompt import NOT_ABNORMAL, Prompt

_RIM = 0.35
"""Share of an ellipse's radii over which the focus fades at its rim."""


def placed(prompt: Prompt) -> bool:
    """Whether every finding to be seen has a place that is named."""
    found = [f for f in prompt.findings if f.present and f.concept not in NOT_ABNORMAL]
    return bool(found) and all(can_place(prompt, finding) for finding in found)


def focus_of(prompt: Prompt, box: Box, side: int) -> Array:
    """1 in the places of the findings, 0 elsewhere, an ellipse each: (side, side).

    box: of the image in a square of SIDE pixels.
    """
    x, y, width, height = (n * side / SIDE for n in box)
    down, across = np.mgrid[:side, :side] + 0.5
    focus = np.zeros((side, side), np.float32)
    for finding in prompt.findings:
        if not finding.present or finding.concept in NOT_ABNORMAL:
            continue
        left, top, right, bottom = place_of(prompt, finding)
        u = ((across - x) / width - (left + right) / 2) / ((right - left) / 2)
        v = ((down - y) / height - (top + bottom) / 2) / ((bottom - top) / 2)
        inside = np.clip((1 + _RIM / 2 - np.hypot(u, v)) / _RIM, 0, 1)
        np.maximum(focus, inside, out=focus)
    return focus
