"""The routes that the studio's scripts call."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from radsmith.errors import RadsmithError
from radsmith.server.jobs.drawing import size_of
from radsmith.server.jobs.history import BatchView, JobView, StoredImage
from radsmith.server.jobs.renderings import Format, preview_bytes, viewer_pixels, viewer_window
from radsmith.server.openai.images import RESPONSES, new_generation
from radsmith.server.openai.shapes import GenerationRequest, Size, Text, fitted, pixels_of
from radsmith.server.studio.reading import reading_of
from radsmith.server.web.access import ServicesDep, StudioCaller
from radsmith.server.web.files import FILE, File, file_response
from radsmith.server.web.waiting import ClientGone, cancel, news_of, submit

router = APIRouter(responses=RESPONSES)
_OCTETS: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}}}
PAGE = 24
"""Batches a page of history."""


@router.get("/studio/read")
def read(
    _: StudioCaller,
    services: ServicesDep,
    prompt: Annotated[Text, Query(max_length=1000)] = "",
    size: Size = "auto",
) -> dict[str, Any]:
    """How a prompt is read, to be drawn at a size."""
    return reading_of(prompt, services.facts, fitted(pixels_of(size), services.facts.sides))


@router.post("/studio/generate", status_code=202)
async def generate(
    body: GenerationRequest, caller: StudioCaller, services: ServicesDep
) -> dict[str, Any]:
    """Begin a batch; it goes on when the page is closed."""
    new = await run_in_threadpool(new_generation, services, caller, body, None)
    return {"batch": await submit(services, caller, new)}


@router.get("/studio/batches/{batch}")
def batch_now(batch: str, caller: StudioCaller, services: ServicesDep) -> dict[str, Any]:
    """A batch as it is."""
    return batch_json(services.history.batch(batch, caller.owner))


@router.get("/studio/batches/{batch}/events", include_in_schema=False)
async def batch_events(
    batch: str, caller: StudioCaller, services: ServicesDep, request: Request
) -> Response:
    """A batch as it changes, as server-sent events, until it is closed."""
    await run_in_threadpool(services.history.batch, batch, caller.owner)

    async def events() -> AsyncIterator[str]:
        try:
            async for view in news_of(services, caller, batch, request):
                yield f"data: {json.dumps(batch_json(view))}\n\n"
        except (ClientGone, RadsmithError):
            return  # the browser asks again

    return StreamingResponse(events(), media_type="text/event-stream")


@router.post("/studio/batches/{batch}/cancel")
async def batch_cancel(batch: str, caller: StudioCaller, services: ServicesDep) -> dict[str, Any]:
    """Stop what is not made yet."""
    await cancel(services, caller, batch)
    view = await run_in_threadpool(services.history.batch, batch, caller.owner)
    return batch_json(view)


@router.get("/studio/history")
def history(
    caller: StudioCaller,
    services: ServicesDep,
    search: Annotated[Text, Query(max_length=200)] = "",
    before: Annotated[float | None, Query(ge=0, le=1e12)] = None,
) -> dict[str, Any]:
    """Batches, newest first, a page at a time."""
    until = time.time() + 1 if before is None else before
    views = services.history.search(caller.owner, search, until, PAGE)
    return {"batches": [batch_json(view) for view in views], "more": len(views) == PAGE}


@router.get("/studio/images/{image}")
def image_facts(image: str, caller: StudioCaller, services: ServicesDep) -> dict[str, Any]:
    """An image's provenance."""
    return image_json(services.history.image(image, caller.owner))


@router.get("/studio/images/{image}/pixels", response_class=Response, responses=_OCTETS)
def image_pixels(image: str, caller: StudioCaller, services: ServicesDep) -> Response:
    """Its pixels: unsigned 16-bit little endian, row by row. X-Radsmith-Range: the values that 0
    and 65535 stand for, and their unit."""
    stored = services.history.image(image, caller.owner)
    found = viewer_pixels(stored, services.store.blobs)
    told = f"{found.black:g} {found.white:g} {found.unit}".strip()
    headers = _KEPT | {"X-Radsmith-Range": told}
    return Response(found.data, media_type="application/octet-stream", headers=headers)


@router.get("/studio/images/{image}/preview", response_class=File, responses=FILE)
def image_preview(image: str, caller: StudioCaller, services: ServicesDep) -> Response:
    """The image for the eye, 8 bit, without its record."""
    stored = services.history.image(image, caller.owner)
    data = preview_bytes(stored, services.store.blobs)
    return Response(data, media_type="image/png", headers=_KEPT)


@router.get("/studio/images/{image}/file/{form}", response_class=File, responses=FILE)
def image_file(
    image: str, form: Format, caller: StudioCaller, services: ServicesDep, save: bool = False
) -> Response:
    """The image as a file, shown or (save) downloaded."""
    stored = services.history.image(image, caller.owner)
    return file_response(services, stored, form, attachment=save)


_KEPT = {"Cache-Control": "private, max-age=86400, immutable"}


def batch_json(view: BatchView) -> dict[str, Any]:
    """A batch for the studio."""
    return {
        "id": view.id,
        "operation": view.operation,
        "prompt": view.prompt,
        "canonical": view.canonical,
        "created": view.created,
        "open": view.open,
        "jobs": [_job_json(job) for job in view.jobs],
    }


def _job_json(job: JobView) -> dict[str, Any]:
    image = None if job.image is None else image_json(job.image)
    known = {name: job.payload.get(name) for name in ("seed", "parent")}
    size = size_of(job.payload)
    return {"state": job.state, "error": job.error, "image": image, "size": size, **known}


def image_json(stored: StoredImage) -> dict[str, Any]:
    """An image for the studio. window: centre and width in the unit of its pixels.  place: x, y of
    its parent in it, where it continues one."""
    return {
        "id": stored.id,
        "batch": stored.batch,
        "width": stored.width,
        "height": stored.height,
        "unit": stored.unit,
        "spacing": stored.spacing,
        "window": viewer_window(stored),
        "place": stored.place,
        "record": stored.facts,
    }
