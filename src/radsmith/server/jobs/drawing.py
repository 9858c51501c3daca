"""Images as jobs: what a request becomes, and what a worker makes of it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.editing import operations as edit
from radsmith.editing.dicom import Origin, shown_note
from radsmith.editing.extend import extend
from radsmith.editing.operations import Edited, Margins, Mask, Source, Task
from radsmith.editing.wording import edit_plan
from radsmith.engines.engine import Engine
from radsmith.generation.plan import make, plan
from radsmith.images.image import Image, Window
from radsmith.images.provenance import Generation, Request, Settings
from radsmith.language.prompt import complete
from radsmith.language.reading import read_prompt
from radsmith.server.jobs.queue import Made
from radsmith.server.store.blobs import Blobs


def generation_payload(prompt: str, seed: int, settings: Settings, side: int) -> dict[str, Any]:
    """The JSON values of a job that draws a prompt. side: of a square in pixels, 0 as natural."""
    return {
        "operation": "generate",
        "prompt": prompt,
        "seed": seed,
        "steps": settings.num_steps,
        "guidance": settings.guidance_scale,
        "side": side,
    }


@dataclass(frozen=True, kw_only=True)
class EditAsked:
    """One edit, but for its seed. mask: digest of a stored mask; margins: left, right, top, bottom.

    strength: None for the operation's own.  target: of "extend".  source: see `source_json`.
    parent: a stored image's id.
    """

    operation: str
    prompt: str
    settings: Settings
    source: Mapping[str, Any]
    pixels: str
    mask: str | None = None
    margins: tuple[int, int, int, int] | None = None
    strength: float | None = None
    target: str | None = None
    parent: str | None = None

    def payload(self, seed: int) -> dict[str, Any]:
        """JSON values of the job that makes this edit with a seed."""
        parts = {"source": self.pixels} | ({"mask": self.mask} if self.mask else {})
        return {
            "operation": self.operation,
            "prompt": self.prompt,
            "seed": seed,
            "steps": self.settings.num_steps,
            "guidance": self.settings.guidance_scale,
            "source": dict(self.source),
            "parts": parts,
            "margins": list(self.margins) if self.margins else None,
            "strength": self.strength,
            "target": self.target,
            "parent": self.parent,
        }


def source_json(source: Source, origin: Origin | None) -> dict[str, Any]:
    """A source but for its pixels."""
    image = source.image
    return {
        "unit": image.unit,
        "spacing": image.spacing,
        "window": [image.window.center, image.window.width] if image.window else None,
        "bits": source.bits,
        "inverted": source.inverted,
        "words": source.words,
        "padding": source.padding,
        "aspect": source.aspect,
        "notes": source.notes,
        "origin": vars(origin) if origin else None,
    }


def keep_mask(mask: Mask, blobs: Blobs) -> str:
    """Store a mask; its digest."""
    return blobs.put(npy_of(mask))


def made_of(engine: Engine, payload: Mapping[str, Any], parts: Mapping[str, bytes]) -> Made:
    """Make the image of a payload. parts: the arrays it names, as NPY."""
    side = payload.get("side")
    settings = Settings(
        num_steps=payload["steps"],
        guidance_scale=payload["guidance"],
        size=(side, side) if side else None,
    )
    request = Request(prompt=payload["prompt"], seed=payload["seed"], settings=settings)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    if payload["operation"] == "generate":
        planned = plan(request.prompt, engine.facts, size=settings.size)
        image, record = make(engine, planned, request, created)
        return made_from(Source(image=image, bits=16), record)
    source, origin = _source(payload["source"], parts["source"])
    text, asked = edit_plan(request.prompt, source.words, engine.facts)
    task = Task(
        engine=engine, planned=asked, request=replace(request, prompt=text), created=created
    )
    mask = pixels_of(parts["mask"]).astype(np.bool_) if "mask" in parts else None
    edited = _edited(payload, source, mask, task)
    after, record = replace(source, image=edited.image), edited.record
    if origin is not None:
        note = shown_note(after, origin)
        record = replace(record, warnings=(*record.warnings, note))
    continued = after.shape != source.shape
    return made_from(after, record, origin, _corner(edited.mask) if continued else None)


def made_from(
    source: Source,
    record: Generation,
    origin: Origin | None = None,
    place: tuple[int, int] | None = None,
) -> Made:
    """An image as it is stored, with its depth and polarity."""
    image = source.image
    width, height = image.size
    return Made(
        data=npy_of(image.pixels),
        unit=image.unit,
        width=width,
        height=height,
        spacing=image.spacing,
        window=(image.window.center, image.window.width) if image.window else None,
        record=record.to_json(),
        bits=source.bits,
        inverted=source.inverted,
        origin=origin,
        place=place,
    )


def _edited(payload: Mapping[str, Any], source: Source, mask: Mask | None, task: Task) -> Edited:
    operation, strength = payload["operation"], payload["strength"]
    given = {} if strength is None else {"strength": strength}
    everywhere = np.ones(source.shape, np.bool_)
    if operation == "outpaint":
        left, right, top, bottom = payload["margins"]
        margins = Margins(left=left, right=right, top=top, bottom=bottom)
        return edit.outpaint(source, margins, task)
    if operation == "extend":
        shown, _ = complete(read_prompt(payload["prompt"] or source.words or "image").prompt)
        return extend(source, shown, payload["target"], task).edited
    if operation == "vary":
        return edit.vary(source, 0.5 if strength is None else strength, task, mask)
    change = edit.change if operation == "change" else edit.inpaint
    return change(source, everywhere if mask is None else mask, task, **given)


def _corner(mask: Mask) -> tuple[int, int]:
    """x, y of the top left of what was not made."""
    known = ~mask
    return int(np.argmax(known.any(0))), int(np.argmax(known.any(1)))


def _source(known: Mapping[str, Any], data: bytes) -> tuple[Source, Origin | None]:
    """The source again, and where it came from."""
    spacing, window = known["spacing"], known["window"]
    origin = Origin(**known["origin"]) if known.get("origin") else None
    meant = origin.window(*window) if window and origin else None
    image = Image(
        pixels=pixels_of(data),
        unit=known["unit"],
        spacing=(spacing[0], spacing[1]) if spacing else None,
        window=meant or (Window(center=window[0], width=window[1]) if window else None),
    )
    source = Source(
        image=image,
        bits=known["bits"],
        inverted=known["inverted"],
        words=known["words"],
        padding=tuple(known["padding"]) if known.get("padding") else None,
        aspect=known.get("aspect", 1.0),
        notes=tuple(known.get("notes", ())),
    )
    return source, origin


def npy_of(pixels: NDArray[np.generic]) -> bytes:
    """(height, width) pixels as NPY, in their own type."""
    stream = io.BytesIO()
    np.save(stream, pixels, allow_pickle=False)
    return stream.getvalue()


def pixels_of(data: bytes) -> NDArray[Any]:
    """The pixels of `npy_of`."""
    pixels: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return pixels
