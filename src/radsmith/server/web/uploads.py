"""Uploaded pictures: checked before they are decoded, read as they are, told of without paths."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from radsmith.editing.dicom import Origin
from radsmith.editing.operations import Source
from radsmith.errors import InvalidInput, RadsmithError
from radsmith.files import prepare_folder
from radsmith.images.dicom.signature import is_dicom
from radsmith.images.image import Mask, pixel_aspect
from radsmith.images.picture_reading import opened
from radsmith.server.store.settings import Limits
from radsmith.server.web.problem import Problem

_MAGIC = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpeg": (b"\xff\xd8\xff",),
    "tiff": (b"II*\0", b"MM\0*"),
    "webp": (b"RIFF",),
}
_DECODED = ("PNG", "JPEG", "TIFF", "WEBP")
_SOFT = 128
"""Of alpha: below it a pixel counts as transparent. Brushes of other programs have soft edges."""
_ONE_GRAY = (
    "the server edits one gray image; `radsmith inpaint` edits it (--frame for one of several)"
)


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """A picture to edit. hole: True where it is transparent, if it is anywhere."""

    source: Source
    hole: Mask | None
    origin: Origin | None


class Uploads:
    """Reads uploads by way of files of our own naming in `folder`, gone at once."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = prepare_folder(folder)
        self._limits = limits
        for left in self._folder.iterdir():  # of a server that was killed
            left.unlink()

    def picture(self, data: bytes, param: str) -> Uploaded:
        """A PNG, JPEG, TIFF, WebP or DICOM image. Raises Problem, naming the parameter."""
        from radsmith.editing.files import open_source  # pydicom is slow to start

        kind = self._checked(data, param)
        hole = None
        if kind in ("png", "webp"):
            data, hole = _without_hole(data, param)
        with self._file(data, param) as path:
            found = open_source(path)
            if found.source.curve is not None:
                raise InvalidInput(f"{path} is shown by a look-up table: {_ONE_GRAY}")
            if found.source.aspect != pixel_aspect(found.source.image.spacing):
                raise InvalidInput(f"{path} has pixels that are not square: {_ONE_GRAY}")
            return Uploaded(source=found.source, hole=hole, origin=found.origin)

    def mask(self, data: bytes, shape: tuple[int, int], param: str) -> Mask:
        """A mask for an image of (height, width): transparent or white is to be drawn; a soft edge
        counts from half on."""
        from radsmith.editing.files import read_mask

        kind = self._checked(data, param)
        if kind == "dicom":
            raise Problem(400, "a mask must be a PNG", param=param, code="invalid_image")
        if kind in ("png", "webp"):
            data = _hardened(data, param)
        with self._file(data, param) as path:
            return read_mask(path, shape, "hole" if _has_hole(data) else "auto")

    def _checked(self, data: bytes, param: str) -> str:
        """The kind by its first bytes; refused where it, or what it unpacks to, is too large."""
        limits = self._limits
        if len(data) > limits.upload_bytes:
            text = f"the {param} has {len(data):,} bytes; at most {limits.upload_bytes:,}"
            raise Problem(413, text, param=param)
        found = [k for k, starts in _MAGIC.items() if data.startswith(starts)]
        if is_dicom(data[:256]):
            found = ["dicom"]
        if not found:
            text = f"the {param} is no PNG, JPEG, TIFF, WebP or DICOM file"
            raise Problem(400, text, param=param, code="invalid_image")
        pixels = _dicom_pixels(data, param) if found[0] == "dicom" else _pixels(data, param)
        if pixels > limits.upload_pixels:
            text = f"the {param} has {pixels:,} pixels; at most {limits.upload_pixels:,}"
            raise Problem(413, text, param=param)
        return found[0]

    @contextmanager
    def _file(self, data: bytes, param: str) -> Iterator[Path]:
        path = self._folder / token_hex(16)
        try:
            path.write_bytes(data)
            yield path
        except RadsmithError as error:
            text = str(error).replace(str(path), f"the {param}")
            if isinstance(error, InvalidInput):
                raise Problem(400, text, param=param, code="invalid_image") from error
            raise
        finally:
            path.unlink(missing_ok=True)


def _pixels(data: bytes, param: str) -> int:
    """Pixels a picture would unpack to, by its header alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pillow.open(io.BytesIO(data), formats=_DECODED) as picture:
                return picture.width * picture.height
    except Pillow.DecompressionBombError as error:
        raise Problem(413, f"the {param} unpacks to far too many pixels", param=param) from error
    except Exception as error:  # decoders fail in many ways
        text = f"the {param} cannot be read: {type(error).__name__}"
        raise Problem(400, text, param=param, code="invalid_image") from error


def _dicom_pixels(data: bytes, param: str) -> int:
    """Pixels by the attributes alone. Raises Problem for what is not one gray image."""
    from radsmith.images.dicom.decoding import Layout  # pydicom is slow to start
    from radsmith.images.dicom.opening import open_head

    try:
        layout = Layout.of(open_head(io.BytesIO(data)))
    except InvalidInput as error:
        text = f"the {param}: {error}"
        raise Problem(400, text, param=param, code="invalid_image") from error
    kind = f"{layout.frames} frames" if layout.frames > 1 else ""
    if not layout.photometric.startswith("MONOCHROME"):
        kind = kind or f"colour ({layout.photometric})"
    if kind:
        text = f"the {param} holds {kind}: {_ONE_GRAY}"
        raise Problem(400, text, param=param, code="invalid_image")
    return layout.rows * layout.columns


def _has_hole(data: bytes) -> bool:
    """Whether a mask is transparent anywhere: OpenAI's way, what is transparent is drawn."""
    with opened(data, "the mask") as picture:
        if "A" not in picture.getbands() and "transparency" not in picture.info:
            return False
        return bool(np.asarray(picture.convert("RGBA"))[..., 3].min() < 128)


def _hardened(data: bytes, param: str) -> bytes:
    """A mask whose soft edges are made hard; unchanged where it has none."""
    found = _with_alpha(data, param)
    if found is None or np.isin(found[..., 3], (0, 255)).all():
        return data
    found[..., 3] = np.where(found[..., 3] < _SOFT, 0, 255)
    return _as_png(found)


def _without_hole(data: bytes, param: str) -> tuple[bytes, Mask | None]:
    """A picture made opaque, and where it was transparent; unchanged where it was nowhere."""
    channels = _with_alpha(data, param)
    if channels is None:
        return data, None
    hole = channels[..., 3] < _SOFT
    if not hole.any():
        return data, None
    channels[hole, :3] = 0
    channels[..., 3] = 255
    return _as_png(channels), np.asarray(hole)


def _with_alpha(data: bytes, param: str) -> NDArray[np.uint8] | None:
    """(height, width, 4) of a picture with transparency; None for one without."""
    try:
        with Pillow.open(io.BytesIO(data), formats=("PNG", "WEBP")) as picture:
            if "A" not in picture.getbands() and "transparency" not in picture.info:
                return None
            if picture.mode.startswith("I"):
                return None  # 16 bit with a transparent gray: told by the reader
            return np.array(picture.convert("RGBA"))
    except Exception as error:
        text = f"the {param} cannot be read: {type(error).__name__}"
        raise Problem(400, text, param=param, code="invalid_image") from error


def mask_png(mask: Mask) -> bytes:
    """A mask as OpenAI has it: transparent where it is True."""
    channels = np.zeros((*mask.shape, 4), np.uint8)
    channels[..., 3] = np.where(mask, 0, 255)
    return _as_png(channels)


def _as_png(channels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(channels).save(stream, "PNG")
    return stream.getvalue()
