"""/v1/images/edits and /variations: OpenAI's shapes over radsmith's exact edits."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from radsmith.editing.request import EditRequest, plan_edit
from radsmith.errors import InvalidInput
from radsmith.images.npy import npy_of
from radsmith.server.jobs.drawing import Kept, edit_payload, keep_mask
from radsmith.server.jobs.queue import NewBatch
from radsmith.server.openai.images import RESPONSES, RetryKey, answer, events_of, finished, told
from radsmith.server.openai.shapes import (
    Common,
    EditFields,
    ImagesResponse,
    VariationRequest,
)
from radsmith.server.web.access import ApiCaller, Caller, ServicesDep
from radsmith.server.web.problem import Problem
from radsmith.server.web.services import Services
from radsmith.server.web.uploads import Uploaded
from radsmith.server.web.waiting import submit

router = APIRouter(prefix="/v1", responses=RESPONSES)
_MOST_FIELDS = 60
_MOST_FILES = 17
Shape = TypeVar("Shape", bound=BaseModel)
OfImage = TypeVar("OfImage", bound=Common)


def form_schema(shape: type[BaseModel], files: tuple[str, ...]) -> dict[str, Any]:
    """The multipart body for the OpenAPI description."""
    schema = shape.model_json_schema()
    binary = {"type": "string", "format": "binary"}
    schema["properties"] |= {name: binary for name in files}
    schema["required"] = [*schema.get("required", []), *files[:1]]
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


@router.post(
    "/images/edits",
    response_model=ImagesResponse,
    response_model_exclude_none=True,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    openapi_extra=form_schema(EditFields, ("image", "mask")),
)
async def edit_image(
    request: Request,
    response: Response,
    caller: ApiCaller,
    services: ServicesDep,
    retry_key: RetryKey = None,
) -> Any:
    """Draw a part of an image anew: where the mask is transparent (or white), or the image itself
    is transparent. All other pixels of the answer are those of the image, bit for bit, and so is
    its size. Of a list of images the first is edited."""
    body, files, ignored = await _read(request, services, EditFields, ("image", "mask"))
    headers = told(services, ignored)
    response.headers.update(headers)

    def new() -> NewBatch:
        found = services.uploads.picture(_needed(files, "image"), "image")
        mask = found.hole
        if "mask" in files:
            mask = services.uploads.mask(files["mask"], found.source.shape, "mask")
        if mask is None:
            text = "say where: a mask, or an image that is transparent where it is to be drawn"
            raise Problem(400, text, param="mask", code="missing_required_parameter")
        request = _asked(services, body, "inpaint", prompt=body.prompt, mask=mask)
        return _batch(services, caller, body, found, request, retry_key)

    batch = await submit(services, caller, await run_in_threadpool(new))
    if body.stream:
        events = events_of(services, caller, batch, request, body, "image_edit")
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")
    return await _answered(services, caller, batch, request, body, ignored, retry_key)


@router.post(
    "/images/variations",
    response_model=ImagesResponse,
    response_model_exclude_none=True,
    openapi_extra=form_schema(VariationRequest, ("image",)),
)
async def vary_image(
    request: Request,
    response: Response,
    caller: ApiCaller,
    services: ServicesDep,
    retry_key: RetryKey = None,
) -> Any:
    """Other versions of an image. What it shows is taken from its record or DICOM attributes."""
    body, files, ignored = await _read(request, services, VariationRequest, ("image",))
    response.headers.update(told(services, ignored))

    def new() -> NewBatch:
        found = services.uploads.picture(_needed(files, "image"), "image")
        request = _asked(services, body, "vary")
        return _batch(services, caller, body, found, request, retry_key)

    batch = await submit(services, caller, await run_in_threadpool(new))
    return await _answered(services, caller, batch, request, body, ignored, retry_key)


async def _answered(
    services: Services,
    caller: Caller,
    batch: str,
    request: Request,
    body: Common,
    ignored: list[str],
    retry_key: str | None,
) -> Any:
    view = await finished(services, caller, batch, request, keep=retry_key is not None)
    if view is None:
        return Response(status_code=499)
    return await run_in_threadpool(answer, services, request, view, body, ignored)


def _batch(
    services: Services,
    caller: Caller,
    body: EditFields | VariationRequest,
    found: Uploaded,
    asked: EditRequest,
    retry_key: str | None,
) -> NewBatch:
    pixels = services.store.blobs.put(npy_of(found.source.image.pixels))
    kept = Kept(source=found.source, origin=found.origin, pixels=pixels)
    return new_edit(services, caller, asked, kept, body, retry_key)


def _asked(
    services: Services, body: EditFields | VariationRequest, operation: str, **parts: Any
) -> EditRequest:
    return EditRequest(
        operation=operation,
        settings=body.settings(services.settings.engine),
        strength=body.strength,
        strict=bool(body.strict),
        **parts,
    )


async def _read(
    request: Request, services: Services, shape: type[OfImage], names: tuple[str, ...]
) -> tuple[OfImage, dict[str, bytes], list[str]]:
    """The form as its shape has it, its files, and the names of what is ignored."""
    fields, files, more = await read_form(request, names)
    body = checked(shape, fields)
    body.check_model(services.facts.name)
    return body, files, [*body.ignored, *more, *_size(body)]


def _size(body: Common) -> list[str]:
    """An edit has the size of its image, whatever is asked."""
    return ["size"] if body.pixels else []


def new_edit(
    services: Services,
    caller: Caller,
    asked: EditRequest,
    kept: Kept,
    body: Common,
    retry_key: str | None,
) -> NewBatch:
    """The batch of an edit, one job a candidate. Raises Problem for an unusable prompt."""
    try:
        edit = plan_edit(asked, kept.source, services.facts)
    except InvalidInput as error:
        raise Problem(400, str(error), param="prompt", code="invalid_prompt") from error
    first = body.first_seed(retry_key)
    mask = None if asked.mask is None else keep_mask(asked.mask, services.store.blobs)
    seeds = [first + k for k in range(body.n or 1)]
    return NewBatch(
        owner=caller.owner,
        operation=asked.operation,
        prompt=asked.prompt or edit.request.prompt,
        canonical=edit.planned.canonical if edit.planned else "",
        payloads=[edit_payload(edit.varied(seed=seed), kept, mask) for seed in seeds],
        end_user=body.user,
        retry_key=retry_key,
    )


async def read_form(
    request: Request, names: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, bytes], list[str]]:
    """Text fields, files, and what is there beyond: further files of a list, as "image 2".

    Raises Problem for what is no multipart body, for fields given twice, and for files that were
    not asked for.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Problem(400, "the body must be multipart/form-data", code="invalid_body")
    form: FormData = await request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS)
    fields: dict[str, str] = {}
    files: dict[str, list[UploadFile]] = {}
    try:
        for key, value in form.multi_items():
            name = re.sub(r"\[\d{0,2}\]$", "", key)
            listed = isinstance(value, UploadFile) and name == "image"
            if name in fields or (name in files and not listed):
                text = f"'{name[:80]}' is given twice; radsmith takes one"
                raise Problem(400, text, param=name[:80], code="invalid_value")
            if isinstance(value, UploadFile):
                if name not in names:
                    raise Problem(400, f"Unknown file: '{name[:80]}'.", code="unknown_parameter")
                files.setdefault(name, []).append(value)
            elif name in names:
                text = f"'{name}' must be a file"
                raise Problem(400, text, param=name, code="invalid_value")
            else:
                fields[name] = value
        first = {name: await given[0].read() for name, given in files.items()}
    finally:
        await form.close()
    return fields, first, [f"image {n + 1}" for n in range(1, len(files.get("image", [])))]


def checked(shape: type[Shape], fields: dict[str, str]) -> Shape:
    """The fields as their shape has them; problems are told as those of a JSON body."""
    try:
        return shape.model_validate(fields)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def _needed(files: dict[str, bytes], name: str) -> bytes:
    if name not in files:
        text = f"Missing required parameter: '{name}'."
        raise Problem(400, text, param=name, code="missing_required_parameter")
    return files[name]
