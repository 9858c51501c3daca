"""Edited DICOM images: what is kept of the file they were read from, and writing them in kind.

pydicom is slow to start, so it is imported where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from radsmith.editing.operations import Edited, Levels, Source
from radsmith.images.dicom.signature import MODALITIES
from radsmith.images.image import Image, Window
from radsmith.images.provenance import Generation
from radsmith.language.prompt import filled_in
from radsmith.language.reading import read_prompt

if TYPE_CHECKING:
    from radsmith.images.dicom.codes import DicomCodes
    from radsmith.images.dicom.reading import Whole


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

    def window(self, center: float, width: float) -> Window:
        """A window in stored values, as DICOM's LINEAR means it."""
        return Window(center=center, width=width, step=1 / self.slope)

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
    from radsmith.images.dicom.pixels import StoredPixels
    from radsmith.images.dicom.writing import dicom_bytes, new_uid

    window, curve = source.image.window, source.curve
    stored = StoredPixels(
        pixels=source.image.pixels,
        window=window or _span(source),
        rescale_type="HU" if origin.unit == "HU" else "US",
        slope=origin.slope,
        intercept=origin.intercept,
        bits=source.bits,
        inverted=source.inverted,
        exact=window is not None and window.step == 0,
        table=None if curve is None else np.rint(curve * 65535).astype(np.uint16),
        table_first=-(1 << (source.bits - 1)) if source.image.pixels.dtype.kind == "i" else 0,
    )
    codes = _codes(words or source.words, origin)
    return dicom_bytes(
        source.image, record, codes, uid_source or new_uid, stored=stored, parents=parents
    )


def edited_whole(edited: Edited, whole: Whole) -> Whole:
    """An edited frame among the others of its object, or in its colour.

    What the edit did not draw is what the source holds, bit for bit; what it drew is gray. An image
    that was continued beyond its edges is alone in its object: the others have another size.
    """
    at, mask, drawn = whole.number - 1, edited.mask, edited.image.pixels
    if mask.shape == whole.frames.shape[1:3]:
        frames = whole.frames.copy()
    else:
        frames = np.zeros((1, *mask.shape, *whole.frames.shape[3:]), whole.frames.dtype)
        frames[0][~mask] = whole.frames[at].reshape(-1, *whole.frames.shape[3:])
        alone = {"grays": (whole.grays[at],), "spacings": (whole.spacings[at],), "number": 1}
        whole, at = replace(whole, **cast(Any, alone)), 0
    if whole.space:
        gray = np.repeat(drawn[mask][:, None], 3, axis=1)
        if whole.space == "YBR_FULL":
            gray[:, 1:] = 128
        frames[at][mask] = gray
    else:
        frames[at] = drawn
    return replace(whole, frames=frames)


def whole_dicom(
    whole: Whole,
    record: Generation,
    origin: Origin,
    words: str,
    parents: Iterable[tuple[str, str]] = (),
) -> bytes:
    """All frames, one of them edited (`edited_whole`), as a DICOM object. words: what it shows."""
    from radsmith.images.dicom.multiframe import Frames, frames_bytes

    kept = Frames(
        pixels=whole.frames,
        space=whole.space,
        bits=whole.bits,
        grays=whole.grays,
        spacings=whole.spacings,
        frame_time=whole.frame_time,
    )
    return frames_bytes(kept, record, _codes(words, origin), parents=parents)


def _codes(words: str, origin: Origin) -> DicomCodes:
    """What is shown in DICOM's terms: the words, but the file's own modality."""
    from radsmith.generation.dicom_codes import codes_of

    prompt, _ = filled_in(read_prompt(words or "image").prompt)
    codes = codes_of(prompt)
    modality = MODALITIES.get(origin.modality, "")
    if modality and codes.modality != modality:
        codes = replace(codes, modality=cast(Any, modality))
    return codes


def distance_dicom(distance: NDArray[np.float32], edited: Edited) -> bytes:
    """Millimetres from real pixels as a Secondary Capture: tenths stored, rescaled to mm.

    distance: (height, width).  The window spans from 0 to the farthest pixel.
    """
    from radsmith.images.dicom.codes import DicomCodes
    from radsmith.images.dicom.pixels import StoredPixels
    from radsmith.images.dicom.writing import dicom_bytes

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
    own, span = source.image.window, (levels.low, levels.high)
    made = Window(center=sum(span) / 2, width=max(1.0, span[1] - span[0]))
    window = own if own is not None and own.span == span else made
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
