"""Images to be edited, masks, and edited images, on disk: read as they are, written in kind.

PNG, TIFF and other pictures become PNG of the same depth, JPEG too (its pixels could not be kept),
NPY and DICOM stay what they are. A DICOM result is a new synthetic object: it names its source
only where that is asked for.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from radsmith.editing.dicom import (
    Origin,
    distance_dicom,
    edited_whole,
    in_tenths,
)
from radsmith.editing.formats import Format, file_bytes
from radsmith.editing.mask_reading import MaskAs, mask_in
from radsmith.editing.operations import Edited, Levels, Source
from radsmith.errors import InvalidInput, NotFound
from radsmith.files import read_bytes, write_atomically
from radsmith.images.dicom.signature import in_words, is_dicom
from radsmith.images.image import Image, Mask
from radsmith.images.outline import bounds, run_lengths
from radsmith.images.picture_reading import picture_in
from radsmith.images.pictures import is_npy, npy_array, npy_bytes, read_record
from radsmith.images.provenance import Generation
from radsmith.language.foreign import foreign_language
from radsmith.language.reading import read_prompt

if TYPE_CHECKING:
    from radsmith.images.dicom.reading import Whole

FORMATS: Final[dict[str, Format | Literal["npy"]]] = {
    ".png": "png",
    ".npy": "npy",
    ".dcm": "dicom",
}
_SIDES = {"L": "left", "R": "right", "B": "bilateral"}


@dataclass(frozen=True, kw_only=True)
class Sourced:
    """An image as its file holds it.

    origin: of a DICOM file, or of an image made of one; uids: its SOP Class and SOP Instance;
    whole: all of it where this is one of its frames, or a gray view of its colour.
    """

    source: Source
    origin: Origin | None = None
    uids: tuple[str, str] = ("", "")
    whole: Whole | None = None

    @property
    def image(self) -> Image:
        """Pixels with unit, spacing and window."""
        return self.source.image

    @property
    def pixels(self) -> NDArray[Any]:
        """(height, width): float32 in 0-1 of a generated image, else the file's own values."""
        return self.image.pixels

    @property
    def words(self) -> str:
        """What it is said to show, such as "left knee x-ray"; empty where nothing is said."""
        return self.source.words


@dataclass(frozen=True, kw_only=True)
class Opened(Sourced):
    """A file to edit."""

    path: Path
    suffix: str


def open_source(path: Path, frame: int | None = None) -> Opened:
    """Read PNG, JPEG, TIFF …, NPY or DICOM, told apart by content.

    frame: which one of a DICOM file of several, from 1.
    Raises NotFound, or InvalidInput for what cannot be edited exactly: colour pictures, several
    frames and none named, NaN, NPY floats outside 0-1, compressions that cannot be undone here.
    """
    data = read_bytes(path)
    if is_dicom(data):
        return _open_dicom(path, frame)
    if frame not in (None, 1):
        raise InvalidInput(f"{path} is no DICOM file of several frames: leave --frame out")
    if is_npy(data):
        image = _npy_image(data, path)
        words = _own_words(path)
        return Opened(path=path, source=_source(image, words=words), suffix=".npy")
    picture = picture_in(data, str(path))
    source = replace(_source(picture.image, words=_own_words(path)), notes=picture.notes)
    return Opened(path=path, source=source, suffix=".png")


def read_mask(path: Path, shape: tuple[int, int], mask_as: MaskAs = "auto") -> Mask:
    """What a mask file marks; see `noted_mask`."""
    return noted_mask(path, shape, mask_as)[0]


def noted_mask(path: Path, shape: tuple[int, int], mask_as: MaskAs = "auto") -> tuple[Mask, str]:
    """What a mask picture or NPY array marks as to be drawn, and how it was read, if that must be
    said: see `mask_reading`.

    shape: (height, width) of the image.  Raises InvalidInput for another size, and where nothing
    is marked.
    """
    mask, note = mask_in(read_bytes(path), str(path), mask_as)
    return checked_mask(mask, shape, str(path)), note


def box_mask(text: str, shape: tuple[int, int]) -> Mask:
    """A mask from "x,y,width,height" in pixels."""
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise InvalidInput(f"a box is x,y,width,height in whole pixels, got {text!r}") from None
    if min(x, y) < 0 or min(width, height) < 1 or y + height > shape[0] or x + width > shape[1]:
        raise InvalidInput(f"the box {text} leaves the image of {shape[1]}x{shape[0]} pixels")
    mask = np.zeros(shape, np.bool_)
    mask[y : y + height, x : x + width] = True
    return mask


