"""Pictures as learners see them: one form for all, and in their pixels a word that says what they
are. Pure."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont, PngImagePlugin

from radsmith.images.marks import XMP_KEY, xmp_packet
from radsmith.images.provenance import NOTICE
from radsmith.marks.watermark import marked
from radsmith.review.blinding import SIDE, blinded

SYNTHETIC = "Synthetic · not for diagnosis"
REAL = "Real image · not for diagnosis"
VEILED = "Real or synthetic? · not for diagnosis"
"""Of pictures of which that is asked, until it is answered."""
_SIZE = 15
_ROOM = 4


def learners_picture(
    pixels: NDArray[np.floating], native: int, *, word: str, synthetic: bool
) -> NDArray[np.uint8]:
    """(height, width) in 0-1 as a square (SIDE, SIDE) of 8 bits with the word in its lower corner.

    synthetic: the watermark is put in beside the word.
    """
    levels = blinded(pixels, native)
    if synthetic:
        levels = np.rint(marked(levels.astype(np.float32) / 255) * 255).astype(np.uint8)
    picture = Pillow.fromarray(levels)
    draw = ImageDraw.Draw(picture)
    left, top, right, bottom = draw.textbbox((0, 0), word, font=_font())
    place = _ROOM, SIDE - _ROOM - (bottom - top)
    box = 0, place[1] - _ROOM, right - left + 2 * _ROOM, SIDE
    draw.rectangle(box, fill=0)
    draw.text((place[0] - left, place[1] - top), word, fill=235, font=_font())
    return np.asarray(picture)


@cache
def _font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(_SIZE)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def picture_png(levels: NDArray[np.uint8], *, synthetic: bool) -> bytes:
    """A PNG; synthetic: with the machine-readable mark, which a veiled picture must not have."""
    info = PngImagePlugin.PngInfo()
    if synthetic:
        info.add_itxt("Description", NOTICE)
        info.add_itxt(XMP_KEY, xmp_packet(NOTICE))
    stream = io.BytesIO()
    Pillow.fromarray(levels).save(stream, "PNG", pnginfo=info, compress_level=3)
    return stream.getvalue()
