"""The application: routes, guards and services put together; and the loop that serves it."""

from __future__ import annotations

import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radsmith import __version__
from radsmith.adapters.server import edits_api, files_api, images_api, studio_api, studio_edits
from radsmith.adapters.server.guard import Guard
from radsmith.adapters.server.problems import add_handlers
from radsmith.adapters.server.services import Services, Store
from radsmith.adapters.server.settings import ServerSettings
from radsmith.errors import InvalidInput, Unavailable

_DESCRIPTION = (
    "Synthetic radiology images by OpenAI's Images API, on your own machine. Not for diagnosis."
)


def create_app(settings: ServerSettings, store: Store) -> FastAPI:
    """The whole server; its services live from start to end of the ASGI lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = Services(settings, store)
        app.state.services = services
        services.start()
        yield
        services.end()

    app = FastAPI(
        title="radsmith",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    add_handlers(app)
    for module in (images_api, edits_api, files_api, studio_api, studio_edits):
        app.include_router(module.router)
    app.add_middleware(_Counting)
    app.add_middleware(Guard, settings=settings)
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


class _Server(uvicorn.Server):
    """Lets the services know of a stop at once: answers wait for images, uvicorn for answers."""

    stop: Callable[[], None]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        self.stop()
        super().handle_exit(sig, frame)


def listen(settings: ServerSettings) -> socket.socket:
    """The bound socket. Raises Unavailable where the port is taken, InvalidInput for the host."""
    try:
        info = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise InvalidInput(f"no such host to listen on: {settings.host!r}") from error
    bound = socket.socket(info[0], socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(info[4])
        bound.listen(256)
    except OSError as error:
        bound.close()
        raise Unavailable(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror};"
            " choose another --port"
        ) from error
    return bound


def address_of(settings: ServerSettings, bound: socket.socket) -> str:
    """Where the server is reached."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{bound.getsockname()[1]}"


def serve(settings: ServerSettings, store: Store, bound: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; then finish what is at work and put back the rest."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    app = create_app(settings, store)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=False,
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=32 * 1024,
        timeout_graceful_shutdown=round(settings.limits.shutdown_s) + 10,
    )
    server = _Server(config)
    server.stop = lambda: app.state.services.begin_stop()
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: None)  # uvicorn raises them again once it has stopped
    server.run(sockets=[bound])