def polygon_mask(text: str, shape: tuple[int, int]) -> Mask:
    """A mask from corners "x,y x,y x,y …" in pixels."""
    try:
        corners = [(float(x), float(y)) for x, y in (c.split(",") for c in text.split())]
    except ValueError:
        raise InvalidInput(f'a polygon is "x,y x,y x,y …" in pixels, got {text!r}') from None
    if not np.isfinite(corners).all() or np.abs(corners).max(initial=0) > 1e6:
        raise InvalidInput(f"the corners {text!r} do not lie in any image")
    if len(corners) < 3:
        raise InvalidInput(f"a polygon needs 3 corners or more, got {len(corners)}")
    canvas = Pillow.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(canvas).polygon(corners, fill=1)
    return checked_mask(np.asarray(canvas), shape, "the polygon")


def checked_mask(mask: Mask, shape: tuple[int, int], name: str) -> Mask:
    """The mask, or InvalidInput where its size is wrong or it marks nothing."""
    if mask.shape != shape:
        raise InvalidInput(
            f"{name} is {mask.shape[1]}x{mask.shape[0]} and the image {shape[1]}x{shape[0]}: a mask"
            " must have the size of its image"
        )
    if not mask.any():
        raise InvalidInput(
            f"{name} marks no pixel: make what is to be drawn white, or transparent in a picture"
            " with alpha"
        )
    return mask


def refuse_present(paths: Sequence[Path]) -> None:
    """Raise InvalidInput where one of the files is there: before any work, not after."""
    present = [path for path in paths if path.exists()]
    if present:
        raise InvalidInput(f"{present[0]} is there; use --force, or another folder with -o")


def write_edited(
    edited: Edited, source: Opened, path: Path, *, keep_reference: bool = False
) -> None:
    """The edited image in its source's kind of file; `path` ends in `source.suffix`."""
    parents = [source.uids] if keep_reference and all(source.uids) else []
    after = replace(source.source, image=edited.image)
    whole = edited_whole(edited, source.whole) if source.whole is not None else None
    write_picture(path, after, edited.record, source.origin, whole=whole, parents=parents)


def write_picture(
    path: Path,
    source: Source,
    record: Generation,
    origin: Origin | None = None,
    *,
    whole: Whole | None = None,
    bits: int = 8,
    parents: Sequence[tuple[str, str]] = (),
) -> None:
    """An image as .png, .npy or .dcm, by the suffix of `path`; whole or absent.

    bits: of a PNG of intensity.  origin, whole, parents: as `formats.file_bytes`.
    """
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise InvalidInput(f"{path}: an image is saved as {', '.join(FORMATS)}, by its suffix")
    if form == "npy":
        data, beside = npy_bytes(source.image, record)
        write_atomically(path.with_suffix(".json"), beside)
    else:
        form = "png16" if form == "png" and bits == 16 else form
        data = file_bytes(source, record, form, origin, whole=whole, parents=parents)
    write_atomically(path, data)


def write_mask(mask: Mask, path: Path) -> None:
    """White where pixels were made."""
    _write_gray(mask.astype(np.uint8) * 255, path)


def write_difference(before: Source, after: Edited, path: Path) -> None:
    """What changed, in shown intensity: mid-gray is no change, white is from black to white."""
    levels = Levels.of(before, np.ones(before.shape, np.bool_))
    a, b = (levels.intensity(p) for p in (before.image.pixels, after.image.pixels))
    _write_gray(np.rint(127.5 + 127.5 * (b - a)).astype(np.uint8), path)


def write_distances(
    distance: NDArray[np.float32], edited: Edited, source: Opened, stem: Path
) -> list[Path]:
    """STEM-distance.png, 16 bits in tenths of a millimetre; of a DICOM source STEM-distance.dcm,
    too, which says so itself. Returns what was written."""
    paths = [stem.with_name(f"{stem.name}-distance.png")]
    _write_gray(in_tenths(distance), paths[0])
    if source.suffix == ".dcm":
        paths.append(paths[0].with_suffix(".dcm"))
        write_atomically(paths[1], distance_dicom(distance, edited))
    return paths


