"""Pixels of one object: decoded, every frame looked at, text masked, only the stored bits kept."""

from __future__ import annotations

from typing import Literal

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
    pixels = decode(source)
    boxes = text_in_frames(in_colour(source, pixels))
    if boxes and text == "refuse":
        raise InvalidInput(f"burned-in text in {len(boxes)} places; refused as asked")
    if boxes:
        pixels = mask(pixels, boxes, source.get("PhotometricInterpretation") == "MONOCHROME1")
    store_pixels(clean, pixels)
    declare_clean_pixels(clean)
    return len(boxes)
