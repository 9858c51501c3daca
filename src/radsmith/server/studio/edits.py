"""Edits from the studio: of images it shows, and of pictures a person brings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from radsmith import __version__
from radsmith.clock import now
from radsmith.editing.operations import Margins, Source
from radsmith.editing.request import EditRequest, FindingChange
from radsmith.errors import InvalidInput
from radsmith.images.provenance import Generation
from radsmith.language.reading import LONGEST_TEXT
from radsmith.server.jobs.drawing import Kept, made_from
from radsmith.server.jobs.keeping import UPLOAD
from radsmith.server.jobs.queue import NewBatch
from radsmith.server.jobs.renderings import source_of
from radsmith.server.openai.edits import checked, form_schema, new_edit, read_form
from radsmith.server.openai.images import RESPONSES
from radsmith.server.openai.shapes import Common, Text
from radsmith.server.web.access import Caller, ServicesDep, StudioCaller
from radsmith.server.web.files import FILE, File
from radsmith.server.web.problem import Problem
from radsmith.server.web.services import Services
from radsmith.server.web.uploads import Uploaded, mask_png
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
    fields, files, _ = await read_form(request, ("mask",))
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
    margins = None
    if body.operation == "outpaint":
        left, right, top, bottom = (int(m) for m in (body.margins or "0,0,0,0").split(","))
        margins = Margins(left=left, right=right, top=top, bottom=bottom)
        _check_canvas(services, source, margins)
        mask = None
    finding = FindingChange(
        add=body.add or None, remove=body.remove or None, severity=body.severity
    )
    asked = EditRequest(
        operation=body.operation,
        prompt=body.prompt,
        settings=body.settings(services.settings.engine),
        strict=bool(body.strict),
        mask=mask,
        strength=body.strength,
        margins=margins,
        finding=finding if body.operation == "change" else None,
        target=body.target,
    ).worded(source)
    if body.operation in ("inpaint", "change") and (asked.mask is None or not asked.mask.any()):
        raise Problem(400, "paint where it is to be drawn anew", param="mask", code="no_mask")
    kept = Kept(source=source, origin=stored.origin, pixels=stored.digest, parent=stored.id)
    return new_edit(services, caller, asked, kept, body, None)


def _check_canvas(services: Services, source: Source, margins: Margins) -> None:
    height, width = source.shape
    pixels = (width + margins.left + margins.right) * (height + margins.top + margins.bottom)
    most = services.settings.limits.upload_pixels
    if pixels > most:
        text = f"a canvas of {pixels:,} pixels; at most {most:,}: extend by less"
        raise Problem(400, text, param="margins", code="invalid_value")


@router.post("/uploads", status_code=201, openapi_extra=form_schema(Common, ("image",)))
async def upload(request: Request, caller: StudioCaller, services: ServicesDep) -> dict[str, Any]:
    """Keep a picture to edit: PNG, JPEG, TIFF or DICOM. It stays on this machine."""
    _, files, more = await read_form(request, ("image",))
    if more:
        raise Problem(400, "one image at a time", param="image", code="invalid_value")
    if "image" not in files:
        text = "Missing required parameter: 'image'."
        raise Problem(400, text, param="image", code="missing_required_parameter")

    def keep() -> str:
        found = services.uploads.picture(files["image"], "image")
        if found.hole is not None:
            raise Problem(400, "the image is transparent in places; make it opaque", param="image")
        return _kept(services, caller, found)

    return {"batch": await run_in_threadpool(keep)}


class MaskOf(BaseModel):
    """Fields of POST /studio/masks, beside the file `mask`. source: the image it is for."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[Text, Field(min_length=1, max_length=64)]


@router.post(
    "/masks",
    response_class=File,
    responses=FILE,
    openapi_extra=form_schema(MaskOf, ("mask",)),
)
async def read_mask(request: Request, caller: StudioCaller, services: ServicesDep) -> Response:
    """A mask as it will be read: transparent where it is to be drawn."""
    fields, files, _ = await read_form(request, ("mask",))
    body = checked(MaskOf, fields)
    if "mask" not in files:
        text = "Missing required parameter: 'mask'."
        raise Problem(400, text, param="mask", code="missing_required_parameter")

    def read() -> bytes:
        stored = services.history.image(body.source, caller.owner)
        shape = (stored.height, stored.width)
        return mask_png(services.uploads.mask(files["mask"], shape, "mask"))

    return Response(await run_in_threadpool(read), media_type="image/png")


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
        created=now(),
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
