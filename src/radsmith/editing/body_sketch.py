"""A body as a sketch: flesh and bones where anatomy has them, for frames to begin from.

Drawn by rule from the same canonical adult as the body map: tubes of round section along lines in
millimetres, flesh inside a smooth outline, bones with walls. Nothing of a person was measured. A
frame that begins from it keeps what all frames share - outline, course of the bones, one exposure -
and is drawn by the model all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Point = tuple[float, float, float]
"""x from the midline, y from the vertex and the radius there, in mm."""
Line = tuple[Point, ...]

_FLESH_ONE_SIDE: tuple[Line, ...] = (
    ((106, 960, 82), (112, 1080, 80), (100, 1280, 70), (95, 1350, 67), (95, 1430, 63),
     (92, 1590, 42), (90, 1680, 35), (91, 1725, 38), (93, 1752, 36)),
    ((150, 350, 40), (192, 400, 62), (232, 520, 52), (260, 670, 43), (270, 740, 41),
     (284, 810, 38), (300, 930, 29), (305, 985, 38), (305, 1030, 36)),
    ((278, 990, 14), (258, 1045, 10), (252, 1075, 8)),
    ((287, 1030, 11), (281, 1090, 9), (280, 1120, 8)),
    ((301, 1030, 11), (301, 1095, 9), (302, 1132, 8)),
    ((314, 1030, 11), (319, 1090, 9), (322, 1122, 8)),
    ((326, 1025, 10), (336, 1075, 8), (341, 1097, 7)),
    ((60, 345, 62), (150, 385, 70)),
)  # fmt: skip
_TRUNK: tuple[tuple[float, float], ...] = (
    (205, 58), (240, 60), (300, 66), (335, 100), (370, 165), (420, 188), (500, 178), (600, 166),
    (690, 156), (780, 166), (860, 180), (930, 188), (1000, 184), (1030, 170),
)  # fmt: skip
"""Height and half the width of neck and trunk in mm."""
_HEAD = (0.0, 122.0, 84.0, 122.0)
"""Centre and radii of the head in mm."""
_DEEP = 105.0
"""Half the depth of the trunk in mm."""

_BONES_ONE_SIDE: tuple[Line, ...] = (
    ((90, 955, 24), (92, 958, 24)),
    ((92, 960, 15), (122, 990, 19), (130, 1010, 19), (124, 1060, 16), (106, 1230, 15),
     (98, 1285, 22), (96, 1318, 30)),
    ((78, 1320, 21), (114, 1320, 21)),
    ((76, 1364, 18), (112, 1364, 18)),
    ((93, 1374, 30), (89, 1420, 19), (87, 1520, 14), (85, 1630, 15),
     (84, 1668, 24)),
    ((124, 1385, 10), (120, 1420, 7), (113, 1560, 6), (107, 1650, 9), (106, 1690, 11)),
    ((86, 1700, 22), (90, 1725, 24), (93, 1765, 26)),
    ((183, 392, 25), (186, 394, 25)),
    ((190, 400, 20), (206, 440, 13), (232, 560, 11), (256, 670, 13), (264, 708, 25),
     (266, 718, 27)),
    ((279, 736, 10), (283, 760, 7), (297, 850, 8), (309, 925, 10), (312, 948, 14)),
    ((262, 728, 13), (264, 760, 9), (278, 850, 7), (293, 940, 8)),
    ((292, 968, 11), (318, 968, 11)),
    ((284, 985, 7), (270, 1018, 5), (258, 1045, 5), (253, 1070, 4)),
    ((294, 985, 6), (288, 1035, 5), (283, 1080, 5), (281, 1115, 4)),
    ((303, 985, 6), (302, 1036, 5), (302, 1086, 5), (302, 1127, 4)),
    ((311, 985, 6), (314, 1033, 5), (319, 1080, 5), (321, 1116, 4)),
    ((319, 983, 6), (326, 1026, 5), (334, 1066, 4), (340, 1092, 4)),
    ((18, 338, 8), (70, 330, 7), (125, 338, 7), (168, 362, 9)),
    ((172, 378, 10), (120, 372, 6), (98, 385, 5), (112, 500, 6), (160, 420, 9)),
    ((34, 850, 12), (70, 812, 9), (120, 808, 8), (152, 835, 9), (146, 870, 9), (112, 915, 13),
     (92, 945, 15)),
    ((88, 965, 13), (84, 1005, 10), (66, 1035, 11), (38, 1020, 7), (12, 1000, 8)),
    ((80, 960, 12), (46, 975, 9), (10, 985, 10)),
    *(
        ((14, 330 + 26 * n, 5), (60 + 4 * n, 322 + 29 * n, 5), (104 + 5 * n, 350 + 31 * n, 5),
         (112 + 5 * n, 385 + 33 * n, 5), (84 + 4 * n, 420 + 34 * n, 4))
        for n in range(9)
    ),
)  # fmt: skip
_BONES_MIDDLE: tuple[Line, ...] = (
    *(((-x, y, 6), (x, y, 6)) for y, x in [(222 + 16.0 * n, 9.0) for n in range(7)]),
    *(((-x, y, 10), (x, y, 10)) for y, x in [(346 + 25.0 * n, 11.0) for n in range(12)]),
    *(((-x, y, 15), (x, y, 15)) for y, x in [(658 + 36.0 * n, 13.0) for n in range(5)]),
    ((0, 835, 34), (0, 880, 26), (0, 920, 12)),
    ((-58, 165, 8), (-50, 205, 10), (0, 232, 11), (50, 205, 10), (58, 165, 8)),
    ((-40, 150, 12), (0, 165, 16), (40, 150, 12)),
)
_SKULL = (0.0, 108.0, 76.0, 98.0, 8.0)
"""Centre, radii and the wall of the vault in mm."""
_AIR: tuple[tuple[float, float, float, float], ...] = (
    (-82, 455, 62, 128), (82, 455, 62, 128), (-32, 128, 17, 15), (32, 128, 17, 15), (0, 292, 9, 50),
)  # fmt: skip
"""Centre and radii of lungs, orbits and trachea in mm."""
_HEART = (24.0, 520.0, 62.0, 66.0)
_FLESH_HALF, _BONE_HALF = 70.0, 26.0
"""mm in a line of sight that are half as bright as can be."""
_FLESH, _BONE = 0.58, 0.75
"""Gray of flesh and of bone without end, before both are added."""
_EDGE = 4.0
"""mm over which the outline fades."""


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """gray: (height, width) in 0-1, air 0.  inside: how surely a point is in the body, 0-1."""

    gray: Array
    inside: Array


def sketch(x: NDArray[np.float64], y: NDArray[np.float64], scale: float = 1.0) -> Sketch:
    """The body at points (len(y), len(x)) in mm from midline and vertex, seen from the front.

    scale: size beside an adult of 1.75 m.
    """
    across, down = np.meshgrid(x / scale, y / scale)
    depth = _trunk(across, down)
    np.maximum(depth, _ball(across, down, _HEAD), out=depth)
    for line in _both_sides(_FLESH_ONE_SIDE):
        _tube(depth, across, down, line)
    inside = np.clip(depth / _EDGE, 0, 1)
    bone = np.zeros_like(depth)
    for line in (*_BONES_MIDDLE, *_both_sides(_BONES_ONE_SIDE)):
        own = np.zeros_like(depth)
        _tube(own, across, down, line)
        np.maximum(bone, _walled(own, line), out=bone)
    np.maximum(bone, _vault(across, down), out=bone)
    air = np.zeros_like(depth)
    for place in _AIR:
        np.maximum(air, np.clip(1.5 * _round(across, down, place), 0, 1), out=air)
    air *= 1 - np.clip(2 * _round(across, down, _HEART), 0, 1)
    flesh = depth * (1 - 0.95 * air)
    gray = _FLESH * flesh / (flesh + _FLESH_HALF) + _BONE * bone / (bone + _BONE_HALF)
    return Sketch(
        gray=np.clip(gray * inside, 0, 1).astype(np.float32), inside=inside.astype(np.float32)
    )


def _both_sides(lines: tuple[Line, ...]) -> list[Line]:
    return [tuple((sign * x, y, r) for x, y, r in line) for line in lines for sign in (-1, 1)]


def _tube(
    depth: NDArray[np.float64], across: NDArray[np.float64], down: NDArray[np.float64], line: Line
) -> None:
    """Raise `depth` to the thickness, in the line of sight, of a round tube along `line`."""
    for (x0, y0, r0), (x1, y1, r1) in pairwise(line):
        reach = max(r0, r1)
        rows = np.flatnonzero(
            (down[:, 0] > min(y0, y1) - reach) & (down[:, 0] < max(y0, y1) + reach)
        )
        columns = np.flatnonzero(
            (across[0] > min(x0, x1) - reach) & (across[0] < max(x0, x1) + reach)
        )
        if not len(rows) or not len(columns):
            continue
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        px, py = across[part] - x0, down[part] - y0
        dx, dy = x1 - x0, y1 - y0
        along = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
        radius = r0 + along * (r1 - r0)
        off = np.hypot(px - along * dx, py - along * dy)
        chord = 2 * np.sqrt(np.maximum(radius**2 - off**2, 0))
        np.maximum(depth[part], chord, out=depth[part])


def _walled(chord: NDArray[np.float64], line: Line) -> NDArray[np.float64]:
    """Of the chord of a solid bone what is left where it is hollow: a third of its middle."""
    thick = 2 * np.median([r for _, _, r in line])
    inner = np.sqrt(np.maximum(chord**2 - (0.6 * thick) ** 2, 0))
    return np.asarray(chord - 0.55 * inner)


def _vault(across: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thickness of the skull's vault: a shell."""
    x, y, rx, ry, wall = _SKULL
    outer = _ball(across, down, (x, y, rx, ry))
    return outer - _ball(across, down, (x, y, rx - wall, ry - wall))


def _trunk(across: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float64]:
    heights, halves = zip(*_TRUNK, strict=True)
    half = np.interp(down[:, 0], heights, halves, left=1e-3, right=1e-3)[:, None]
    deep = np.minimum(_DEEP, half)
    return 2 * deep * np.sqrt(np.maximum(1 - (across / half) ** 2, 0))


def _round(
    across: NDArray[np.float64],
    down: NDArray[np.float64],
    place: tuple[float, float, float, float],
) -> NDArray[np.float64]:
    """1 less the squared distance from an ellipse's centre in its radii."""
    x, y, rx, ry = place
    return np.asarray(1 - ((across - x) / rx) ** 2 - ((down - y) / ry) ** 2)


def _ball(
    across: NDArray[np.float64],
    down: NDArray[np.float64],
    place: tuple[float, float, float, float],
) -> NDArray[np.float64]:
    """Thickness of an ellipsoid as deep as it is wide."""
    return np.asarray(2 * place[2] * np.sqrt(np.maximum(_round(across, down, place), 0)))
