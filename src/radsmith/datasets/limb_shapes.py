"""Bones and flesh as shapes in millimetres, and what a CT of them would measure.

Shapes are signed distances, negative inside, near enough for walls a few millimetres thick. A bone
is a union of shapes with a cortical wall, spongy bone towards its ends and marrow between; a limb
is bones in flesh. Points are (z, y, x): z to the feet or fingers, y to the back, x to the side
away from the body. Nothing here was measured on a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

from radsmith.images.image import Array

AIR_HU, FAT_HU, MUSCLE_HU, MARROW_HU = -1000.0, -95.0, 55.0, -20.0
CORTEX_HU = 1350.0
SPONGY_HU = 330.0
_BLEND = 4.0
"""Millimetres over which shapes of one bone melt into each other."""
_FAR = 60.0
"""A distance that means far outside."""

Point = tuple[float, float, float]
Grid = tuple[Array, Array, Array]


class Shape(Protocol):
    """A solid."""

    def distance(self, at: Grid) -> Array:
        """Signed distance of points in mm, negative inside."""
        ...

    def box(self) -> tuple[Point, Point]:
        """Its least and greatest corner."""
        ...


@dataclass(frozen=True, kw_only=True)
class Blob:
    """An ellipsoid along the axes."""

    centre: Point
    radii: Point

    def distance(self, at: Grid) -> Array:
        scaled = [(p - c) / r for p, c, r in zip(at, self.centre, self.radii, strict=True)]
        near = np.sqrt(scaled[0] ** 2 + scaled[1] ** 2 + scaled[2] ** 2)
        return np.asarray((near - 1) * min(self.radii), np.float32)

    def box(self) -> tuple[Point, Point]:
        low, high = (
            tuple(c + sign * r for c, r in zip(self.centre, self.radii, strict=True))
            for sign in (-1, 1)
        )
        return _point(low), _point(high)


@dataclass(frozen=True, kw_only=True)
class Shaft:
    """A tube along z whose middle and elliptic section change with it.

    knots: (z, y, x, radius along y, radius along x), z rising; smooth between them.  cups: how many
    mm the rim stands out beyond the middle at its two ends; below 0 they are domes.
    """

    knots: Sequence[tuple[float, float, float, float, float]]
    cups: tuple[float, float] = (0.0, 0.0)

    def distance(self, at: Grid) -> Array:
        z = at[0].ravel()
        table = np.array(self.knots, np.float64)
        y, x, ry, rx = (_smooth(z, table[:, 0], table[:, i]) for i in (1, 2, 3, 4))
        across = (at[2] - x[:, None, None]) / rx[:, None, None]
        deep = (at[1] - y[:, None, None]) / ry[:, None, None]
        square = across**2 + deep**2
        around = (np.sqrt(square) - 1) * np.minimum(rx, ry)[:, None, None]
        rim = np.minimum(square, 1) - 0.5
        above = table[0, 0] - z[:, None, None] - self.cups[0] * rim
        below = z[:, None, None] - table[-1, 0] - self.cups[1] * rim
        return np.asarray(np.maximum(around, np.maximum(above, below)), np.float32)

    def box(self) -> tuple[Point, Point]:
        t = np.array(self.knots)
        ahead, behind = (abs(cup) / 2 for cup in self.cups)
        low = (t[0, 0] - ahead, (t[:, 1] - t[:, 3]).min(), (t[:, 2] - t[:, 4]).min())
        high = (t[-1, 0] + behind, (t[:, 1] + t[:, 3]).max(), (t[:, 2] + t[:, 4]).max())
        return _point(low), _point(high)


@dataclass(frozen=True, kw_only=True)
class Rod:
    """A round rod from one point to another; radii: at even steps between them, ends rounded."""

    start: Point
    end: Point
    radii: Sequence[float]

    def distance(self, at: Grid) -> Array:
        start, end = np.array(self.start), np.array(self.end)
        axis = end - start
        offset = [p - s for p, s in zip(at, start, strict=True)]
        along = sum(o * a for o, a in zip(offset, axis, strict=True)) / float(axis @ axis)
        along = np.clip(along, 0, 1)
        radius = _smooth(along, np.linspace(0, 1, len(self.radii)), np.array(self.radii))
        square = sum((o - along * a) ** 2 for o, a in zip(offset, axis, strict=True))
        return np.asarray(np.sqrt(square) - radius, np.float32)

    def box(self) -> tuple[Point, Point]:
        ends, wide = np.array([self.start, self.end]), max(self.radii)
        return _point(ends.min(0) - wide), _point(ends.max(0) + wide)


@dataclass(frozen=True, kw_only=True)
class Bone:
    """A union of shapes with a wall.

    wall: its thickness in mm by z, as (z, mm) knots; spongy: share of spongy bone inside, as
    (z, 0-1) knots.
    """

    shapes: Sequence[Shape]
    wall: Sequence[tuple[float, float]]
    spongy: Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Flesh:
    """Muscle within fat. fat: thickness under the skin, in mm."""

    shapes: Sequence[Shape]
    fat: float


@dataclass(frozen=True, kw_only=True)
class Limb:
    """Bones in flesh. joints: points of it by name."""

    bones: Sequence[Bone]
    flesh: Flesh
    joints: Mapping[str, Point]


def scanned(
    limb: Limb,
    low: Point,
    high: Point,
    voxel: float,
    rng: np.random.Generator,
) -> Array:
    """Hounsfield units between two corners: (z, y, x), cubes of `voxel` mm."""
    axes = [
        np.arange(a + voxel / 2, b, voxel).astype(np.float32)
        for a, b in zip(low, high, strict=True)
    ]
    hu = np.full([len(a) for a in axes], AIR_HU, np.float32)
    _put_flesh(hu, axes, limb.flesh, voxel, rng)
    for bone in limb.bones:
        _put_bone(hu, axes, bone, voxel, rng)
    return hu


def _put_flesh(
    hu: Array, axes: list[Array], flesh: Flesh, voxel: float, rng: np.random.Generator
) -> None:
    distance = np.full(hu.shape, _FAR, np.float32)
    for shape in flesh.shapes:
        _melt(distance, axes, shape, 2 * _BLEND, flesh.fat + 2 * voxel)
    skin = _inside(distance, voxel)
    muscle = _inside(distance + flesh.fat, voxel)
    between = _cloud(hu.shape, (30 / voxel, 9 / voxel, 9 / voxel), rng)  # fat between muscles
    streaks = np.exp(-((between / 0.18) ** 2)) * 0.7
    inner = MUSCLE_HU + streaks * (FAT_HU - MUSCLE_HU)
    np.copyto(hu, AIR_HU + skin * (FAT_HU - AIR_HU) + muscle * (inner - FAT_HU))


def _put_bone(
    hu: Array, axes: list[Array], bone: Bone, voxel: float, rng: np.random.Generator
) -> None:
    boxes = [shape.box() for shape in bone.shapes]
    low, high = np.min([b[0] for b in boxes], 0), np.max([b[1] for b in boxes], 0)
    span = _span(axes, low, high, 2 * voxel)
    near = [axis[part] for axis, part in zip(axes, span, strict=True)]
    if not all(len(axis) for axis in near):
        return
    distance = np.full([len(axis) for axis in near], _FAR, np.float32)
    for shape in bone.shapes:
        _melt(distance, near, shape, _BLEND, 6.0)
    rough = _cloud(distance.shape, (3.0, 2.0, 2.0), rng)
    wall, spongy = (
        np.interp(near[0], *np.array(knots).T)[:, None, None] for knots in (bone.wall, bone.spongy)
    )
    solid = _inside(distance, voxel)
    core = _inside(distance + wall * (1 + 0.12 * rough), voxel)
    grain = _cloud(distance.shape, (2.2 / voxel, 0.8 / voxel, 0.8 / voxel), rng)
    inner = MARROW_HU + spongy * SPONGY_HU * np.maximum(1 + 0.8 * grain, 0)
    made = (solid - core) * CORTEX_HU + core * inner
    part = hu[span]
    np.copyto(part, (1 - solid) * part + made)


def _grid(axes: list[Array]) -> Grid:
    z, y, x = axes
    return z[:, None, None], y[None, :, None], x[None, None, :]


def _inside(distance: Array, voxel: float) -> Array:
    """1 inside, 0 outside, a voxel's width between."""
    return np.asarray(np.clip(0.5 - distance / voxel, 0, 1), np.float32)


