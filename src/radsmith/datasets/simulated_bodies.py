"""What is projected: CT volumes, if wished each time a little other in shape, and sampled limbs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radsmith.datasets.limb_shapes import scanned
from radsmith.datasets.limbs import LIMBS
from radsmith.datasets.projection import attenuation, body_only
from radsmith.datasets.simulated_exposure import PAD, Body
from radsmith.datasets.simulated_regions import LimbField, VolumeField

_EVERY = 90.0
"""Millimetres between the points that a warp moves; between them it is smooth."""
_GROWN = 0.04
"""Spread of the scale along each axis of a warped volume."""
_VOXELS = 150
"""Of a limb along its field's longer side."""
_FINEST = 0.8
_ROUND = (80.0, 45.0)
"""Millimetres of a limb beyond its field, along it and to its sides."""


def volume_body(path: Path, region: VolumeField) -> Body:
    """The region's volume without the table, as attenuation."""
    with np.load(path, allow_pickle=False) as stored:
        hu, (depth, rows, columns) = stored["hu"], (float(s) for s in stored["spacing"])
    mu = attenuation(body_only(hu))
    left, right = (round(x * mu.shape[2]) for x in region.x_range)
    mu[:, :, :left] = mu[:, :, right:] = 0
    pad = round(PAD / depth)
    return Body(
        mu=np.pad(mu, ((pad, pad), (0, 0), (0, 0)), mode="edge"),
        spacing=(depth, rows, columns),
        open_top=float((mu[0] > 0).mean()) < 0.01,
        step=1.5 * min(depth, rows, columns),
    )


def warped(body: Body, reach: float, rng: np.random.Generator) -> Body:
    """The body, smoothly other in shape: points move by about `reach` mm, axes grow or shrink."""
    if reach == 0:
        return body
    shape, spacing = body.mu.shape, np.array(body.spacing)
    grid = np.maximum(2, np.ceil(np.array(shape) * spacing / _EVERY).astype(int) + 1)
    moved = rng.normal(0, reach, (3, *grid)) / spacing[:, None, None, None]
    grown = rng.normal(1, _GROWN, 3)
    middle = (np.array(shape) - 1) / 2
    down, back, across = (_between(g, n) for g, n in zip(grid, shape, strict=True))
    found = np.empty(shape, np.float32)
    for z in range(shape[0]):
        here = (z, *np.ogrid[: shape[1], : shape[2]])
        points = [
            middle[i] + (here[i] - middle[i]) * grown[i]
            + back @ np.tensordot(down[z], moved[i], 1) @ across.T
            for i in range(3)
        ]  # fmt: skip
        found[z] = ndimage.map_coordinates(body.mu, points, order=1, mode="nearest")
    return replace(body, mu=found)


def _between(knots: int, count: int) -> NDArray[np.float64]:
    """Weights of evenly spaced knots at evenly spaced points, linear between: (count, knots)."""
    at = np.linspace(0, knots - 1, count)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(knots)), 0)


def limb_body(region: LimbField, rng: np.random.Generator) -> Body:
    """A left limb of sampled measures around the region's joint."""
    limb = LIMBS[region.limb](rng)
    z, y, x = limb.joints[region.joint]
    z += region.shift
    wide, high = region.field
    along, aside = 0.6 * high + _ROUND[0] + PAD, wide / 2 + _ROUND[1]
    voxel = max(_FINEST, max(wide, high) / _VOXELS)
    low = (z - along, y - region.deep, x - aside)
    hu = scanned(limb, low, (z + along, y + region.deep, x + aside), voxel, rng)
    spacing = (voxel, voxel, voxel)
    return Body(mu=attenuation(hu), spacing=spacing, open_top=False, step=1.5 * voxel)


def mirrored(body: Body) -> Body:
    """The body of the other side."""
    return replace(body, mu=np.ascontiguousarray(body.mu[:, :, ::-1]))
