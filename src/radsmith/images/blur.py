"""A Gaussian blur that needs numpy alone."""

from __future__ import annotations

import numpy as np

from radsmith.images.image import Array


def blurred(level: Array, sigma: float) -> Array:
    """(height, width) under a Gaussian of `sigma` pixels, the border repeated."""
    reach = round(4 * sigma)
    weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weight = (weight / weight.sum()).astype(np.float32)
    for axis in (0, 1):
        ends = [(reach, reach) if a == axis else (0, 0) for a in (0, 1)]
        wide = np.pad(level, ends, mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(wide, len(weight), axis)
        level = np.asarray(views @ weight, np.float32)
    return level
