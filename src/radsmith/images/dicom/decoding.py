"""Pixel Data to arrays, frame by frame: what the head promises is checked before it is believed.

Values come right-justified (the lowest stored bit is bit 0), signed where the file says so, in
native byte order; colour by pixel.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import RLELossless

from radsmith.errors import InvalidInput, reason_of
from radsmith.images.bombs import check_unpacked
from radsmith.images.dicom.apart import decoded_apart
from radsmith.images.dicom.codestream import check_codestream
from radsmith.images.dicom.frames import head_of
from radsmith.images.dicom.opening import damage_refused
from radsmith.images.quiet import quietly

MAX_VALUES = 256 * 1024**2
"""Most pixel values (rows x columns x frames x samples) that one object may hold."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What the head says of Pixel Data (PS3.3 C.7.6.3), checked."""

    rows: int
    columns: int
    frames: int
    samples: int
    allocated: int
    stored: int
    high: int
    signed: bool
    photometric: str

    @classmethod
    def of(cls, dataset: Dataset) -> Layout:
        """Raises InvalidInput for no image, one of more than MAX_VALUES, and odd depths."""
        with damage_refused():
            return cls._of(dataset)

    @classmethod
    def _of(cls, dataset: Dataset) -> Layout:
        given = {
            "rows": _whole(dataset, "Rows"),
            "columns": _whole(dataset, "Columns"),
            "frames": _whole(dataset, "NumberOfFrames", 1),
            "samples": _whole(dataset, "SamplesPerPixel", 1),
        }
        values = float(np.prod([float(n) for n in given.values()]))
        if min(given.values()) < 1 or values > MAX_VALUES:
            raise InvalidInput(
                f"{given['columns']}x{given['rows']}x{given['frames']} pixels;"
                f" expected 1 to {MAX_VALUES:,} values"
            )
        allocated = _whole(dataset, "BitsAllocated")
        if given["samples"] not in (1, 3) or allocated not in (1, 8, 16, 32):
            raise InvalidInput(
                f"{given['samples']} samples of {allocated} bits a pixel;"
                " expected 1 or 3 samples of 8 or 16 bits"
            )
        stored = _whole(dataset, "BitsStored")
        high = _whole(dataset, "HighBit", stored - 1)
        if not 0 < stored <= allocated or not stored - 1 <= high < allocated:
            raise InvalidInput(
                f"{stored} of {allocated} bits stored, the highest of them bit {high}: this cannot"
                " be; export it again"
            )
        photometric = str(dataset.get("PhotometricInterpretation", "") or "")
        if not photometric:
            raise InvalidInput("damaged DICOM: PhotometricInterpretation is not stated")
        signed = bool(_whole(dataset, "PixelRepresentation", 0))
        return cls(allocated=allocated, stored=stored, high=high, signed=signed,
                   photometric=photometric, **given)  # fmt: skip

    @property
    def packed(self) -> int:
        """Bytes of all frames, decoded."""
        values = self.rows * self.columns * self.frames * self.samples
        return values * max(8, self.allocated) // 8


def has_pixels(dataset: Dataset) -> bool:
    """Whether the object holds an image of integers."""
    return "PixelData" in dataset


def decode(
    dataset: Dataset, frames: Sequence[int] | None = None, *, as_rgb: bool = True
) -> NDArray[np.generic]:
    """Pixels as (frames, rows, columns) or (frames, rows, columns, 3).

    frames: those wanted, from 0; None for all.  as_rgb: YBR becomes RGB.
    Raises InvalidInput: too large, truncated, encrypted or of a syntax that nothing here decodes.
    """
    layout = Layout.of(dataset)
    wanted = range(layout.frames) if frames is None else frames
    if wanted and not 0 <= min(wanted) <= max(wanted) < layout.frames:
        raise InvalidInput(f"has {layout.frames} frames, promised {max(wanted) + 1}")
    shape = (len(wanted), layout.rows, layout.columns) + (3,) * (layout.samples == 3)
    kind = f"{'i' if layout.signed else 'u'}{max(8, layout.allocated) // 8}"
    pixels: NDArray[np.generic] = np.empty(shape, kind)
    with warnings.catch_warnings(), quietly():
        warnings.simplefilter("ignore")
        try:
            count = 0
            for frame in islice(_frames(dataset, layout, wanted, as_rgb), len(wanted)):
                pixels[count] = frame
                count += 1
            if count < len(wanted):
                raise ValueError(f"{count} frames are there of {len(wanted)}")
        except (InvalidInput, MemoryError):
            raise
        except Exception as error:  # pydicom and its decoders raise what they like
            name = getattr(_syntax(dataset), "name", "") or "unknown transfer syntax"
            raise InvalidInput(
                f"its pixels ({name}) are truncated or cannot be decoded here: {reason_of(error)};"
                " decompress it first (gdcmconv --raw) or fetch it again"
            ) from error
    return pixels


