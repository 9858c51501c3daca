"""Opening DICOM that nobody vouches for: every damage becomes one InvalidInput with its reason.

Sizes are checked before anything is decoded, so that a small file cannot ask for all the memory.
"""

from __future__ import annotations

import io
import warnings
import zlib

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian

from radsmith.errors import InvalidInput
from radsmith.images.dicom.jpeg_extended import register

register()
MAX_VALUES = 256 * 1024**2
"""Most pixel values (rows x columns x frames x samples) that one object may hold."""
_PART_10 = b"DICM"
_INFLATED = 256 * 1024**2


def is_dicom(head: bytes) -> bool:
    """Whether a file begins as PS3.10 says, or as a bare data set of group 0008."""
    return head[128:132] == _PART_10 or head[:2] == b"\x08\x00" or head[:4] == b"\x02\x00\x00\x00"


def is_deflated(head: bytes) -> bool:
    """Whether a file's first bytes name the deflated transfer syntax."""
    return DeflatedExplicitVRLittleEndian.encode() in head


def check_inflated(data: bytes) -> None:
    """Raises InvalidInput where a deflated data set would fill the memory."""
    inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    meta = 132 + 12 + int.from_bytes(data[140:144], "little")
    for start in range(meta, len(data), 1 << 16):
        waiting = data[start : start + (1 << 16)]
        while waiting:
            size += len(inflater.decompress(waiting, 1 << 20))
            waiting = inflater.unconsumed_tail
            if size > _INFLATED:
                raise InvalidInput(f"deflated DICOM of more than {_INFLATED:,} bytes")


def open_dicom(data: bytes) -> Dataset:
    """A data set with every value read. Raises InvalidInput: no DICOM, damaged, deferred, empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if is_deflated(data[:512]):
                check_inflated(data)
            dataset = pydicom.dcmread(io.BytesIO(data), force=data[128:132] != _PART_10)
            for element in dataset.iterall():
                _ = element.value
        except InvalidInput:
            raise
        except InvalidDicomError as error:
            raise InvalidInput("not a DICOM file") from error
        except RecursionError as error:
            raise InvalidInput("damaged DICOM: sequences are nested without end") from error
        except Exception as error:  # damaged bytes break pydicom in ways no list can name
            raise InvalidInput(f"damaged DICOM: {_reason(error)}") from error
    if "SOPClassUID" not in dataset and "PixelData" not in dataset:
        raise InvalidInput("damaged or no DICOM: neither SOP class nor pixels")
    return dataset


def has_pixels(dataset: Dataset) -> bool:
    """Whether the object holds an image of integers."""
    return "PixelData" in dataset


def check_size(dataset: Dataset) -> None:
    """Raises InvalidInput where the head promises no image or more than MAX_VALUES."""
    numbers = {}
    defaults = {"NumberOfFrames": 1, "SamplesPerPixel": 1}
    for keyword in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated"):
        value = dataset.get(keyword)
        try:
            numbers[keyword] = int(str(value if value not in (None, "") else defaults[keyword]))
        except (KeyError, ValueError) as error:
            raise InvalidInput(f"damaged DICOM: {keyword} is {value!r}") from error
    values = int(np.prod([float(n) for k, n in numbers.items() if k != "BitsAllocated"]))
    if min(numbers.values()) < 1 or values > MAX_VALUES:
        raise InvalidInput(
            f"{numbers['Columns']}x{numbers['Rows']}x{numbers['NumberOfFrames']} pixels;"
            f" expected 1 to {MAX_VALUES:,} values"
        )
    if numbers["SamplesPerPixel"] not in (1, 3) or numbers["BitsAllocated"] not in (1, 8, 16, 32):
        raise InvalidInput(
            f"{numbers['SamplesPerPixel']} samples of {numbers['BitsAllocated']} bits a pixel;"
            " expected 1 or 3 samples of 8 or 16 bits"
        )


def decode(dataset: Dataset) -> NDArray[np.generic]:
    """Pixels as (frames, rows, columns) or (frames, rows, columns, 3), native byte order, RGB.

    Raises InvalidInput: too large, truncated, encrypted or of a syntax that nothing here decodes.
    """
    check_size(dataset)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pixels = pixel_array(dataset)
        except Exception as error:  # pydicom and its decoders raise what they like
            meta = getattr(dataset, "file_meta", None)
            syntax = getattr(meta.get("TransferSyntaxUID", ""), "name", "") if meta else ""
            name = syntax or "unknown transfer syntax"
            raise InvalidInput(f"pixels ({name}) cannot be decoded: {_reason(error)}") from error
    samples = int(dataset.get("SamplesPerPixel", 1) or 1)
    if pixels.ndim == (2 if samples == 1 else 3):
        pixels = pixels[None]
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def in_colour(dataset: Dataset, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Indices of a PALETTE COLOR image as 8-bit RGB; other pixels as they are."""
    if dataset.get("PhotometricInterpretation") != "PALETTE COLOR":
        return pixels
    try:
        coloured = apply_color_lut(pixels, dataset)[..., :3]
    except Exception as error:  # broken lookup tables
        raise InvalidInput(f"the colour palette cannot be applied: {_reason(error)}") from error
    deep = coloured.dtype.itemsize > 1
    return (coloured >> 8).astype(np.uint8) if deep else coloured


def store_pixels(dataset: Dataset, pixels: NDArray[np.generic]) -> None:
    """Put decoded pixels into a data set, uncompressed, little endian, colour by pixel."""
    colour = pixels.ndim == 4
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if photometric not in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"):
        dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    dataset.SamplesPerPixel = 3 if colour else 1
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = pixels.shape[1:3]
    if len(pixels) > 1 or "NumberOfFrames" in dataset:
        dataset.NumberOfFrames = len(pixels)
    if int(dataset.BitsAllocated) == 1:
        data = np.packbits(pixels.astype(bool).ravel(), bitorder="little").tobytes()
    else:
        dataset.BitsAllocated = pixels.dtype.itemsize * 8
        data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if int(dataset.BitsAllocated) > 8 else "OB"


def part_10_bytes(dataset: Dataset, meta: FileMetaDataset) -> bytes:
    """A received object as a file, in the transfer syntax it came in."""
    stream = io.BytesIO()
    dataset.file_meta = meta
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _reason(error: Exception) -> str:
    lines = str(error).splitlines()
    text = lines[0] if lines else type(error).__name__
    return "".join(c for c in text if c.isprintable())[:160]
