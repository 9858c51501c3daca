"""Where things lie: findings in an image as masks, and body regions in millimetres.

The body is canonical, not measured: an adult standing upright, seen from the front, the patient's
right at the viewer's left. Lengths are rounded from the proportions of anatomy atlases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.images.lungs import Lungs
from radsmith.language.places import (
    SIDES,
    Rule,
    by_rule,
    can_place,
    half_axes,
    on_sides,
    place_of,
    shows_lungs,
)
from radsmith.language.places import Box as Place
from radsmith.language.prompt import Finding, Prompt

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in millimetres from vertex and midline."""


def ellipse_of(
    prompt: Prompt,
    finding: Finding,
    shape: tuple[int, int],
    *,
    removed: bool = False,
    lungs: Lungs | None = None,
) -> NDArray[np.bool_]:
    """The usual place of a finding in an image of (height, width): an ellipse, True inside.

    By its sites and side where they are named; of a paired body part there is no further side.
    What is drawn there by rule has its rim inside, and all of its place where it is fluid; of two
    lungs, where no side is named, it lies in the right one.
    removed: wherever it may lie.  lungs: of a chest, as they were found.
    """
    rule = by_rule(prompt, finding)
    one = rule is not None and not rule.fluid and shows_lungs(prompt)
    sides = on_sides(prompt, finding, rule, SIDES[0] if one else None)
    if one and removed and not can_place(prompt, finding):
        sides = tuple(replace(finding, side=side) for side in SIDES)
    if removed and rule is not None and not rule.fluid:
        rule = None
    found = np.zeros(shape, np.bool_)
    for own in sides:
        place = place_of(prompt, own, rule, lungs.box if lungs else None)
        if lungs and rule and not rule.fluid:
            place = lungs.inward(place)
        found |= _ellipse(place, rule, shape)
    return found


def _ellipse(place: Place, rule: Rule | None, shape: tuple[int, int]) -> NDArray[np.bool_]:
    (left, top, right, bottom), (height, width) = place, shape
    wide, high = half_axes(rule, place, width, height)
    y, x = np.mgrid[:height, :width] + 0.5
    across, down = (x - (left + right) / 2 * width) / wide, (y - (top + bottom) / 2 * height) / high
    if rule is not None and rule.fluid:
        return np.asarray(np.maximum(np.abs(across), np.abs(down)) <= rule.reach)
    return np.asarray(np.hypot(across, down) <= (rule.reach if rule else 1))


@dataclass(frozen=True, kw_only=True)
class BodyPlace:
    """A region of the body. centre, size: (x, y) in mm, x from the midline, y from the vertex.

    instead: the nearest other parts, to be asked for where a model never learned this one.
    """

    part: str
    centre: tuple[float, float]
    size: tuple[float, float]
    side: str = ""
    instead: tuple[str, ...] = ()

    @property
    def box(self) -> Box:
        """Left, top, right, bottom in mm."""
        (x, y), (w, h) = self.centre, self.size
        return x - w / 2, y - h / 2, x + w / 2, y + h / 2

    @property
    def name(self) -> str:
        """Such as "right knee"."""
        return f"{self.side} {self.part}".strip()