def _frames(
    dataset: Dataset, layout: Layout, wanted: Sequence[int], as_rgb: bool
) -> Iterator[NDArray[np.generic]]:
    syntax = _syntax(dataset)
    if syntax is None:
        raise ValueError("the transfer syntax is not known")
    if syntax.is_encapsulated:
        check_unpacked(layout.packed, len(dataset.PixelData), "compressed pixel data")
    if not syntax.is_encapsulated or syntax == RLELossless:
        yield from _plain_frames(dataset, syntax, layout, wanted, as_rgb)
        return
    if layout.high != layout.stored - 1:
        raise ValueError(f"bit {layout.high} is the highest of {layout.stored} compressed bits")
    head = head_of(dataset, syntax, as_rgb=as_rgb)
    compressed = _compressed(dataset, layout, frozenset(wanted))
    for number in wanted:
        if number not in compressed:
            raise ValueError(f"frame {number + 1} is not there")
        yield decoded_apart(head, compressed[number])


def _plain_frames(
    dataset: Dataset, syntax: Any, layout: Layout, wanted: Sequence[int], as_rgb: bool
) -> Iterator[NDArray[np.generic]]:
    """Uncompressed frames, or run lengths: read by pydicom itself."""
    options: dict[str, Any] = {"as_rgb": as_rgb, "raw": not as_rgb, "allow_excess_frames": False}
    options["correct_unused_bits"] = False
    indices = None if len(wanted) == layout.frames else list(wanted)
    for frame, _ in get_decoder(syntax).iter_array(dataset, indices=indices, **options):
        yield justified(frame, layout, _padding(dataset, layout))


def _compressed(dataset: Dataset, layout: Layout, wanted: frozenset[int]) -> dict[int, bytes]:
    """The wanted frames that are there, by number, their sizes checked."""
    offsets = None
    if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
        offsets = dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths
    parts = generate_frames(
        dataset.PixelData, number_of_frames=layout.frames, extended_offsets=offsets
    )
    found = {number: frame for number, frame in enumerate(parts) if number in wanted}
    for frame in found.values():
        check_codestream(frame, layout.rows, layout.columns, layout.samples)
    return found


def justified(
    pixels: NDArray[np.generic], layout: Layout, padding: int | None = None
) -> NDArray[np.generic]:
    """Only the stored bits, shifted to the lowest place, with their sign: old overlays and other
    data lie in the rest.

    padding: a value of all allocated bits that stays where it does not fit.
    """
    above = layout.allocated - 1 - layout.high
    below = layout.high + 1 - layout.stored
    if layout.allocated < 8 or above + below == 0:
        return pixels
    kind: Any = pixels.dtype.newbyteorder("=").type
    values: Any = pixels.astype(kind)
    np.left_shift(values, kind(above), out=values)
    np.right_shift(values, kind(above + below), out=values)
    return values if padding is None else np.where(pixels == kind(padding), pixels, values)


def _padding(dataset: Dataset, layout: Layout) -> int | None:
    """Pixel Padding Value as the type of the pixels has it."""
    value, size = dataset.get("PixelPaddingValue"), 1 << layout.allocated
    if not isinstance(value, int) or layout.high != layout.stored - 1:
        return None
    return (value + size // 2) % size - size // 2 if layout.signed else value % size


def in_colour(dataset: Dataset, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Indices of a PALETTE COLOR image as 8-bit RGB; other pixels as they are."""
    if dataset.get("PhotometricInterpretation") != "PALETTE COLOR":
        return pixels
    try:
        coloured = apply_color_lut(pixels, dataset)[..., :3]
    except Exception as error:  # broken lookup tables
        raise InvalidInput(f"the colour palette cannot be applied: {reason_of(error)}") from error
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
        dataset.HighBit = int(dataset.get("BitsStored") or dataset.BitsAllocated) - 1
        data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if int(dataset.BitsAllocated) > 8 else "OB"


def _syntax(dataset: Dataset) -> Any:
    meta = getattr(dataset, "file_meta", None)
    return meta.get("TransferSyntaxUID") if meta else None


def _whole(dataset: Dataset, keyword: str, otherwise: int | None = None) -> int:
    value = dataset.get(keyword)
    if value is None or str(value) == "":
        if otherwise is None:
            raise InvalidInput(f"no image, or a damaged one: {keyword} is not stated")
        return otherwise
    try:
        return int(str(value))
    except ValueError as error:
        raise InvalidInput(f"damaged DICOM: {keyword} is {str(value)[:40]!r}") from error
