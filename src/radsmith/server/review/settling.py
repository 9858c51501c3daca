"""The adjudicator's routes: cases on which readers differ, with their answers, without names."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from radsmith.errors import NotFound
from radsmith.review.desk import Desk
from radsmith.server.review.people import Person
from radsmith.server.review.reviews import Caller, ReviewsDep, allowed
from radsmith.server.review.routes import RequestId, levels

router = APIRouter(prefix="/review/api/studies/{study}", include_in_schema=False)
PAGE = 6


class Settlement(BaseModel):
    """What an adjudicator says of a case."""

    model_config = ConfigDict(extra="forbid")
    request: RequestId
    case: Annotated[str, Field(max_length=32)]
    answer: dict[str, Any]


@router.get("/disputed")
def disputed(study: str, person: Caller, reviews: ReviewsDep) -> dict[str, Any]:
    """The next cases to settle, and how many there are."""
    allowed(person, "adjudicator", "organiser")
    desk = reviews.desk(study)
    desk.refresh()
    return _disputed(desk, person)


def _disputed(desk: Desk, person: Person) -> dict[str, Any]:
    cases = desk.disputed(person.name)
    return {"left": len(cases), "cases": [_told(desk, case) for case in cases[:PAGE]]}


def _told(desk: Desk, case: str) -> dict[str, Any]:
    """Answers in an order that tells nothing of who gave them."""
    answers = [answered.answer for answered in desk.state.of_case(case)]
    salt = desk.study.salt

    def order(answer: Any) -> str:
        return hashlib.sha256(f"{salt} {case} {answer}".encode()).hexdigest()

    opened = desk.study.by_id[case]
    return {
        "case": case,
        "prompt": opened.prompt if desk.study.prompts else "",
        "reference": bool(opened.reference),
        "differences": desk.state.differences(case),
        "answers": sorted(answers, key=order),
    }


@router.get("/disputed/{case}/picture")
def picture(study: str, case: str, person: Caller, reviews: ReviewsDep) -> Response:
    """The picture of a case that is mine to settle."""
    allowed(person, "adjudicator", "organiser")
    desk = reviews.desk(study)
    if case not in desk.disputed(person.name):
        raise NotFound("this case is not yours to settle")
    return levels(desk, case)


@router.get("/disputed/{case}/reference")
def reference(study: str, case: str, person: Caller, reviews: ReviewsDep) -> Response:
    """A real image of the same kind."""
    allowed(person, "adjudicator", "organiser")
    desk = reviews.desk(study)
    if case not in desk.disputed(person.name):
        raise NotFound("this case is not yours to settle")
    return levels(desk, desk.study.by_id[case].reference)


@router.post("/adjudications")
def settle(study: str, body: Settlement, person: Caller, reviews: ReviewsDep) -> dict[str, Any]:
    """Settle a case; what is left."""
    allowed(person, "adjudicator", "organiser")
    desk = reviews.desk(study)
    desk.adjudicate(person.name, body.case, body.answer, request=body.request)
    return _disputed(desk, person)
