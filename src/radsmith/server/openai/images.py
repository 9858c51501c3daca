"""/v1: OpenAI's Images API."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from radsmith.errors import InvalidInput, RadsmithError
from radsmith.generation.plan import plan
from radsmith.server.jobs.drawing import generation_payload
from radsmith.server.jobs.history import BatchView, StoredImage
from radsmith.server.jobs.queue import NewBatch
from radsmith.server.jobs.renderings import file_name
from radsmith.server.openai.shapes import (
    MODEL_ALIASES,
    BatchNotes,
    Common,
    GenerationRequest,
    ImageItem,
    ImagesResponse,
    Model,
    ModelList,
    Usage,
    fitted,
    is_model,
    unknown_model,
)
from radsmith.server.web.access import ApiCaller, Caller, ServicesDep
from radsmith.server.web.problem import Problem, problem_of
from radsmith.server.web.problems import ErrorResponse
from radsmith.server.web.services import Services
from radsmith.server.web.waiting import ClientGone, cancel, cancel_soon, news_of, submit

_ERRORS = (400, 401, 403, 404, 405, 413, 429, 503)
RESPONSES: dict[int | str, dict[str, Any]] = {s: {"model": ErrorResponse} for s in _ERRORS}
_BORN = 1_790_000_000
"""`created` of the shipped model; OpenAI's shape wants one."""

router = APIRouter(prefix="/v1", responses=RESPONSES)
RetryKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[!-~]+$")
]


@router.get("/models")
async def list_models(_: ApiCaller, services: ServicesDep) -> ModelList:
    """The models: radsmith's own, and the names that scripts ask for."""
    own = services.facts.name
    names = dict.fromkeys((own, *MODEL_ALIASES))
    return ModelList(data=[Model(id=name, created=_BORN, drawn_by=own) for name in names])


@router.get("/models/{model:path}")
async def get_model(model: str, _: ApiCaller, services: ServicesDep) -> Model:
    """One model."""
    if not is_model(model, services.facts.name):
        raise unknown_model(model)
    return Model(id=model, created=_BORN, drawn_by=services.facts.name)


