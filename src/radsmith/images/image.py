"""Pixels with their meaning: unit, spacing and display window.

Domain pixels keep their own unit; [-1, 1] exists only inside the numerics.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
_SQUARE = 0.01
"""By how much the sides of a pixel may differ that is called square."""
Unit = Literal["intensity", "HU", "stored value"]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A display window: DICOM Window Center (0028,1050) and Width (0028,1051).

    step: of a window that DICOM means as LINEAR, one output unit, in this window's unit and
    negative where output falls: LINEAR takes it off the bright end (PS3.3 C.11.2.1.2).  0: exact.
    """

    center: float
    width: float
    step: float = 0.0

    def __post_init__(self) -> None:
        if not self.width > 0:
            raise InvalidInput(f"window width must be above 0, got {self.width}")

    @property
    def span(self) -> tuple[float, float]:
        """The values at its ends, the lower first."""
        low, high = self.center - self.width / 2, self.center + self.width / 2
        return low - min(self.step, 0.0), high - max(self.step, 0.0)


@dataclass(frozen=True, kw_only=True)
class Image:
    """One grayscale image.

    pixels: (height, width); float in 0-1 for the unit "intensity" (0 = black), Hounsfield
        units for "HU", the file's own integers for "stored value".
    spacing: millimetres between rows and between columns (DICOM Pixel Spacing), if known.
    """

    pixels: NDArray[np.generic]
    unit: Unit = "intensity"
    spacing: tuple[float, float] | None = None
    window: Window | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or 0 in self.pixels.shape:
            raise InvalidInput(
                f"an image must be (height, width) and not empty, got shape {self.pixels.shape}"
            )
        if self.pixels.dtype.kind == "f" and not np.isfinite(self.pixels).all():
            raise InvalidInput("an image must not hold NaN or infinite pixels")
        if self.unit == "intensity" and (self.pixels.min() < 0 or self.pixels.max() > 1):
            raise InvalidInput("intensity pixels must lie in 0-1")
        if self.spacing is not None and min(self.spacing) <= 0:
            raise InvalidInput(f"pixel spacing must be above 0 mm, got {self.spacing}")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        height, width = self.pixels.shape
        return width, height

    def digest(self) -> str:
        """SHA-256 over dtype, shape and the stored values."""
        pixels = np.ascontiguousarray(self.pixels)
        head = f"{pixels.dtype.str}{pixels.shape}".encode()
        return hashlib.sha256(head + pixels.tobytes()).hexdigest()


def pixel_aspect(spacing: tuple[float, float] | None) -> float:
    """How many times as high as wide a pixel is; 1 where that is not known, or nearly so."""
    if spacing is None or abs(spacing[0] / spacing[1] - 1) <= _SQUARE:
        return 1.0
    return spacing[0] / spacing[1]


def quantize(intensity: NDArray[np.floating], bits: int) -> NDArray[np.unsignedinteger]:
    """Round 0-1 intensity to `bits` (8 or 16) bit integers, black = 0."""
    if bits not in (8, 16):
        raise InvalidInput(f"bits must be 8 or 16, got {bits}")
    top = (1 << bits) - 1
    levels = np.rint(np.clip(intensity, 0, 1).astype(np.float64) * top)
    return levels.astype(np.uint8 if bits == 8 else np.uint16)
