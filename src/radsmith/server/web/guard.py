"""What every request passes: host, origin, body size; what every answer carries: strict headers.

Pure ASGI, so that a client's going away reaches the routes.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radsmith.server.store.settings import ServerSettings
from radsmith.server.web.problem import Problem

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_SAFE = ("GET", "HEAD", "OPTIONS")
_UPLOADS = (
    *("/v1/images/edits", "/v1/images/variations"),
    *("/studio/uploads", "/studio/edits", "/studio/masks"),
)
_FORM_SLACK = 256 * 1024


class Guard:
    """Wraps the application. Refuses before a route runs; routes need no checks of these."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings
        self._public = urlsplit(settings.public_url).netloc.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                _harden(MutableHeaders(scope=message))
            await send(message)

        try:
            self._check_host(headers)
            if scope["method"] not in _SAFE:
                self._check_origin(headers)
            limit = self._limit(scope["path"])
            _check_length(headers, limit)
        except Problem as problem:
            await problem.response(scope, receive, answer)
            return
        body = _Bounded(receive, limit)
        await self._app(scope, body.receive, answer)

    def _check_host(self, headers: Headers) -> None:
        """A page elsewhere that had its name point to 127.0.0.1 would show another host here."""
        host = headers.get("host", "").lower()
        if not host or any(c in host for c in "/\\@?# \t"):
            raise Problem(400, "the Host header is missing or malformed", code="invalid_host")
        if self._settings.loopback and host != self._public and not _local(host):
            text = f"this server answers to localhost alone, not to {host[:80]!r}"
            raise Problem(403, f"{text}; see --public-url", code="invalid_host")

    def _check_origin(self, headers: Headers) -> None:
        """Pages of other sites must not act in the name of who looks at them."""
        origin = headers.get("origin")
        own = (headers.get("host", "").lower(), self._public)
        named = (origin or "").lower().partition("://")[2]
        foreign = origin is not None and (not named or named not in own)
        if foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise Problem(403, "requests from pages of other sites are refused", code="cross_site")

    def _limit(self, path: str) -> int:
        limits = self._settings.limits
        if path.startswith(_UPLOADS):
            return 2 * limits.upload_bytes + _FORM_SLACK
        return limits.json_bytes


class _TooLarge(HTTPException):
    """The body went past its limit. FastAPI passes on this kind of error alone."""


class _Bounded:
    """Counts a body as it comes in: its length need not have been told."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = self._left = limit

    async def receive(self) -> Message:
        """ASGI."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise _TooLarge(413, _too_large(self._limit).message)
        return message


def _check_length(headers: Headers, limit: int) -> None:
    told = headers.get("content-length", "0")
    if not told.isdecimal():
        raise Problem(400, "Content-Length must be a whole number", code="invalid_length")
    if int(told) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> Problem:
    return Problem(413, f"the body is too large: at most {limit:,} bytes are read here")


def _harden(headers: MutableHeaders) -> None:
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")


def _local(host: str) -> bool:
    """Whether a Host header names this machine by its loopback name or address."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
