"""Legs and arms of sampled measures: parametric, for parts that no open source shows.

Measures are means and spreads of adults as anatomy's tables give them, rounded; in mm and degrees.
x grows away from the body: a left limb seen from the front as it is, a right one mirrored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np

from radsmith.datasets.limb_shapes import Blob, Bone, Flesh, Limb, Point, Rod, Shaft

_STATURE = (1.0, 0.05)
_GIRTH = (0.0, 0.16)
"""Logarithm of flesh beside the usual: mean and spread."""


@dataclass(frozen=True, kw_only=True)
class _Person:
    """long: lengths beside the usual.  wide: widths of bones.  full: of flesh.  dense: walls."""

    long: float
    wide: float
    full: float
    dense: float

    @classmethod
    def of(cls, rng: np.random.Generator) -> _Person:
        long = float(rng.normal(*_STATURE))
        return cls(
            long=long,
            wide=float(long * rng.normal(1, 0.05)),
            full=float(np.exp(rng.normal(*_GIRTH))),
            dense=float(np.clip(rng.normal(1, 0.15), 0.55, 1.4)),
        )


def leg(rng: np.random.Generator) -> Limb:
    """Femur, patella, tibia, fibula and the back of the foot; z = 0 at the hip's centre."""
    p = _Person.of(rng)
    w, f = p.wide, p.full
    knee = p.long * float(rng.normal(425, 12))
    ankle = knee + p.long * float(rng.normal(362, 12))
    valgus = float(rng.normal(18, 4))
    middle = valgus * w
    angle = radians(float(rng.normal(127, 5)) - 90)
    neck = 50 * w
    foot, side = neck * sin(angle), neck * cos(angle)
    bow = float(rng.normal(9, 3))
    femur = Bone(
        shapes=[
            Blob(centre=(0, 0, 0), radii=(24 * w, 24 * w, 24 * w)),
            Rod(start=(0, 0, 0), end=(foot, 0, side), radii=(17 * w, 15 * w, 18 * w)),
            Rod(start=(foot - 14 * w, 6, side + 15 * w), end=(foot + 16, 4, side + 7 * w),
                radii=(12 * w, 15 * w, 12 * w)),
            Blob(centre=(foot + 36 * w, 12 * w, side - 12 * w), radii=(13 * w, 9 * w, 9 * w)),
            Shaft(knots=(
                (foot - 6, 2, side + 3, 12 * w, 14 * w),
                (foot + 22, 1, side + 1, 16 * w, 18 * w),
                (foot + 70, -bow / 2, side - 2, 14.5 * w, 15 * w),
                (0.5 * knee, -bow, (side + middle) / 2 + 4, 14 * w, 13.5 * w),
                (0.78 * knee, -bow / 2, middle + 3, 15 * w, 17 * w),
                (knee - 50 * w, 0, middle + 1, 19 * w, 27 * w),
                (knee - 28 * w, 2, middle, 25 * w, 37 * w),
                (knee - 12 * w, 4, middle, 20 * w, 32 * w),
            )),
            *(Blob(centre=(knee - 21 * w, 8 * w, middle + s * 21 * w),
                   radii=(21 * w, 30 * w, 19 * w)) for s in (-1, 1)),
        ],
        wall=[(-30, 1.4), (40, 2.5), (110, 5.5 * p.dense), (0.5 * knee, 7 * p.dense),
              (0.72 * knee, 5 * p.dense), (0.85 * knee, 2.2), (knee - 30, 1.3)],
        spongy=[(0, 1), (70, 0.8), (140, 0.15), (0.6 * knee, 0.05), (0.8 * knee, 0.5),
                (knee, 1)],
    )  # fmt: skip
    patella = _spongy(Blob(centre=(knee - 42 * w, -40 * w, middle), radii=(21 * w, 10 * w, 21 * w)))
    top = knee + float(rng.normal(5, 1))
    length = ankle - top
    tibia = Bone(
        shapes=[
            Shaft(knots=(
                (top, 2, middle, 21 * w, 34 * w),
                (top + 8, 2, middle, 24 * w, 37 * w),
                (top + 22, 1, middle, 23 * w, 34 * w),
                (top + 55, -2, middle - 1, 18 * w, 20 * w),
                (top + 0.35 * length, -3, middle - 3, 15.5 * w, 13.5 * w),
                (top + 0.65 * length, -2, middle - 4, 12.5 * w, 11.5 * w),
                (ankle - 45, 0, middle - 2, 14 * w, 14 * w),
                (ankle - 18, 0, middle - 2, 18 * w, 21 * w),
                (ankle - 3, 0, middle - 2, 19 * w, 24 * w),
            ), cups=(2.5, 4)),
            Rod(start=(top + 4, 0, middle - 5 * w), end=(top - 4, 0, middle - 4 * w),
                radii=(6 * w, 3 * w)),
            Rod(start=(top + 4, 0, middle + 6 * w), end=(top - 3, 0, middle + 5 * w),
                radii=(6 * w, 3 * w)),
            Blob(centre=(top + 42, -19 * w, middle), radii=(16 * w, 7 * w, 9 * w)),
            Rod(start=(ankle - 16, -2, middle - 20 * w), end=(ankle + 9, -1, middle - 22 * w),
                radii=(8 * w, 7 * w, 5 * w)),
        ],
        wall=[(top, 1.3), (top + 40, 1.6), (top + 110, 4.5 * p.dense),
              (top + 0.5 * length, 6 * p.dense), (ankle - 80, 3.5 * p.dense), (ankle - 25, 1.5)],
        spongy=[(top, 1.1), (top + 60, 0.6), (top + 130, 0.1), (ankle - 100, 0.1),
                (ankle - 40, 0.7), (ankle, 1.1)],
    )  # fmt: skip
    out = middle + 37 * w
    fibula = Bone(
        shapes=[Shaft(knots=(
            (top + 12, 12, out + 3, 3, 3),
            (top + 22, 12, out + 2, 10 * w, 10 * w),
            (top + 48, 11, out, 7 * w, 7 * w),
            (top + 0.5 * length, 6, out - 4, 6.5 * w, 6.5 * w),
            (ankle - 60, 5, out - 8, 6.5 * w, 6.5 * w),
            (ankle - 12, 5, out - 6, 9 * w, 8 * w),
            (ankle + 12, 5, out - 6, 9 * w, 8 * w),
            (ankle + 24, 6, out - 6, 3, 3),
        ))],
        wall=[(top, 1), (top + 60, 2.6 * p.dense), (ankle - 60, 2.8 * p.dense), (ankle - 10, 1.2)],
        spongy=[(top, 1), (top + 70, 0.1), (ankle - 60, 0.1), (ankle, 1)],
    )  # fmt: skip
    hind = middle - 1
    talus = _spongy(
        Shaft(knots=(
            (ankle + 2, 1, hind, 17 * w, 15 * w),
            (ankle + 10, 0, hind, 21 * w, 18 * w),
            (ankle + 24, -2, hind, 22 * w, 17 * w),
        ), cups=(-4, -6)),
        Rod(start=(ankle + 15, -16, hind), end=(ankle + 22, -38 * w, hind - 4), radii=(11, 12 * w)),
    )  # fmt: skip
    heel = _spongy(
        Rod(start=(ankle + 34, -18 * w, hind + 3), end=(ankle + 44, 38 * w, hind + 2),
            radii=(12 * w, 15 * w, 18 * w)),
    )  # fmt: skip
    tarsus = _spongy(
        Rod(start=(ankle + 27, -50 * w, hind - 10), end=(ankle + 36, -64 * w, hind + 14),
            radii=(12 * w, 11 * w, 10 * w)),
    )  # fmt: skip
    toes = [
        _tubular(
            Rod(start=(ankle + 33 + 2 * i, -78 * w, hind - 16 + 9 * i),
                end=(ankle + 58, -138 * w + 7 * i, hind - 24 + 14 * i),
                radii=(9 * w, 5.5 * w, 5 * w, 8 * w)), 2 * p.dense)
        for i in range(5)
    ]  # fmt: skip
    soft = Flesh(
        shapes=[
            Shaft(knots=(
                (-160, 15, side - 20, 105 * f, 95 * f),
                (0.15 * knee, 12, side - 12, 92 * f, 86 * f),
                (0.5 * knee, 6, middle + 6, 78 * f, 74 * f),
                (knee - 70, 2, middle + 2, 60 * f, 59 * f),
                (knee, 2, middle, 58 * f, 57 * f),
                (knee + 40, 6, middle, 56 * f, 55 * f),
                (knee + 0.3 * length, 16, middle - 2, 61 * f, 57 * f),
                (knee + 0.6 * length, 9, middle - 1, 46 * f, 44 * f),
                (ankle - 50, 4, middle + 2, 37 * f**0.5, 33 * f**0.5),
                (ankle + 10, 4, middle + 2, 44 * f**0.5, 38 * f**0.5),
                (ankle + 45, 6, middle + 2, 52 * f**0.5, 36 * f**0.5),
            )),
            Rod(start=(ankle + 36, 32 * w, hind), end=(ankle + 52, -125 * w, hind - 4),
                radii=(29, 28, 26, 20)),
        ],
        fat=float(np.clip(rng.normal(9, 4), 2.5, 25)) * f,
    )  # fmt: skip
    return Limb(
        bones=[femur, patella, tibia, fibula, talus, heel, tarsus, *toes],
        flesh=soft,
        joints={
            "hip": (0, 0, 0),
            "thigh": (0.5 * knee, 0, (side + middle) / 2),
            "knee": (knee, 0, middle),
            "shin": ((knee + ankle) / 2, 4, middle + 8),
            "ankle": (ankle, 0, middle + 4),
        },
    )


