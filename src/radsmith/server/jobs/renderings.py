"""A stored image as the file that is asked for; without credentials the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from radsmith.editing import formats
from radsmith.editing.dicom import as_shown
from radsmith.editing.operations import Source
from radsmith.images.image import Image, Unit, Window, pixel_aspect, quantize
from radsmith.images.lossy import QUALITY, lossy_bytes
from radsmith.images.provenance import Generation
from radsmith.marks.credentials import embeds, signed
from radsmith.marks.keys import SigningKey
from radsmith.server.jobs.drawing import pixels_of
from radsmith.server.jobs.history import StoredImage
from radsmith.server.store.blobs import Blobs

Format = Literal["png", "png16", "dicom", "jpeg", "webp"]
MEDIA = {
    "png": "image/png", "png16": "image/png", "dicom": "application/dicom", "jpeg": "image/jpeg",
    "webp": "image/webp",
}  # fmt: skip
SUFFIX = {"png": ".png", "png16": ".png", "dicom": ".dcm", "jpeg": ".jpg", "webp": ".webp"}


def file_name(form: Format, quality: int) -> str:
    """The last part of an address: what is asked for, such as "jpeg-95.jpg"."""
    return (
        f"{form}-{quality}{SUFFIX[form]}" if form in ("jpeg", "webp") else f"{form}{SUFFIX[form]}"
    )


def named_file(name: str) -> tuple[Format, int] | None:
    """Format and quality of `file_name`; None for anything else."""
    kind, _, quality = name.partition(".")[0].partition("-")
    form = next((f for f in get_args(Format) if f == kind), None)
    level = int(quality) if re.fullmatch(r"\d{1,3}", quality) else QUALITY
    return (form, level) if form and file_name(form, level) == name else None


def source_of(stored: StoredImage, blobs: Blobs) -> Source:
    """The stored pixels with their meaning."""
    unit: Unit = "stored value" if stored.unit == "stored value" else "intensity"
    window = None
    if stored.window is not None:
        center, width = stored.window
        window = Window(center=center, width=width)
        if stored.origin is not None:
            window = stored.origin.window(center, width)
    pixels = pixels_of(blobs.get(stored.digest))
    image = Image(pixels=pixels, unit=unit, spacing=stored.spacing, window=window)
    words = str(stored.facts["canonical_prompt"])
    return Source(
        image=image,
        bits=stored.bits,
        inverted=stored.inverted,
        words=words,
        aspect=pixel_aspect(stored.spacing),
    )


@dataclass(frozen=True, kw_only=True)
class Renderings:
    """Stored images as files. key: signs content credentials into those that can hold them (PNG);
    None: none."""

    blobs: Blobs
    key: SigningKey | None = None

    def file_bytes(self, stored: StoredImage, form: Format, quality: int = QUALITY) -> bytes:
        """The image as a file that carries its provenance, as `formats.file_bytes` makes it.

        quality: of jpeg and webp, which show it as it is looked at.
        """
        record = Generation.from_json(stored.record)
        if form == "jpeg" or form == "webp":
            shown = Image(pixels=shown_levels(stored, self.blobs))
            return lossy_bytes(shown, record, form, quality)
        source, uid_source = source_of(stored, self.blobs), _uids(stored.id)
        data = formats.file_bytes(source, record, form, stored.origin, uid_source=uid_source)
        if self.key is None or not embeds(data):
            return data
        return signed(data, record, self.key)[0]


def preview_bytes(stored: StoredImage, blobs: Blobs) -> bytes:
    """An 8-bit PNG for the eye, through the window of what came from DICOM."""
    source = source_of(stored, blobs)
    if stored.origin is not None:
        levels = quantize(as_shown(source).pixels.astype(np.float64), 8)
    else:
        levels = (_levels(source)[0] >> 8).astype(np.uint8)
    stream = io.BytesIO()
    Pillow.fromarray(levels).save(stream, "PNG")
    return stream.getvalue()


def shown_levels(stored: StoredImage, blobs: Blobs) -> NDArray[np.float32]:
    """(height, width) as it is looked at, 0 black to 1 white."""
    source = source_of(stored, blobs)
    if stored.origin is not None:
        return np.asarray(as_shown(source).pixels, np.float32)
    return (_levels(source)[0] / 65535).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class ViewerPixels:
    """data: unsigned 16-bit little endian, row by row.  black, white: what 0 and 65535 stand for,
    in `unit`: "HU", "%" or "" (stored values)."""

    data: bytes
    black: float
    white: float
    unit: str


def viewer_pixels(stored: StoredImage, blobs: Blobs) -> ViewerPixels:
    """The pixels as the viewer takes them."""
    levels, black, white = _levels(source_of(stored, blobs))
    unit = ""
    if stored.origin is not None:
        slope, intercept, unit = stored.origin.slope, stored.origin.intercept, stored.origin.unit
        black, white = black * slope + intercept, white * slope + intercept
    elif stored.unit == "intensity" and stored.window is not None:
        center, width = stored.window
        black, white, unit = center - width / 2, center + width / 2, "HU"
    elif stored.unit == "intensity":
        white, unit = 100.0, "%"
    data = levels.astype("<u2").tobytes()
    return ViewerPixels(data=data, black=black, white=white, unit=unit)


def viewer_window(stored: StoredImage) -> tuple[float, float] | None:
    """Centre and width in the unit of `viewer_pixels`; None: all of it."""
    if stored.origin is None or stored.window is None:
        return stored.window
    center, width = stored.window
    return stored.origin.shown(Window(center=center, width=width))


def _levels(source: Source) -> tuple[NDArray[np.uint16], float, float]:
    """16-bit levels, and the values that are black and white: intensity and 8-bit values over their
    whole range; other values over their own."""
    pixels = source.image.pixels
    if source.image.unit == "intensity":
        return quantize(pixels.astype(np.float64), 16).astype(np.uint16), 0.0, 1.0
    low, high = 0.0, 255.0
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
    span = high - low or 1.0
    levels = np.rint((pixels.astype(np.float64) - low) / span * 65535).astype(np.uint16)
    if source.inverted:
        return np.asarray(65535 - levels, np.uint16), low + span, low
    return levels, low, low + span


def _uids(image_id: str) -> Callable[[], str]:
    """UIDs under 2.25 that depend on the image alone: a file asked for twice is one instance."""
    count = 0

    def next_uid() -> str:
        nonlocal count
        count += 1
        digest = hashlib.sha256(f"radsmith image {image_id} {count}".encode()).digest()
        return f"2.25.{int.from_bytes(digest[:16], 'big')}"

    return next_uid
