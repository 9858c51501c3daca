"""Edits as jobs: what a request becomes, and what a worker makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from radsmith import edit
from radsmith.adapters.edit_text import edit_plan
from radsmith.adapters.server.blobs import Blobs, npy_of, pixels_of
from radsmith.adapters.server.jobs import Made
from radsmith.edit import Margins, Mask, Source, Task
from radsmith.engine import Engine
from radsmith.extend import extend
from radsmith.generation import Generation, Request, Settings
from radsmith.image import Image, Window
from radsmith.prompt import complete
from radsmith.reading import read_prompt

EDITS = ("inpaint", "outpaint", "vary", "change", "extend")


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


def source_json(source: Source) -> dict[str, Any]:
    """A source but for its pixels."""
    image = source.image
    return {
        "unit": image.unit,
        "spacing": image.spacing,
        "window": [image.window.center, image.window.width] if image.window else None,
        "bits": source.bits,
        "inverted": source.inverted,
        "words": source.words,
    }


def keep_mask(mask: Mask, blobs: Blobs) -> str:
    """Store a mask; its digest."""
    return blobs.put(npy_of(mask))


def edited_of(engine: Engine, payload: Mapping[str, Any], parts: Mapping[str, bytes]) -> Made:
    """Make the edit of a payload."""
    source = _source(payload["source"], parts["source"])
    settings = Settings(num_steps=payload["steps"], guidance_scale=payload["guidance"])
    text, planned = edit_plan(payload["prompt"], source.words, engine.facts)
    task = Task(
        engine=engine,
        planned=planned,
        request=Request(prompt=text, seed=payload["seed"], settings=settings),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    mask = pixels_of(parts["mask"]).astype(np.bool_) if "mask" in parts else None
    edited = _edited(payload, source, mask, task)
    window = payload["source"]["window"]
    return made_from(replace(source, image=edited.image), window, edited.record)


def made_from(source: Source, window: tuple[float, float] | None, record: Generation) -> Made:
    """An image as it is stored, with its depth and polarity. window: centre and width."""
    image = source.image
    width, height = image.size
    return Made(
        data=npy_of(image.pixels),
        unit=image.unit,
        width=width,
        height=height,
        spacing=image.spacing[0] if image.spacing else None,
        window=(window[0], window[1]) if window else None,
        record=record.to_json(),
        bits=source.bits,
        inverted=source.inverted,
    )


def _edited(
    payload: Mapping[str, Any], source: Source, mask: Mask | None, task: Task
) -> edit.Edited:
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
    make = edit.change if operation == "change" else edit.inpaint
    return make(source, everywhere if mask is None else mask, task, **given)


def _source(known: Mapping[str, Any], data: bytes) -> Source:
    """The source again. Intensity is edited over its whole range, whatever its window in HU."""
    spacing = (known["spacing"][0], known["spacing"][1]) if known["spacing"] else None
    image = Image(pixels=pixels_of(data), unit=known["unit"], spacing=spacing)
    if known["window"] and known["unit"] != "intensity":
        center, width = known["window"]
        image = replace(image, window=Window(center=center, width=width))
    return Source(image=image, bits=known["bits"], inverted=known["inverted"], words=known["words"])