def _span(axes: list[Array], low: Any, high: Any, margin: float) -> tuple[slice, ...]:
    """Voxels between two corners and `margin` mm around them."""
    ends = zip(axes, low, high, strict=True)
    return tuple(slice(*np.searchsorted(axis, (a - margin, b + margin))) for axis, a, b in ends)


def _melt(distance: Array, axes: list[Array], shape: Shape, blend: float, margin: float) -> None:
    """Add a shape: the lesser distance, rounded where both are within `blend` mm of each other.

    Only within `margin` mm of the shape and where it melts into others.
    """
    span = _span(axes, *shape.box(), margin + blend)
    near = [axis[part] for axis, part in zip(axes, span, strict=True)]
    if not all(len(axis) for axis in near):
        return
    own, old = shape.distance(_grid(near)), distance[span]
    close = np.maximum(blend - np.abs(old - own), 0) / blend
    np.copyto(old, np.minimum(old, own) - close * close * (blend / 4))


def _smooth(
    at: NDArray[np.floating], knots: NDArray[np.float64], values: NDArray[np.float64]
) -> Array:
    """Values between knots by a monotone cubic: no bone overshoots its measures."""
    fine = np.linspace(knots[0], knots[-1], 200)
    return np.asarray(np.interp(at, fine, PchipInterpolator(knots, values)(fine)), np.float32)


def _cloud(shape: tuple[int, ...], sigma: Point, rng: np.random.Generator) -> Array:
    """Smooth noise of unit variance, drawn coarse where it is smooth."""
    step = [max(1, int(s // 2)) for s in sigma]
    small = [-(-n // f) + 1 for n, f in zip(shape, step, strict=True)]
    noise = rng.standard_normal(small, np.float32)
    noise = ndimage.gaussian_filter(noise, [s / f for s, f in zip(sigma, step, strict=True)])
    noise /= max(float(noise.std()), 1e-6)
    if max(step) > 1:
        noise = ndimage.zoom(noise, step, order=1)
    return np.asarray(noise[tuple(slice(n) for n in shape)], np.float32)


def _point(values: Sequence[float]) -> Point:
    z, y, x = (float(v) for v in values)
    return z, y, x
