"""An image in the formats of a bundle: PNG and DICOM, written anew from pixels and record.

Nothing of a source file's metadata is copied: what is not known here cannot leak.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from radsmith.editing.dicom import as_shown, edited_dicom
from radsmith.editing.files import Opened, open_source
from radsmith.generation.dicom_codes import codes_of
from radsmith.images.dicom.writing import dicom_bytes
from radsmith.images.image import Image, quantize
from radsmith.images.picture_reading import picture_in
from radsmith.images.pictures import png_bytes
from radsmith.images.provenance import Generation
from radsmith.language.reading import read_prompt
from radsmith.release.dicom_rules import problems_of
from radsmith.release.sources import Candidate
from radsmith.release.stacks import Slice


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An image as it is shown. image: intensity in 0-1.  stored: `Image.digest` of the file's
    own values.  opened: the DICOM file it came from, whose stored values DICOM keeps."""

    image: Image
    stored: str
    opened: Opened | None = None


def shown(candidate: Candidate) -> Shown:
    """Read a candidate. Raises what the readers raise."""
    if candidate.data is not None:
        image = picture_in(candidate.data, str(candidate.path)).image
        return Shown(image=_intensity(image), stored=image.digest())
    opened = open_source(candidate.path)
    image = opened.source.image
    if opened.origin is not None:
        return Shown(image=as_shown(opened.source), stored=image.digest(), opened=opened)
    return Shown(image=_intensity(image), stored=image.digest())


def picture(image: Image, record: Generation, bits: int) -> bytes:
    """The PNG of an intensity image, at 8 or 16 bits."""
    levels = quantize(image.pixels.astype(np.float64), bits)
    whole = Image(pixels=levels, unit="stored value", spacing=image.spacing)
    return png_bytes(whole, record, bits)


def dicom(seen: Shown, record: Generation, place: Slice | None) -> bytes:
    """A new DICOM object without private data; its stored values are the source's where it had any.

    place: where in its stack the slice lies.
    """
    if seen.opened is not None and seen.opened.origin is not None:
        data = edited_dicom(seen.opened.source, record, seen.opened.origin, record.canonical_prompt)
    else:
        codes = codes_of(read_prompt(record.canonical_prompt or "image").prompt)
        data = dicom_bytes(seen.image, record, codes)
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.remove_private_tags()
    if place is not None:
        place.put(dataset)
    wrong = problems_of(dataset)
    if wrong:
        raise AssertionError(f"a DICOM file would not keep the rules of a release: {wrong[0]}")
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _intensity(image: Image) -> Image:
    pixels: NDArray[Any] = image.pixels
    if image.unit == "intensity":
        return image
    least, top = np.iinfo(pixels.dtype).min, np.iinfo(pixels.dtype).max
    span = float(top) - float(least)
    shared = ((pixels.astype(np.float64) - least) / span).astype(np.float64)
    return replace(image, pixels=shared, unit="intensity")
