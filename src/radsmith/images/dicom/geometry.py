"""Where pixels lie and how large they are: one opinion for edits, import and the studio.

An attribute of a multi-frame object lies in the frame's functional group, in the shared one, or in
the object itself (PS3.3 C.7.6.16): it is looked for in this order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from radsmith.errors import InvalidInput
from radsmith.images.image import pixel_aspect

Spacing = tuple[float, float]
_CENTIMETRES = 3
_LARGEST = 100.0
"""Millimetres that no pixel of a patient is wide."""


def attribute(dataset: Dataset, sequence: str, keyword: str, frame: int = 0) -> Any:
    """The value of an attribute for a frame, or None."""
    for name, at in (
        ("PerFrameFunctionalGroupsSequence", frame),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        groups: Any = dataset.get(name) or ()
        inner: Any = (groups[at].get(sequence) or ()) if len(groups) > at else ()
        if len(inner) and inner[0].get(keyword) not in (None, ""):
            return inner[0].get(keyword)
    value = dataset.get(keyword)
    return None if value == "" else value


def number(value: Any) -> float | None:
    """The first value as a finite number, or None where absent, empty or nonsense."""
    value = value[0] if isinstance(value, MultiValue | list | tuple) and len(value) else value
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if np.isfinite(found) else None


def spacing_of(dataset: Dataset, frame: int = 0) -> Spacing | None:
    """Millimetres between rows and between columns, as Pixel Spacing, else Imager Pixel Spacing,
    else Nominal Scanned Pixel Spacing, else the one calibrated ultrasound region has it."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        value = attribute(dataset, "PixelMeasuresSequence", keyword, frame)
        try:
            row, column = (float(v) for v in value)
        except (TypeError, ValueError):
            continue
        if 0 < row < _LARGEST and 0 < column < _LARGEST:
            return row, column
    return _of_ultrasound(dataset)


def _of_ultrasound(dataset: Dataset) -> Spacing | None:
    regions: Any = dataset.get("SequenceOfUltrasoundRegions") or ()
    if len(regions) != 1 or regions[0].get("PhysicalUnitsXDirection") != _CENTIMETRES:
        return None
    x, y = (abs(number(regions[0].get(f"PhysicalDelta{axis}")) or 0) * 10 for axis in "XY")
    return (y, x) if 0 < x < _LARGEST and 0 < y < _LARGEST else None


def aspect_of(dataset: Dataset, frame: int = 0) -> float:
    """How many times as high as wide a pixel is, by spacing or Pixel Aspect Ratio; 1: square.

    Raises InvalidInput for a ratio that no detector has.
    """
    spacing = spacing_of(dataset, frame)
    if spacing is None:
        try:
            high, wide = (float(v) for v in dataset.get("PixelAspectRatio") or ())
        except (TypeError, ValueError):
            return 1.0
        if min(high, wide) <= 0:
            return 1.0
        spacing = high, wide
    aspect = spacing[0] / spacing[1]
    if not 1 / 20 <= aspect <= 20:
        raise InvalidInput(
            f"its pixels are {aspect:g} times as high as wide: no image of a patient"
        )
    return pixel_aspect(spacing)
