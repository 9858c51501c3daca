"""Grayscale pictures (PNG, NPY) with their provenance, and reading them back.

Knows nothing of concepts or models. DICOM lives in `dicom/`; `read_image` and `read_record`
look at a file's first bytes, never at its name, and hand DICOM over.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import PngImagePlugin

from radsmith.errors import InvalidInput, NotFound, reason_of
from radsmith.files import read_bytes
from radsmith.images.dicom.signature import is_dicom
from radsmith.images.image import Image, quantize
from radsmith.images.lossy import lossy_record
from radsmith.images.marks import (
    RECORD_KEY,
    SHEET_KEY,
    SHEET_NAME,
    XMP_KEY,
    description,
    xmp_packet,
)
from radsmith.images.npy import npy_of
from radsmith.images.picture_reading import PNG_MAGIC, opened, picture_in
from radsmith.images.provenance import Generation

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".pgm", ".jp2", ".npy", ".dcm",
)  # fmt: skip
"""How files of images are named, in small letters."""
_BESIDE = ("mask", "difference", "distance", "sheet")
_NPY_MAGIC = b"\x93NUMPY"


def png_bytes(image: Image, record: Generation, bits: int = 8) -> bytes:
    """A grayscale PNG of `bits` (8 or 16) bits carrying its provenance.

    Intensity pixels are rounded to `bits`; unsigned stored values are written as they are.
    Text chunks: `radsmith` (the record's JSON), Software, Description, and an XMP packet with
    the IPTC Digital Source Type. Known spacing becomes pHYs (pixels per metre, rounded).
    Raises InvalidInput for HU pixels or stored values outside the bit depth.
    """
    levels = _levels(image, bits)
    info = PngImagePlugin.PngInfo()
    info.add_itxt(RECORD_KEY, record.to_json())
    info.add_itxt("Software", f"radsmith {record.radsmith_version}")
    info.add_itxt("Description", description(record))
    info.add_itxt(XMP_KEY, xmp_packet(description(record), edited=bool(record.parents)))
    options: dict[str, object] = {}
    if image.spacing is not None:
        row, column = image.spacing
        options["dpi"] = (25.4 / column, 25.4 / row)
    stream = io.BytesIO()
    Pillow.fromarray(levels).save(stream, "PNG", pnginfo=info, **options)
    return stream.getvalue()


def npy_bytes(image: Image, record: Generation) -> tuple[bytes, bytes]:
    """`NAME.npy` (own integers or float64, else float32) and `NAME.json` beside it.

    NPY has no place for text, so the record, unit and spacing (mm) go into the JSON.
    """
    given = image.unit == "intensity" and image.pixels.dtype == np.float64  # an edited file's own
    exact = image.pixels.dtype.kind in "iu" or given
    pixels = image.pixels if exact else image.pixels.astype(np.float32)
    beside = json.loads(record.to_json()) | {"unit": image.unit, "spacing": image.spacing}
    text = json.dumps(beside, sort_keys=True, ensure_ascii=False, indent=1)
    return npy_of(pixels), text.encode() + b"\n"


def read_image(path: Path) -> Image:
    """A DICOM file or a picture, told apart by content; see `read_dicom` and `read_picture`."""
    if is_dicom(read_bytes(path)):
        from radsmith.images.dicom.reading import read_dicom  # pydicom costs start-up time

        return read_dicom(path)
    return read_picture(path)


def read_picture(path: Path) -> Image:
    """An 8-16 bit grayscale PNG, JPEG, TIFF, JPEG 2000, BMP, PGM or WebP as stored values.

    See `picture_reading.picture_in`. Raises NotFound, or InvalidInput naming the path.
    """
    return picture_in(read_bytes(path), str(path)).image


def read_record(path: Path) -> Generation:
    """The provenance record in a PNG, JPEG, WebP or DICOM file, or in the JSON beside an NPY file.

    Raises NotFound (no such file, no JSON beside it) or InvalidInput (no radsmith record).
    """
    data = read_bytes(path)
    if is_dicom(data):
        from radsmith.images.dicom.reading import read_dicom_record  # pydicom is slow to start

        return read_dicom_record(path)
    text = ""
    if is_npy(data):
        text = _text_beside(path)
    if text:
        return Generation.from_json(text)
    return record_in(data, path)


def record_in(data: bytes, path: Path) -> Generation:
    """The record in a picture's bytes; path: for errors. Raises InvalidInput without one."""
    text = ""
    if data.startswith(PNG_MAGIC):
        with opened(data, str(path)) as picture:
            text = str(picture.info.get(RECORD_KEY, ""))
    elif data.startswith((b"\xff\xd8\xff", b"RIFF")):
        text = lossy_record(data)
    if not text:
        raise InvalidInput(
            f"{path} has no radsmith provenance record; it was not made by radsmith, or another"
            " program saved it again without its metadata"
        )
    return Generation.from_json(text)


def read_sheet(path: Path) -> list[Generation]:
    """The records of the images on a contact sheet, in order; none of any other file.

    Raises NotFound, or InvalidInput for a record that cannot be read.
    """
    data = read_bytes(path)
    if not data.startswith(PNG_MAGIC):
        return []
    with opened(data, str(path)) as picture:
        text = str(picture.info.get(SHEET_KEY, "[]"))
    try:
        return [Generation.from_json(json.dumps(entry)) for entry in json.loads(text)]
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"{path}: the records of this sheet cannot be read: {error}") from error


def lies_beside(path: Path) -> bool:
    """Whether radsmith put this file beside images, so that it is none: a contact sheet, or mask,
    difference, distance or sheet of an edit that is there too."""
    if path.name == SHEET_NAME:
        return True
    stem, _, kind = path.stem.rpartition("-")
    return kind in _BESIDE and any(path.with_name(stem + end).is_file() for end in SUFFIXES)


def _levels(image: Image, bits: int) -> NDArray[np.unsignedinteger]:
    pixels = image.pixels
    if image.unit == "intensity":
        return quantize(pixels.astype(np.float64), bits)
    if image.unit == "HU":
        raise InvalidInput("a PNG cannot hold HU; apply a window first or save DICOM or NPY")
    if bits not in (8, 16):
        raise InvalidInput(f"bits must be 8 or 16, got {bits}")
    if pixels.dtype.kind not in "ui" or pixels.min() < 0 or pixels.max() >= 1 << bits:
        raise InvalidInput(
            f"stored values of {pixels.dtype} from {pixels.min()} to {pixels.max()} do not fit a"
            f" {bits}-bit PNG; save DICOM or NPY"
        )
    return pixels.astype(np.uint8 if bits == 8 else np.uint16)


def npy_array(data: bytes, name: str) -> NDArray[Any]:
    """The array in NPY bytes. Raises InvalidInput for what is none, and for pickled objects."""
    try:
        array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # numpy reads the head with Python's own parser
        text = f"{name} is not a plain NPY array: {reason_of(error)}; save it again"
        raise InvalidInput(text) from error
    return array


def is_npy(data: bytes) -> bool:
    """The magic string of NPY."""
    return data.startswith(_NPY_MAGIC)


def _text_beside(path: Path) -> str:
    beside = path.with_suffix(".json")
    try:
        return read_bytes(beside).decode()
    except NotFound as error:
        raise NotFound(
            f"{path} needs its provenance in {beside.name} beside it; copy both files together"
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{beside} is not a radsmith provenance record: {error}") from error
