"""The reader's routes: signing in, what comes next, answers, and figures for who watches."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from radsmith.review.desk import Desk, Progress
from radsmith.review.report_page import rating_rows, ratings_csv, report_html
from radsmith.review.rubric import Rubric
from radsmith.server.review.people import LOCAL, SESSION_S, Person
from radsmith.server.review.reviews import (
    COOKIE,
    HEADER,
    Caller,
    Reviews,
    ReviewsDep,
    allowed,
)
from radsmith.server.web.page import address_of, asset_of
from radsmith.server.web.problem import Problem

router = APIRouter(prefix="/review", include_in_schema=False)
AHEAD = 6
"""Cases told of in advance, so that the next picture is there before it is asked for."""
_PACKAGE = "radsmith.server.review"
RequestId = Annotated[str, Field(min_length=8, max_length=64)]


class Login(BaseModel):
    """A name and a password."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=60)]
    password: Annotated[str, Field(max_length=200)]


class Answer(BaseModel):
    """An answer to a read. request: an id of its own; sent again, it counts once."""

    model_config = ConfigDict(extra="forbid")
    request: RequestId
    read: Annotated[str, Field(max_length=32)]
    answer: dict[str, Any]
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class Undo(BaseModel):
    """Takes back the last answer."""

    model_config = ConfigDict(extra="forbid")
    request: RequestId


@router.get("")
def page() -> Response:
    """The page; it asks for everything else."""
    return HTMLResponse(_page())


@cache
def _page() -> bytes:
    return (files(_PACKAGE) / "static" / "review.html").read_bytes()


@router.get("/static/{name}")
def static(name: str) -> Response:
    """A file of the page."""
    return asset_of(_PACKAGE, name)


@router.post("/api/login")
def login(body: Login, request: Request, reviews: ReviewsDep) -> Response:
    """Open a session; its cookie is for this server's own pages alone."""
    if HEADER not in request.headers:
        raise Problem(403, "the request's header is missing", code="bad_token")
    address = address_of(request)
    reviews.logins_of_address.take(address)
    reviews.logins_of_name.take(body.name.strip())
    token = reviews.people.login(body.name, body.password)
    note = reviews.services.audit.note
    if token is None:
        note("nobody", address, "review login refused", "")
        raise Problem(401, "this name and password do not belong together", code="wrong_password")
    note(body.name.strip(), address, "review login", "")
    return with_session(reviews, token, JSONResponse({}))


def with_session(reviews: Reviews, token: str, response: Response) -> Response:
    """The answer with the session's cookie."""
    secure = reviews.services.settings.public_url.startswith("https://")
    response.set_cookie(
        COOKIE,
        token,
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        secure=secure,
    )  # of /teach, too: people have one account
    return response


@router.post("/api/logout")
def logout(request: Request, reviews: ReviewsDep, _: Caller) -> Response:
    """End the session, here and in the database."""
    reviews.people.close(request.cookies.get(COOKIE, ""))
    response = JSONResponse({})
    response.delete_cookie(COOKIE)
    return response


@router.get("/api/me")
def me(person: Caller, reviews: ReviewsDep) -> dict[str, Any]:
    """Who I am and what I may do in each study that I have to do with."""
    studies = [
        {"id": name, "name": desk.study.name, **doing}
        for name, desk in reviews.desks.items()
        if any((doing := _doing(person, desk)).values())
    ]
    told = {"name": person.name, "role": person.role, "local": person == LOCAL}
    return {**told, "studies": studies}


def _doing(person: Person, desk: Desk) -> dict[str, bool]:
    return {
        "reads": person.name in desk.study.readers,
        "settles": person.role in ("adjudicator", "organiser"),
        "watches": person.role in ("organiser", "observer"),
    }


@router.get("/api/studies/{study}")
def about(study: str, person: Caller, reviews: ReviewsDep) -> dict[str, Any]:
    """The questions of a study; nothing of its cases."""
    desk = reviews.desk(study)
    if not any(_doing(person, desk).values()):
        raise Problem(404, "no such study on this server")
    opened = desk.study
    return {
        "name": opened.name,
        "rubric": rubric_json(opened.rubric, opened.prompts),
        "diagnoses": sorted({case.finding for case in opened.cases} - {""}),
    }


