"""A learner's routes: the page, what comes next, answers, pictures, what to look at."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from radsmith.server.review.people import LOCAL
from radsmith.server.review.reviews import Caller
from radsmith.server.review.routes import RequestId
from radsmith.server.teaching.bundle import page_html
from radsmith.server.teaching.classroom import ClassroomDep, learner_of
from radsmith.server.web.page import asset_of
from radsmith.teaching.about import about as about_set
from radsmith.teaching.about import weak_of
from radsmith.teaching.items import mark

router = APIRouter(prefix="/teach", include_in_schema=False)
_PACKAGE = "radsmith.server.teaching"
_KEPT = {"Cache-Control": "private, max-age=3600"}


class Answer(BaseModel):
    """An answer to an item. request: an id of its own; sent again, it counts once."""

    model_config = ConfigDict(extra="forbid")
    request: RequestId
    item: Annotated[str, Field(max_length=32)]
    choice: Annotated[str, Field(max_length=200)] | None = None
    point: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    order: Annotated[list[str], Field(max_length=20)] | None = None
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @property
    def answer(self) -> dict[str, Any]:
        """What was answered."""
        parts = {"choice": self.choice, "point": self.point, "order": self.order}
        return {name: value for name, value in parts.items() if value is not None}


@router.get("")
def page() -> Response:
    """The page; it asks for everything else."""
    return HTMLResponse(page_html())


@router.get("/static/{name}")
def static(name: str) -> Response:
    """A file of the page."""
    return asset_of(_PACKAGE, name)


@router.get("/api/me")
def me(person: Caller, room: ClassroomDep) -> dict[str, Any]:
    """Who I am, what I may do, and the sets."""
    learner = learner_of(person)
    return {
        "name": person.name,
        "role": person.role,
        "local": person == LOCAL,
        "teacher": person.role in ("organiser", "observer"),
        "exports": person.role == "organiser",
        "draws": room.services.settings.workers > 0,
        "sets": room.summaries(learner),
    }


@router.get("/api/sets/{name}")
def about(name: str, person: Caller, room: ClassroomDep) -> dict[str, Any]:
    """What must be known of a set."""
    return about_set(room.set(name))


@router.get("/api/sets/{name}/queue")
def queue(name: str, person: Caller, room: ClassroomDep) -> dict[str, Any]:
    """How far I am and what comes next."""
    return room.queue(room.set(name), learner_of(person))


@router.post("/api/sets/{name}/answers")
def answer(name: str, body: Answer, person: Caller, room: ClassroomDep) -> dict[str, Any]:
    """Mark and keep an answer; the solution, and what comes next."""
    opened, learner = room.set(name), learner_of(person)
    item = opened.item(body.item)
    found = mark(item, body.answer)
    room.answers.add(
        opened.id,
        item,
        learner,
        body.answer,
        found,
        request=body.request,
        seconds=body.seconds,
        at=time.time(),
    )
    told = vars(found) | item.solution() | {"weak": weak_of(opened, item)}
    return {"solution": told, "queue": room.queue(opened, learner)}


@router.get("/api/sets/{name}/pictures/{token}")
def picture(name: str, token: str, person: Caller, room: ClassroomDep) -> Response:
    """A picture's pixels, one byte each, its mark among them."""
    data = room.set(name).levels(token)
    return Response(data, media_type="application/octet-stream", headers=_KEPT)


@router.get("/api/sets/{name}/looks")
def looks(name: str, person: Caller, room: ClassroomDep) -> dict[str, Any]:
    """What can be looked at freely: severities, and the matched pairs that I answered."""
    opened = room.set(name)
    done = {one.item for one in room.answers.given(opened.id, learner_of(person))}
    pairs = [item for item in opened.open_items if item.kind == "pair"]
    return {
        "series": [
            {"title": one.title, "grades": one.grades, "pictures": one.pictures}
            for one in opened.open_series
        ],
        "pairs": [item.asked() | item.solution() for item in pairs if item.id in done],
        "unanswered": sum(item.id not in done for item in pairs),
        "notes": [note for note in opened.notes if "how severe" in note],
    }
