"""Planted copies: what a search for copies must find before it may say that there are none.

Plain copies, transformed ones, and near-duplicates that a model makes of a training image
(`redrawn`): published searches miss the last (2510.01793). Plain functions of images in 0-1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from radsmith.editing.operations import Source, Task, vary
from radsmith.engines.engine import Engine
from radsmith.images.image import Image
from radsmith.images.provenance import Request, Settings
from radsmith.images.resize import resample

Array = NDArray[np.float32]
Change = Callable[[Array, np.random.Generator], Array]
SMALLEST_SHARE = 0.8
"""A crop keeps at least as much of each side."""
STEEPEST = 10.0
"""Degrees."""
STRENGTHS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Of `vary`."""


def plain(image: Array, rng: np.random.Generator) -> Array:
    """The image itself."""
    return image


def flipped(image: Array, rng: np.random.Generator) -> Array:
    """Mirrored left to right."""
    return np.ascontiguousarray(image[:, ::-1])


def cropped(image: Array, rng: np.random.Generator) -> Array:
    """A window of SMALLEST_SHARE or more of each side, anywhere."""
    height, width = image.shape
    rows, columns = (round(n * rng.uniform(SMALLEST_SHARE, 0.97)) for n in (height, width))
    top, left = (int(rng.integers(n + 1)) for n in (height - rows, width - columns))
    return image[top : top + rows, left : left + columns]


def rotated(image: Array, rng: np.random.Generator) -> Array:
    """Turned by up to STEEPEST degrees about its middle; what comes in is black."""
    angle = np.deg2rad(rng.uniform(3, STEEPEST) * rng.choice((-1, 1)))
    height, width = image.shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    rows = np.cos(angle) * y - np.sin(angle) * x + (height - 1) / 2
    columns = np.sin(angle) * y + np.cos(angle) * x + (width - 1) / 2
    return sampled(image, rows, columns)


def relit(image: Array, rng: np.random.Generator) -> Array:
    """Another gamma, gain and level."""
    gamma, gain, level = rng.uniform(0.65, 1.5), rng.uniform(0.75, 1.2), rng.uniform(-0.08, 0.08)
    return np.clip(gain * image**gamma + level, 0, 1).astype(np.float32)


def resampled(image: Array, rng: np.random.Generator) -> Array:
    """Shrunk to 35-70 % and enlarged again, with a little noise."""
    height, width = image.shape
    share = rng.uniform(0.35, 0.7)
    small = resample(image, max(8, round(width * share)), max(8, round(height * share)))
    rows = (np.arange(height)[:, None] + 0.5) * small.shape[0] / height - 0.5
    columns = (np.arange(width)[None] + 0.5) * small.shape[1] / width - 0.5
    rows, columns = np.broadcast_arrays(
        np.clip(rows, 0, small.shape[0] - 1), np.clip(columns, 0, small.shape[1] - 1)
    )
    back = sampled(small, rows, columns) + rng.normal(0, 0.015, image.shape)
    return np.clip(back, 0, 1).astype(np.float32)


def all_at_once(image: Array, rng: np.random.Generator) -> Array:
    """Cropped, turned, relit and resampled, mirrored half of the time."""
    changed = flipped(image, rng) if rng.random() < 0.5 else image
    for change in (rotated, cropped, relit, resampled):
        changed = change(changed, rng)
    return changed


TRANSFORMS: dict[str, Change] = {
    "mirrored": flipped,
    "cropped": cropped,
    "rotated": rotated,
    "other intensity": relit,
    "resampled": resampled,
    "all at once": all_at_once,
}


def redrawn(image: Array, strength: float, engine: Engine, seed: int) -> Array:
    """A near-duplicate: the engine's `vary` of the image, without words."""
    source = Source(image=Image(pixels=np.clip(image, 0, 1).astype(np.float32)))
    request = Request(prompt="", seed=seed, settings=Settings())
    task = Task(engine=engine, planned=None, request=request, created="")
    return vary(source, strength, task).image.pixels.astype(np.float32)


def sampled(
    image: NDArray[np.floating], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> Array:
    """Bilinear values at these places, 0 outside: the shape of rows and columns."""
    height, width = image.shape
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    found = np.zeros(rows.shape, np.float32)
    for down in (0, 1):
        for across in (0, 1):
            y, x = top + down, left + across
            weight = (1 - np.abs(rows - y)) * (1 - np.abs(columns - x))
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            value = image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
            found += np.where(inside, weight * value, 0).astype(np.float32)
    return found
