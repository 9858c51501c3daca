"""The studio's page, its files and its sessions: all that a browser asks for first.

Knows neither FastAPI nor numpy, so that the page is there while the rest is still loading.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from radsmith import __version__
from radsmith.server.store.keys import LOCAL
from radsmith.server.web.door import Door
from radsmith.server.web.problem import Problem

if TYPE_CHECKING:
    from jinja2 import Environment

COOKIE = "radsmith_session"
SESSION_S = 12 * 3600
LONGEST_KEY = 200
EXAMPLES = (
    ("X-ray", "chest x-ray, PA view, adult, normal"),
    ("X-ray", "left knee x-ray, severe osteoarthritis"),
    ("CT", "head CT, axial, brain window, no hemorrhage"),
    ("MRI", "brain MRI, FLAIR, axial, multiple sclerosis"),
    ("Ultrasound", "breast ultrasound, malignant breast mass"),
    ("Ultrasound", "fetal head ultrasound, second trimester"),
)
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def address_of(request: Request) -> str:
    """The other end's address."""
    return request.client.host if request.client else "unknown"


async def session_owner(session: str, door: Door) -> str | None:
    """The owner of a session whose key is still in use."""
    owner = door.signer.owner_of(session)
    if owner is None:
        return None
    if owner == LOCAL:
        return None if door.settings.keys else owner
    return owner if await run_in_threadpool(door.keys.in_use, owner) else None


async def studio(request: Request) -> Response:
    """The studio, or the page that asks for a key."""
    door: Door = request.app.state.door
    session = request.cookies.get(COOKIE, "")
    owner = await session_owner(session, door)
    if owner is None and door.settings.keys:
        return HTMLResponse(templates().get_template("login.html").render(wrong=False))
    if owner is None:
        session = door.signer.session(LOCAL, SESSION_S)
    page = templates().get_template("studio.html")
    response = HTMLResponse(
        page.render(
            version=__version__,
            model=door.model,
            remote=door.remote,
            steps=door.usual.num_steps,
            guidance=door.usual.guidance_scale,
            token=door.signer.sign("csrf", session),
            examples=EXAMPLES,
            keys=door.settings.keys,
        )
    )
    if owner is None:
        _set_session(response, session, door)
    return response


async def login(request: Request) -> Response:
    """Exchange an API key for a session."""
    door: Door = request.app.state.door
    address = address_of(request)
    door.rates.take(f"login {address}")
    given = (await request.form()).get("key", "")
    key = given.strip() if isinstance(given, str) and len(given) <= LONGEST_KEY else ""
    owner = await run_in_threadpool(door.keys.owner_of, key)
    note = door.audit.note
    if owner is None:
        await run_in_threadpool(note, "nobody", address, "login refused", "")
        page = templates().get_template("login.html").render(wrong=True)
        return HTMLResponse(page, status_code=401)
    await run_in_threadpool(note, owner, address, "login", "")
    response = RedirectResponse("/", status_code=303)
    _set_session(response, door.signer.session(owner, SESSION_S), door)
    return response


async def logout(request: Request) -> Response:
    """End the session in this browser."""
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(COOKIE)
    return response


async def asset(request: Request) -> Response:
    """A script, style or icon of the package: by name from a table, never by path."""
    name = request.path_params["name"]
    return asset_of("radsmith.server.studio", name)


def asset_of(package: str, name: str) -> Response:
    """A file of a package's folder `static`. Raises Problem for any other name."""
    if name not in _assets(package):
        raise Problem(404, f"no such file of the {package.rpartition('.')[2]}")
    data, kind = _assets(package)[name]
    return Response(data, media_type=kind, headers={"Cache-Control": "no-cache"})


def _route(path: str, endpoint: Callable[..., object], method: str) -> Route:
    return Route(path, endpoint, methods=[method], include_in_schema=False)


ROUTES = (
    _route("/", studio, "GET"),
    _route("/login", login, "POST"),
    _route("/logout", logout, "POST"),
    _route("/static/{name}", asset, "GET"),
)


def _set_session(response: Response, session: str, door: Door) -> None:
    secure = door.settings.public_url.startswith("https://")
    response.set_cookie(
        COOKIE, session, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure
    )


@cache
def _assets(package: str) -> dict[str, tuple[bytes, str]]:
    folder = files(package) / "static"
    return {
        entry.name: (entry.read_bytes(), _TYPES[entry.name.rpartition(".")[2]])
        for entry in folder.iterdir()
        if entry.name.rpartition(".")[2] in _TYPES
    }


@cache
def templates() -> Environment:
    """The pages of the package. What is not known is an error, what is shown is escaped."""
    from jinja2 import DictLoader, Environment, StrictUndefined, select_autoescape

    folder = files("radsmith.server.studio") / "static"
    pages = {e.name: e.read_text(encoding="utf-8") for e in folder.iterdir() if "html" in e.name}
    return Environment(
        loader=DictLoader(pages),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