_RAYS = (  # metacarpal, proximal, middle and distal phalanx, in mm; splay in degrees; x at the base
    ((46, 32, 0, 23), 34.0, 20.0),
    ((68, 41, 23, 16), 9.0, 13.0),
    ((65, 45, 27, 17), 1.0, 3.5),
    ((58, 42, 26, 17), -6.0, -6.0),
    ((53, 33, 19, 16), -14.0, -15.0),
)


def arm(rng: np.random.Generator) -> Limb:
    """Humerus, radius, ulna, wrist and hand, the palm to the front; z = 0 at the shoulder."""
    p = _Person.of(rng)
    w, f = p.wide, p.full
    elbow = p.long * float(rng.normal(312, 10))
    wrist = elbow + p.long * float(rng.normal(240, 8))
    carrying = radians(float(rng.normal(9, 3)))
    humerus = Bone(
        shapes=[
            Blob(centre=(0, 0, -7 * w), radii=(23 * w, 23 * w, 23 * w)),
            Blob(centre=(2, -3, 15 * w), radii=(18 * w, 14 * w, 10 * w)),
            Shaft(knots=(
                (0, 0, 2, 18 * w, 20 * w),
                (28, 0, 3, 15 * w, 17 * w),
                (70, 0, 3, 12.5 * w, 12.5 * w),
                (0.5 * elbow, 0, 2, 11 * w, 11 * w),
                (elbow - 75, 0, 1, 9.5 * w, 12 * w),
                (elbow - 38, 0, 0, 8.5 * w, 20 * w),
                (elbow - 18, 0, -1, 8 * w, 29 * w),
                (elbow - 6, -1, -1, 8 * w, 24 * w),
            ), cups=(0, -3)),
            Rod(start=(elbow - 5, -1, -16 * w), end=(elbow - 5, -1, 2 * w),
                radii=(10 * w, 7 * w, 8 * w)),
            Blob(centre=(elbow - 6, -4, 12 * w), radii=(10 * w, 10 * w, 10 * w)),
            Rod(start=(elbow - 22, 2, -20 * w), end=(elbow - 18, 4, -29 * w),
                radii=(8 * w, 6 * w)),
        ],
        wall=[(-20, 1.2), (25, 1.6), (80, 3.8 * p.dense), (0.6 * elbow, 4.6 * p.dense),
              (elbow - 60, 3 * p.dense), (elbow - 25, 1.4)],
        spongy=[(0, 1), (40, 0.7), (100, 0.1), (elbow - 80, 0.1), (elbow - 30, 0.8), (elbow, 1.2)],
    )  # fmt: skip
    reach = wrist - elbow
    ulna_x, radius_x = -9 * w, 12 * w

    def at(share: float, x: float) -> tuple[float, float]:
        """(z, x) of the forearm at a share of its length, turned by the carrying angle."""
        z = share * reach
        return elbow + z * cos(carrying), x + z * sin(carrying) * 0.55

    def knot(
        share: float, x: float, y: float, ry: float, rx: float
    ) -> tuple[float, float, float, float, float]:
        z, across = at(share, x)
        return z, y, across, ry, rx

    ulna = Bone(
        shapes=[
            Shaft(knots=(
                (elbow - 24, 13, ulna_x + 1, 5, 6),
                (elbow - 14, 13, ulna_x + 1, 9 * w, 10 * w),
                knot(0.03, ulna_x + 1, 9, 11 * w, 11 * w),
                knot(0.12, ulna_x, 5, 11 * w, 9 * w),
                knot(0.3, ulna_x - 1, 4, 8 * w, 7.5 * w),
                knot(0.6, ulna_x - 1, 3, 6.5 * w, 6 * w),
                knot(0.85, ulna_x, 2, 5.5 * w, 5 * w),
                knot(0.95, ulna_x + 1, 2, 7.5 * w, 8 * w),
                knot(0.985, ulna_x, 2, 5.5 * w, 6.5 * w),
            )),
            Rod(start=(elbow + 6, 2, ulna_x + 1), end=(elbow + 2, -6 * w, ulna_x + 1),
                radii=(7 * w, 4 * w)),
            Rod(start=(at(0.95, 0)[0], 4, at(0.95, ulna_x - 5)[1]),
                end=(at(1.0, 0)[0], 5, at(1.0, ulna_x - 6)[1]), radii=(3.5 * w, 2 * w)),
        ],
        wall=[(elbow - 24, 1.6), (elbow + 30, 2.4 * p.dense), (elbow + 0.4 * reach, 3.6 * p.dense),
              (wrist - 50, 2.4 * p.dense), (wrist - 8, 1)],
        spongy=[(elbow - 20, 1), (elbow + 40, 0.6), (elbow + 90, 0.1), (wrist - 50, 0.1),
                (wrist, 1)],
    )  # fmt: skip
    bow = float(rng.normal(6, 1.5))
    radius = Bone(
        shapes=[
            Shaft(knots=(
                knot(0.015, radius_x, -2, 10 * w, 10.5 * w),
                knot(0.05, radius_x, -2, 10.5 * w, 11 * w),
                knot(0.1, radius_x - 1, -2, 7 * w, 7 * w),
                knot(0.17, radius_x - 3, -2, 8.5 * w, 8.5 * w),
                knot(0.45, radius_x + bow, -1, 7.5 * w, 7.5 * w),
                knot(0.75, radius_x + bow / 2, 0, 7 * w, 8 * w),
                knot(0.9, radius_x - 1, 0, 9.5 * w, 13 * w),
                knot(0.97, radius_x - 2, 0, 11 * w, 16.5 * w),
                knot(0.995, radius_x - 1, 0, 9 * w, 14 * w),
            ), cups=(3, 4)),
            Rod(start=(at(0.96, 0)[0], 0, at(0.96, radius_x + 9)[1]),
                end=(at(1.03, 0)[0], 0, at(1.03, radius_x + 11)[1]), radii=(6 * w, 4 * w)),
        ],
        wall=[(elbow, 1.2), (elbow + 35, 2.2 * p.dense), (elbow + 0.5 * reach, 3.6 * p.dense),
              (wrist - 50, 2.2 * p.dense), (wrist - 12, 1)],
        spongy=[(elbow, 1), (elbow + 30, 0.6), (elbow + 70, 0.1), (wrist - 55, 0.1),
                (wrist - 20, 0.8), (wrist, 1.1)],
    )  # fmt: skip
    end, shift = at(1.0, 0)
    shift += 2
    turn = 0.35 * carrying
    carpals = [
        _spongy(Blob(centre=(end + z * w, y, shift + x * w), radii=(rz * w, 7 * w, rx * w)))
        for z, y, x, rz, rx in (
            (12, 0, 12, 10, 7.5), (10, 0, -1, 8, 8.5), (13, 2, -13, 8, 7), (15, -7, -14, 5, 4.5),
            (26, -2, 18, 7.5, 8), (26, 0, 8.5, 7, 6), (23, 0, -2, 11, 7), (24, 0, -12, 9, 7),
        )
    ]  # fmt: skip
    fingers: list[Bone] = []
    skin: list[Rod] = []
    for number, (lengths, splay, base) in enumerate(_RAYS):
        direction = radians(splay + float(rng.normal(0, 2.5))) + turn
        place = (end + (36 if number else 31) * w, -8.0 if number == 0 else 0.0, shift + base * w)
        thick = 7.5 if number in (0, 1, 2) else 6.5
        for joint, usual in enumerate(lengths):
            if not usual:
                continue
            length = usual * w
            stop = _along(place, length, direction)
            size = thick * w * (1, 0.85, 0.75, 0.6)[joint]
            radii = (size, 0.62 * size, 0.58 * size, (0.95 if joint < 3 else 0.6) * size)
            inner = _along(place, size * 0.8, direction), _along(stop, -size * 0.8, direction)
            fingers.append(_tubular(Rod(start=inner[0], end=inner[1], radii=radii), 1.7 * p.dense))
            if joint or number == 0:
                tip = _along(stop, 4 if joint == 3 else 0, direction)
                skin.append(Rod(start=place, end=tip, radii=(11 * w, 9.5 * w, 9 * w)))
            place = _along(stop, 1.5, direction)
            direction *= 0.9
    g = f**0.5
    palm = Blob(centre=(end + 62 * w, 0, shift), radii=(50 * w, 15 * w, 42 * w))
    soft = Flesh(
        shapes=[
            Shaft(knots=(
                (-120, 5, -12, 70 * f, 75 * f),
                (0, 4, -2, 55 * f, 56 * f),
                (0.35 * elbow, 2, 0, 48 * f, 45 * f),
                (0.7 * elbow, 0, -1, 41 * f, 41 * f),
                (elbow, 0, 0, 36 * f, 43 * f),
                knot(0.2, 2, 0, 37 * f, 45 * f),
                knot(0.6, 2, 0, 28 * f, 34 * f),
                knot(0.92, 1, 0, 20 * g, 29 * g),
                knot(1.05, 1, 0, 19 * g, 30 * g),
                knot(1.2, 0, 0, 17 * g, 36 * g),
            )),
            palm,
            *skin,
        ],
        fat=float(np.clip(rng.normal(6, 2.5), 2, 16)) * f,
    )  # fmt: skip
    return Limb(
        bones=[humerus, ulna, radius, *carpals, *fingers],
        flesh=soft,
        joints={
            "upper arm": (0.52 * elbow, 0, 0),
            "elbow": (elbow, 0, 0),
            "forearm": ((elbow + wrist) / 2, 0, at(0.5, 0)[1]),
            "wrist": (end + 6, 0, shift),
            "hand": (end + 82 * w, 0, shift + 6),
        },
    )


LIMBS: Mapping[str, Callable[[np.random.Generator], Limb]] = {"leg": leg, "arm": arm}


def _along(start: Point, length: float, direction: float) -> Point:
    """A point further to the fingers; direction: from z towards x, in radians."""
    return start[0] + length * cos(direction), start[1], start[2] + length * sin(direction)


def _spongy(*shapes: Blob | Rod | Shaft) -> Bone:
    """A short bone: a thin wall around spongy bone."""
    return Bone(shapes=shapes, wall=[(0, 1.1)], spongy=[(0, 1.0)])


def _tubular(rod: Rod, wall: float) -> Bone:
    """A small long bone: spongy at its ends alone."""
    first, last = sorted((rod.start[0], rod.end[0]))
    far = last - first
    return Bone(
        shapes=[rod],
        wall=[(first, 0.9), (first + 0.35 * far, wall), (last - 0.35 * far, wall), (last, 0.8)],
        spongy=[(first, 1), (first + 0.4 * far, 0.3), (last - 0.4 * far, 0.3), (last, 1)],
    )
