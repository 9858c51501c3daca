"""A stored image as the file that is asked for; the same bytes each time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from radsmith.adapters.pictures import png_bytes
from radsmith.adapters.server.blobs import Blobs, pixels_of
from radsmith.adapters.server.history import StoredImage
from radsmith.generation import Generation
from radsmith.image import Image, Unit, Window, quantize

Format = Literal["png", "png16", "dicom"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA = {"png": "image/png", "png16": "image/png", "dicom": "application/dicom"}
SUFFIX = {"png": ".png", "png16": ".png", "dicom": ".dcm"}


def image_of(stored: StoredImage, blobs: Blobs) -> Image:
    """The stored pixels with their meaning."""
    unit: Unit = "intensity"
    if stored.unit in ("HU", "stored value"):
        unit = stored.unit  # type: ignore[assignment]
    spacing = None if stored.spacing is None else (stored.spacing, stored.spacing)
    window = None
    if stored.window is not None:
        window = Window(center=stored.window[0], width=stored.window[1])
    pixels = pixels_of(blobs.get(stored.digest))
    return Image(pixels=pixels, unit=unit, spacing=spacing, window=window)


def file_bytes(stored: StoredImage, blobs: Blobs, form: Format) -> bytes:
    """The image as a file that carries its provenance."""
    image, record = image_of(stored, blobs), Generation.from_json(stored.record)
    if form == "dicom":
        from radsmith.adapters.dicom import dicom_bytes  # pydicom is slow to start
        from radsmith.adapters.dicom_codes import codes_of
        from radsmith.prompt import Prompt
        from radsmith.reading import read_prompt

        prompt = read_prompt(record.canonical_prompt).prompt if record.canonical_prompt else None
        return dicom_bytes(image, record, codes_of(prompt or Prompt()), _uids(stored.id))
    return png_bytes(image, record, bits=16 if form == "png16" else 8)


def levels_16(stored: StoredImage, blobs: Blobs) -> bytes:
    """Pixels for the viewer: unsigned 16-bit little endian, row by row, black = 0.

    Intensity spans 0-65535; other units are shifted by their least value.
    """
    pixels = image_of(stored, blobs).pixels
    if stored.unit == "intensity":
        levels = quantize(pixels.astype(np.float64), 16)
    else:
        levels = np.clip(pixels.astype(np.int64) - int(pixels.min()), 0, 65535).astype(np.uint16)
    return levels.astype("<u2").tobytes()


def _uids(image_id: str) -> Callable[[], str]:
    """UIDs under 2.25 that depend on the image alone: a file asked for twice is one instance."""
    count = 0

    def next_uid() -> str:
        nonlocal count
        count += 1
        digest = hashlib.sha256(f"radsmith image {image_id} {count}".encode()).digest()
        return f"2.25.{int.from_bytes(digest[:16], 'big')}"

    return next_uid
