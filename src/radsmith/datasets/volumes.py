"""NIfTI volumes as slices: read one at a time, turned so that the patient's front is up."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.datasets.entry import plan_slices
from radsmith.errors import InvalidInput, RadsmithError, reason_of
from radsmith.images.bombs import check_unpacked

PLANES = ("sagittal", "coronal", "axial")
_LARGEST = 2**27
"""Values of a volume; of a slice, a 16th of them."""

Slice = tuple[int, NDArray[np.generic] | None]


def slices_of(path: Path, wanted: int) -> tuple[str, tuple[float, float], Iterator[Slice]]:
    """The plane, the spacing in mm (rows, columns), and slices along the axis of largest spacing.

    A slice is None where it holds values that are no numbers.  wanted: of `plan_slices`.
    Raises InvalidInput for what is damaged, no volume, or unpacks to far more than it is.
    """
    import nibabel

    logging.getLogger("nibabel").setLevel(logging.CRITICAL + 1)
    loader: Any = nibabel
    try:
        image = loader.load(path)
        shape = tuple(int(n) for n in image.shape)
        values = math.prod(shape)
        if len(shape) not in (3, 4) or min(shape) < 1 or values > _LARGEST:
            raise InvalidInput(f"a volume of {shape} values; expected 3 axes")
        if math.prod(shape[:3]) // max(shape[:3]) > _LARGEST // 16:
            raise InvalidInput(f"slices of a volume of {shape} values are too large")
        kind = image.get_data_dtype()
        if kind.kind not in "iuf":
            raise InvalidInput(f"a volume of {kind} values; expected numbers of gray")
        if str(path).lower().endswith(".gz"):
            check_unpacked(values * kind.itemsize, path.stat().st_size, "a compressed volume")
        order = loader.io_orientation(image.affine)
        if not np.isfinite(order).all():
            raise InvalidInput("its affine does not say which way its axes lie")
        zooms = [abs(float(v)) for v in image.header.get_zooms()[:3]]
    except RadsmithError:
        raise
    except Exception as error:  # nibabel and zlib raise what they like
        raise InvalidInput(f"damaged NIfTI: {reason_of(error)}") from error
    stored = {int(to): axis for axis, (to, _) in enumerate(order)}  # canonical axis -> the file's
    spacing = [zooms[stored[axis]] for axis in range(3)]
    if min(spacing) <= 0 or not np.isfinite(spacing).all():
        raise InvalidInput(f"damaged NIfTI: a spacing of {spacing} mm")
    axis = int(np.argmax(spacing)) if max(spacing) > 1.2 * min(spacing) else 2
    rows, columns = (spacing[n] for n in (2, 1, 0) if n != axis)
    flips = {int(to): sign < 0 for to, sign in order}

    def read() -> Iterator[Slice]:
        count = shape[stored[axis]]
        for index in plan_slices(count, wanted):
            at = count - 1 - index if flips[axis] else index
            yield index, _plane(image, shape, stored, flips, axis, at)

    return PLANES[axis], (rows, columns), read()


def _plane(
    image: Any,
    shape: tuple[int, ...],
    stored: dict[int, int],
    flips: dict[int, bool],
    axis: int,
    at: int,
) -> NDArray[np.generic] | None:
    """One slice: rows from the patient's front (or head) down, columns from the right side."""
    taken: list[Any] = [slice(None)] * len(shape)
    taken[stored[axis]] = at
    if len(shape) == 4:
        taken[3] = 0
    try:
        values = np.asanyarray(image.dataobj[tuple(taken)])
    except Exception as error:  # nibabel, zlib and the disk
        raise InvalidInput(f"damaged NIfTI: {reason_of(error)}") from error
    rest = [n for n in range(3) if n != axis]
    if stored[rest[0]] > stored[rest[1]]:
        values = values.T
    for place, n in enumerate(rest):
        values = np.flip(values, place) if flips[n] else values
    if not np.isfinite(values).all():
        return None
    return np.flip(values.T, axis=(0, 1) if axis == 2 else (0,))
