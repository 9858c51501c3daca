"""The loop that serves: it listens at once, and shows the studio's page while the rest is loading.

FastAPI, numpy and what draws take most of a second to import. The page and its files need none of
them and are answered from the first moment; what else is asked waits.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from radsmith.errors import InvalidInput, RadsmithError, Unavailable
from radsmith.server.store.settings import ServerSettings
from radsmith.server.web.door import Door
from radsmith.server.web.guard import Guard
from radsmith.server.web.page import ROUTES
from radsmith.server.web.problem import Problem, problem_of

if TYPE_CHECKING:
    from radsmith.server.web.services import Services


class Front:
    """ASGI: the page alone, then the whole application."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._page = _page(door)
        self._whole: asyncio.Task[ASGIApp]
        self._services: Services | None = None
        self._stopping = False
        self.failure: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif not self._whole.done() and _is_page(scope):
            await self._page(scope, receive, send)
        else:
            try:
                app = await asyncio.shield(self._whole)
            except Exception:
                problem = Problem(503, "the server could not start; it says why where it runs")
                await problem.response(scope, receive, send)
            else:
                await app(scope, receive, send)

    def begin_stop(self) -> None:
        """Let the services know of a stop at once: answers wait for images, uvicorn for answers."""
        self._stopping = True
        if self._services is not None:
            self._services.begin_stop()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._whole = asyncio.create_task(self._load())
        self._whole.add_done_callback(self._ended)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.wait({self._whole})
        if self._services is not None:
            self._services.end()
        self._door.store.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _ended(self, whole: asyncio.Task[ASGIApp]) -> None:
        """A server that cannot load stops; `serve` says why."""
        self.failure = whole.exception()
        if self.failure is not None:
            signal.raise_signal(signal.SIGTERM)

    async def _load(self) -> ASGIApp:
        await asyncio.to_thread(_import)
        from radsmith.server.app import create_app
        from radsmith.server.web.services import Services

        self._services = services = Services(self._door)
        if not self._stopping:
            await asyncio.to_thread(services.start)
        return await asyncio.to_thread(create_app, services)


def _import() -> None:
    import radsmith.server.app  # noqa: F401


def _page(door: Door) -> ASGIApp:
    async def told(_: Request, error: Exception) -> Response:
        return (error if isinstance(error, Problem) else problem_of(cast(Any, error))).response

    app = Starlette(routes=ROUTES, exception_handlers={Problem: told, RadsmithError: told})
    app.state.door = door
    return Guard(app, door.settings)


def _is_page(scope: Scope) -> bool:
    """Whether the page or one of its files is asked for."""
    found = any(route.matches(scope)[0] is Match.FULL for route in ROUTES)
    return found and scope["method"] in ("GET", "HEAD")


class _Server(uvicorn.Server):
    front: Front

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        self.front.begin_stop()
        super().handle_exit(sig, frame)


def listen(settings: ServerSettings) -> socket.socket:
    """The bound socket. Raises Unavailable where the port is taken, InvalidInput for the host."""
    try:
        info = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise InvalidInput(f"no such host to listen on: {settings.host!r}") from error
    # asyncio sets TCP_NODELAY only where the protocol is named: else answers wait 40 ms for an ACK
    bound = socket.socket(info[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
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


def serve(door: Door, bound: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; then finish what is at work and put back the rest.

    Raises what kept the application from loading.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    front = Front(door)
    config = uvicorn.Config(
        front,
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=False,
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=32 * 1024,
        timeout_graceful_shutdown=round(door.settings.limits.shutdown_s) + 10,
    )
    server = _Server(config)
    server.front = front
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: None)  # uvicorn raises them again once it has stopped
    server.run(sockets=[bound])
    if front.failure is not None:
        raise front.failure
