"""What of a mask is to be drawn: pictures and arrays as people and programs make them.

    no transparency   white on black; 0 and 1; a label of any value on 0; paint in a colour
    transparency      a hole in the picture (OpenAI's way), or paint on a transparent layer, as
                      paint programs export it

The second can be read two ways: it is said which was taken, and `--mask-as` says otherwise.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.images.image import Mask
from radsmith.images.picture_reading import opened
from radsmith.images.pictures import is_npy, npy_array

MaskAs = Literal["auto", "paint", "hole"]
_COLOURED = 64
"""Channels of paint differ by more, of 255; of JPEG's gray by far less."""
_ALIKE = 24
"""Paint of one colour differs by less from its middle, of 255."""


def mask_in(data: bytes, name: str, mask_as: MaskAs = "auto") -> tuple[Mask, str]:
    """What a mask file marks, (height, width), and what is to be said of how it was read ("": as
    everybody reads it). Raises InvalidInput for what is no mask.

    mask_as: of pictures with transparency, what is drawn: their paint, their hole, or as they look.
    """
    if is_npy(data):
        return _of_array(data, name)
    with opened(data, name) as picture:
        wide = picture.mode.startswith("I") or picture.mode == "F"
        hidden = "A" in picture.getbands() or "transparency" in picture.info
        if wide:
            return _of_levels(np.asarray(picture), name)
        channels = np.asarray(picture.convert("RGBA"))
    shown, alpha = channels[..., :3], channels[..., 3]
    if hidden and alpha.min() < 128:
        return _of_transparency(shown, alpha, mask_as)
    if mask_as == "hole":
        raise InvalidInput(f"{name} is transparent nowhere: leave --mask-as out")
    return _of_colours(shown, name)


def _of_array(data: bytes, name: str) -> tuple[Mask, str]:
    values = npy_array(data, name)
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        text = f"{values.dtype} of shape {values.shape}"
        raise InvalidInput(f"{name} holds {text}; expected (height, width) numbers or truths")
    if values.dtype.kind == "b":
        return np.asarray(values, np.bool_), ""
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise InvalidInput(f"{name} holds values that are no numbers; save it without NaN")
        if values.min() >= 0 and values.max() <= 1:
            return np.asarray(values > 0.5), ""
    return _of_levels(values, name)


def _of_levels(levels: NDArray[Any], name: str) -> tuple[Mask, str]:
    """Above half of the type's range; of few and low values, all but 0."""
    values = np.unique(levels)
    if values[0] < 0:
        raise InvalidInput(f"{name} holds negative values; expected 0 where nothing is drawn")
    top = {"f": 1.0, "b": 1.0}.get(levels.dtype.kind, 255.0 if values[-1] <= 255 else 65535.0)
    if values[-1] > top / 2:
        return np.asarray(levels > top / 2), ""
    if values[-1] == 0:
        return np.zeros(levels.shape, np.bool_), ""
    told = ", ".join(f"{v:g}" for v in values[:6].tolist()) + (" …" if len(values) > 6 else "")
    return np.asarray(levels > 0), f"{name} holds the values {told}: all but 0 is drawn"


def _of_colours(shown: NDArray[np.uint8], name: str) -> tuple[Mask, str]:
    """Paint in a colour, where there is any on gray; else the gray levels."""
    coloured = np.asarray(np.ptp(shown.astype(np.int16), axis=2) > _COLOURED)
    if not coloured.any():
        return _of_levels(shown[..., 0], name)
    if coloured.all():
        raise InvalidInput(f"{name} is coloured everywhere: paint what is to be drawn on black")
    red, green, blue = (int(v) for v in np.median(shown[coloured], axis=0))
    text = f"what is painted in a colour (about #{red:02x}{green:02x}{blue:02x}) is drawn"
    rest = shown[~coloured]
    if rest.max() >= 128 and rest.min() < 128:
        text += ", what is white or gray is not"
    return coloured, f"{name}: {text}"


def _of_transparency(
    shown: NDArray[np.uint8], alpha: NDArray[np.uint8], mask_as: MaskAs
) -> tuple[Mask, str]:
    """The hole, or the paint: paint has one colour and is the smaller part."""
    paint = np.asarray(alpha >= 128)
    taken: MaskAs = mask_as
    note = ""
    if mask_as == "auto":
        taken = "hole"
        if paint.any():
            levels = shown[paint].astype(np.int16)
            flat = np.abs(levels - np.median(levels, axis=0)).max(axis=1) < _ALIKE
            if flat.mean() > 0.95 and paint.mean() < 0.5:
                taken = "paint"
        said, other = (
            ("the paint on a transparent layer is drawn", "hole")
            if taken == "paint"
            else ("the transparent part is drawn", "paint")
        )
        part = "what is transparent" if other == "hole" else "what is painted"
        note = f"mask: {said}; --mask-as {other} draws {part} instead"
    return (paint if taken == "paint" else ~paint), note
