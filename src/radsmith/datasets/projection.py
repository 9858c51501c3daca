"""Simulated radiographs from CT volumes: exp(-integral of attenuation) along a cone of rays.

Volumes are (z, y, x) in Hounsfield units with z growing to the feet, y to the back and x to the
patient's left. Needs scipy, which the training extra brings.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import cos, log, radians, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radsmith.errors import InvalidInput
from radsmith.images.image import Array

WATER = 0.0195
"""Linear attenuation of water in 1/mm near 65 keV (NIST XCOM: 0.1948 per cm)."""
AIR_HU = -1000.0
SKIN = 0.05
"""Line integral above which a ray has met the body."""
_BONE_HU, _BONE_GAIN = 250.0, 1.4


@dataclass(frozen=True, kw_only=True)
class Beam:
    """Where the rays go. Angles in degrees, lengths in mm, sizes in pixels (width, height).

    azimuth: 0 looks from the front (AP), 90 from the patient's left, 180 from behind (PA).
    tilt: raises the source towards the head.  roll: turns the picture clockwise.
    centre: point of the volume, as fractions (z, y, x).  source_distance: from the source to the
    centre.  pixel: size at the centre.
    """

    size: tuple[int, int] = (256, 256)
    pixel: float = 1.6
    azimuth: float = 0.0
    tilt: float = 0.0
    roll: float = 0.0
    source_distance: float = 1500.0
    centre: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if min(self.size) < 1 or self.pixel <= 0 or self.source_distance <= 0:
            raise InvalidInput(f"size, pixel and source distance must be above 0: {self}")


def attenuation(hu: NDArray[np.generic]) -> Array:
    """Linear attenuation in 1/mm; bone is raised, as the energies of a radiograph see it."""
    values = np.asarray(hu, np.float32)
    gain = np.where(values > _BONE_HU, _BONE_GAIN, 1.0)
    extra = np.maximum(values - _BONE_HU, 0) * (gain - 1)
    return np.asarray(np.maximum(WATER * (1 + (values + extra) / 1000), 0), np.float32)


def body_only(hu: NDArray[np.generic], threshold: float = -400.0) -> Array:
    """The volume without table and cushions: the largest connected part and what it encloses."""
    solid = ndimage.binary_opening(np.asarray(hu) > threshold, iterations=2)
    labels, count = ndimage.label(solid)
    if count == 0:
        raise InvalidInput(f"nothing in the volume is above {threshold} HU")
    sizes = ndimage.sum_labels(solid, labels, range(1, count + 1))
    body = ndimage.binary_dilation(labels == 1 + int(np.argmax(sizes)), iterations=2)
    for plane in body:
        ndimage.binary_fill_holes(plane, output=plane)
    return np.where(body, hu, AIR_HU).astype(np.float32)


def project(
    mu: NDArray[np.floating], spacing: tuple[float, float, float], beam: Beam, step: float = 2.0
) -> Array:
    """Line integrals of `mu` (1/mm): (height, width), 0 where a ray meets nothing.

    spacing: mm per voxel in z, y, x.  step: mm between samples along the central ray.
    Rows run from head to feet; in a frontal view the patient's left is at the viewer's right.
    """
    if mu.ndim != 3 or min(spacing) <= 0 or step <= 0:
        raise InvalidInput(f"expected a (z, y, x) volume with spacing above 0, got {mu.shape}")
    extent = np.array(mu.shape) * spacing
    centre = extent * beam.centre
    along, across, down = _axes(beam)
    width, height = beam.size
    u = (np.arange(width) - (width - 1) / 2) * beam.pixel
    v = (np.arange(height) - (height - 1) / 2) * beam.pixel
    grid_v, grid_u = np.meshgrid(v, u, indexing="ij")
    reach = (_corners(mu) * spacing - centre) @ along
    first = max(float(reach.min()), 1 - beam.source_distance)
    depths = np.arange(first + step / 2, float(reach.max()), step)
    total = np.zeros((height, width), np.float32)
    corner = across * u[0] + down * v[0]
    for depth in depths:
        scale = (beam.source_distance + depth) / beam.source_distance
        steps = np.column_stack((along, down * scale * beam.pixel, across * scale * beam.pixel))
        first_point = (centre + along * depth + corner * scale) / spacing - 0.5
        plane = ndimage.affine_transform(
            mu,
            steps / np.array(spacing)[:, None],
            first_point,
            (1, height, width),
            np.float32,
            order=1,
        )
        total += plane[0]
    slant = np.sqrt(1 + (grid_u**2 + grid_v**2) / beam.source_distance**2)
    return np.asarray(total * step * slant, np.float32)


@dataclass(frozen=True, kw_only=True)
class Detector:
    """How a radiograph is taken.

    photons: mean count behind the body's median, as an automatic exposure sets it (less is
    noisier).  scatter: veil of the body's own scattered rays, as a share of the primary ones.
    blur: standard deviation, in pixels.
    """

    photons: float = 2e3
    scatter: float = 0.15
    blur: float = 0.6

    def __post_init__(self) -> None:
        if self.photons <= 0 or self.scatter < 0 or self.blur < 0:
            raise InvalidInput(f"photons must be above 0, scatter and blur at least 0: {self}")


@dataclass(frozen=True, kw_only=True)
class Display:
    """How optical density becomes brightness in 0-1, dense parts bright.

    window: quantiles of the body's density shown black and white.  middle: brightness of the
    body's median, which stands for the choice of exposure.  contrast: steepness of an S-curve
    around the middle, 0 for none.  flatten: share of the coarse differences that is kept.
    detail: gain of what is finer than `coarse`, a share of the shorter side.
    """

    window: tuple[float, float] = (0.01, 0.995)
    middle: float = 0.5
    contrast: float = 0.0
    flatten: float = 1.0
    detail: float = 1.0
    coarse: float = 0.08

    def __post_init__(self) -> None:
        low, high = self.window
        if not (0 <= low < high <= 1 and 0 < self.middle < 1 and self.coarse > 0):
            raise InvalidInput(f"window, middle and coarse must lie in 0-1: {self}")
        if self.contrast < 0 or self.flatten <= 0 or self.detail < 0:
            raise InvalidInput(f"contrast and detail must be at least 0, flatten above: {self}")


def expose(path: NDArray[np.floating], rng: np.random.Generator, detector: Detector) -> Array:
    """Line integrals to optical density as a detector measures it, with noise and scatter."""
    path = np.asarray(path, np.float64)
    body = path > SKIN
    primary = np.exp(-path)
    if detector.scatter:
        veil = np.exp(-_smooth_within(path, body, min(path.shape) / 12))
        primary = np.where(body, (primary + detector.scatter * veil), primary)
    entering = detector.photons / float(np.median(primary[body])) if body.any() else 1.0
    counts = rng.poisson(np.minimum(entering * primary, 1e9))
    density = -np.log(np.maximum(counts, 0.5) / entering)
    return np.asarray(ndimage.gaussian_filter(density, detector.blur), np.float32)


def displayed(density: NDArray[np.floating], body: NDArray[np.bool_], display: Display) -> Array:
    """Optical density to brightness in 0-1; (height, width).

    body: where there is a patient, whose densities alone set window and middle.
    """
    if not body.any():
        return np.zeros(density.shape, np.float32)
    coarse = _smooth_within(density, body, display.coarse * min(density.shape))
    level = float(np.median(density[body]))
    shaped = level + display.flatten * (coarse - level) + display.detail * (density - coarse)
    low, high = np.quantile(shaped[body], display.window)
    shown = np.where(body, np.clip((shaped - low) / max(high - low, 1e-6), 0, 1), 0)
    middle = float(np.clip(np.median(shown[body]), 0.05, 0.95))
    shown = shown ** (log(0.5) / log(middle))
    if display.contrast:
        edge = np.tanh(display.contrast / 2)
        shown = 0.5 + np.tanh(display.contrast * (shown - 0.5)) / (2 * edge)
    return np.asarray(np.clip(shown, 0, 1) ** (log(display.middle) / log(0.5)), np.float32)


def _smooth_within(
    values: NDArray[np.floating], inside: NDArray[np.bool_], sigma: float
) -> NDArray[Any]:
    """Values smoothed over `inside` alone, so that nothing leaks in from around it."""
    weight = ndimage.gaussian_filter(inside.astype(float), sigma)
    total = ndimage.gaussian_filter(np.where(inside, values, 0.0), sigma)
    return np.asarray(total / np.maximum(weight, 1e-3))


def _corners(mu: NDArray[np.floating]) -> NDArray[Any]:
    """(8, 3) corners, in voxels, of the smallest box around everything above 0."""
    ends = []
    for axis in range(3):
        filled = np.flatnonzero(mu.any(axis=tuple({0, 1, 2} - {axis})))
        ends.append((filled[0], filled[-1] + 1) if filled.size else (0, 0))
    return np.array(list(product(*ends)), float)


def _axes(beam: Beam) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Unit vectors (z, y, x): along the central ray, along a row, down a column."""
    turn, lift = radians(beam.azimuth), radians(beam.tilt)
    flat = np.array([0.0, cos(turn), -sin(turn)])
    across = np.array([0.0, sin(turn), cos(turn)])
    head_to_feet = np.array([1.0, 0.0, 0.0])
    along = cos(lift) * flat + sin(lift) * head_to_feet
    down = cos(lift) * head_to_feet - sin(lift) * flat
    c, s = cos(radians(beam.roll)), sin(radians(beam.roll))
    return along, c * across - s * down, c * down + s * across
