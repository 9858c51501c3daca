"""An image that was made, with its provenance, and one to be edited, as its file holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radsmith.editing.files import Opened, Sourced, open_source, write_picture
from radsmith.editing.operations import Edited, Source
from radsmith.errors import InvalidInput
from radsmith.generation.plan import Plan
from radsmith.images.image import Image
from radsmith.images.provenance import Generation
from radsmith.language.vocabulary import Vocabulary, speaking


@dataclass(frozen=True, kw_only=True)
class Picture(Sourced):
    """An image that was made or edited.

    record: prompt, model, seed and warnings; in every saved file, too.  plan: how the prompt was
    read, None for an edit that went by the pixels alone.  edited: of an edit, the image with its
    mask.  vocabulary: that of the model.
    """

    record: Generation
    plan: Plan | None = None
    edited: Edited | None = None
    vocabulary: Vocabulary | None = field(default=None, repr=False)

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """(height, width), True where an edit made the pixels; None of a generated image."""
        return self.edited.mask if self.edited else None

    @property
    def distance(self) -> NDArray[np.float32] | None:
        """Millimetres from real pixels, of an image that was continued to more of the body."""
        return self.edited.distance if self.edited else None

    def save(self, path: str | Path, *, bits: int = 8, keep_reference: bool = False) -> Path:
        """Write a .png, .npy or .dcm, by the suffix: whole or absent. Returns its path.

        bits: 8 or 16, of a PNG of a generated image.  keep_reference: of an edited DICOM image,
        name the UIDs of its source.  An .npy comes with a .json beside it.
        Raises InvalidInput for another suffix, or values that the file cannot hold.
        """
        place = Path(path)
        parents = [self.uids] if keep_reference and all(self.uids) else []
        with speaking(self.vocabulary):
            write_picture(
                place, self.source, self.record, self.origin,
                whole=self.whole, bits=bits, parents=parents,
            )  # fmt: skip
        return place


def open(path: str | Path, *, frame: int | None = None) -> Opened:
    """An image to be edited: its stored values, spacing, window, and what its file says it shows.

    PNG, JPEG, TIFF …, NPY or DICOM, told apart by content.  frame: which one of a DICOM file of
    several, from 1.  Raises NotFound, or InvalidInput for what cannot be edited exactly, such as a
    picture in colour.
    """
    return open_source(Path(path), frame)


def opened(image: Picture | Opened | Image) -> Opened | Picture:
    """What is to be edited, with the depth that a bare Image does not say."""
    if isinstance(image, Picture | Opened):
        return image
    if not isinstance(image, Image):
        raise InvalidInput(
            f"an edit takes what radsmith.open or an earlier call gave, or a radsmith.Image, got"
            f" {type(image).__name__}: use radsmith.open(path) or radsmith.Image(pixels=array)"
        )
    source = Source(image=image, bits=8 * image.pixels.dtype.itemsize)
    return Opened(path=Path("image"), source=source, suffix=".png")
