"""Pictures (PNG, JPEG, TIFF …) as gray levels: upright, black as 0, and never more than fits.

One reading for edits, import and the server. What unpacks to far more than the file is refused
before it is decoded.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from radsmith.errors import InvalidInput
from radsmith.images.bombs import check_unpacked
from radsmith.images.colour import NEARLY_GRAY, differs, luma, nearly_gray_note
from radsmith.images.dicom.codestream import MOST_SCANS
from radsmith.images.image import Image
from radsmith.images.marks import RECORD_KEY, SHEET_KEY
from radsmith.images.quiet import quietly

FORMATS = ("PNG", "JPEG", "TIFF", "JPEG2000", "BMP", "PPM", "WEBP")
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PHOTOMETRIC, _BITS = 262, 258
_MIN_IS_WHITE = 0
_DEEP = {"I": 4, "F": 4, "1": 1}
_SCAN = b"\xff\xda"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A gray picture as stored values. notes: what was read in a way that must be said."""

    image: Image
    notes: tuple[str, ...] = ()


def picture_in(data: bytes, name: str) -> Picture:
    """An 8-16 bit grayscale PNG, JPEG, TIFF, JPEG 2000, BMP, PGM or WebP as stored values.

    pixels: uint8 or uint16, (height, width), turned upright where EXIF says so, and so that 0 is
    black where a TIFF stores white as 0. Colour files whose channels are equal, or nearly so (this
    is noted), and alpha channels that hide nothing are accepted. Spacing is read only from
    radsmith's own files: the dpi of other pictures is about paper.
    Raises InvalidInput (colour, alpha, float, several pages, too large, corrupt), naming the file.
    """
    if data.startswith(PNG_MAGIC) and data[24:25] == b"\x10" and data[25:26] != b"\0":
        raise InvalidInput(  # Pillow would silently cut its 16 bits to 8
            f"{name} is a 16-bit PNG with colour or alpha; save it as 16-bit grayscale"
        )
    with opened(data, name) as picture:
        _check_no_sheet(picture, name)
        if picture.mode == "1":
            raise InvalidInput(f"{name} has 1 bit per pixel; expected grayscale of 8-16 bits")
        pixels, note = _gray(_upright(picture, name), name)
        image = Image(pixels=pixels, unit="stored value", spacing=_spacing(picture))
        return Picture(image=image, notes=(f"{name}: {note}",) if note else ())


def gray_levels(data: bytes, name: str = "the picture") -> NDArray[np.generic]:
    """(height, width) of any picture: uint8, or deeper numbers as they are; colour as its luma."""
    with opened(data, name) as picture:
        _check_no_sheet(picture, name)
        upright = _upright(picture, name)
        if upright.mode.startswith("I;16") or upright.mode in ("I", "F"):
            return _whole_scale(upright, name)
        if upright.mode in ("RGB", "RGBA", "RGBX", "P", "PA"):
            channels = np.asarray(upright.convert("RGB"))
            return channels[..., 0] if not differs(channels) else luma(channels)
        return np.asarray(upright.convert("L"))


def _check_no_sheet(picture: Pillow.Image, name: str) -> None:
    if SHEET_KEY in picture.info:
        raise InvalidInput(f"{name} is a contact sheet: name the images themselves")


@contextmanager
def opened(data: bytes, name: str = "the picture") -> Iterator[Pillow.Image]:
    """The picture in `data`; what Pillow cannot take, and bombs, become InvalidInput."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            with quietly(), Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
                _check(picture, data)
                yield picture
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise InvalidInput(f"{name} is too large to open: {error}; crop or shrink it") from error
    except InvalidInput as error:
        text = str(error)
        raise InvalidInput(text if text.startswith(name) else f"{name}: {text}") from error
    except (OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, ArithmeticError,
            NotImplementedError, RuntimeError, AttributeError) as error:  # fmt: skip
        raise InvalidInput(
            f"{name} is not a readable picture ({_told(error)}); expected PNG, JPEG, TIFF, JPEG"
            " 2000, BMP, PGM, WebP or DICOM: save it again from its source"
        ) from error


def _told(error: Exception) -> str:
    """What Pillow says, but for the address of the stream that it was handed."""
    if isinstance(error, UnidentifiedImageError):
        return "it begins like none of them"
    lines = str(error).splitlines()
    return lines[0][:120] if lines and " at 0x" not in lines[0] else type(error).__name__


def _check(picture: Pillow.Image, data: bytes) -> None:
    sample = 2 if picture.mode.startswith("I;16") else _DEEP.get(picture.mode, 1)
    size = picture.width * picture.height * len(picture.getbands()) * sample
    check_unpacked(size, len(data), "a picture")
    if data[:2] == b"\xff\xd8" and data.count(_SCAN) > MOST_SCANS:
        raise InvalidInput(f"a JPEG of more than {MOST_SCANS} scans")
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise InvalidInput("holds several frames or pages; save the one you need alone")


def _upright(picture: Pillow.Image, name: str) -> Pillow.Image:
    """Turned as EXIF says, with 0 as black. Pillow itself turns the levels of 8 bits alone."""
    white = getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == _MIN_IS_WHITE
    bits = getattr(picture, "tag_v2", {}).get(_BITS, (0,))
    depth = int(bits[0] if isinstance(bits, tuple) else bits)
    upright = ImageOps.exif_transpose(picture)
    if not white or upright.mode in ("L", "1", "P"):
        return upright
    if not upright.mode.startswith("I;16") or not 8 < depth <= 16:
        raise InvalidInput(f"{name} stores white as 0 in {upright.mode}; save it with black as 0")
    levels = np.asarray(upright).astype(np.uint16)
    return Pillow.fromarray(((1 << depth) - 1 - levels).astype(np.uint16))


def _gray(picture: Pillow.Image, name: str) -> tuple[NDArray[np.generic], str]:
    """uint8 or uint16 pixels and what is to be said of them; InvalidInput for what is not gray."""
    if picture.mode == "L" and "transparency" not in picture.info:
        return np.asarray(picture), ""
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        pixels = _whole_scale(picture, name)
        if pixels.dtype.kind == "f" or pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max:
            raise InvalidInput(
                f"{name} holds {pixels.dtype} pixels; expected whole numbers of 8-16 bits:"
                " scale them to 16-bit grayscale"
            )
        return pixels.astype(np.uint16), ""
    if picture.mode not in ("L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"):
        raise InvalidInput(f"{name} is a {picture.mode} picture; convert it to 8 or 16 bit gray")
    channels = np.asarray(picture.convert("RGBA"))
    if channels[..., 3].min() < 255:
        raise InvalidInput(f"{name} has transparent pixels; remove its alpha channel")
    most = differs(channels[..., :3])
    if most > NEARLY_GRAY:
        raise InvalidInput(f"{name} holds colour; convert it to grayscale first")
    if most:
        return luma(channels[..., :3]), nearly_gray_note(most)
    return channels[..., 0], ""


def _whole_scale(picture: Pillow.Image, name: str) -> NDArray[np.generic]:
    """Deep pixels as numpy has them. Raises InvalidInput for NaN and infinite ones."""
    pixels = np.asarray(picture)
    if picture.mode.startswith("I;16"):
        return pixels.astype(np.uint16)
    if not np.isfinite(pixels).all():
        raise InvalidInput(f"{name} holds values that are no numbers")
    return pixels


def _spacing(picture: Pillow.Image) -> tuple[float, float] | None:
    dpi = picture.info.get("dpi")
    if RECORD_KEY not in picture.info or not dpi or min(dpi) <= 0:
        return None
    return 25.4 / dpi[1], 25.4 / dpi[0]
