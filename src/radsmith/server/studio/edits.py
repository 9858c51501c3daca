"""Edits from the studio: of images it shows, and of pictures a person brings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from radsmith import __version__
from radsmith.editing.body_map import ellipse_of
from radsmith.editing.operations import Margins, Source
from radsmith.editing.wording import changed_prompt, understood
from radsmith.errors import InvalidInput
from radsmith.images.provenance import Generation
from radsmith.language.reading import LONGEST_TEXT
from radsmith.server.jobs.drawing import EditAsked, keep_mask, made_from, source_json
from radsmith.server.jobs.keeping import UPLOAD
from radsmith.server.jobs.queue import NewBatch
from radsmith.server.jobs.renderings import source_of
from radsmith.server.openai.edits import checked, form_schema, new_edit, read_form
from radsmith.server.openai.images import RESPONSES
from radsmith.server.openai.shapes import Common, Text
from radsmith.server.web.access import Caller, ServicesDep, StudioCaller
from radsmith.server.web.problem import Problem
from radsmith.server.web.services import Services
from radsmith.server.web.uploads import Uploaded
from radsmith.server.web.waiting import submit

router = APIRouter(prefix="/studio", responses=RESPONSES)
_UPLOADED = "Uploaded image, not made by radsmith. Not for diagnosis."


class StudioEdit(Common):
    """Fields of POST /studio/edits, beside the file `mask`. margins: left,right,top,bottom."""

    model_config = ConfigDict(extra="forbid", strict=False)

    source: Annotated[Text, Field(min_length=1, max_length=64)]
    operation: Literal["inpaint", "outpaint", "vary", "change", "extend"]
    prompt: Annotated[Text, Field(max_length=LONGEST_TEXT)] = ""
    strength: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    margins: Annotated[str, Field(pattern=r"^\d{1,5},\d{1,5},\d{1,5},\d{1,5}$")] | None = None
    target: Literal["leg", "arm", "pelvis", "trunk", "body"] = "body"
    add: Annotated[Text, Field(max_length=200)] | None = None
    remove: Annotated[Text, Field(max_length=200)] | None = None
    severity: Literal["mild", "moderate", "severe"] | None = None


@router.post("/edits", status_code=202, openapi_extra=form_schema(StudioEdit, ()))
async def edit(request: Request, caller: StudioCaller, services: ServicesDep) -> dict[str, Any]:
    """Begin an edit of a stored image; it goes on when the page is closed."""
    fields, files = await read_form(request, ("mask",))
    body = checked(StudioEdit, fields)

    def new() -> NewBatch:
        try:
            return _new(services, caller, body, files.get("mask"))
        except InvalidInput as error:
            raise Problem(400, str(error), code="invalid_edit") from error

    return {"batch": await submit(services, caller, await run_in_threadpool(new))}


def _new(services: Services, caller: Caller, body: StudioEdit, data: bytes | None) -> NewBatch:
    stored = services.history.image(body.source, caller.owner)
    source = source_of(stored, services.store.blobs)
    mask = None if data is None else services.uploads.mask(data, source.shape, "mask")
    prompt, margins = body.prompt, None
    if body.operation == "outpaint":
        left, right, top, bottom = (int(m) for m in (body.margins or "0,0,0,0").split(","))
        margins = (left, right, top, bottom)
        Margins(left=left, right=right, top=top, bottom=bottom)
        _check_canvas(services, source, margins)
        mask = None
    if body.operation == "change":
        words = understood(prompt) or source.words
        wanted = changed_prompt(words, body.add or None, body.remove or None, body.severity)
        prompt = wanted.text
        if mask is None:
            mask = ellipse_of(wanted.prompt, wanted.finding, source.shape)
    if body.operation in ("inpaint", "change") and (mask is None or not mask.any()):
        raise Problem(400, "paint where it is to be drawn anew", param="mask", code="no_mask")
    asked = EditAsked(
        operation=body.operation,
        prompt=prompt,
        settings=body.settings(services.settings.engine),
        source=source_json(source, stored.origin),
        pixels=stored.digest,
        mask=None if mask is None else keep_mask(mask, services.store.blobs),
        margins=margins,
        strength=body.strength,
        target=body.target if body.operation == "extend" else None,
        parent=stored.id,
    )
    return new_edit(services, caller, asked, body, None)


def _check_canvas(services: Services, source: Source, margins: tuple[int, int, int, int]) -> None:
    height, width = source.shape
    pixels = (width + margins[0] + margins[1]) * (height + margins[2] + margins[3])
    most = services.settings.limits.upload_pixels
    if pixels > most:
        text = f"a canvas of {pixels:,} pixels; at most {most:,}: extend by less"
        raise Problem(400, text, param="margins", code="invalid_value")


@router.post("/uploads", status_code=201, openapi_extra=form_schema(Common, ("image",)))
async def upload(request: Request, caller: StudioCaller, services: ServicesDep) -> dict[str, Any]:
    """Keep a picture to edit: PNG, JPEG, TIFF or DICOM. It stays on this machine."""
    _, files = await read_form(request, ("image",))
    if "image" not in files:
        text = "Missing required parameter: 'image'."
        raise Problem(400, text, param="image", code="missing_required_parameter")

    def keep() -> str:
        found = services.uploads.picture(files["image"], "image")
        if found.hole is not None:
            raise Problem(400, "the image is transparent in places; make it opaque", param="image")
        return _kept(services, caller, found)

    return {"batch": await run_in_threadpool(keep)}


def _kept(services: Services, caller: Caller, found: Uploaded) -> str:
    source, image = found.source, found.source.image
    width, height = image.size
    words = source.words or "uploaded image"
    record = Generation(
        radsmith_version=__version__,
        operation=UPLOAD,
        engine="",
        model="",
        model_digest="",
        prompt=words,
        canonical_prompt=source.words,
        concepts=(),
        seed=0,
        num_steps=0,
        guidance_scale=0,
        width=width,
        height=height,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        pixels_sha256=image.digest(),
        warnings=source.notes,
        synthetic=False,
        notice=_UPLOADED,
    )
    made = made_from(source, record, found.origin)
    new = NewBatch(owner=caller.owner, operation=UPLOAD, prompt=words, canonical="", payloads=[{}])
    batch = services.jobs.keep(new, made, services.store.blobs.put(made.data))
    services.audit.note(caller.owner, caller.address, "upload", f"batch {batch}")
    return batch