def rubric_json(rubric: Rubric, prompts: bool) -> dict[str, Any]:
    """The first phase's questions; what the second asks is told when it begins."""
    scores = [item for item in rubric.scores if prompts or not item.needs_prompt]
    asked = {item.id for item in scores}
    return {
        "name": rubric.name,
        "version": rubric.version,
        "scores": [vars(item) for item in scores],
        "accept": {name: score for name, score in rubric.accept.items() if name in asked},
        "artefacts": [vars(item) for item in rubric.artefacts],
        "reasons": [vars(item) for item in rubric.reasons],
    }


@router.get("/api/studies/{study}/queue")
def queue(study: str, person: Caller, reviews: ReviewsDep) -> dict[str, Any]:
    """How far I am and what comes next."""
    desk = reviews.desk(study)
    desk.refresh()
    return _queue(desk, person)


def _queue(desk: Desk, person: Person) -> dict[str, Any]:
    progress = desk.progress(person.name)
    coming = desk.coming(person.name, AHEAD)
    rubric = desk.study.rubric
    second = {"guess": rubric.guess, "confidence": rubric.confidence}
    return {
        "progress": progress_json(progress),
        "second": second if progress.phase == 2 else None,
        "coming": [_coming(desk, read.id, read.case) for read in coming],
    }


def progress_json(progress: Progress) -> dict[str, Any]:
    """As the page shows it; which read can be undone is not told."""
    told = {k: v for k, v in vars(progress).items() if k != "last"}
    return told | {"undo": progress.last is not None, "finished": progress.finished}


def _coming(desk: Desk, read: str, case_id: str) -> dict[str, Any]:
    case = desk.study.by_id[case_id]
    prompt = case.prompt if desk.study.prompts else ""
    return {"read": read, "prompt": prompt, "reference": bool(case.reference)}


@router.post("/api/studies/{study}/answers")
def answer(study: str, body: Answer, person: Caller, reviews: ReviewsDep) -> dict[str, Any]:
    """Take an answer in; it is on the disk when this is answered."""
    desk = reviews.desk(study)
    desk.answer(person.name, body.read, body.answer, request=body.request, seconds=body.seconds)
    return _queue(desk, person)


@router.post("/api/studies/{study}/undo")
def undo(study: str, body: Undo, person: Caller, reviews: ReviewsDep) -> dict[str, Any]:
    """Take back my last answer, which is told; its case is the next again."""
    desk = reviews.desk(study)
    read, answer = desk.undo(person.name, request=body.request)
    found = _queue(desk, person)
    rest = [one for one in found["coming"] if one["read"] != read.id]
    return found | {"coming": [_coming(desk, read.id, read.case), *rest], "answer": answer}


@router.get("/api/studies/{study}/pictures/{read}")
def picture(study: str, read: str, person: Caller, reviews: ReviewsDep) -> Response:
    """The picture of a read of mine: one byte a pixel, row by row, the same size for all."""
    desk = reviews.desk(study)
    return levels(desk, desk.read_of(person.name, read).case)


@router.get("/api/studies/{study}/references/{read}")
def reference(study: str, read: str, person: Caller, reviews: ReviewsDep) -> Response:
    """A real image of the same kind."""
    desk = reviews.desk(study)
    case = desk.study.by_id[desk.read_of(person.name, read).case]
    return levels(desk, case.reference)


def levels(desk: Desk, case: str) -> Response:
    """A picture's pixels; nothing but them."""
    data = desk.study.levels(case)
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.get("/api/studies/{study}/figures")
def figures(study: str, person: Caller, reviews: ReviewsDep) -> dict[str, Any]:
    """The figures of the report so far, for who does not read alone."""
    allowed(person, "organiser", "observer")
    return reviews.figures(study)


@router.get("/api/studies/{study}/report")
def report(study: str, person: Caller, reviews: ReviewsDep) -> Response:
    """The report's page so far."""
    allowed(person, "organiser", "observer")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    page = report_html(reviews.figures(study))
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


@router.get("/api/studies/{study}/ratings.csv")
def ratings(study: str, person: Caller, reviews: ReviewsDep) -> Response:
    """Every answer, for organisers alone."""
    allowed(person, "organiser")
    desk = reviews.desk(study)
    text = ratings_csv(rating_rows(desk.study, desk.snapshot()[0]))
    headers = {"Content-Disposition": 'attachment; filename="ratings.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
