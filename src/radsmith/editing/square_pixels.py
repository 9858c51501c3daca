"""Images whose pixels are not square, shown square to an engine: it learned no other.

What it draws is brought back to the image's own grid, so that nothing else changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.engine import Given
from radsmith.images.regions import scaled
from radsmith.images.resize import resize

Array = NDArray[np.float32]


def evenly(given: Given, aspect: float, fill: Callable[[Given], Array]) -> Array:
    """What `fill` draws, (height, width) as given. aspect: height of a pixel over its width."""
    height, width = given.mask.shape
    rows, columns = round(height * max(1.0, aspect)), round(width * max(1.0, 1 / aspect))
    if (rows, columns) == (height, width):
        return fill(given)
    pixels, mask = scaled(given.pixels, given.mask, columns, rows)
    drawn = fill(replace(given, pixels=pixels, mask=mask))
    return np.clip(resize(drawn, width, height), 0, 1)
