"""Learners' answers in the database: only ever added, and forgotten when a learner asks for it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select

from radsmith.errors import NotFound
from radsmith.server.store.database import Database
from radsmith.server.store.tables import TEACH_ANSWERS
from radsmith.teaching.items import Item, Mark
from radsmith.teaching.quiz import Given


class Answers:
    """The answers of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        set_id: str,
        item: Item,
        learner: str,
        answer: Mapping[str, Any],
        found: Mark,
        *,
        request: str,
        seconds: float | None,
        at: float,
    ) -> None:
        """Keep an answer. request: an id of its own; sent again, it counts once."""
        row = {
            "id": secrets.token_hex(12),
            "teaching_set": set_id,
            "item": item.id,
            "learner": learner,
            "request": request,
            "answer": json.dumps(answer, sort_keys=True),
            "words": in_words(answer),
            "correct": int(found.correct),
            "score": found.score,
            "seconds": seconds,
            "at": at,
        }
        known = select(TEACH_ANSWERS.c.id).where(
            TEACH_ANSWERS.c.learner == learner, TEACH_ANSWERS.c.request == request
        )
        with self._database.write() as connection:
            if connection.execute(known).first() is None:
                connection.execute(insert(TEACH_ANSWERS).values(**row))

    def given(self, set_id: str, learner: str | None = None) -> list[Given]:
        """The answers to a set, of one learner or of all, oldest first."""
        asked = select(TEACH_ANSWERS).where(TEACH_ANSWERS.c.teaching_set == set_id)
        if learner is not None:
            asked = asked.where(TEACH_ANSWERS.c.learner == learner)
        with self._database.read() as connection:
            rows = connection.execute(asked.order_by(TEACH_ANSWERS.c.at, TEACH_ANSWERS.c.id)).all()
        return [
            Given(
                item=row.item,
                learner=row.learner,
                correct=bool(row.correct),
                score=row.score,
                at=row.at,
                text=row.words,
                seconds=row.seconds,
            )
            for row in rows
        ]

    def forget(self, set_id: str, learner: str) -> int:
        """Delete a learner's answers to a set; how many. Raises NotFound where there are none."""
        with self._database.write() as connection:
            gone = connection.execute(
                delete(TEACH_ANSWERS).where(
                    TEACH_ANSWERS.c.teaching_set == set_id, TEACH_ANSWERS.c.learner == learner
                )
            ).rowcount
        if not gone:
            raise NotFound(f"{learner!r} gave no answer to this set")
        return gone


def in_words(answer: Mapping[str, Any]) -> str:
    """An answer as one text, as statements have it (cmi.interaction)."""
    if "order" in answer:
        return "[,]".join(answer["order"])
    if "point" in answer:
        return "[,]".join(f"{value:.3f}" for value in answer["point"])
    return str(answer["choice"])
