"""Reading one image, or radsmith's own record, out of a DICOM file: what edits and the studio take.

Lenient about attributes, strict about pixels: what cannot be read exactly is refused with what was
found. Import and de-identification read by the same parts: `opening`, `decoding`, `grayscale`,
`geometry`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radsmith.errors import InvalidInput
from radsmith.files import read_bytes
from radsmith.images.colour import as_gray
from radsmith.images.dicom.decoding import Layout, decode, has_pixels, in_colour
from radsmith.images.dicom.geometry import aspect_of, number, spacing_of
from radsmith.images.dicom.grayscale import Grayscale, VoiWindow
from radsmith.images.dicom.opening import damage_refused, kind_of, open_dicom, open_head
from radsmith.images.dicom.synthetic import PRIVATE_CREATOR, PRIVATE_GROUP, PRIVATE_RECORD
from radsmith.images.image import Image, Window
from radsmith.images.provenance import Generation

MAX_PIXELS = 89_478_485
"""As many as Pillow opens: 256 MiB of 24-bit colour."""
Space = Literal["", "RGB", "YBR_FULL"]


@dataclass(frozen=True, kw_only=True)
class Whole:
    """All of an object whose one frame, or one gray view of a colour frame, is edited.

    frames: (count, rows, columns) or (count, rows, columns, 3), as they are to be written again.
    number: of the frame, from 1.  space: of colour; "" for gray.  bits: stored of each sample.
    grays: how each frame is meant.
    frame_time: milliseconds between frames, if the file says so.
    """

    frames: NDArray[np.generic]
    number: int
    space: Space
    bits: int
    grays: tuple[Grayscale, ...]
    spacings: tuple[tuple[float, float] | None, ...]
    frame_time: float | None


@dataclass(frozen=True, kw_only=True)
class DicomImage:
    """An image with what is needed to show it and to write its stored values back.

    inverted: the lowest stored value is shown white: MONOCHROME1, or a rescale that falls.
    rescale: (slope, intercept) to output units, such as HU, of `rescale_type`.
    curve: what is shown of every storable value, where a look-up table or a sigmoid says it, else
    None.  padding: stored values, from and to, that are no image.  aspect: height of a pixel over
    its width.  whole: of colour and multi-frame files.  notes: what was read in a way that must be
    said.
    modality, body_part, view, laterality: DICOM's terms, empty where it is silent.
    uids: SOP Class and SOP Instance.
    """

    image: Image
    inverted: bool
    bits_stored: int
    rescale: tuple[float, float]
    rescale_type: str
    modality: str
    curve: NDArray[np.float32] | None = None
    padding: tuple[int, int] | None = None
    aspect: float = 1.0
    whole: Whole | None = None
    notes: tuple[str, ...] = ()
    body_part: str = ""
    view: str = ""
    laterality: str = ""
    uids: tuple[str, str] = ("", "")


T = TypeVar("T")


def _naming_the_file(read: Callable[..., T]) -> Callable[..., T]:
    """Errors begin with the path."""

    @wraps(read)
    def safe(path: Path, *given: object) -> T:
        try:
            with damage_refused():
                return read(path, *given)
        except InvalidInput as error:
            raise InvalidInput(f"{path}: {error}") from error

    return safe


def read_dicom(path: Path) -> Image:
    """The stored values of a single-frame grayscale DICOM file; see `read_dicom_image`."""
    return read_dicom_image(path).image


@_naming_the_file
def read_dicom_image(path: Path, frame: int | None = None) -> DicomImage:
    """The stored values of a DICOM image with their meaning.

    frame: which of several, from 1; None: the file holds one.
    pixels: (height, width), the file's own integers (8-16 bit, signed or not), neither rescaled
        nor inverted; of colour, its luma.  window: the first one, in stored values.
    Raises NotFound, or InvalidInput (not DICOM, no image, several frames and none named, truncated,
    more than MAX_PIXELS, a compression that cannot be undone here).
    """
    dataset = open_dicom(read_bytes(path))
    layout = _checked(dataset)
    at = _frame_at(layout, frame)
    gray = Grayscale.of(dataset, at)
    gray_space: Space = ""
    if layout.photometric in ("MONOCHROME1", "MONOCHROME2"):
        frames, space = decode(dataset), gray_space
        pixels, notes = frames[at], tuple[str, ...]()
    else:
        frames, space = _colour(dataset, layout)
        pixels, note = as_gray(frames[at] if space == "RGB" else frames[at][..., :1])
        notes = (note,) if note else ()
    if layout.frames > 1:
        said = "the others are kept as they are, but left out where the image is continued"
        notes += (f"frame {at + 1} of {layout.frames}: {said}",)
    whole = None
    if layout.frames > 1 or space:
        whole = Whole(
            frames=frames,
            number=at + 1,
            space=space,
            bits=8 if space else layout.stored,
            grays=tuple(Grayscale.of(dataset, n) for n in range(layout.frames)),
            spacings=tuple(spacing_of(dataset, n) for n in range(layout.frames)),
            frame_time=number(dataset.get("FrameTime")),
        )
    return _described(dataset, gray, np.asarray(pixels), whole, notes, at)


def _described(
    dataset: Dataset,
    gray: Grayscale,
    pixels: NDArray[np.generic],
    whole: Whole | None,
    notes: tuple[str, ...],
    at: int,
) -> DicomImage:
    curve = None if gray.is_linear or (whole and whole.space) else gray.curve()
    falling = gray.slope < 0 if curve is None else bool(curve[0] > curve[-1])
    if curve is not None and falling:
        curve = 1 - curve
    colour = whole is not None and bool(whole.space)
    return DicomImage(
        image=Image(
            pixels=pixels,
            unit="stored value",
            spacing=spacing_of(dataset, at),
            window=None if curve is not None or colour else _stored_window(gray),
        ),
        inverted=not colour and gray.inverted != falling,
        bits_stored=8 if colour else Layout.of(dataset).stored,
        rescale=(1.0, 0.0) if colour or _folded(gray, curve) else (gray.slope, gray.intercept),
        rescale_type=gray.rescale_type,
        modality=str(dataset.get("Modality", "") or ""),
        curve=curve,
        padding=None if colour else gray.padding,
        aspect=aspect_of(dataset, at),
        whole=whole,
        notes=notes,
        body_part=str(dataset.get("BodyPartExamined", "") or ""),
        view=str(dataset.get("ViewPosition", "") or ""),
        laterality=str(dataset.get("ImageLaterality", "") or dataset.get("Laterality", "") or ""),
        uids=(str(dataset.get("SOPClassUID", "")), str(dataset.get("SOPInstanceUID", ""))),
    )


@_naming_the_file
def read_dicom_record(path: Path) -> Generation:
    """The provenance record in radsmith's private block.

    Raises NotFound, or InvalidInput (not DICOM, no record: archives may strip private data).
    """
    read_bytes(path)
    with path.open("rb") as file:
        dataset = open_head(file)
    try:
        block = dataset.private_block(PRIVATE_GROUP, PRIVATE_CREATOR)
        value = block[PRIVATE_RECORD].value
    except KeyError as error:
        raise InvalidInput(
            "has no radsmith provenance record; it was not made by radsmith, or an archive removed"
            " its private attributes"
        ) from error
    if isinstance(value, bytes):  # UN, after a detour through implicit VR
        value = value.decode("utf-8", "replace").rstrip(" \0")
    return Generation.from_json(str(value))


def _checked(dataset: Dataset) -> Layout:
    """Raises InvalidInput where the object holds no image that can be edited."""
    if not has_pixels(dataset):
        kind = kind_of(dataset) or "DICOM object"
        raise InvalidInput(f"holds no integer pixels ({kind}); expected one image")
    layout = Layout.of(dataset)
    if layout.allocated not in (8, 16) or layout.stored < 8:
        raise InvalidInput(
            f"stores {layout.stored} of {layout.allocated} bits per pixel; expected 8 to 16 bits"
        )
    if layout.rows * layout.columns > MAX_PIXELS:
        raise InvalidInput(
            f"has {layout.rows * layout.columns:,} pixels; expected 1 to {MAX_PIXELS:,}: crop or"
            " shrink it"
        )
    if (layout.samples == 3) != (layout.photometric[:3] in ("RGB", "YBR")):
        raise InvalidInput(
            f"is not what it says: {layout.samples} samples a pixel as {layout.photometric}"
        )
    if layout.samples == 3 and layout.allocated != 8:
        raise InvalidInput(f"holds colour of {layout.allocated} bits a sample; expected 8")
    return layout


def _frame_at(layout: Layout, frame: int | None) -> int:
    """Which frame, from 0. Raises InvalidInput where that is not said, or is not there."""
    if frame is None and layout.frames > 1:
        raise InvalidInput(
            f"holds {layout.frames} frames; say which one is meant: --frame 1 to {layout.frames}"
        )
    if frame is not None and not 1 <= frame <= layout.frames:
        raise InvalidInput(f"has no frame {frame}: they are 1 to {layout.frames}")
    return (frame or 1) - 1


def _colour(dataset: Dataset, layout: Layout) -> tuple[NDArray[np.generic], Space]:
    """All frames in colour, (count, rows, columns, 3). Uncompressed YBR_FULL stays what it is, so
    that what is not edited is written back bit for bit; everything else becomes RGB."""
    if layout.photometric == "PALETTE COLOR":
        return in_colour(dataset, decode(dataset)), "RGB"
    if layout.samples != 3:
        raise InvalidInput(
            f"is neither gray nor colour (photometric interpretation {layout.photometric});"
            " convert it first"
        )
    plain = not dataset.file_meta.TransferSyntaxUID.is_encapsulated
    if plain and layout.photometric in ("YBR_FULL", "YBR_FULL_422"):
        return decode(dataset, as_rgb=False), "YBR_FULL"
    return decode(dataset), "RGB"


def _folded(gray: Grayscale, curve: NDArray[np.float32] | None) -> bool:
    """Whether a curve stands for the rescale too: a table has one entry for each stored value."""
    whole = gray.slope == 1 and float(gray.intercept).is_integer()
    return gray.modality is not None or (curve is not None and not whole)


def _stored_window(gray: Grayscale) -> Window | None:
    """The window in stored values; None without one, and where it is a threshold."""
    voi: VoiWindow | None = gray.window
    if voi is None or voi.span[0] >= voi.span[1]:
        return None
    width = voi.width / abs(gray.slope)
    step = 1 / gray.slope if voi.function == "LINEAR" else 0.0
    return Window(center=(voi.center - gray.intercept) / gray.slope, width=width, step=step)
