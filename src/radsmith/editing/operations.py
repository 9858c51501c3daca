"""Editing an image: inpaint, outpaint, vary, change a finding, interpolate.

Every edit is one call of `Engine.fill` and one rule: outside the mask the stored values are those
of the input, bit for bit, which is checked before anything is returned. Knows no file format.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radsmith.editing.grain import grained
from radsmith.editing.long_images import in_frames
from radsmith.editing.source import Levels as Levels
from radsmith.editing.source import Source as Source
from radsmith.editing.source import rounded as rounded
from radsmith.editing.square_pixels import evenly
from radsmith.engines.engine import Ask, Engine, Given, check_strength
from radsmith.errors import InvalidInput
from radsmith.generation.plan import Plan, record_of
from radsmith.images.image import Image, Mask
from radsmith.images.provenance import Generation, Request

LARGEST_CANVAS = 100_000_000
"""Pixels of the largest image an edit may make."""


@dataclass(frozen=True, kw_only=True)
class Margins:
    """Pixels to add on each side; at least one of them."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0

    def __post_init__(self) -> None:
        sides = (self.left, self.right, self.top, self.bottom)
        if min(sides) < 0 or not any(sides):
            raise InvalidInput(f"extend by pixels on one side at least, never less: got {sides}")


@dataclass(frozen=True, kw_only=True)
class Edited:
    """An edited image in its source's unit and depth; mask: (height, width), True = made.

    distance: (height, width), mm from real pixels, 0 on them, of an image that was continued to
    more of the body.  flags: what was drawn as something else there, or left out.
    """

    image: Image
    mask: Mask
    record: Generation
    distance: NDArray[np.float32] | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Task:
    """What all edits share. planned: the prompt as read, or None to go by the image alone.

    created: ISO 8601 time, given by the shell.  grain: see `grain`.  adds: as `Given` has it.
    """

    engine: Engine
    planned: Plan | None
    request: Request
    created: str
    grain: bool = True
    adds: str = ""


def inpaint(
    source: Source, mask: Mask, task: Task, strength: float = 1.0, *, sketched: bool = False
) -> Edited:
    """Draw the pixels where mask (height, width) is True anew; no True pixel: nothing changes.

    strength: below 1 the masked pixels are a beginning; sketched: as `Given` says.  Raises
    InvalidInput for a mask of another size.
    """
    said = f"{int(mask.sum())} of {mask.size} pixels drawn, strength {strength:g}"
    return _filled(source, mask, task, "inpaint", said, strength=strength, sketched=sketched)


def outpaint(source: Source, margins: Margins, task: Task) -> Edited:
    """Continue the image beyond its edges. Raises InvalidInput beyond LARGEST_CANVAS pixels."""
    height, width = source.shape
    m = margins
    shape = height + m.top + m.bottom, width + m.left + m.right
    if shape[0] * shape[1] > LARGEST_CANVAS:
        raise InvalidInput(f"a canvas of {shape[1]}x{shape[0]} is too large: extend by less")
    pixels = np.zeros(shape, source.image.pixels.dtype)
    mask = np.ones(shape, np.bool_)
    inner = np.s_[m.top : m.top + height, m.left : m.left + width]
    pixels[inner], mask[inner] = source.image.pixels, False
    canvas = replace(source, image=replace(source.image, pixels=pixels))
    said = f"extended by {m.left} left, {m.right} right, {m.top} top, {m.bottom} bottom pixels"
    return _filled(canvas, mask, task, "outpaint", said, parent=source)


def vary(source: Source, strength: float, task: Task, mask: Mask | None = None) -> Edited:
    """Another version of the image, or of its masked part.

    strength: above 0 (hardly changed) to 1 (drawn anew).
    """
    everywhere = np.ones(source.shape, np.bool_)
    where = everywhere if mask is None else mask
    return _filled(source, where, task, "vary", f"strength {strength:g}", strength=strength)


def change(source: Source, mask: Mask, task: Task, strength: float = 0.85) -> Edited:
    """The masked part as the task's prompt has it, such as with a finding or without it.

    With less than full strength the anatomy of the masked part stays recognisable.
    """
    if task.planned is None:
        raise InvalidInput("to change a finding, say which: give a prompt")
    said = f"towards: {task.planned.canonical}; strength {strength:g}"
    return _filled(source, mask, task, "change", said, strength=strength)


