"""Signed image addresses, health, metrics and the page that documents the API."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from radsmith import __version__
from radsmith.images.lossy import QUALITY
from radsmith.server.jobs.history import StoredImage
from radsmith.server.jobs.renderings import MEDIA, SUFFIX, Format, named_file
from radsmith.server.web.access import ApiCaller, ServicesDep
from radsmith.server.web.page import templates
from radsmith.server.web.problem import Problem
from radsmith.server.web.problems import ErrorResponse
from radsmith.server.web.services import Services

router = APIRouter(
    responses={s: {"model": ErrorResponse} for s in (400, 401, 403, 404, 405, 429, 503)}
)


class File(Response):
    """An image file."""

    media_type = "image/png"


FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}, "application/dicom": {}}}
}


@router.get("/files/{image}/{name}", response_class=File, responses=FILE)
def signed_file(
    image: str,
    name: str,
    services: ServicesDep,
    ends: Annotated[int, Query(ge=0, le=10**12)],
    signature: Annotated[str, Query(max_length=100)],
) -> Response:
    """An image by the address that an answer gave; for as long as it says."""
    asked = named_file(name)
    if asked is None or not services.signer.holds(signature, "image", image, name, str(ends)):
        raise Problem(403, "this address was not signed by this server", code="bad_signature")
    if ends < time.time():
        raise Problem(403, "this address has expired; ask for the image again", code="expired")
    return file_response(services, services.history.image(image, None), *asked)


def file_response(
    services: Services,
    stored: StoredImage,
    form: Format,
    quality: int = QUALITY,
    *,
    attachment: bool = False,
) -> Response:
    """An image file as an answer, under a plain name. Uploads are not given out as ours."""
    if not stored.facts["synthetic"]:
        raise Problem(400, "this is an uploaded image: you have its file", code="not_synthetic")
    name = f"radsmith-{stored.facts['seed']}-{stored.id[:8]}{SUFFIX[form]}"
    kind = "attachment" if attachment else "inline"
    data = services.renderings.file_bytes(stored, form, quality)
    headers = {"Content-Disposition": f'{kind}; filename="{name}"', "Cache-Control": "private"}
    return Response(data, media_type=MEDIA[form], headers=headers)


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz")
def readyz(services: ServicesDep) -> dict[str, Any]:
    """Whether images can be made now: database there, a worker with its model loaded."""
    services.jobs.counts()
    drawing = services.settings.workers > 0
    unable = drawing and (services.pool.broken or not services.pool.ready)
    if unable or services.stopped:
        reason = services.pool.broken or "the workers are starting or stopping"
        raise Problem(503, reason, code="not_ready", headers={"Retry-After": "1"})
    return {"status": "ready", "workers": services.pool.ready}


class MetricsText(Response):
    """Prometheus' exposition format."""

    media_type = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/metrics", response_class=MetricsText)
def metrics(_: ApiCaller, services: ServicesDep) -> Response:
    """Counters and gauges for Prometheus."""
    return MetricsText(services.metrics.text())


@router.get("/openapi.json", include_in_schema=False)
def schema(request: Request) -> Response:
    """The OpenAPI description."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", include_in_schema=False)
def docs(request: Request) -> Response:
    """The API described for people, from the OpenAPI description."""
    page = templates().get_template("docs.html")
    return HTMLResponse(page.render(api=request.app.openapi(), version=__version__))
