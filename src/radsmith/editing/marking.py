"""The watermark on an edited image: within its mask, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from radsmith.editing.operations import Edited, Levels, Source, untouched_digest
from radsmith.marks.watermark import marked


def watermarked(edited: Edited, source: Source) -> Edited:
    """The edit with the watermark in what was drawn; its stored values elsewhere stay.

    source: of the edit, for the range of values that is shown.
    """
    image = edited.image
    after = replace(source, image=image)
    levels = Levels.of(after, np.ones(image.pixels.shape, np.bool_))
    shown = levels.intensity(image.pixels)
    wanted = marked(shown, edited.mask)
    changed = (wanted != shown) & edited.mask
    pixels = image.pixels.copy()
    pixels[changed] = levels.stored(wanted[changed].astype(np.float32))
    if untouched_digest(pixels, edited.mask) != untouched_digest(image.pixels, edited.mask):
        raise AssertionError("pixels outside the mask changed; nothing was written")
    image = replace(image, pixels=pixels)
    record = replace(edited.record, pixels_sha256=image.digest())
    return replace(edited, image=image, record=record)
