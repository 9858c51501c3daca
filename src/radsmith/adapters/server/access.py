"""Who asks: an API key, a studio session, or, on loopback without keys, anybody on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from radsmith.adapters.server.keys import LOCAL
from radsmith.adapters.server.problems import Problem
from radsmith.adapters.server.services import Services

COOKIE = "radsmith_session"
CSRF_HEADER = "x-radsmith-request"
SESSION_S = 12 * 3600


@dataclass(frozen=True, kw_only=True)
class Caller:
    """owner: id of the key, or "local".  address: of the other end."""

    owner: str
    address: str


def services_of(request: Request) -> Services:
    """The server's services."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]


def address_of(request: Request) -> str:
    """The other end's address."""
    return request.client.host if request.client else "unknown"


async def api_caller(request: Request, services: ServicesDep) -> Caller:
    """The caller of /v1: by `Authorization: Bearer KEY`. Cookies do not count here."""
    address = address_of(request)
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    owner = None
    if scheme.lower() == "bearer" and key.strip():
        services.rates.take(f"address {address}")
        owner = await run_in_threadpool(services.keys.owner_of, key.strip())
    if owner is None:
        if services.settings.keys:
            if key:
                note = services.audit.note
                await run_in_threadpool(note, "nobody", address, "key refused", request.url.path)
            raise _no_key(bool(key))
        owner = LOCAL
    services.rates.take(f"owner {owner}")
    return Caller(owner=owner, address=address)


async def studio_caller(request: Request, services: ServicesDep) -> Caller:
    """The caller of the studio's routes: by session cookie and, for changes, its token."""
    session = request.cookies.get(COOKIE, "")
    owner = await session_owner(session, services)
    if owner is None:
        raise Problem(401, "the session has ended; load the page again", code="no_session")
    if request.method not in ("GET", "HEAD"):
        token = request.headers.get(CSRF_HEADER, "")
        if not services.signer.holds(token, "csrf", session):
            raise Problem(403, "the request's token is missing or wrong", code="bad_token")
    services.rates.take(f"owner {owner}")
    return Caller(owner=owner, address=address_of(request))


async def session_owner(session: str, services: Services) -> str | None:
    """The owner of a session whose key is still in use."""
    owner = services.signer.owner_of(session)
    if owner is None:
        return None
    if owner == LOCAL:
        return None if services.settings.keys else owner
    return owner if await run_in_threadpool(services.keys.in_use, owner) else None


def _no_key(given: bool) -> Problem:
    text = (
        "Incorrect API key provided. Make one with `radsmith key --add NAME`."
        if given
        else "You didn't provide an API key. Send it as `Authorization: Bearer YOUR_KEY`."
    )
    return Problem(401, text, headers={"WWW-Authenticate": "Bearer"})


ApiCaller = Annotated[Caller, Depends(api_caller)]
StudioCaller = Annotated[Caller, Depends(studio_caller)]
