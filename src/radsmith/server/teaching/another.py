"""“Show me another”: an image of a free prompt, drawn by the server's own queue."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from radsmith.review.blinding import LEAST, SIDE
from radsmith.server.jobs.renderings import shown_levels
from radsmith.server.openai.images import new_generation
from radsmith.server.openai.shapes import GenerationRequest
from radsmith.server.review.people import Person
from radsmith.server.review.reviews import Caller
from radsmith.server.teaching.classroom import ClassroomDep
from radsmith.server.web import access
from radsmith.server.web.page import address_of
from radsmith.server.web.problem import Problem
from radsmith.server.web.waiting import submit
from radsmith.teaching.labels import EVIDENCE, words_of
from radsmith.teaching.pictures import SYNTHETIC, learners_picture

router = APIRouter(prefix="/teach/api/another", include_in_schema=False)


class Wanted(BaseModel):
    """What is to be shown."""

    model_config = ConfigDict(extra="forbid")
    prompt: Annotated[str, Field(min_length=1, max_length=500)]


def _owner(person: Person) -> str:
    """Whose images these are: neither a key's nor the studio's."""
    return f"learner {person.id}"


@router.post("", status_code=202)
async def ask(body: Wanted, request: Request, person: Caller, room: ClassroomDep) -> dict[str, Any]:
    """Begin one image; the one before is deleted. Raises Problem for a prompt with nothing to draw,
    or where nothing draws."""
    services = room.services
    if services.settings.workers == 0:
        raise Problem(503, "this server draws nothing: start it with radsmith serve")
    caller = access.Caller(owner=_owner(person), address=address_of(request))
    asked = GenerationRequest.model_validate({"prompt": body.prompt, "n": 1})
    new = await run_in_threadpool(new_generation, services, caller, asked, None)
    gone = await run_in_threadpool(services.deleting.everything, caller.owner)
    services.pool.kill(list(gone.stopped))
    return {"batch": await submit(services, caller, new)}


@router.get("/{batch}")
def state(batch: str, person: Caller, room: ClassroomDep) -> dict[str, Any]:
    """What became of it, and what the model knows of what it shows."""
    view = room.services.history.batch(batch, _owner(person))
    job = view.jobs[0]
    record = job.image.facts if job.image else {}
    facts = room.services.facts
    classes = words_of(view.canonical, facts, synthetic=True).classes
    weak = any(one.weak for one in classes)
    return {
        "open": view.open,
        "error": job.error,
        "image": job.image.id if job.image else None,
        "canonical": view.canonical,
        "warnings": list(record.get("warnings", ())),
        "evidence": EVIDENCE if weak else "",
    }


@router.get("/{image}/picture")
def picture(image: str, person: Caller, room: ClassroomDep) -> Response:
    """Its pixels, one byte each, with the mark in them."""
    services = room.services
    stored = services.history.image(image, _owner(person))
    pixels = shown_levels(stored, services.store.blobs)
    native = max(LEAST, min(SIDE, max(pixels.shape)))
    levels = learners_picture(pixels, native, word=SYNTHETIC, synthetic=True)
    return Response(levels.tobytes(), media_type="application/octet-stream")
