"""An image to be edited, and how its stored values become intensity and back.

Knows no file format and no engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.images.image import Image, Mask

_ROWS = 256
"""Rows that are looked at together."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An image to be edited, as its file holds it.

    image: integers of `bits` bits (unit "stored value"), intensity in 0-1, or HU.
    inverted: the lowest stored value is shown white.  words: what the file says it shows, such as
    "chest x-ray", for edits without a prompt.  curve: what is shown, 0 to 1 and never falling, of
    every integer of `bits` bits, where a look-up table says it.  padding: stored values, from and
    to, that are no image.  aspect: height of a pixel over its width.  notes: how the file was read,
    where that must be said.
    """

    image: Image
    bits: int = 8
    inverted: bool = False
    words: str = ""
    curve: NDArray[np.float32] | None = None
    padding: tuple[int, int] | None = None
    aspect: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.pixels.shape[0], self.image.pixels.shape[1]


@dataclass(frozen=True, kw_only=True)
class Levels:
    """How stored values become intensity in 0-1 and back: linear between low and high.

    least, most: what may be stored.  dtype: of the stored values.  curve, padding: of `Source`.
    """

    low: float
    high: float
    inverted: bool
    least: float
    most: float
    dtype: np.dtype[np.generic]
    curve: NDArray[np.float32] | None = None
    padding: tuple[int, int] | None = None

    @classmethod
    def of(cls, source: Source, shown: Mask) -> Levels:
        """By the image's curve, else its window, where any pixel lies in it; else 8-bit values
        and intensity as they are; else by the range of nearly all pixels where `shown` is True."""
        image, bits = source.image, source.bits
        pixels: NDArray[Any] = image.pixels
        kind = pixels.dtype.kind
        least, most = _storable(image, bits)
        if source.curve is not None:
            first, last = _rising(source.curve)
            return cls(
                low=least + first,
                high=least + last,
                inverted=source.inverted,
                least=least,
                most=most,
                dtype=pixels.dtype,
                curve=source.curve,
                padding=source.padding,
            )
        if source.padding is not None:
            shown = shown & ~_padded(pixels, source.padding)
        low, high = least, most
        window = None if image.unit == "intensity" else image.window
        if window is not None:
            low, high = max(window.span[0], least), min(window.span[1], most)
        if window is None or high <= low or not ((pixels > low) & (pixels < high)).any():
            low, high = least, most
            if image.unit != "intensity" and not (kind == "u" and bits == 8):
                low, high = _range(pixels, shown if shown.any() else None)
        if high <= low:  # all known pixels alike: nothing says what is dark and what is bright
            low, high = _range(pixels, None)
        if high <= low:
            low, high = (least, most) if np.isfinite(least) else (low - 0.5, low + 0.5)
        return cls(
            low=low,
            high=high,
            inverted=source.inverted,
            least=least,
            most=most,
            dtype=pixels.dtype,
            padding=source.padding,
        )

    def intensity(self, pixels: NDArray[np.generic]) -> NDArray[np.float32]:
        """Stored values as 0 (black) to 1 (white), those outside the range clipped."""
        exact: Any = np.float32 if pixels.dtype.itemsize <= 2 else np.float64
        if self.curve is not None:
            at = np.clip(pixels.astype(np.int64) - int(self.least), 0, len(self.curve) - 1)
            found = self.curve[at]
        else:
            found = pixels.astype(exact)
            found -= exact(self.low)  # in place: images may be large
            found /= exact(self.high - self.low)
            np.clip(found, 0, 1, out=found)
        if self.inverted:
            np.subtract(1, found, out=found)
        if self.padding is not None:
            found[_padded(pixels, self.padding)] = 0
        return np.asarray(found, np.float32)

    def stored(self, intensity: NDArray[np.float32]) -> NDArray[np.generic]:
        """The nearest stored values."""
        found = 1 - intensity.astype(np.float64) if self.inverted else intensity.astype(np.float64)
        if self.curve is None:
            found = self.low + found * (self.high - self.low)
        else:
            first, last = _rising(self.curve)
            part = self.curve[first : last + 1]
            found = np.interp(found, part, self.least + np.arange(first, last + 1))
        found = np.clip(found, self.least, self.most)
        return rounded(found, self.dtype)

    def beyond(self, pixels: NDArray[np.generic]) -> NDArray[np.float64]:
        """How far stored values lie outside the range that is shown."""
        exact = pixels.astype(np.float64)
        return exact - np.clip(exact, self.low, self.high)


def _storable(image: Image, bits: int) -> tuple[float, float]:
    """The least and the most that the image's kind of pixels may be."""
    if image.unit == "intensity":
        return 0.0, 1.0
    kind = image.pixels.dtype.kind
    if kind not in "iu":
        return -np.inf, np.inf
    half = float(1 << (bits - 1))
    return (-half, half - 1) if kind == "i" else (0.0, 2 * half - 1)


def _rising(curve: NDArray[np.float32]) -> tuple[int, int]:
    """Between which entries the curve rises: the last of its lowest, the first of its highest."""
    first = int(np.searchsorted(curve, curve[0], "right")) - 1
    return first, max(first, int(np.searchsorted(curve, curve[-1], "left")))


def _padded(pixels: NDArray[Any], padding: tuple[int, int]) -> Mask:
    return (pixels >= padding[0]) & (pixels <= padding[1])


def rounded(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values as a type that is to be stored: the nearest whole ones for integers."""
    return (np.rint(values) if dtype.kind in "iu" else values).astype(dtype)


def _range(pixels: NDArray[Any], shown: Mask | None) -> tuple[float, float]:
    """Between which nearly all values lie, where `shown` is True; whole numbers are counted."""
    if pixels.dtype.kind not in "iu" or pixels.dtype.itemsize > 2:
        chosen = pixels if shown is None else pixels[shown]
        low, high = np.percentile(chosen.astype(np.float64), (0.1, 99.9))
        return float(low), float(high)
    least = np.iinfo(pixels.dtype).min
    counts = np.zeros(np.iinfo(pixels.dtype).max - least + 1, np.int64)
    for first in range(0, len(pixels), _ROWS):
        rows = pixels[first : first + _ROWS]
        chosen = rows.ravel() if shown is None else rows[shown[first : first + _ROWS]]
        counts += np.bincount(chosen.astype(np.int32) - least, minlength=len(counts))
    below = counts.cumsum()

    def percentile(share: float) -> float:
        at = share * (int(below[-1]) - 1)
        one, two = np.searchsorted(below, (int(at), min(int(at) + 1, int(below[-1]) - 1)), "right")
        return float(one + (two - one) * (at - int(at)) + least)

    return percentile(0.001), percentile(0.999)
