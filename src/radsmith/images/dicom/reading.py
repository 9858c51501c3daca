"""Reading one grayscale image, or radsmith's own record, out of a DICOM file.

Lenient about attributes, strict about pixels: what cannot be read exactly is refused with what
was found. Needs no decoder beyond numpy and Pillow; 12-bit JPEG Extended is read where GDCM is.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from radsmith.errors import InvalidInput
from radsmith.files import read_bytes
from radsmith.images.dicom.jpeg_extended import register
from radsmith.images.dicom.writing import PRIVATE_CREATOR, PRIVATE_GROUP, PRIVATE_RECORD
from radsmith.images.image import Image, Window
from radsmith.images.provenance import Generation

register()
MAX_PIXELS = 89_478_485
"""As many as Pillow opens: 256 MiB of 24-bit colour."""
_CENTIMETRES = 3


@dataclass(frozen=True, kw_only=True)
class DicomImage:
    """An image with what is needed to show it and to write its stored values back.

    inverted: the lowest stored value is shown white: MONOCHROME1, or a rescale that falls.
    rescale: (slope, intercept) to output units, such as HU, of `rescale_type`.
    modality, body_part, view, laterality: DICOM's terms, empty where it is silent.
    uids: SOP Class and SOP Instance.
    """

    image: Image
    inverted: bool
    bits_stored: int
    rescale: tuple[float, float]
    rescale_type: str
    modality: str
    body_part: str = ""
    view: str = ""
    laterality: str = ""
    uids: tuple[str, str] = ("", "")


T = TypeVar("T")


def _refusing_damage(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """pydicom converts values when they are first used; an unknown VR shows only then."""

    @wraps(read)
    def safe(path: Path) -> T:
        try:
            return read(path)
        except NotImplementedError as error:
            raise InvalidInput(f"{path} is damaged: {error}; export it again") from error

    return safe


@_refusing_damage
def read_dicom(path: Path) -> Image:
    """The stored values of a single-frame grayscale DICOM file.

    pixels: (height, width), the file's own integers (8-16 bit, signed or not), neither rescaled
        nor inverted; `read_dicom_image` tells both.  spacing: Pixel Spacing, else Imager Pixel
        Spacing, else that of the one ultrasound region, in mm.  window: the first one, in
        stored values.
    Raises NotFound, or InvalidInput (not DICOM, no image, several frames, colour, truncated,
    more than MAX_PIXELS, a compression that numpy and Pillow cannot undo).
    """
    return read_dicom_image(path).image


@_refusing_damage
def read_dicom_image(path: Path) -> DicomImage:
    """As `read_dicom`, with polarity, depth and rescale."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of every odd value; lenient on reading
        dataset = _dataset(path)
        _check(dataset, path)
        pixels = _pixels(dataset, path)
        slope = _number(dataset, "RescaleSlope") or 1.0
        intercept = _number(dataset, "RescaleIntercept") or 0.0
        return DicomImage(
            image=Image(
                pixels=pixels,
                unit="stored value",
                spacing=_spacing(dataset),
                window=_window(dataset, slope, intercept),
            ),
            inverted=(dataset.PhotometricInterpretation == "MONOCHROME1") != (slope < 0),
            bits_stored=int(dataset.BitsStored),
            rescale=(slope, intercept),
            rescale_type=str(dataset.get("RescaleType", "")),
            modality=str(dataset.get("Modality", "")),
            body_part=str(dataset.get("BodyPartExamined", "")),
            view=str(dataset.get("ViewPosition", "")),
            laterality=str(dataset.get("ImageLaterality", "") or dataset.get("Laterality", "")),
            uids=(str(dataset.get("SOPClassUID", "")), str(dataset.get("SOPInstanceUID", ""))),
        )


