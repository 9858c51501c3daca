"""Gray out of colour: nearly gray is taken as gray, colour becomes its luma; both are said."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEARLY_GRAY = 4
"""Channels that differ by no more, of 255, are gray that went through lossy colour."""
LUMA = (0.299, 0.587, 0.114)
"""Rec. 601, as YBR_FULL has it (PS3.3 C.7.6.3.1.2)."""
COLOUR_NOTE = (
    "colour: gray is read as 0.299 R + 0.587 G + 0.114 B; what is drawn is gray, all else keeps its"
    " colour"
)


def differs(pixels: NDArray[np.uint8]) -> int:
    """By how much the channels of (…, 3) differ at most."""
    return int(np.max(pixels.max(-1) - pixels.min(-1)))


def in_colour(pixels: NDArray[np.generic], space: str) -> bool:
    """Whether any of (…, 3) 8-bit samples is more than nearly gray. space: RGB, or YBR_FULL …"""
    if space == "RGB":
        return differs(pixels.astype(np.uint8)) > NEARLY_GRAY
    return bool(np.any(abs(pixels[..., 1:].astype(np.int16) - 128) > NEARLY_GRAY))


def nearly_gray_note(most: int) -> str:
    """What is said of channels that differ a little."""
    return f"its colour channels differ by {most} of 255 at most: taken as gray, by their luma"


def luma(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """8-bit gray of (…, height, width, 3) 8-bit RGB, rounded; gray stays exactly itself."""
    return np.rint(brightness(pixels)).astype(np.uint8)


def brightness(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    """Luma of (…, height, width, 3) RGB of any depth, in its unit."""
    return np.asarray(pixels.astype(np.float32) @ np.asarray(LUMA, np.float32))


def as_gray(pixels: NDArray[np.generic]) -> tuple[NDArray[np.uint8], str]:
    """(height, width) of RGB, or of the one channel Y of YBR; and what is to be said of it."""
    if pixels.shape[2] == 1:
        return np.ascontiguousarray(pixels[..., 0], np.uint8), COLOUR_NOTE
    most = differs(pixels.astype(np.uint8))
    if most == 0:
        return np.ascontiguousarray(pixels[..., 0], np.uint8), ""
    return luma(pixels), nearly_gray_note(most) if most <= NEARLY_GRAY else COLOUR_NOTE
