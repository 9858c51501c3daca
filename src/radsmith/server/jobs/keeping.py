"""What is kept no longer: uploads that nobody uses, and files that nothing refers to.

An upload may show a patient. It goes when it is old and no job that is open, or ended lately, was
given it; images that were made stay, whatever they were made from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from sqlalchemy import Connection, delete, or_, select
from sqlalchemy.sql.elements import ColumnElement

from radsmith.server.jobs.queue import OPEN
from radsmith.server.store.blobs import Blobs
from radsmith.server.store.database import Database
from radsmith.server.store.settings import Limits
from radsmith.server.store.tables import BATCHES, IMAGES, JOBS

UPLOAD = "upload"
"""The operation of a batch that holds an uploaded picture."""
_FRESH_S = 3600
"""A file this young may belong to a request that is not in the database yet."""


class Keeping:
    """Removes from one database and its files."""

    def __init__(self, database: Database, blobs: Blobs, limits: Limits) -> None:
        self._database = database
        self._blobs = blobs
        self._limits = limits

    def prune(self, now: float) -> tuple[int, int]:
        """Uploads and files removed. now: seconds since 1970."""
        before = now - self._limits.upload_s
        with self._database.write() as connection:
            old = list(_unused(connection, before))
            for image, job, batch in old:
                connection.execute(delete(IMAGES).where(IMAGES.c.id == image))
                connection.execute(delete(JOBS).where(JOBS.c.id == job))
                connection.execute(delete(BATCHES).where(BATCHES.c.id == batch))
            needed = _needed(connection, before)
        return len(old), self._blobs.prune(needed, now - _FRESH_S)


def _used_since(before: float) -> ColumnElement[bool]:
    return or_(JOBS.c.state.in_(OPEN), JOBS.c.ended >= before)


def _unused(connection: Connection, before: float) -> Iterator[tuple[str, str, str]]:
    """Image, job and batch of uploads from before that no job used since."""
    uploads = (
        select(IMAGES.c.id, IMAGES.c.job, BATCHES.c.id.label("batch"))
        .join(JOBS, JOBS.c.id == IMAGES.c.job)
        .join(BATCHES, BATCHES.c.id == JOBS.c.batch)
        .where(BATCHES.c.operation == UPLOAD, BATCHES.c.created < before)
    )
    for image, job, batch in connection.execute(uploads).all():
        names = JOBS.c.payload.contains(json.dumps(image), autoescape=True)
        used = connection.execute(select(JOBS.c.id).where(names, _used_since(before)).limit(1))
        if used.first() is None:
            yield image, job, batch


def _needed(connection: Connection, before: float) -> set[str]:
    """Digests of stored images, and of what jobs that are open or ended since were given."""
    needed = set(connection.execute(select(IMAGES.c.digest)).scalars())
    given = select(JOBS.c.payload).where(JOBS.c.payload.contains('"parts"'), _used_since(before))
    for payload in connection.execute(given).scalars():
        needed |= set(json.loads(payload)["parts"].values())
    return needed