@_refusing_damage
def read_dicom_record(path: Path) -> Generation:
    """The provenance record in radsmith's private block.

    Raises NotFound, or InvalidInput (not DICOM, no record: archives may strip private data).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = _dataset(path, stop_before_pixels=True)
        try:
            block = dataset.private_block(PRIVATE_GROUP, PRIVATE_CREATOR)
            value = block[PRIVATE_RECORD].value
        except KeyError as error:
            raise InvalidInput(
                f"{path} has no radsmith provenance record; it was not made by radsmith, or an"
                " archive removed its private attributes"
            ) from error
    if isinstance(value, bytes):  # UN, after a detour through implicit VR
        value = value.decode("utf-8", "replace").rstrip(" \0")
    return Generation.from_json(str(value))


def _dataset(path: Path, *, stop_before_pixels: bool = False) -> Dataset:
    data = read_bytes(path)
    try:
        return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=stop_before_pixels)
    except InvalidDicomError as error:
        raise InvalidInput(
            f"{path} is not a DICOM file (no DICM at byte 128); expected DICOM, PNG, JPEG or TIFF"
        ) from error
    except Exception as error:  # damaged bytes break pydicom in ways no list can name
        raise InvalidInput(
            f"{path} is a damaged DICOM file ({error}); fetch it again from its source"
        ) from error


def _check(dataset: Dataset, path: Path) -> None:
    if "PixelData" not in dataset:
        kind = getattr(dataset.get("SOPClassUID", ""), "name", "") or "DICOM object"
        raise InvalidInput(f"{path} holds no integer pixels ({kind}); expected one image")
    found = str(dataset.get("PhotometricInterpretation", "not stated"))
    if found not in ("MONOCHROME1", "MONOCHROME2") or dataset.get("SamplesPerPixel", 1) != 1:
        raise InvalidInput(
            f"{path} is not grayscale (photometric interpretation {found}); expected MONOCHROME1"
            " or MONOCHROME2: convert it first"
        )
    frames = _number(dataset, "NumberOfFrames") or 1
    if frames > 1:
        raise InvalidInput(f"{path} holds {frames:.0f} frames; extract the one frame you need")
    allocated, bits = _number(dataset, "BitsAllocated"), _number(dataset, "BitsStored")
    if allocated not in (8, 16) or bits is None or not 8 <= bits <= allocated:
        raise InvalidInput(
            f"{path} stores {bits or 0:.0f} of {allocated or 0:.0f} bits per pixel; expected 8 to"
            " 16 bits"
        )
    size = (_number(dataset, "Columns") or 0) * (_number(dataset, "Rows") or 0)
    if not 0 < size <= MAX_PIXELS:
        raise InvalidInput(
            f"{path} has {size:,.0f} pixels; expected 1 to {MAX_PIXELS:,}: crop or shrink it"
        )


def _pixels(dataset: Dataset, path: Path) -> NDArray[np.generic]:
    syntax = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    name = getattr(syntax, "name", "an unknown transfer syntax")
    try:
        pixels: NDArray[np.generic] = dataset.pixel_array
    except Exception as error:  # pydicom and its decoders raise what they like
        raise InvalidInput(
            f"{path}: its pixels ({name}) are truncated or cannot be decoded here:"
            f" {str(error).splitlines()[0] if str(error) else type(error).__name__};"
            " decompress it first (gdcmconv --raw) or fetch it again"
        ) from error
    return pixels.astype(pixels.dtype.newbyteorder("="))


def _first(value: Any) -> Any:
    multiple = isinstance(value, pydicom.multival.MultiValue)
    return value[0] if multiple and value else value


def _number(dataset: Dataset, keyword: str) -> float | None:
    """The first value as a finite number, or None where absent, empty or nonsense."""
    try:
        number = float(_first(dataset.get(keyword)))
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _window(dataset: Dataset, slope: float, intercept: float) -> Window | None:
    center, width = _number(dataset, "WindowCenter"), _number(dataset, "WindowWidth")
    if center is None or width is None or width / abs(slope) < 1:
        return None
    return Window(center=(center - intercept) / slope, width=width / abs(slope))


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        try:
            row, column = (float(value) for value in dataset.get(keyword) or ())
        except (TypeError, ValueError):
            continue
        if 0 < row < np.inf and 0 < column < np.inf:
            return row, column
    regions = dataset.get("SequenceOfUltrasoundRegions") or []
    if len(regions) != 1 or regions[0].get("PhysicalUnitsXDirection") != _CENTIMETRES:
        return None
    x, y = (_number(regions[0], f"PhysicalDelta{axis}") or 0 for axis in "XY")
    return (abs(y) * 10, abs(x) * 10) if x and y else None
