"""The sets of a server, and what a learner or a teacher is told of them."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request

from radsmith.errors import NotFound, RadsmithError, Unavailable
from radsmith.server.review.people import Person
from radsmith.server.teaching.answers import Answers
from radsmith.server.web.services import Services
from radsmith.teaching.items import Item
from radsmith.teaching.quiz import Given, coming, progress_of
from radsmith.teaching.repetition import Due, Seen, due
from radsmith.teaching.sets import (
    ACCEPTED_NAME,
    KEY_NAME,
    TeachingSet,
    open_set,
    set_folder,
    set_names,
)

AHEAD = 3
"""Questions told of in advance, so that the next picture is there before it is asked for."""
_Stamp = tuple[int, int]


class Classroom:
    """Sets are read anew when their files change: a server need not be started again."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.data = services.settings.folder
        self.answers = Answers(services.store.database)
        self._opened: dict[str, tuple[_Stamp, TeachingSet]] = {}
        self._reading = threading.Lock()

    def set(self, name: str) -> TeachingSet:
        """A set. Raises NotFound."""
        try:
            folder = set_folder(self.data, name)
            stamp = _stamp(folder)
        except (RadsmithError, FileNotFoundError) as error:
            raise NotFound("no such set on this server") from error
        with self._reading:
            known = self._opened.get(name)
            if known is None or known[0] != stamp:
                known = self._opened[name] = stamp, open_set(folder)
            return known[1]

    def queue(self, opened: TeachingSet, learner: str) -> dict[str, Any]:
        """How far a learner is, what comes next, and what is to be repeated."""
        given = self.answers.given(opened.id, learner)
        left = coming(learner, opened.id, opened.open_items, given)
        progress = progress_of(learner, opened.open_items, given)
        again, why = self._again(opened, given)
        now = time.time()
        ready = [one for one in again if one.at <= now]
        later = [one.at for one in again if one.at > now]
        return {
            "progress": vars(progress),
            "coming": [item.asked() for item in left[:AHEAD]],
            "repeat": [opened.item(one.item).asked() for one in ready[:AHEAD]],
            "due": len(ready),
            "missed": len(again),
            "next": min(later) - now if later else None,
            "no_repetition": why,
        }

    def _again(self, opened: TeachingSet, given: list[Given]) -> tuple[list[Due], str]:
        """The missed items; or why there is no repetition here."""
        asked = {item.id for item in opened.open_items}
        seen = [Seen(item=g.item, correct=g.correct, at=g.at) for g in given if g.item in asked]
        try:
            return due(seen), ""
        except Unavailable as error:
            return [], str(error)

    def missed(self, opened: TeachingSet, learner: str) -> list[Item]:
        """The items that a learner once answered wrongly."""
        wrong = {g.item for g in self.answers.given(opened.id, learner) if not g.correct}
        return [item for item in opened.open_items if item.id in wrong]

    def summaries(self, learner: str) -> list[dict[str, Any]]:
        """The list of sets; of one that cannot be opened, why."""
        found = []
        for name in set_names(self.data):
            try:
                found.append(self._summary(name, learner))
            except RadsmithError as error:
                found.append({"id": name, "title": name, "error": str(error)})
        return found

    def _summary(self, name: str, learner: str) -> dict[str, Any]:
        opened = self.set(name)
        given = self.answers.given(opened.id, learner)
        progress = progress_of(learner, opened.open_items, given)
        closed = len(opened.items) - len(opened.open_items)
        told = {"id": name, "title": opened.title, "closed": closed, "error": ""}
        return told | vars(progress) | {"unreviewed": opened.unread > 0}


def _stamp(folder: Path) -> _Stamp:
    verdicts = folder / ACCEPTED_NAME
    return (
        (folder / KEY_NAME).stat().st_mtime_ns,
        verdicts.stat().st_mtime_ns if verdicts.is_file() else 0,
    )


def classroom_of(request: Request) -> Classroom:
    """The server's sets."""
    room: Classroom = request.app.state.classroom
    return room


def learner_of(person: Person) -> str:
    """As answers name a learner."""
    return person.name


ClassroomDep = Annotated[Classroom, Depends(classroom_of)]
