"""Where a mask lies, as COCO says it: a box and run lengths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def bounds(mask: NDArray[np.bool_]) -> list[int]:
    """x, y, width, height of the True pixels of a mask (height, width) that has some."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x, y = int(columns[0]), int(rows[0])
    return [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y]


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Run lengths down the columns of a mask (height, width), False first."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *runs] if flat[0] else runs
