"""Who asks: an API key, a studio session, or, on loopback without keys, anybody on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from radsmith.server.store.keys import LOCAL
from radsmith.server.web.page import COOKIE, address_of, session_owner
from radsmith.server.web.problem import Problem
from radsmith.server.web.services import Services

CSRF_HEADER = "x-radsmith-request"


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
    owner = await session_owner(session, services.door)
    if owner is None:
        raise Problem(401, "the session has ended; load the page again", code="no_session")
    if request.method not in ("GET", "HEAD"):
        token = request.headers.get(CSRF_HEADER, "")
        if not services.signer.holds(token, "csrf", session):
            raise Problem(403, "the request's token is missing or wrong", code="bad_token")
    services.rates.take(f"owner {owner}")
    return Caller(owner=owner, address=address_of(request))


def _no_key(given: bool) -> Problem:
    text = (
        "Incorrect API key provided. Make one with `radsmith key --add NAME`."
        if given
        else "You didn't provide an API key. Send it as `Authorization: Bearer YOUR_KEY`."
    )
    return Problem(401, text, headers={"WWW-Authenticate": "Bearer"})


ApiCaller = Annotated[Caller, Depends(api_caller)]
StudioCaller = Annotated[Caller, Depends(studio_caller)]
