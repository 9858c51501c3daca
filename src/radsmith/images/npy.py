"""Arrays as NPY bytes: `files.write_atomically` then has a file whole or absent."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray


def npy_of(array: NDArray[np.generic]) -> bytes:
    """An array of numbers as NPY, in its own type."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
