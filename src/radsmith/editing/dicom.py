"""Edited DICOM images: what is kept of the file they were read from, and writing them in kind.

pydicom is slow to start, so it is imported where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from radsmith.editing.operations import Edited, Levels, Source
from radsmith.images.image import Image, Window
from radsmith.images.provenance import Generation
from radsmith.language.prompt import filled_in
from radsmith.language.reading import read_prompt

MODALITIES = {
    **dict.fromkeys(("CR", "DX", "DR", "RG", "RF", "XA", "PX"), "x-ray"),
    "MG": "breast x-ray",
    "CT": "CT",
    "MR": "MRI",
    "US": "ultrasound",
}
"""Words for DICOM's modalities."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a DICOM file says of its stored values.

    modality: DICOM's term, such as "CT".  slope, intercept: to output units (HU for CT).
    """

    modality: str
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def unit(self) -> str:
        """HU, or "" where the output unit is not known."""
        return "HU" if self.modality == "CT" else ""

    def shown(self, window: Window) -> tuple[float, float]:
        """Centre and width, given in stored values, in output units."""
        return window.center * self.slope + self.intercept, window.width * abs(self.slope)


def edited_dicom(
    source: Source,
    record: Generation,
    origin: Origin,
    words: str,
    *,
    parents: Iterable[tuple[str, str]] = (),
    uid_source: Callable[[], str] | None = None,
) -> bytes:
    """The edited image as a DICOM object with its origin's depth, polarity, window and rescale.

    source: with the edited pixels.  words: what it shows.  parents, uid_source: of `dicom_bytes`.
    """
    from radsmith.generation.dicom_codes import codes_of
    from radsmith.images.dicom.pixels import StoredPixels
    from radsmith.images.dicom.writing import dicom_bytes, new_uid

    stored = StoredPixels(
        pixels=source.image.pixels,
        window=source.image.window or _span(source),
        rescale_type="HU" if origin.unit == "HU" else "US",
        slope=origin.slope,
        intercept=origin.intercept,
        bits=source.bits,
        inverted=source.inverted,
    )
    prompt, _ = filled_in(read_prompt(words or source.words or "image").prompt)
    codes = codes_of(prompt)
    modality = MODALITIES.get(origin.modality, "").rpartition(" ")[2].lower()
    if modality and codes.modality != modality:
        codes = replace(codes, modality=cast(Any, modality))
    return dicom_bytes(
        source.image, record, codes, uid_source or new_uid, stored=stored, parents=parents
    )


def distance_dicom(distance: NDArray[np.float32], edited: Edited) -> bytes:
    """Millimetres from real pixels as a Secondary Capture: tenths stored, rescaled to mm.

    distance: (height, width).  The window spans from 0 to the farthest pixel.
    """
    from radsmith.images.dicom.pixels import StoredPixels
    from radsmith.images.dicom.writing import DicomCodes, dicom_bytes

    tenths = in_tenths(distance)
    image = Image(pixels=tenths, unit="stored value", spacing=edited.image.spacing)
    said = f"{edited.record.canonical_prompt}: distance from real pixels in mm".lstrip(": ")
    record = replace(
        edited.record, operation="distance", canonical_prompt=said, pixels_sha256=image.digest()
    )
    farthest = max(1.0, float(tenths.max()))
    stored = StoredPixels(
        pixels=tenths, window=Window(center=farthest / 2, width=farthest), slope=0.1
    )
    return dicom_bytes(image, record, DicomCodes(), stored=stored)


def in_tenths(distance: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Millimetres as whole tenths, at most 6553.5 mm."""
    return np.clip(np.rint(distance * 10), 0, 65535).astype(np.uint16)


def as_shown(source: Source) -> Image:
    """What a viewer shows of a DICOM image: intensity in 0-1 through its window."""
    levels = _levels(source)
    return Image(pixels=levels.intensity(source.image.pixels), spacing=source.image.spacing)


def shown_note(source: Source, origin: Origin) -> str:
    """Says which stored values `as_shown` shows from black to white."""
    levels = _levels(source)
    window = Window(center=(levels.low + levels.high) / 2, width=max(1.0, levels.high - levels.low))
    center, width = origin.shown(window)
    unit = f" {origin.unit}" if origin.unit else ""
    return (
        f"a PNG of this image shows the window {center:g}/{width:g}{unit}; DICOM holds the"
        " stored values"
    )


def _levels(source: Source) -> Levels:
    return Levels.of(source, np.ones(source.shape, np.bool_))


def _span(source: Source) -> Window:
    low, high = float(source.image.pixels.min()), float(source.image.pixels.max())
    return Window(center=(low + high + 1) / 2, width=high - low + 1)
