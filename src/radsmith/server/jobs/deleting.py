"""Deleting what a person asks to be gone: one image, a batch, or everything of an owner.

Rows go in one transaction, then the files that nobody else needs: no image that is left, and no
job that is still to be made. What was drawn from a deleted image stays; it is another image.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from radsmith.errors import InvalidInput, NotFound
from radsmith.server.jobs.queue import OPEN
from radsmith.server.store.blobs import Blobs
from radsmith.server.store.database import Database
from radsmith.server.store.tables import BATCHES, IMAGES, JOBS

_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Gone:
    """What was deleted. files: removed from the disk.  made_from_it: images drawn from what was
    deleted, which stay.  stopped: ids of jobs that were at work."""

    images: int
    files: int
    made_from_it: int = 0
    stopped: tuple[str, ...] = ()


class Deleting:
    """Removes from one database and its files, of one owner at a time."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def image(self, image: str, owner: str) -> Gone:
        """Delete one image, drawn or uploaded, with the job that made it.

        Raises NotFound, and InvalidInput while an edit of it is waiting or at work.
        """
        with self._database.write() as connection:
            found = select(IMAGES.c.job).where(IMAGES.c.id == image, IMAGES.c.owner == owner)
            job = connection.execute(found).scalar_one_or_none()
            if job is None:
                raise NotFound("no such image of this key")
            users = _users(connection, image)
            if any(state in OPEN for state in users):
                raise InvalidInput("this image is being edited: cancel that, or wait for its end")
            held = _taken(connection, [job])
        return Gone(images=1, files=self._removed(held), made_from_it=users.count("done"))

    def batch(self, batch: str, owner: str) -> Gone:
        """Delete all images and jobs of a batch. Raises NotFound, and InvalidInput while it or an
        edit of its images is open."""
        with self._database.write() as connection:
            jobs = select(JOBS.c.id, JOBS.c.state).where(
                JOBS.c.batch == batch, JOBS.c.owner == owner
            )
            rows = connection.execute(jobs).all()
            if not rows:
                raise NotFound("no such batch of this key")
            ids = [row.id for row in rows]
            images = connection.execute(select(IMAGES.c.id).where(IMAGES.c.job.in_(ids))).scalars()
            users = [state for image in images.all() for state in _users(connection, image)]
            if any(state in OPEN for state in (*users, *(row.state for row in rows))):
                raise InvalidInput("images are still being drawn: cancel that, or wait for its end")
            made = sum(row.state == "done" for row in rows)
            held = _taken(connection, ids)
        return Gone(images=made, files=self._removed(held), made_from_it=users.count("done"))

    def everything(self, owner: str) -> Gone:
        """Delete all that an owner has, what is waiting or at work too."""
        with self._database.write() as connection:
            rows = connection.execute(select(JOBS.c.id, JOBS.c.state).where(JOBS.c.owner == owner))
            jobs = rows.all()
            mine = select(IMAGES.c.id).where(IMAGES.c.owner == owner)
            images = len(connection.execute(mine).scalars().all())
            held = _taken(connection, [row.id for row in jobs])
        stopped = tuple(row.id for row in jobs if row.state == "running")
        return Gone(images=images, files=self._removed(held), stopped=stopped)

    def _removed(self, held: dict[str, float]) -> int:
        """Files removed; held: digests that nothing needs, and when they were last asked for."""
        return sum(self._blobs.remove(digest, before) for digest, before in held.items())


def _users(connection: Connection, image: str) -> list[str]:
    """States of the jobs that were given an image."""
    named = JOBS.c.payload.contains(json.dumps(image), autoescape=True)
    return list(connection.execute(select(JOBS.c.state).where(named)).scalars())


def _taken(connection: Connection, jobs: Sequence[str]) -> dict[str, float]:
    """Delete jobs with their images, and batches that are empty then; the digests they held that
    nothing needs any more, with the time after which somebody else must have asked for them."""
    held: dict[str, float] = {}
    for ids in _some(jobs):
        rows = connection.execute(select(JOBS).where(JOBS.c.id.in_(ids))).all()
        images = connection.execute(select(IMAGES).where(IMAGES.c.job.in_(ids))).all()
        for digest, when in (*_parts(rows), *((image.digest, image.created) for image in images)):
            held[digest] = max(when, held.get(digest, 0.0))
        batches = {row.batch for row in rows}
        connection.execute(delete(IMAGES).where(IMAGES.c.job.in_(ids)))
        connection.execute(delete(JOBS).where(JOBS.c.id.in_(ids)))
        left = select(JOBS.c.batch).where(JOBS.c.batch.in_(batches))
        empty = batches - set(connection.execute(left).scalars())
        connection.execute(delete(BATCHES).where(BATCHES.c.id.in_(empty)))
    needed = {digest for digest, _ in _parts(connection.execute(_waiting()).all())}
    for digests in _some(list(held)):
        query = select(IMAGES.c.digest).where(IMAGES.c.digest.in_(digests))
        needed |= set(connection.execute(query).scalars())
    return {digest: when for digest, when in held.items() if digest not in needed}


def _waiting() -> Any:
    return select(JOBS).where(JOBS.c.payload.contains('"parts"'), JOBS.c.state.in_(OPEN))


def _parts(jobs: Iterable[Row[Any]]) -> list[tuple[str, float]]:
    """Digests of what jobs were given, each with the time it was."""
    return [
        (digest, job.created)
        for job in jobs
        for digest in json.loads(job.payload).get("parts", {}).values()
    ]


def _some(values: Sequence[str]) -> Iterable[list[str]]:
    for first in range(0, len(values), _AT_ONCE):
        yield list(values[first : first + _AT_ONCE])
