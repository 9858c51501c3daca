"""Pixels of one object: decoded, every frame looked at, text masked, unused bits emptied."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radsmith.deidentification.attributes import declare_clean_pixels
from radsmith.deidentification.burned_in import mask, text_in_frames
from radsmith.errors import InvalidInput
from radsmith.images.dicom.decoding import decode, has_pixels, in_colour, store_pixels

TextPolicy = Literal["mask", "refuse"]


def clean_pixels(source: Dataset, clean: Dataset, text: TextPolicy) -> int:
    """Put the source's pixels, looked at, into the clean object and say so there; texts masked.

    Raises InvalidInput for what cannot be decoded or looked at, and, with "refuse", text found.
    """
    for keyword in ("FloatPixelData", "DoubleFloatPixelData"):
        if keyword in source:
            raise InvalidInput("floating-point pixels are not looked at; convert them first")
    if not has_pixels(source):
        return 0
    pixels = without_unused_bits(decode(source), source)
    boxes = text_in_frames(in_colour(source, pixels))
    if boxes and text == "refuse":
        raise InvalidInput(f"burned-in text in {len(boxes)} places; refused as asked")
    if boxes:
        pixels = mask(pixels, boxes, source.get("PhotometricInterpretation") == "MONOCHROME1")
    store_pixels(clean, pixels)
    declare_clean_pixels(clean)
    return len(boxes)


def without_unused_bits(pixels: NDArray[np.generic], dataset: Dataset) -> NDArray[np.generic]:
    """Pixels whose bits beside Bits Stored are empty: old overlays and other data lie there.

    Signed values keep their sign; Pixel Padding Value stays where it does not fit Bits Stored.
    """
    allocated = pixels.dtype.itemsize * 8
    stored = _whole(dataset, "BitsStored", allocated)
    low = _whole(dataset, "HighBit", stored - 1) + 1 - stored
    if pixels.dtype.kind not in "iu" or not 0 < stored < allocated or low < 0:
        return pixels
    if _whole(dataset, "BitsAllocated", allocated) != allocated:
        return pixels
    if pixels.dtype.kind == "i" and low == 0:
        shift = pixels.dtype.type(allocated - stored)
        kept = np.right_shift(np.left_shift(pixels, shift), shift)
    else:
        bits = np.array(((1 << stored) - 1) << low, f"u{pixels.dtype.itemsize}")
        kept = pixels & bits.astype(pixels.dtype)
    padding = dataset.get("PixelPaddingValue")
    return np.where(pixels == padding, pixels, kept) if isinstance(padding, int) else kept


def _whole(dataset: Dataset, keyword: str, otherwise: int) -> int:
    value = dataset.get(keyword)
    return value if isinstance(value, int) else otherwise
