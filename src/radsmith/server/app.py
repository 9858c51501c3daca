"""The application: routes, guards and services put together."""

from __future__ import annotations

import time
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radsmith import __version__
from radsmith.server.openai import deletes as deletes_api
from radsmith.server.openai import edits as edits_api
from radsmith.server.openai import images as images_api
from radsmith.server.review import routes as review_api
from radsmith.server.review import settling as review_settling
from radsmith.server.review import sso as review_sso
from radsmith.server.review.reviews import Reviews
from radsmith.server.studio import edits as studio_edits
from radsmith.server.studio import own as studio_own
from radsmith.server.studio import routes as studio_api
from radsmith.server.teaching import another as teach_another
from radsmith.server.teaching import routes as teach_api
from radsmith.server.teaching import teacher as teach_teacher
from radsmith.server.teaching.classroom import Classroom
from radsmith.server.web import files as files_api
from radsmith.server.web import page
from radsmith.server.web.guard import Guard
from radsmith.server.web.problems import add_handlers
from radsmith.server.web.services import Services

_DESCRIPTION = (
    "Synthetic radiology images by OpenAI's Images API, on your own machine. Not for diagnosis."
)


def create_app(services: Services) -> FastAPI:
    """The whole server."""
    app = FastAPI(
        title="radsmith",
        version=__version__,
        description=_DESCRIPTION,
        routes=list(page.ROUTES),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.door, app.state.services = services.door, services
    add_handlers(app)
    apis = (images_api, edits_api, deletes_api, files_api, studio_api, studio_edits, studio_own)
    for module in apis:
        app.include_router(module.router)
    app.state.reviews = Reviews(services)
    for router in (review_api.router, review_settling.router, review_sso.router):
        app.include_router(router)
    app.state.classroom = Classroom(services)
    for module in (teach_api, teach_teacher, teach_another):
        app.include_router(module.router)
    app.add_middleware(_Counting)
    app.add_middleware(Guard, settings=services.settings)
    _as_answered(app)
    return app


class _Counting:
    """Counts answers by route for the metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 499  # nothing was sent: the client went away

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            metrics = scope["app"].state.services.metrics
            metrics.count(route, scope["method"], status, time.monotonic() - began)


def _as_answered(app: FastAPI) -> None:
    """FastAPI documents 422 for invalid parameters, and errors in the route's own media type;
    here they are 400, as OpenAI has it, and always JSON."""
    build = app.openapi
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}}

    def openapi() -> dict[str, Any]:
        schema = build()
        for path in schema["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
                for status, response in operation["responses"].items():
                    if int(status) >= 400:
                        response["content"] = error
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
