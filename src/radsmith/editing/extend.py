"""From one joint to a body: frames planned in millimetres, drawn outward from what is real.

Each frame sees what is there by then, begins from a sketch of the body in the source's grays, and
is asked for by its region's name. What the model never learned is drawn as its nearest learned
neighbour and said so, or stays black in strict mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radsmith.editing.body_map import BodyPlace, Box, outward, places, size_of
from radsmith.editing.body_sketch import Sketch, sketch
from radsmith.editing.operations import (
    LARGEST_CANVAS,
    Edited,
    Levels,
    Source,
    Task,
    inpaint,
    rounded,
    untouched_digest,
)
from radsmith.engines.engine import ModelFacts
from radsmith.errors import InvalidInput
from radsmith.generation.plan import (
    WEAK,
    field_of_view,
    plan,
    record_of,
    simulated_notes,
)
from radsmith.images.image import Array, Mask, Window
from radsmith.images.regions import joined
from radsmith.images.resize import resize
from radsmith.language.prompt import Prompt
from radsmith.language.vocabulary import default_vocabulary

BEGUN = 0.7
"""How freely a frame is drawn from the sketch of the body, a limb from its mirrored fellow."""
EXPOSED = 60.0
"""mm over which a frame's grays are brought to the sketch's."""
LEAST = 20
"""Regions with fewer training images than this are drawn as a neighbour."""
KEPT = 0.3
"""Pixels of earlier frames that fade in less than this are known to a new frame."""


Pixels = NDArray[np.generic]


@dataclass
class _Canvas:
    """The growing image. real: the source's pixels; made: True where nothing was drawn yet.

    corner: (x, y) in mm of its top left; spacing: mm a pixel.
    """

    source: Source
    real: Mask
    made: Mask
    corner: tuple[float, float]
    spacing: tuple[float, float]

    def span(self, box: Box) -> tuple[slice, slice]:
        """Rows and columns of a box in mm."""
        height, width = self.made.shape
        rows = _cells(box[1] - self.corner[1], box[3] - box[1], self.spacing[0], height)
        return rows, _cells(box[0] - self.corner[0], box[2] - box[0], self.spacing[1], width)


def _cells(first: float, length: float, spacing: float, most: int) -> slice:
    """Pixels of a stretch in mm; stretches of one length get one number of pixels."""
    start = round(first / spacing)
    return slice(max(0, start), min(most, start + round(length / spacing)))


def extend(
    source: Source,
    shown: Prompt,
    target: str,
    task: Task,
    *,
    strict: bool = False,
    progress: Callable[[str], None] = lambda name: None,
) -> Edited:
    """Continue `source`, which shows `shown` from the front, to leg, arm, pelvis, trunk or body.

    strict: regions with fewer than WEAK training images, or mostly simulated ones, stay black.  The
    output has the source's spacing (nominal where it has none), depth and unit; the source's pixels
    are untouched.
    Raises InvalidInput for a part that the body map does not hold, or too large a canvas.
    """
    person = (_slug(shown.sex), _slug(shown.age_group))
    body = places(*person)
    start = _start(shown, body)
    frames = outward(start, target, body)
    canvas = _canvas(source, shown, start, frames)
    shape = _sketched(canvas, size_of(*person))
    flags = _assumed(source, shown, start)
    frame_notes: list[str] = []
    for number, place in enumerate(frames):
        progress(place.name)
        asked, flag = _asked(place, task.engine.facts, shown)
        if flag:
            flags.append(f"{flag}{'; left black' if strict else ''}")
        if flag and strict:
            continue
        seed = int(np.random.SeedSequence([task.request.seed, number]).generate_state(1)[0])
        request = replace(task.request, prompt=asked, seed=seed)
        planned = plan(asked, task.engine.facts)
        simulated = tuple(simulated_notes(planned.prompt, task.engine.facts))
        told = [f"{note}; left black" if strict else note for note in simulated]
        flags += [note for note in told if note not in flags]
        if simulated and strict:
            continue
        frame_notes.append(f"{place.name}: {asked} ({seed})")
        own = replace(task, request=request, planned=planned)
        _draw(canvas, place, body, shape, own)
    _fade_to_air(canvas, shape)
    said = f"extended to {target}; " + "; ".join(frame_notes)
    return _finished(canvas, source, said, task, flags)


def _start(shown: Prompt, body: list[BodyPlace]) -> BodyPlace:
    vocabulary = default_vocabulary()
    part = vocabulary[shown.body_part].name if shown.body_part else ""
    side = _slug(shown.side)
    same = [p for p in body if p.part == _ALIASES.get(part, part)]
    if not same or (shown.modality or "modality:x-ray") != "modality:x-ray":
        known = sorted({p.part for p in body})
        raise InvalidInput(
            f"cannot extend {part or 'an unknown part'}: give a radiograph of one of"
            f" {', '.join(known)}, named with --prompt where the file does not say it"
        )
    return next((p for p in same if p.side == side), same[0])


def _assumed(source: Source, shown: Prompt, start: BodyPlace) -> list[str]:
    """What neither the file nor the prompt says. Raises InvalidInput for a lateral view."""
    if "view:lateral" in shown.views:
        raise InvalidInput("the body map is seen from the front: a lateral view cannot be extended")
    flags = []
    if start.side and _slug(shown.side) != start.side:
        flags.append(f"side not said: taken to be the {start.side} {start.part}")
    if source.image.spacing is None:
        flags.append("no pixel spacing in the file: a usual field of view was assumed")
    return flags


_ALIASES = {
    "tibia and fibula": "lower leg",
    "head": "skull",
    "foot": "ankle",
    "wrist": "hand",
    "hip": "femur",
}
_ASKED = {"lower leg": "tibia and fibula"}


def _canvas(source: Source, shown: Prompt, start: BodyPlace, frames: list[BodyPlace]) -> _Canvas:
    """Black around the source, which lies at the middle of its region."""
    height, width = source.shape
    spacing = source.image.spacing
    if spacing is None:
        side = field_of_view(shown) or max(start.size)
        spacing = (side / max(height, width), side / max(height, width))
    wide, high = width * spacing[1], height * spacing[0]
    x, y = start.centre[0] - wide / 2, start.centre[1] - high / 2
    boxes = [p.box for p in frames] + [(x, y, x + wide, y + high)]
    left, top = (min(b[i] for b in boxes) for i in (0, 1))
    right, bottom = (max(b[i] for b in boxes) for i in (2, 3))
    column, row = round((x - left) / spacing[1]), round((y - top) / spacing[0])
    shape = (
        max(row + height, round((bottom - top) / spacing[0])),
        max(column + width, round((right - left) / spacing[1])),
    )
    if shape[0] * shape[1] > LARGEST_CANVAS:
        raise InvalidInput(
            f"at {spacing[1]:.2f} mm a pixel this becomes {shape[1]}x{shape[0]} pixels: shrink the"
            " image first, or extend it to less"
        )
    levels = Levels.of(source, np.ones(source.shape, np.bool_))
    pixels = np.full(shape, levels.stored(np.zeros((1, 1), np.float32))[0, 0])
    made = np.ones(shape, np.bool_)
    inner = np.s_[row : row + height, column : column + width]
    pixels[inner], made[inner] = source.image.pixels, False
    fixed = source.image.window  # one window for all frames, not one each
    if source.image.unit != "intensity" and levels.high - levels.low >= 1:
        fixed = Window(center=(levels.low + levels.high) / 2, width=levels.high - levels.low)
    image = replace(source.image, pixels=pixels, spacing=spacing, window=fixed)
    corner = (x - column * spacing[1], y - row * spacing[0])
    return _Canvas(
        source=replace(source, image=image),
        real=~made,
        made=made,
        corner=corner,
        spacing=spacing,
    )


def _asked(place: BodyPlace, facts: ModelFacts, shown: Prompt) -> tuple[str, str]:
    """The prompt for a region, and what to say where it is drawn as something else."""
    vocabulary = default_vocabulary()

    def learned(part: str) -> int:
        ids = vocabulary.find(_ASKED.get(part, part))
        return max((facts.count("modality:x-ray", i) or 0 for i in ids), default=0)

    person = [vocabulary[c].name for c in (shown.age_group, shown.sex) if c]
    part, flag = place.part, ""
    if facts.together is not None and learned(part) < WEAK:
        if learned(part) < LEAST:
            part = next((other for other in place.instead if learned(other) >= WEAK), place.part)
        flag = f"{place.name}: {learned(place.part)} training images"
        flag += f", drawn as {part}" if part != place.part else ""
    paired = place.side and part not in ("chest", "pelvis", "abdomen")
    words = f"{place.side} {_ASKED.get(part, part)}" if paired else _ASKED.get(part, part)
    return ", ".join([f"{words} x-ray", *person]), flag


def _draw(
    canvas: _Canvas, place: BodyPlace, body: list[BodyPlace], shape: Sketch, task: Task
) -> None:
    """Draw one frame over what is to be made, and over the rim of what was made before it.

    Over the overlap the new frame fades in; the mirrored fellow of a limb is its sketch.
    """
    span = canvas.span(place.box)
    fresh, real = canvas.made[span], canvas.real[span]
    if not fresh.any() or min(fresh.shape) < 4:
        return
    pixels = canvas.source.image.pixels
    old = pixels[span].copy()
    fade = _fade(fresh)
    mask = ~real & (fade > KEPT)
    start = old
    twin = next((p for p in body if p.part == place.part and p.side not in ("", place.side)), None)
    if place.side and twin is not None:
        other = canvas.span(twin.box)
        there = ~canvas.made[other][:, ::-1]
        if there.shape == fresh.shape and there.mean() > 0.5:
            start = np.where(there & mask, pixels[other][:, ::-1], old)
    piece = replace(canvas.source, image=replace(canvas.source.image, pixels=start))
    drawn = inpaint(piece, mask, task, strength=BEGUN, sketched=True).image.pixels
    drawn = _one_exposure(canvas, span, drawn, mask, shape)
    share = np.where(fresh, 1, fade).astype(np.float64)
    mixed = (1 - share) * old.astype(np.float64) + share * drawn.astype(np.float64)
    pixels[span] = np.where(real, old, rounded(mixed, old.dtype))
    canvas.made[span] = False


def _one_exposure(
    canvas: _Canvas, span: tuple[slice, slice], drawn: Pixels, mask: Mask, shape: Sketch
) -> Pixels:
    """A drawn frame with the sketch's broad grays: each part of the body has been taught in an
    exposure of its own. It still meets what is known."""
    levels = Levels.of(canvas.source, np.ones(canvas.made.shape, np.bool_))
    found, inside, wanted = levels.intensity(drawn), shape.inside[span], shape.gray[span]
    height, width = mask.shape
    rows, columns = (
        max(1, round(n * mm / EXPOSED)) for n, mm in zip(mask.shape, canvas.spacing, strict=True)
    )
    weight = resize(inside, columns, rows)
    off = resize((wanted - found) * inside, columns, rows) / np.maximum(weight, 0.05)
    shifted = np.clip(found + resize(np.asarray(off, np.float32), width, height) * inside, 0, 1)
    known = levels.intensity(canvas.source.image.pixels[span])
    shifted = np.clip(joined(shifted, known, mask), 0, 1)
    return np.where(mask, levels.stored(shifted), drawn)


def _fade(fresh: Mask) -> NDArray[np.float32]:
    """1 on pixels to be made, falling to 0 at the frame's far rim of those already there."""
    height, width = fresh.shape
    if fresh.all():
        return np.ones(fresh.shape, np.float32)
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    rim = np.minimum(np.minimum(y, height - y), np.minimum(x, width - x))
    deepest = max(float(rim[~fresh].max()), 1.0)
    return np.where(fresh, 1, np.clip(rim / min(deepest, 0.15 * max(height, width)), 0, 1)).astype(
        np.float32
    )


