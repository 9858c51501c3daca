"""A teacher's routes: results of the class, figures of the items, files to take away."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from radsmith.server.review.reviews import Caller, allowed
from radsmith.server.teaching.classroom import ClassroomDep, learner_of
from radsmith.server.teaching.files import FILES, exported
from radsmith.server.web.problem import Problem
from radsmith.teaching.quiz import class_of

router = APIRouter(prefix="/teach/api/sets/{name}", include_in_schema=False)
Form = Literal["csv", "items", "xapi", "scorm", "anki"]


@router.get("/class")
def results(name: str, person: Caller, room: ClassroomDep) -> dict[str, Any]:
    """Each learner's progress and each item's figures, by first answers."""
    allowed(person, "organiser", "observer")
    opened = room.set(name)
    found = class_of(opened.open_items, room.answers.given(opened.id))
    return {
        "learners": [{"name": n, **vars(p)} for n, p in found.learners.items()],
        "items": [
            {"kind": item.kind, "question": item.question, "told": item.told}
            | vars(one)
            | {"remark": one.remark}
            for item, one in zip(opened.open_items, found.items, strict=True)
        ],
        "alpha": found.alpha,
    }


@router.get("/export/{form}")
def export(name: str, form: Form, request: Request, person: Caller, room: ClassroomDep) -> Response:
    """A file for the teacher: it holds answers, or the questions with their solutions."""
    allowed(person, "organiser")
    base = room.services.settings.public_url or str(request.base_url)
    opened = room.set(name)
    data = exported(form, opened, room.answers.given(opened.id), base)
    return _file(data, form, name)


@router.get("/misses")
def misses(name: str, person: Caller, room: ClassroomDep) -> Response:
    """What I missed, as a deck for Anki."""
    opened = room.set(name)
    missed = room.missed(opened, learner_of(person))
    if not missed:
        raise Problem(404, "you have missed nothing in this set", code="not_found")
    return _file(exported("anki", opened, (), "", only=missed), "anki", f"{name}-misses")


def _file(data: bytes, form: str, name: str) -> Response:
    media, suffix = FILES[form]
    headers = {"Content-Disposition": f'attachment; filename="{name}{suffix}"'}
    return Response(data, media_type=media, headers=headers)
