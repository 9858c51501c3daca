"""One radiograph of a body on a grid: pose, field, exposure and processing are drawn at random."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from scipy import ndimage

from radsmith.datasets.projection import (
    SKIN,
    Beam,
    Detector,
    Display,
    displayed,
    expose,
    project,
)
from radsmith.datasets.simulated_regions import EXPOSURES, Field
from radsmith.images.image import Array

PAD = 40.0
"""Millimetres of a body beyond its first and last slice, where slanting rays leave."""
_SIDE = 256
_COLLIMATED = 0.3
_FINEST = 0.9
"""Pixels of the projection, as a share of the voxels."""
_PHOTONS = (600.0, 20000.0)


@dataclass(frozen=True, kw_only=True)
class View:
    """azimuth and tilt: mean and standard deviation, in degrees.  either: from left or right.

    mirrored: shown as if facing the patient.  along: the axis of the volume that the rays follow
    closely, if one; samples can then stand for slabs across it.
    """

    azimuth: tuple[float, float] = (0.0, 4.0)
    tilt: tuple[float, float] = (0.0, 4.0)
    either: bool = False
    mirrored: bool = False
    along: int | None = None


VIEWS = {
    "AP": View(along=1),
    "PA": View(azimuth=(180.0, 4.0), mirrored=True, along=1),
    "lateral": View(azimuth=(90.0, 4.0), either=True, along=2),
    "oblique": View(azimuth=(42.0, 8.0), either=True),
    "Towne": View(tilt=(30.0, 3.0)),
    "Waters": View(azimuth=(180.0, 4.0), tilt=(38.0, 3.0), mirrored=True),
}
FRONTAL = ("AP", "PA")


@dataclass(frozen=True, kw_only=True)
class Body:
    """mu: attenuation in 1/mm, padded by `PAD` at head and feet.  open_top: air above the body.

    step: between samples along a ray, in mm.
    """

    mu: Array
    spacing: tuple[float, float, float]
    open_top: bool
    step: float

    def for_view(self, view: str) -> Body:
        """Means over slabs of three voxels, at whose distance samples then suffice."""
        axis = VIEWS[view].along
        if axis is None:
            return self
        mu = ndimage.uniform_filter1d(self.mu, 3, axis=axis)
        return replace(self, mu=mu, step=3 * self.spacing[axis])


def radiograph(body: Body, region: Field, view: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One radiograph of the region with its own pose, field, dose and processing, as 8 bit."""
    beam = _beam(body, region, view, rng)
    path = _path(body, beam)
    if VIEWS[view].mirrored:
        path = path[:, ::-1]
    part = EXPOSURES[region.body_part]
    detector = Detector(
        photons=float(np.exp(rng.uniform(*np.log(_PHOTONS)))),
        scatter=float(rng.uniform(*part.scatter)),
        blur=float(rng.uniform(0.2, 1.0)),
    )
    display = Display(
        window=(float(rng.uniform(0.003, 0.05)), float(rng.uniform(0.985, 0.999))),
        middle=float(rng.uniform(*part.middle)),
        contrast=float(rng.choice((0, rng.uniform(1, 3)))),
        flatten=float(rng.uniform(*part.flatten)),
        detail=float(rng.uniform(0.9, 1.7)),
        coarse=float(rng.uniform(0.05, 0.14)),
    )
    shown = displayed(expose(path, rng, detector), path > SKIN, display)
    if rng.random() < _COLLIMATED:
        shown = shown * _opening(shown.shape, rng)
    return np.rint(shown * 255).astype(np.uint8)


def _path(body: Body, beam: Beam) -> Array:
    """Line integrals of the beam, sampled no finer than the volume tells and then enlarged."""
    width, height = beam.size
    pixel = max(beam.pixel, _FINEST * min(body.spacing))
    size = (round(width * beam.pixel / pixel), round(height * beam.pixel / pixel))
    path = project(body.mu, body.spacing, replace(beam, size=size, pixel=pixel), step=body.step)
    enlarged = Picture.fromarray(path).resize(beam.size, Picture.Resampling.BICUBIC)
    return np.maximum(np.asarray(enlarged, np.float32), 0)


def _beam(body: Body, region: Field, view: str, rng: np.random.Generator) -> Beam:
    """A beam near the region's own; its field stays within the scanned length."""
    pose = VIEWS[view]
    length = (body.mu.shape[0] * body.spacing[0]) - 2 * PAD
    zoom = 1 + region.loose * rng.uniform(-0.2, 0.15)
    width, height = (
        side * zoom * (1 + region.loose * rng.uniform(-0.07, 0.07)) for side in region.field
    )
    height = height if body.open_top else min(height, length)
    pixel = max(width, height) / _SIDE
    z, y, x = (
        c + s
        for c, s in zip(region.centre, region.loose * rng.uniform(-0.04, 0.04, 3), strict=True)
    )
    half = height / 2 / length
    z = min(z, 1 - half) if body.open_top else float(np.clip(z, half, 1 - half))
    turn = rng.choice((-1, 1)) if pose.either else 1
    return Beam(
        size=(round(width / pixel), round(height / pixel)),
        pixel=pixel,
        azimuth=float(turn * rng.normal(*pose.azimuth)),
        tilt=float(region.tilt + rng.normal(*pose.tilt)),
        roll=float(region.roll + rng.normal(0, 2)),
        source_distance=float(rng.uniform(950, 1900)),
        centre=((z * length + PAD) / (length + 2 * PAD), float(y), float(x)),
    )


def _opening(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """The collimator's opening: 1 inside a rectangle that is turned a little, 0 outside."""
    height, width = shape
    v, u = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    turn = np.radians(rng.normal(0, 1.5))
    across, down = u * np.cos(turn) - v * np.sin(turn), v * np.cos(turn) + u * np.sin(turn)
    left, right, top, bottom = rng.uniform(0.78, 1.04, 4)
    inside = (across > -left) & (across < right) & (down > -top) & (down < bottom)
    return np.asarray(inside, np.float32)