@router.post(
    "/images/generations",
    response_model=ImagesResponse,
    response_model_exclude_none=True,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def generate_images(
    body: GenerationRequest,
    caller: ApiCaller,
    services: ServicesDep,
    request: Request,
    response: Response,
    retry_key: RetryKey = None,
) -> Any:
    """Draw images of a prompt. With stream, each is sent as soon as it is finished.

    `X-Radsmith-Model` names what draws, `X-Radsmith-Ignored` what of the request means nothing.
    """
    body.check_model(services.facts.name)
    headers = told(services, body.ignored)
    response.headers.update(headers)
    new = await run_in_threadpool(new_generation, services, caller, body, retry_key)
    batch = await submit(services, caller, new)
    if body.stream:
        events = events_of(services, caller, batch, request, body)
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")
    view = await finished(services, caller, batch, request, keep=retry_key is not None)
    if view is None:
        return Response(status_code=499)
    return await run_in_threadpool(answer, services, request, view, body, body.ignored)


def told(services: Services, ignored: Sequence[str]) -> dict[str, str]:
    """Headers that say what draws, and which parameters mean nothing here."""
    headers = {"X-Radsmith-Model": _plain(services.facts.name)}
    if ignored:
        headers["X-Radsmith-Ignored"] = ", ".join(_plain(name) for name in ignored)
    return headers


def _plain(text: str) -> str:
    """As a header may hold it."""
    return "".join(c if " " < c <= "~" and c not in ",;" else "?" for c in text[:60])


def new_generation(
    services: Services, caller: Caller, body: GenerationRequest, retry_key: str | None
) -> NewBatch:
    """The batch a request asks for. Raises Problem for a prompt that cannot be drawn."""
    try:
        size = fitted(body.pixels, services.facts.sides)
        planned = plan(body.prompt, services.facts, strict=bool(body.strict), size=size)
    except InvalidInput as error:
        raise Problem(400, str(error), param="prompt", code="invalid_prompt") from error
    first = body.first_seed(retry_key)
    settings = body.settings(services.settings.engine)
    return NewBatch(
        owner=caller.owner,
        operation="generate",
        prompt=body.prompt,
        canonical=planned.canonical,
        payloads=[
            generation_payload(planned, body.prompt, first + k, settings, size)
            for k in range(body.n or 1)
        ],
        end_user=body.user or body.safety_identifier,
        retry_key=retry_key,
    )


async def finished(
    services: Services, caller: Caller, batch: str, request: Request, *, keep: bool
) -> BatchView | None:
    """The batch when it is closed; None where the client went away.

    keep: go on without the client, who can ask again with the same key.
    """
    view = None
    try:
        async for latest in news_of(services, caller, batch, request):
            view = latest
    except ClientGone:
        if not keep:
            await cancel(services, caller, batch)
        return None
    return view


def answer(
    services: Services, request: Request, view: BatchView, body: Common, ignored: list[str]
) -> ImagesResponse:
    """OpenAI's answer for a closed batch. Raises Problem for one that failed."""
    images = images_of(view)
    facts = images[0].facts
    warnings = list(facts["warnings"])
    size = f"{images[0].width}x{images[0].height}"
    if body.pixels is not None and size != body.size and view.operation == "generate":
        warnings.append(f"drawn at {size}, the nearest to {body.size} that this model draws")
    return ImagesResponse(
        created=int(view.created),
        size=size,
        output_format=body.form,
        data=[_item(services, request, image, body) for image in images],
        radsmith=BatchNotes(
            batch=view.id,
            canonical_prompt=view.canonical,
            not_understood=list(facts["not_understood"]),
            warnings=warnings,
            ignored=ignored,
        ),
    )


def images_of(view: BatchView) -> list[StoredImage]:
    """The images of a closed batch. Raises Problem where one is missing."""
    for job in view.jobs:
        if job.state == "cancelled":
            raise Problem(400, "the request was cancelled", code="cancelled")
        if job.image is None:
            status = job.status or 503
            headers = {"Retry-After": "5"} if status == 503 else {}
            raise Problem(status, job.error or "the image could not be made", headers=headers)
    return [job.image for job in view.jobs if job.image is not None]


def _item(services: Services, request: Request, image: StoredImage, body: Common) -> ImageItem:
    facts = image.facts
    item = ImageItem(id=image.id, revised_prompt=facts["canonical_prompt"], radsmith=facts)
    if body.in_base64:
        data = services.renderings.file_bytes(image, body.form, body.quality_of_file)
        item.b64_json = b64encode(data).decode()
    else:
        item.url = signed_url(services, request, image.id, body)
    return item


def signed_url(services: Services, request: Request, image: str, body: Common) -> str:
    """An address of an image's file that needs no key, for `Limits.url_s` seconds."""
    ends = str(int(time.time()) + services.settings.limits.url_s)
    name = file_name(body.form, body.quality_of_file)
    signature = services.signer.sign("image", image, name, ends)
    base = services.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
    return f"{base}/files/{image}/{name}?ends={ends}&signature={signature}"


async def events_of(
    services: Services,
    caller: Caller,
    batch: str,
    request: Request,
    body: Common,
    kind: str = "image_generation",
) -> AsyncIterator[str]:
    """Server-sent events: comments tell how many are done, events hold finished images."""
    sent: set[int] = set()
    left = True
    try:
        async for view in news_of(services, caller, batch, request):
            yield f": {sum(j.state == 'done' for j in view.jobs)} of {len(view.jobs)} done\n\n"
            for job in view.jobs:
                if job.image is not None and job.position not in sent:
                    sent.add(job.position)
                    event = await run_in_threadpool(_event, services, job.image, body, kind)
                    yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
        left = False
        images_of(view)
    except ClientGone:
        return
    except Problem as problem:
        yield f"event: error\ndata: {json.dumps(problem.body)}\n\n"
    except RadsmithError as error:
        left = False
        yield f"event: error\ndata: {json.dumps(problem_of(error).body)}\n\n"
    finally:
        if left:
            cancel_soon(services, caller, batch)


def _event(services: Services, image: StoredImage, body: Common, kind: str) -> dict[str, Any]:
    data = services.renderings.file_bytes(image, body.form, body.quality_of_file)
    return {
        "type": f"{kind}.completed",
        "b64_json": b64encode(data).decode(),
        "background": "opaque",
        "created_at": int(image.created),
        "output_format": body.form,
        "quality": "auto",
        "size": f"{image.width}x{image.height}",
        "usage": Usage().model_dump(),
        "id": image.id,
        "radsmith": image.facts,
    }
