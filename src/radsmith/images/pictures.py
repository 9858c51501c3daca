"""Grayscale pictures (PNG, NPY) with their provenance, and reading them back.

Knows nothing of concepts or models. DICOM lives in `dicom/`; `read_image` and `read_record`
look at a file's first bytes, never at its name, and hand DICOM over.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, PngImagePlugin

from radsmith.errors import InvalidInput, NotFound, reason_of
from radsmith.files import read_bytes
from radsmith.images.image import Image, quantize
from radsmith.images.lossy import lossy_record
from radsmith.images.marks import RECORD_KEY, SHEET_KEY, XMP_KEY, description, xmp_packet
from radsmith.images.provenance import Generation

FORMATS = ("PNG", "JPEG", "TIFF", "JPEG2000", "BMP", "PPM", "WEBP")
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_NPY_MAGIC = b"\x93NUMPY"
_MIN_IS_WHITE = 0


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
    stream = io.BytesIO()
    given = image.unit == "intensity" and image.pixels.dtype == np.float64  # an edited file's own
    exact = image.pixels.dtype.kind in "iu" or given
    pixels = image.pixels if exact else image.pixels.astype(np.float32)
    np.save(stream, pixels, allow_pickle=False)
    beside = json.loads(record.to_json()) | {"unit": image.unit, "spacing": image.spacing}
    text = json.dumps(beside, sort_keys=True, ensure_ascii=False, indent=1)
    return stream.getvalue(), text.encode() + b"\n"


def read_image(path: Path) -> Image:
    """A DICOM file or a picture, told apart by content; see `read_dicom` and `read_picture`."""
    if is_dicom(read_bytes(path)):
        from radsmith.images.dicom.reading import read_dicom  # pydicom costs start-up time

        return read_dicom(path)
    return read_picture(path)


def read_picture(path: Path) -> Image:
    """An 8-16 bit grayscale PNG, JPEG, TIFF, JPEG 2000, BMP, PGM or WebP as stored values.

    pixels: uint8 or uint16, (height, width), turned upright where EXIF says so. Colour files
    whose channels are all equal and alpha channels that hide nothing are accepted. Spacing is
    read only from radsmith's own files: the dpi of other pictures is about paper.
    Raises NotFound, or InvalidInput (colour, alpha, float, several pages, too large, corrupt).
    """
    return picture_in(read_bytes(path), path)


def picture_in(data: bytes, path: Path) -> Image:
    """As `read_picture`, of a file's bytes; path: for errors."""
    if data.startswith(_PNG_MAGIC) and data[24:25] == b"\x10" and data[25:26] != b"\0":
        raise InvalidInput(  # Pillow would silently cut its 16 bits to 8
            f"{path} is a 16-bit PNG with colour or alpha; save it as 16-bit grayscale"
        )
    with opened(data, path) as picture:
        _check_layout(picture, path)
        pixels = _gray(ImageOps.exif_transpose(picture), path)
        return Image(pixels=pixels, unit="stored value", spacing=_spacing(picture))


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
    """The record in a PNG's bytes; path: for errors. Raises InvalidInput where there is none."""
    text = ""
    if data.startswith(_PNG_MAGIC):
        with opened(data, path) as picture:
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
    if not data.startswith(_PNG_MAGIC):
        return []
    with opened(data, path) as picture:
        text = str(picture.info.get(SHEET_KEY, "[]"))
    try:
        return [Generation.from_json(json.dumps(entry)) for entry in json.loads(text)]
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"{path}: the records of this sheet cannot be read: {error}") from error


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


@contextmanager
def opened(data: bytes, path: Path) -> Iterator[Pillow.Image]:
    """The picture in `data`; what Pillow cannot take becomes InvalidInput."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            with Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
                yield picture
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise InvalidInput(f"{path} is too large to open: {error}; crop or shrink it") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InvalidInput(
            f"{path} is not a readable picture ({reason_of(error)}); expected PNG, JPEG, TIFF, JPEG"
            " 2000, BMP, PGM, WebP or DICOM: save it again from its source"
        ) from error


def _check_layout(picture: Pillow.Image, path: Path) -> None:
    if getattr(picture, "n_frames", 1) > 1:
        raise InvalidInput(f"{path} holds several frames or pages; save the one you need alone")
    if picture.mode == "1":
        raise InvalidInput(f"{path} has 1 bit per pixel; expected grayscale of 8-16 bits")
    tags = getattr(picture, "tag_v2", {})
    if picture.mode.startswith("I;16") and tags.get(262) == _MIN_IS_WHITE:
        raise InvalidInput(f"{path} stores white as 0; save it with black as 0 (MinIsBlack)")


def _gray(picture: Pillow.Image, path: Path) -> NDArray[np.generic]:
    """uint8 or uint16 pixels, or InvalidInput naming the mode that is not grayscale."""
    if picture.mode == "L" and "transparency" not in picture.info:
        return np.asarray(picture)
    if picture.mode.startswith("I;16"):
        return np.asarray(picture).astype(np.uint16)
    if picture.mode in ("I", "F"):
        return _gray_32(np.asarray(picture), path)
    if picture.mode not in ("L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"):
        raise InvalidInput(f"{path} is a {picture.mode} picture; convert it to 8 or 16 bit gray")
    channels = np.asarray(picture.convert("RGBA"))
    if channels[..., 3].min() < 255:
        raise InvalidInput(f"{path} has transparent pixels; remove its alpha channel")
    if np.ptp(channels[..., :3], axis=2).any():
        raise InvalidInput(f"{path} holds colour; convert it to grayscale first")
    return channels[..., 0]


def _gray_32(pixels: NDArray[np.generic], path: Path) -> NDArray[np.generic]:
    if pixels.dtype.kind == "f" or pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max:
        raise InvalidInput(
            f"{path} holds {pixels.dtype} pixels; expected whole numbers of 8-16 bits:"
            " scale them to 16-bit grayscale"
        )
    return pixels.astype(np.uint16)


def _spacing(picture: Pillow.Image) -> tuple[float, float] | None:
    dpi = picture.info.get("dpi")
    if RECORD_KEY not in picture.info or not dpi or min(dpi) <= 0:
        return None
    return 25.4 / dpi[1], 25.4 / dpi[0]


def is_npy(data: bytes) -> bool:
    """The magic string of NPY."""
    return data.startswith(_NPY_MAGIC)


def is_dicom(data: bytes) -> bool:
    """PS3.10 section 7.1: 128 bytes of preamble, then DICM."""
    return data[128:132] == b"DICM"


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
