"""Several frames, or frames in colour, as one synthetic DICOM object.

    ultrasound   Ultrasound Image, Ultrasound Multi-frame Image
    otherwise    Secondary Capture, of several frames its Multi-frame kinds: True Color, Grayscale
                 Byte, Grayscale Word

What each frame's values mean is written as the source had it: in the object where it is one for all
frames, else in functional groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from radsmith.images.dicom.codes import DicomCodes
from radsmith.images.dicom.grayscale import Grayscale, Table
from radsmith.images.dicom.kinds import add_ultrasound
from radsmith.images.dicom.synthetic import add_sources, file_bytes, set_values, synthetic_object
from radsmith.images.dicom.values import decimals
from radsmith.images.dicom.writing import new_uid
from radsmith.images.image import Image
from radsmith.images.provenance import Generation

Spacing = tuple[float, float] | None
_FRAME_TIME, _PAGES = 0x00181063, 0x00182001


@dataclass(frozen=True, kw_only=True)
class Frames:
    """pixels: (count, rows, columns) or (count, rows, columns, 3), as they are to be stored.

    space: "RGB", "YBR_FULL" or "" for gray.  bits: Bits Stored.  grays, spacings: of each frame.
    frame_time: milliseconds from one to the next, if that is known.
    """

    pixels: NDArray[np.generic]
    space: str
    bits: int
    grays: tuple[Grayscale, ...]
    spacings: tuple[Spacing, ...]
    frame_time: float | None = None


def frames_bytes(
    frames: Frames,
    record: Generation,
    codes: DicomCodes,
    uid_source: Callable[[], str] = new_uid,
    *,
    parents: Iterable[tuple[str, str]] = (),
) -> bytes:
    """A DICOM file (PS3.10, explicit VR little endian); the arguments as those of `dicom_bytes`."""
    storage = _storage(frames, codes)
    dataset = synthetic_object(storage, record, codes, [uid_source() for _ in range(4)])
    _add_pixels(dataset, frames)
    add_sources(dataset, parents)
    if storage in (uid.UltrasoundImageStorage, uid.UltrasoundMultiFrameImageStorage):
        middle: Any = frames.pixels[0] if not frames.space else frames.pixels[0, ..., 0]
        add_ultrasound(
            dataset, Image(pixels=middle, unit="stored value", spacing=frames.spacings[0])
        )
    else:
        set_values(dataset, ConversionType="SYN", PatientOrientation="")
    if not frames.space:
        _add_meaning(dataset, frames)
    elif frames.spacings[0] is not None:
        dataset.PixelSpacing = decimals(frames.spacings[0])
    return file_bytes(dataset)


def _storage(frames: Frames, codes: DicomCodes) -> uid.UID:
    several = len(frames.pixels) > 1
    plain = frames.pixels.dtype == np.uint8 and not frames.grays[0].inverted
    if codes.modality == "ultrasound" and plain:
        return uid.UltrasoundMultiFrameImageStorage if several else uid.UltrasoundImageStorage
    if not several:
        return uid.SecondaryCaptureImageStorage
    if frames.space:
        return uid.MultiFrameTrueColorSecondaryCaptureImageStorage
    if frames.pixels.dtype == np.uint8:
        return uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    return uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage


def _add_pixels(dataset: Dataset, frames: Frames) -> None:
    """PS3.3 C.7.6.3 and C.7.6.6."""
    pixels, depth = frames.pixels, 8 * frames.pixels.dtype.itemsize
    data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    gray = "MONOCHROME1" if frames.grays[0].inverted else "MONOCHROME2"
    set_values(
        dataset,
        SamplesPerPixel=3 if frames.space else 1,
        PhotometricInterpretation=frames.space or gray,
        Rows=pixels.shape[1],
        Columns=pixels.shape[2],
        BitsAllocated=depth,
        BitsStored=frames.bits,
        HighBit=frames.bits - 1,
        PixelRepresentation=int(pixels.dtype.kind == "i"),
    )
    if frames.space:
        dataset.PlanarConfiguration = 0
    dataset.add_new("PixelData", "OB" if depth == 8 else "OW", data + b"\0" * (len(data) % 2))
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    if len(pixels) == 1:
        return
    dataset.NumberOfFrames = len(pixels)
    if frames.frame_time is not None and frames.frame_time > 0:
        dataset.FrameTime = decimals([frames.frame_time])[0]
        dataset.FrameIncrementPointer = _FRAME_TIME
    else:
        dataset.PageNumberVector = list(range(1, len(pixels) + 1))
        dataset.FrameIncrementPointer = _PAGES


def _add_meaning(dataset: Dataset, frames: Frames) -> None:
    """Of all frames at once where they agree, else of each in its functional group."""
    linear = [gray for gray in frames.grays if gray.is_linear]
    alike = len({_key(gray) for gray in frames.grays}) == 1 and len(set(frames.spacings)) == 1
    first = frames.grays[0]
    for keyword, table in (("ModalityLUTSequence", first.modality), ("VOILUTSequence", first.voi)):
        if table is not None:
            setattr(dataset, keyword, _lut(table, modality=keyword.startswith("M")))
    if first.padding is not None:
        low, high = first.padding
        code = "SS" if frames.pixels.dtype.kind == "i" else "US"
        dataset.add_new("PixelPaddingValue", code, low)
        if high != low:
            dataset.add_new("PixelPaddingRangeLimit", code, high)
    if alike or len(linear) < len(frames.grays):
        _rescale(dataset, first)
        _voi(dataset, first)
        if frames.spacings[0] is not None:
            dataset.PixelSpacing = decimals(frames.spacings[0])
        return
    dataset.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    groups = []
    for gray, spacing in zip(frames.grays, frames.spacings, strict=True):
        parts = [Dataset(), Dataset(), Dataset()]
        _rescale(parts[0], gray)
        _voi(parts[1], gray)
        if spacing is not None:
            parts[2].PixelSpacing = decimals(spacing)
        group = Dataset()
        names = ("PixelValueTransformation", "FrameVOILUT", "PixelMeasures")
        for name, part in zip(names, parts, strict=True):
            if len(part):
                setattr(group, f"{name}Sequence", Sequence([part]))
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)


def _key(gray: Grayscale) -> tuple[object, ...]:
    return gray.slope, gray.intercept, gray.rescale_type, gray.window


def _rescale(part: Dataset, gray: Grayscale) -> None:
    if gray.modality is None:
        part.RescaleIntercept = decimals([gray.intercept])[0]
        part.RescaleSlope = decimals([gray.slope])[0]
        part.RescaleType = gray.rescale_type[:16] or "US"


def _voi(part: Dataset, gray: Grayscale) -> None:
    if gray.window is not None:
        part.WindowCenter = decimals([gray.window.center])[0]
        part.WindowWidth = decimals([gray.window.width])[0]
        if gray.window.function != "LINEAR":
            part.VOILUTFunction = gray.window.function


def _lut(table: Table, *, modality: bool) -> Sequence:
    """PS3.3 C.11.1 and C.11.2."""
    item = Dataset()
    count = len(table.values)
    code = "SS" if table.first < 0 else "US"
    bits = table.most.bit_length()
    item.add_new("LUTDescriptor", code, [count if count < 1 << 16 else 0, table.first, bits])
    item.add_new("LUTData", "OW", table.values.astype("<u2").tobytes())
    if modality:
        item.ModalityLUTType = "US"
    return Sequence([item])
