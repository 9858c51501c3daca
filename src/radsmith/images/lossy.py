"""JPEG and WebP for programs that want them: 8 bit, lossy, with the record all the same.

The record lies in EXIF (UserComment) and the mark for machines in XMP. Measure on PNG or DICOM.
"""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from radsmith.errors import InvalidInput
from radsmith.images.image import Image, quantize
from radsmith.images.marks import description, xmp_packet
from radsmith.images.provenance import Generation

Lossy = Literal["jpeg", "webp"]
QUALITY = 95
"""Where nothing is asked for; 0-100."""
_EXIF, _USER_COMMENT, _DESCRIPTION, _SOFTWARE = 0x8769, 0x9286, 0x010E, 0x0131
_UNICODE = b"UNICODE\0"
MAGIC = {"jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}


def lossy_bytes(image: Image, record: Generation, kind: Lossy, quality: int = QUALITY) -> bytes:
    """A gray JPEG or WebP of an image in intensity or of 8- and 16-bit stored values.

    quality: 0-100, as Pillow has it.  Raises InvalidInput for HU and for an image that is larger
    than the format can hold.
    """
    if image.unit == "HU" or image.pixels.dtype.kind not in "fu":
        raise InvalidInput(f"a {kind} cannot hold {image.unit}; apply a window first")
    pixels: NDArray[Any] = image.pixels
    if image.unit != "intensity":
        pixels = pixels.astype(np.float64) / (2.0 ** (8 * pixels.dtype.itemsize) - 1)
    most = 16383 if kind == "webp" else 65500
    if max(pixels.shape) > most:
        raise InvalidInput(f"a {kind} has at most {most} pixels a side; ask for png")
    exif = Pillow.Exif()
    exif[_DESCRIPTION] = description(record).encode("ascii", "replace").decode()
    exif[_SOFTWARE] = f"radsmith {record.radsmith_version}"
    exif.get_ifd(_EXIF)[_USER_COMMENT] = _UNICODE + record.to_json().encode("utf-16-be")
    mark = xmp_packet(description(record), edited=bool(record.parents)).encode()
    stream = io.BytesIO()
    options = {"method": 4} if kind == "webp" else {}
    Pillow.fromarray(quantize(pixels.astype(np.float64), 8).astype(np.uint8)).save(
        stream, kind.upper(), quality=quality, exif=exif, xmp=mark, **options
    )
    return stream.getvalue()


def lossy_record(data: bytes) -> str:
    """The record's JSON in a JPEG or WebP, "" where there is none."""
    try:
        with Pillow.open(io.BytesIO(data), formats=("JPEG", "WEBP")) as picture:
            said = picture.getexif().get_ifd(_EXIF).get(_USER_COMMENT, b"")
    except Exception:  # Pillow raises what its decoders raise; then there is no record to be read
        return ""
    if not isinstance(said, bytes) or not said.startswith(_UNICODE):
        return ""
    return said[len(_UNICODE) :].decode("utf-16-be", "replace")