def _sketched(canvas: _Canvas, scale: float) -> Sketch:
    """The body's sketch on the canvas, which where nothing is known yet it fills, in the source's
    grays."""
    height, width = canvas.made.shape
    x = np.asarray(canvas.corner[0] + (np.arange(width) + 0.5) * canvas.spacing[1])
    y = np.asarray(canvas.corner[1] + (np.arange(height) + 0.5) * canvas.spacing[0])
    found, pixels = sketch(x, y, scale), canvas.source.image.pixels
    levels = Levels.of(canvas.source, canvas.real)
    own, drawn = levels.intensity(pixels)[canvas.real], found.gray[canvas.real]
    gray = _as_bright(found.gray, drawn, own) * found.inside
    pixels[canvas.made] = levels.stored(gray)[canvas.made]
    return Sketch(gray=gray, inside=found.inside)


def _as_bright(gray: Array, like: Array, own: Array) -> Array:
    """The sketch's grays with the usual brightness and contrast of the source, within reason.

    like: what it has where the source lies, with `own`.
    """
    lit = like > 0.1
    if not lit.any():
        return gray
    (low, high), (dark, bright) = (np.quantile(a, (0.25, 0.75)) for a in (like[lit], own[lit]))
    slope = np.clip((bright - dark) / max(high - low, 1e-3), 0.7, 1.2)
    lifted = (low + high) / 2 * slope
    shift = np.clip((dark + bright) / 2 - lifted, -0.2, max(0.0, 0.9 - slope * gray.max()))
    return np.clip(slope * gray + shift, 0, 1).astype(np.float32)


