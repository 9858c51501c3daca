"""Pictures brought to one form, so that nothing but what they show tells real from made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.images.resize import resize

SIDE = 512
"""Pixels a side of what readers see."""
LEAST = 64


def blinded(intensity: NDArray[np.floating], native: int, side: int = SIDE) -> NDArray[np.uint8]:
    """A picture (height, width) in 0-1 as every picture of a study is: (side, side), 8 bits.

    native: pixels of the longer side that all are brought to first, the fewest that any has, so
    that sharpness tells nothing of where a picture is from.  Black bars fill the square.
    """
    if not LEAST <= native <= side:
        raise InvalidInput(f"pictures of {native} pixels cannot be read: {LEAST}-{side} a side")
    height, width = intensity.shape
    pixels = np.ascontiguousarray(np.clip(intensity, 0, 1), np.float32)
    for longest in (native, side):
        scale = longest / max(height, width)
        pixels = resize(pixels, max(1, round(width * scale)), max(1, round(height * scale)))
    square = np.zeros((side, side), np.uint8)
    rows, columns = pixels.shape
    top, left = (side - rows) // 2, (side - columns) // 2
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    square[top : top + rows, left : left + columns] = levels
    return square


def native_side(sizes: list[tuple[int, int]], side: int = SIDE) -> int:
    """The longer side that all pictures of these (height, width) have at least; at most `side`."""
    return min(side, min(max(size) for size in sizes))


def on_original(point: tuple[float, float], shape: tuple[int, int]) -> tuple[float, float]:
    """A point of the square, as fractions of its side, in pixels of the original: x, y.

    shape: (height, width) of the original.  What lies on a bar is moved to the nearest edge.
    """
    height, width = shape
    longest = max(shape)
    x = (point[0] - (1 - width / longest) / 2) * longest
    y = (point[1] - (1 - height / longest) / 2) * longest
    return min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))


def on_square(point: tuple[float, float], shape: tuple[int, int]) -> tuple[float, float]:
    """A point in pixels of the original, as fractions of the square's side: x, y."""
    height, width = shape
    longest = max(shape)
    return (
        point[0] / longest + (1 - width / longest) / 2,
        point[1] / longest + (1 - height / longest) / 2,
    )
