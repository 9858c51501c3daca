"""Images as jobs: what a request becomes, and what a worker makes of it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.clock import now
from radsmith.editing.dicom import Origin, shown_note
from radsmith.editing.operations import Margins, Source
from radsmith.editing.request import EditPlan, EditRequest
from radsmith.engines.engine import Engine
from radsmith.errors import InvalidInput
from radsmith.generation.plan import Plan, make
from radsmith.images.image import Image, Mask, Window
from radsmith.images.npy import npy_of
from radsmith.images.provenance import Generation, Request, Settings
from radsmith.server.jobs.queue import MadeImage
from radsmith.server.store.blobs import Blobs


def generation_payload(
    planned: Plan, prompt: str, seed: int, settings: Settings, size: tuple[int, int] | None
) -> dict[str, Any]:
    """The JSON values of a job that draws a prompt. size: width, height; None as natural."""
    return {
        "operation": "generate",
        "prompt": prompt,
        "plan": planned.to_fields(),
        "seed": seed,
        "steps": settings.num_steps,
        "guidance": settings.guidance_scale,
        "size": list(size) if size else None,
    }


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A stored source. pixels: their digest; parent: the id of the stored image it is."""

    source: Source
    origin: Origin | None
    pixels: str
    parent: str | None = None


def edit_payload(edit: EditPlan, kept: Kept, mask: str | None) -> dict[str, Any]:
    """The JSON values of a job that makes an edit. mask: digest of a stored one."""
    asked, margins = edit.request, edit.request.margins
    return {
        "operation": asked.operation,
        "prompt": asked.prompt,
        "plan": edit.planned.to_fields() if edit.planned else None,
        "seed": asked.seed,
        "steps": asked.settings.num_steps,
        "guidance": asked.settings.guidance_scale,
        "source": source_json(kept.source, kept.origin),
        "parts": {"source": kept.pixels} | ({"mask": mask} if mask else {}),
        "margins": asdict(margins) if margins else None,
        "strength": asked.strength,
        "strict": asked.strict,
        "target": asked.target,
        "adds": asked.adds,
        "parent": kept.parent,
    }


def edit_of(payload: Mapping[str, Any], parts: Mapping[str, bytes]) -> EditPlan:
    """The edit of `edit_payload` again. parts: the arrays it names, as NPY."""
    margins, planned = payload["margins"], payload["plan"]
    request = EditRequest(
        operation=payload["operation"],
        prompt=payload["prompt"],
        seed=payload["seed"],
        settings=Settings(num_steps=payload["steps"], guidance_scale=payload["guidance"]),
        strict=payload["strict"],
        mask=pixels_of(parts["mask"]).astype(np.bool_) if "mask" in parts else None,
        strength=payload["strength"],
        margins=Margins(**margins) if margins else None,
        target=payload["target"],
        adds=payload.get("adds", ""),
    )
    return EditPlan(request=request, planned=Plan.from_fields(planned) if planned else None)


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


def made_of(engine: Engine, payload: Mapping[str, Any], parts: Mapping[str, bytes]) -> MadeImage:
    """Make the image of a payload. parts: the arrays it names, as NPY."""
    if "plan" not in payload:
        raise InvalidInput("this job is of an older radsmith: ask for it again")
    created = now()
    if payload["operation"] == "generate":
        settings = Settings(
            num_steps=payload["steps"],
            guidance_scale=payload["guidance"],
            size=size_of(payload),
        )
        request = Request(prompt=payload["prompt"], seed=payload["seed"], settings=settings)
        image, record = make(engine, Plan.from_fields(payload["plan"]), request, created)
        return made_from(Source(image=image, bits=16), record)
    source, origin = _source(payload["source"], parts["source"])
    edited = edit_of(payload, parts).perform(source, engine, created)
    after, record = replace(source, image=edited.image), edited.record
    if origin is not None:
        note = shown_note(after, origin)
        record = replace(record, warnings=(*record.warnings, note))
    continued = after.shape != source.shape
    return made_from(after, record, origin, _corner(edited.mask) if continued else None)


def size_of(payload: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height that a payload asks for; older ones name the side of a square."""
    side = payload.get("side")
    size = payload.get("size") or ((side, side) if side else None)
    return (int(size[0]), int(size[1])) if size else None


def made_from(
    source: Source,
    record: Generation,
    origin: Origin | None = None,
    place: tuple[int, int] | None = None,
) -> MadeImage:
    """An image as it is stored, with its depth and polarity."""
    image = source.image
    width, height = image.size
    return MadeImage(
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


def pixels_of(data: bytes) -> NDArray[Any]:
    """The pixels of `npy_of`."""
    pixels: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return pixels