_MIDDLE = (
    BodyPlace(part="skull", centre=(0, 125), size=(240, 260), instead=("chest",)),
    BodyPlace(part="neck", centre=(0, 270), size=(220, 170), instead=("chest",)),
    BodyPlace(part="chest", centre=(0, 460), size=(430, 410)),
    BodyPlace(part="abdomen", centre=(0, 760), size=(420, 400), instead=("pelvis", "chest")),
    BodyPlace(part="pelvis", centre=(0, 950), size=(430, 320), instead=("abdomen", "chest")),
)
_LIMBS = (
    BodyPlace(part="shoulder", centre=(190, 400), size=(240, 240)),
    BodyPlace(part="humerus", centre=(250, 560), size=(180, 300), instead=("shoulder",)),
    BodyPlace(part="elbow", centre=(268, 730), size=(170, 190), instead=("shoulder",)),
    BodyPlace(part="forearm", centre=(285, 860), size=(160, 260), instead=("elbow", "shoulder")),
    BodyPlace(part="hand", centre=(300, 1010), size=(170, 220), instead=("knee",)),
    BodyPlace(part="femur", centre=(108, 1140), size=(230, 400), instead=("knee",)),
    BodyPlace(part="knee", centre=(95, 1345), size=(130, 150)),
    BodyPlace(part="lower leg", centre=(92, 1520), size=(190, 330), instead=("knee",)),
    BodyPlace(part="ankle", centre=(90, 1690), size=(190, 180), instead=("knee",)),
)
TALL = {"male": 1750.0, "female": 1620.0}
"""Standing height in mm of the adults whose proportions are used."""
_GROWN = {"fetus": 0.2, "newborn": 0.29, "infant": 0.42, "child": 0.68, "adolescent": 0.9}
TARGETS = {
    "leg": ("femur", "knee", "lower leg", "ankle"),
    "arm": ("shoulder", "humerus", "elbow", "forearm", "hand"),
    "pelvis": ("pelvis", "femur", "knee"),
    "trunk": ("chest", "abdomen", "pelvis", "shoulder"),
    "body": tuple(p.part for p in (*_MIDDLE, *_LIMBS)),
}


def size_of(sex: str = "", age_group: str = "") -> float:
    """Size beside a man. sex: male, female or unknown; age_group: its slug, adult if empty."""
    return TALL.get(sex, sum(TALL.values()) / 2) / TALL["male"] * _GROWN.get(age_group, 1.0)


def places(sex: str = "", age_group: str = "") -> list[BodyPlace]:
    """All regions of a body, of a size as `size_of` says."""
    scale = size_of(sex, age_group)
    found = list(_MIDDLE)
    for side, sign in (("right", -1), ("left", 1)):
        for p in _LIMBS:
            centre = (sign * p.centre[0], p.centre[1])
            found.append(
                BodyPlace(part=p.part, centre=centre, size=p.size, side=side, instead=p.instead)
            )
    return [
        BodyPlace(
            part=p.part,
            centre=(p.centre[0] * scale, p.centre[1] * scale),
            size=(p.size[0] * scale, p.size[1] * scale),
            side=p.side,
            instead=p.instead,
        )
        for p in found
    ]


def outward(start: BodyPlace, target: str, body: list[BodyPlace]) -> list[BodyPlace]:
    """The target's regions, each touching what is there by then, nearest to `start` first.

    Of paired regions the start's side comes first; one leg or arm is of the start's side alone.
    Raises InvalidInput for an unknown target, or one that the start is no part of.
    """
    if target not in TARGETS:
        raise InvalidInput(f"extend to one of {', '.join(TARGETS)}, got {target!r}")
    one_side = target in ("leg", "arm")
    wanted = [
        p
        for p in body
        if p.part in TARGETS[target] and p.name != start.name
        and not (one_side and p.side and p.side != (start.side or "right"))
    ]  # fmt: skip
    reached, order = [start], list[BodyPlace]()
    while wanted:
        touching = [p for p in wanted if any(_touch(p, r) for r in reached)]
        if not touching:
            raise InvalidInput(
                f"a {start.name} does not reach to {target} alone; extend it to body, or to"
                f" {' or '.join(t for t, parts in TARGETS.items() if start.part in parts)}"
            )
        following = min(touching, key=lambda p: (_apart(p, start), p.side != start.side))
        reached.append(following)
        order.append(following)
        wanted.remove(following)
    return order


def _touch(one: BodyPlace, other: BodyPlace) -> bool:
    a, b = one.box, other.box
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def _apart(one: BodyPlace, other: BodyPlace) -> float:
    return float(np.hypot(one.centre[0] - other.centre[0], one.centre[1] - other.centre[1]))
