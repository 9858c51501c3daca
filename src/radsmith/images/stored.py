"""Images that are kept at 8 bits and read as floats when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from radsmith.images.image import Array


class EightBit(Sequence[NDArray[np.floating]]):
    """(height, width) in 0-1 each, of what `levels` has: uint8 arrays by number."""

    def __init__(self, levels: Sequence[NDArray[np.uint8]]) -> None:
        self._levels = levels

    def __len__(self) -> int:
        return len(self._levels)

    @overload
    def __getitem__(self, index: int) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[np.floating]]: ...
    def __getitem__(self, index: int | slice) -> Array | Sequence[NDArray[np.floating]]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        return np.asarray(self._levels[index], np.float32) / np.float32(255)


class Stored(EightBit):
    """Images rounded to 8 bits, as a PNG would hold them."""

    def __init__(self, images: Iterable[NDArray[Any]]) -> None:
        super().__init__(
            [np.round(np.clip(image, 0, 1) * 255).astype(np.uint8) for image in images]
        )