def _fade_to_air(canvas: _Canvas, shape: Sketch) -> None:
    """Outside the body's outline there is air, black, as there is where no frame was drawn: the
    sketch itself is never shown. The source's pixels stay."""
    pixels = canvas.source.image.pixels
    levels = Levels.of(canvas.source, np.ones(pixels.shape, np.bool_))
    shown = levels.stored(levels.intensity(pixels) * shape.inside * ~canvas.made)
    pixels[~canvas.real] = shown[~canvas.real]


def _finished(
    canvas: _Canvas, source: Source, said: str, task: Task, flags: Sequence[str]
) -> Edited:
    known = canvas.real
    pixels = canvas.source.image.pixels
    image = replace(source.image, pixels=pixels, spacing=canvas.spacing)
    before = untouched_digest(source.image.pixels, np.zeros(source.shape, np.bool_))
    if untouched_digest(pixels, ~known) != before:
        raise AssertionError("pixels of the source changed; nothing was written")
    record = replace(
        record_of(task.engine, task.planned, task.request, image, "extend", task.created),
        parents=(source.image.digest(),),
        edit=said,
        untouched_sha256=before,
    )
    record = replace(record, warnings=(*record.warnings, *flags))
    return Edited(
        image=image,
        mask=~known,
        record=record,
        distance=_distance(known, canvas.spacing),
        flags=tuple(flags),
    )


def _distance(known: Mask, spacing: tuple[float, float]) -> NDArray[np.float32]:
    """mm from the rectangle of known pixels."""
    rows, columns = np.flatnonzero(known.any(1)), np.flatnonzero(known.any(0))
    y, x = np.arange(known.shape[0]), np.arange(known.shape[1])
    down = np.maximum(np.maximum(rows[0] - y, y - rows[-1]), 0) * spacing[0]
    across = np.maximum(np.maximum(columns[0] - x, x - columns[-1]), 0) * spacing[1]
    return np.hypot(down[:, None], across).astype(np.float32)


def _slug(concept: str | None) -> str:
    return (concept or "").partition(":")[2]
