"""Simulated radiographs from CT volumes: exp(-integral of attenuation) along a cone of rays.

Volumes are (z, y, x) in Hounsfield units with z growing to the feet, y to the back and x to the
patient's left. Needs scipy, which the training extra brings.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radsmith.errors import InvalidInput

Array = NDArray[np.float32]
WATER = 0.0195
"""Linear attenuation of water in 1/mm near 65 keV (NIST XCOM: 0.1948 per cm)."""
AIR_HU = -1000.0
_BONE_HU, _BONE_GAIN = 250.0, 1.4


@dataclass(frozen=True, kw_only=True)
class Beam:
    """Where the rays go. Angles in degrees, lengths in mm, sizes in pixels (width, height).

    azimuth: 0 looks from the front (AP), 90 from the patient's left, 180 from behind (PA).
    tilt: raises the source towards the head.  centre: point of the volume, as fractions (z, y, x).
    source_distance: from the source to the centre.  pixel: size at the centre.
    """

    size: tuple[int, int] = (256, 256)
    pixel: float = 1.6
    azimuth: float = 0.0
    tilt: float = 0.0
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
    reach = float(np.linalg.norm(extent))
    depths = np.arange(-reach / 2, reach / 2, step)
    depths = depths[depths > 1 - beam.source_distance]
    total: NDArray[Any] = np.zeros((height, width))
    for depth in depths:
        scale = (beam.source_distance + depth) / beam.source_distance
        point = (
            centre[:, None, None]
            + along[:, None, None] * depth
            + across[:, None, None] * (grid_u * scale)
            + down[:, None, None] * (grid_v * scale)
        )
        index = point / np.array(spacing)[:, None, None] - 0.5
        total += ndimage.map_coordinates(mu, index, order=1, mode="constant", cval=0.0)
    slant = np.sqrt(1 + (grid_u**2 + grid_v**2) / beam.source_distance**2)
    return np.asarray(total * step * slant, np.float32)


def expose(
    path: NDArray[np.floating],
    rng: np.random.Generator,
    *,
    photons: float = 2e4,
    scatter: float = 0.15,
    blur: float = 0.6,
    gamma: float = 1.0,
) -> Array:
    """Line integrals to a displayed radiograph: intensity in 0-1, attenuating parts bright.

    photons: mean count of an unattenuated pixel (less is noisier).  scatter: smooth part added,
    as a share of the primary.  blur: of the detector, in pixels.  gamma: above 1 darkens lungs.
    """
    primary = np.exp(-np.asarray(path, np.float64))
    if scatter:
        spread = ndimage.gaussian_filter(primary, min(path.shape) / 12)
        primary = (primary + scatter * spread) / (1 + scatter)
    counts = rng.poisson(photons * primary)
    density = -np.log(np.maximum(counts, 0.5) / photons)
    if blur:
        density = ndimage.gaussian_filter(density, blur)
    inside = density[np.asarray(path) > 0.05]
    if inside.size == 0:
        return np.zeros(path.shape, np.float32)
    low, high = np.quantile(inside, (0.01, 0.995))
    shown = np.clip((density - low) / max(high - low, 1e-6), 0, 1) ** gamma
    return np.asarray(shown, np.float32)


def _axes(beam: Beam) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Unit vectors (z, y, x): along the central ray, along a row, down a column."""
    turn, lift = radians(beam.azimuth), radians(beam.tilt)
    flat = np.array([0.0, cos(turn), -sin(turn)])
    across = np.array([0.0, sin(turn), cos(turn)])
    head_to_feet = np.array([1.0, 0.0, 0.0])
    along = cos(lift) * flat + sin(lift) * head_to_feet
    down = cos(lift) * head_to_feet - sin(lift) * flat
    return along, across, down
