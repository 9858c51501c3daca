"""From an image's own unit to the integers a DICOM object may hold, and back to its unit.

Knows storage classes only by what they allow in Pixel Data; `writing.py` writes the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import uid

from radsmith.errors import InvalidInput
from radsmith.images.image import Image, Window, quantize

XRAY = (
    uid.DigitalXRayImageStorageForPresentation,
    uid.DigitalMammographyXRayImageStorageForPresentation,
)
SLICES = (uid.CTImageStorage, uid.MRImageStorage)


@dataclass(frozen=True, kw_only=True)
class StoredPixels:
    """Integers to be written and how they become `rescale_type` units.

    window: in stored values.  bits: Bits Stored, 0 for all of the integer.
    inverted: the lowest stored value is shown white.  exact: the window is LINEAR_EXACT.
    table: what is shown of each value from `table_first`, 0 to 65535, written as a VOI LUT.
    """

    pixels: NDArray[Any]
    window: Window
    rescale_type: Literal["US", "HU"] = "US"
    slope: float = 1.0
    intercept: float = 0.0
    bits: int = 0
    inverted: bool = False
    exact: bool = False
    table: NDArray[np.uint16] | None = None
    table_first: int = 0


def stored_pixels(image: Image, modality: str | None, storage: uid.UID) -> StoredPixels:
    """Pixels as `storage` (a SOP Class UID) can hold them; see `dicom_bytes` for the rules.

    Raises InvalidInput for HU outside ct or 16 bits, and stored values that do not fit.
    """
    bits = 8 if storage == uid.UltrasoundImageStorage else 16
    if image.unit == "HU":
        return _stored_hu(image, modality)
    if image.unit == "stored value":
        return _stored_as_given(image, storage)
    pixels = quantize(image.pixels.astype(np.float64), bits)
    if modality == "ct" and image.window is not None:
        window = image.window
        low, slope = window.center - window.width / 2, window.width / ((1 << bits) - 1)
        stored = Window(center=(window.center - low) / slope, width=window.width / slope)
        return StoredPixels(
            pixels=pixels, window=stored, rescale_type="HU", slope=slope, intercept=low
        )
    return StoredPixels(pixels=pixels, window=Window(center=1 << (bits - 1), width=1 << bits))


def storable(stored: StoredPixels, storage: uid.UID) -> bool:
    """Whether objects of this class may hold such integers."""
    kind, size = stored.pixels.dtype.kind, stored.pixels.dtype.itemsize
    if storage == uid.UltrasoundImageStorage:
        return kind == "u" and size == 1 and not stored.inverted
    if storage in SLICES:
        return size == 2
    return kind == "u"


def _stored_hu(image: Image, modality: str | None) -> StoredPixels:
    if modality != "ct":
        raise InvalidInput(f"HU pixels belong to modality ct, got {modality}")
    pixels = np.rint(image.pixels.astype(np.float64))
    limits = np.iinfo(np.int16)
    if pixels.min() < limits.min or pixels.max() > limits.max:
        raise InvalidInput(f"HU must lie in {limits.min} to {limits.max} to be stored in 16 bits")
    return StoredPixels(
        pixels=pixels.astype(np.int16), window=image.window or _span(pixels), rescale_type="HU"
    )


def _stored_as_given(image: Image, storage: uid.UID) -> StoredPixels:
    pixels = image.pixels
    low, high = pixels.min(), pixels.max()
    only_unsigned = storage in XRAY or storage == uid.UltrasoundImageStorage
    top = 255 if storage == uid.UltrasoundImageStorage else 65535
    kind: type[np.integer] = np.uint16
    if pixels.dtype.itemsize == 1 and low >= 0 and storage not in SLICES:
        kind = np.uint8
    if low < 0:
        kind, top = np.int16, 32767
    if storage == uid.UltrasoundImageStorage:
        kind = np.uint8
    if pixels.dtype.kind not in "iu" or high > top or low < (0 if only_unsigned else -32768):
        raise InvalidInput(
            f"{pixels.dtype} values from {low} to {high} do not fit {storage.name}; expected"
            f" whole numbers of at most {top}{', none negative' if only_unsigned else ''}"
        )
    return StoredPixels(pixels=pixels.astype(kind), window=image.window or _span(pixels))


def _span(pixels: NDArray[np.generic]) -> Window:
    low, high = float(pixels.min()), float(pixels.max())
    return Window(center=(low + high + 1) / 2, width=high - low + 1)