def write_pair(source: Opened, edited: Edited, after: Path, finding: str) -> None:
    """AFTER-pair.json: the two images of a matched pair, how they differ, and their digests.

    The source is named, not copied: it may be a patient's. Its digest tells whether it is the one.
    """
    pair = {
        "finding": finding,
        "operation": edited.record.operation,
        "before": {
            "file": source.path.name,
            "file_sha256": hashlib.sha256(read_bytes(source.path)).hexdigest(),
            "pixels_sha256": source.source.image.digest(),
        },
        "after": {"file": after.name, "pixels_sha256": edited.record.pixels_sha256},
        "mask": f"{after.stem}-mask.png",
        "difference": f"{after.stem}-difference.png",
        "untouched_sha256": edited.record.untouched_sha256,
    }
    text = json.dumps(pair, indent=1, ensure_ascii=False) + "\n"
    write_atomically(after.with_name(f"{after.stem}-pair.json"), text.encode())


def write_coco(items: Sequence[tuple[Path, Edited, str]], path: Path) -> None:
    """COCO annotations (object detection format) of what was made: (file, edit, category)."""
    names = sorted({category for _, _, category in items})
    images, marks = [], []
    for number, (file, edited, category) in enumerate(items, start=1):
        width, height = edited.image.size
        images.append({"id": number, "file_name": file.name, "width": width, "height": height})
        marks.append(
            {
                "id": number,
                "image_id": number,
                "category_id": names.index(category) + 1,
                "bbox": bounds(edited.mask),
                "area": int(edited.mask.sum()),
                "iscrowd": 0,
                "segmentation": {"size": [height, width], "counts": run_lengths(edited.mask)},
            }
        )
    coco = {
        "info": {"description": "Synthetic, made by radsmith. Not for diagnosis."},
        "images": images,
        "annotations": marks,
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, start=1)],
    }
    write_atomically(path, (json.dumps(coco, indent=1, ensure_ascii=False) + "\n").encode())


def _open_dicom(path: Path, frame: int | None) -> Opened:
    from radsmith.images.dicom.reading import read_dicom_image  # pydicom is slow to start

    found = read_dicom_image(path, frame)
    parts = [_SIDES.get(found.laterality, ""), found.body_part.replace("_", " ").lower()]
    parts.append(in_words(found.modality))
    words = " ".join(p for p in parts if p and not foreign_language(p))
    words += f", {found.view}" if found.view else ""
    source = Source(
        image=found.image,
        bits=found.bits_stored,
        inverted=found.inverted,
        words=_own_words(path) or _understood(words),
        curve=found.curve,
        padding=found.padding,
        aspect=found.aspect,
        notes=found.notes,
    )
    slope, intercept = found.rescale
    origin = Origin(modality=found.modality, slope=slope, intercept=intercept)
    return Opened(path=path, source=source, suffix=".dcm", origin=origin, uids=found.uids,
                  whole=found.whole)  # fmt: skip


def _source(image: Image, words: str) -> Source:
    return Source(image=image, bits=8 * image.pixels.dtype.itemsize, words=words)


def _own_words(path: Path) -> str:
    """The prompt of a picture that radsmith made."""
    try:
        return read_record(path).canonical_prompt
    except (InvalidInput, NotFound):
        return ""


def _understood(words: str) -> str:
    """What of the words the vocabulary knows."""
    from radsmith.language.prompt import render

    return render(read_prompt(words).prompt) if words.strip(" ,") else ""


def _npy_image(data: bytes, path: Path) -> Image:
    """With the spacing that radsmith's own JSON beside it tells."""
    try:
        beside: Any = json.loads(read_bytes(path.with_suffix(".json")))
        spacing = tuple(float(v) for v in beside["spacing"])
    except (NotFound, InvalidInput, ValueError, KeyError, TypeError):
        spacing = ()
    known = (spacing[0], spacing[1]) if len(spacing) == 2 and min(spacing) > 0 else None
    pixels = npy_array(data, str(path))
    if pixels.dtype.kind == "f":
        return Image(pixels=pixels, spacing=known)
    if pixels.dtype not in (np.uint8, np.uint16, np.int16):
        raise InvalidInput(
            f"{path} holds {pixels.dtype}; expected floats in 0-1, uint8, uint16 or int16"
        )
    return Image(pixels=pixels, unit="stored value", spacing=known)


def _write_gray(levels: NDArray[np.unsignedinteger[Any]], path: Path) -> None:
    stream = io.BytesIO()
    Pillow.fromarray(levels).save(stream, "PNG")
    write_atomically(path, stream.getvalue())