def between(one: Source, other: Source, share: float, task: Task, strength: float = 0.6) -> Edited:
    """An image on the way from one to the other. share: how far, above 0 and below 1.

    The two are mixed and redrawn, most in the middle; `one` gives size, depth and polarity.
    Raises InvalidInput where the sizes differ.
    """
    if one.shape != other.shape:
        raise InvalidInput(
            f"both images must have one size, got {_size(one)} and {_size(other)}: resize one"
        )
    if not 0 < share < 1:
        raise InvalidInput(f"a share of the way lies above 0 and below 1, got {share:g}")
    check_strength(strength)
    first, last = (Levels.of(s, np.ones(s.shape, np.bool_)) for s in (one, other))
    a, b = first.intensity(one.image.pixels), last.intensity(other.image.pixels)
    mixed = first.stored(((1 - share) * a + share * b).astype(np.float32))
    amount = max(0.05, strength * min(1.0, 2 * min(share, 1 - share)))
    edited = vary(replace(one, image=replace(one.image, pixels=mixed)), amount, task)
    record = replace(
        edited.record,
        operation="interpolate",
        parents=(one.image.digest(), other.image.digest()),
        edit=f"{share:.3f} of the way, redrawn with strength {amount:.2f}",
    )
    return replace(edited, record=record)


def shares(count: int) -> list[float]:
    """So many even steps between two images, both excluded. Raises InvalidInput below 1."""
    if count < 1:
        raise InvalidInput(f"count must be at least 1, got {count}")
    return [k / (count + 1) for k in range(1, count + 1)]


def untouched_digest(pixels: NDArray[np.generic], mask: Mask) -> str:
    """SHA-256 of the stored values where mask is False, in rows from the top.

    Such a digest is `Image.digest` of these values as one row; empty where none is left.
    """
    kept = pixels[~mask]
    return Image(pixels=kept[None], unit="stored value").digest() if kept.size else ""


def _filled(
    source: Source,
    mask: Mask,
    task: Task,
    operation: str,
    said: str,
    *,
    strength: float = 1.0,
    sketched: bool = False,
    parent: Source | None = None,
) -> Edited:
    """One call of the engine; the pixels outside the mask are the source's, checked."""
    pixels = source.image.pixels
    if mask.shape != pixels.shape:
        raise InvalidInput(
            f"the mask is {mask.shape[1]}x{mask.shape[0]} and the image {_size(source)}: a mask"
            " must have the size of its image"
        )
    check_strength(strength)
    levels = Levels.of(source, np.ones_like(mask) if strength < 1 or mask.all() else ~mask)
    planned, request = task.planned, task.request
    result, shown = pixels.copy(), tuple[str, ...]()
    if mask.any():
        known = levels.intensity(pixels)
        given = Given(pixels=known, mask=mask, strength=strength, sketched=sketched, adds=task.adds)
        drawn, shown = _drawn(task, given, source.aspect)
        if task.grain:
            noisy = grained(given.pixels, drawn, mask, request.seed)
            drawn = noisy.values
            said += f"; grain of {noisy.added:.4f} as around it" if noisy.added else ""
        made = levels.stored(drawn)
        del given, known  # as large as the image twice over
        if strength < 1:  # what the range does not show is no part of the change
            kept = made.astype(np.float64) + levels.beyond(pixels[mask])
            kept = np.clip(kept, levels.least, levels.most)
            made = rounded(kept, pixels.dtype)
        result[mask] = made
    before = untouched_digest(pixels, mask)
    if untouched_digest(result, mask) != before:
        raise AssertionError("pixels outside the mask changed; nothing was written")
    image = replace(source.image, pixels=result)
    record = record_of(task.engine, planned, request, image, operation, task.created)
    record = replace(
        record,
        warnings=(*record.warnings, *source.notes),
        concepts=record.concepts if planned else shown,
        parents=((parent or source).image.digest(),),
        edit=said,
        untouched_sha256=before,
    )
    return Edited(image=image, mask=mask, record=record)


def _drawn(task: Task, given: Given, aspect: float) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The masked pixels as the engine draws them: (n,), and the concepts it drew."""
    seed, settings = task.request.seed, task.request.settings
    ask = task.planned.ask(seed, settings) if task.planned else Ask(seed=seed, settings=settings)
    shown = dict[str, None]()

    def fill(part: Given, seed: int) -> NDArray[np.float32]:
        completion = task.engine.fill(part, replace(ask, seed=seed))
        shown.update(dict.fromkeys(completion.concepts))
        return completion.pixels

    drawn = evenly(given, aspect, lambda even: in_frames(fill, even, seed))
    return drawn[given.mask], tuple(shown)


def _size(source: Source) -> str:
    height, width = source.shape
    return f"{width}x{height}"
