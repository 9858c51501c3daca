"""Long images: a near-square window moves over the hole, from what is known outward.

A model that sees a whole long image sees it squeezed. Here each frame is a crop of about the
image's shorter side; it is completed beside what is known by then, and fades in over the rim of
what was drawn before. Knows nothing of models: `fill` completes one crop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.engine import Given
from radsmith.errors import InvalidInput
from radsmith.images.image import Array

Fill = Callable[[Given, int], Array]
"""A crop and a seed, to the crop completed."""
LONG = 2.0
"""Images longer than this many times their shorter side are drawn in frames."""
FRAME, FRESH, RIM = 1.5, 0.75, 0.125
"""A frame's length, what of it is new, and the rim that is drawn twice, in shorter sides."""
MOST_FRAMES = 64
"""Frames of one hole: a hole 48 times as long as the image is wide is no picture any more."""


def in_frames(fill: Fill, given: Given, seed: int) -> Array:
    """The image completed, known pixels as given: one call, or one for each frame.

    Raises InvalidInput where a hole needs more than MOST_FRAMES.
    """
    height, width = given.mask.shape
    if height > width:
        turned = replace(given, pixels=given.pixels.T, mask=given.mask.T)
        return in_frames(lambda g, s: fill(_turned(g), s).T, turned, seed).T
    if width <= LONG * height or not given.mask.any():
        return fill(given, seed)
    result = given.pixels.copy()
    open_: NDArray[np.bool_] = np.asarray(given.mask.any(0))
    drawn = np.zeros(width, np.bool_)
    spans = list(islice(_frames(open_, height), MOST_FRAMES + 1))
    if len(spans) > MOST_FRAMES:
        raise InvalidInput(
            f"the hole takes up {open_.sum()} pixels along an image only {height} wide: draw at"
            f" most {round(MOST_FRAMES * FRESH * height)} of them at once, or crop the image"
        )
    for number, span in enumerate(spans):
        fresh = open_[span] & ~drawn[span]
        fade = _fade(fresh, drawn[span], round(RIM * height))
        mask = given.mask[:, span] & (fade > 0)
        own = seed if number == 0 else _derived(seed, number)
        crop = replace(given, pixels=result[:, span].copy(), mask=mask)
        found = fill(crop, own)
        part = result[:, span]
        part[mask] = (part + fade * (found - part))[mask]
        drawn[span] |= fresh
    return result


def _frames(open_: NDArray[np.bool_], side: int) -> Iterator[slice]:
    """Columns of each frame, until none is open: beside what is known, else from the middle."""
    left = open_.copy()
    length = min(len(open_), round(FRAME * side))
    ahead = round(FRESH * side)
    while left.any():
        columns = np.flatnonzero(left)
        if columns[-1] - columns[0] < length - side // 2:
            first = (columns[0] + columns[-1] + 1 - length) // 2
        elif left.all():
            first = (len(left) - length) // 2
        else:
            edges = np.flatnonzero(np.diff(left.astype(np.int8)))
            begins = [e + 1 for e in edges if left[e + 1]]  # right of what is known
            first = begins[0] + ahead - length if begins else edges[-1] + 1 - ahead
        first = int(min(max(first, 0), len(left) - length))
        yield slice(first, first + length)
        left[first : first + length] = False


def _fade(fresh: NDArray[np.bool_], drawn: NDArray[np.bool_], rim: int) -> Array:
    """1 on fresh columns, falling to 0 over `rim` drawn columns beside them, 0 elsewhere."""
    at = np.flatnonzero(fresh)
    if not len(at):
        return np.zeros(len(fresh), np.float32)
    nearest = np.abs(np.arange(len(fresh))[:, None] - at[None]).min(1)
    share = np.clip(1 - nearest / (rim + 1), 0, 1)
    return np.where(fresh, 1, np.where(drawn, share, 0)).astype(np.float32)


def _derived(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _turned(given: Given) -> Given:
    return replace(given, pixels=np.ascontiguousarray(given.pixels.T), mask=given.mask.T)
