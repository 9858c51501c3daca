"""What became of batches: reading the database for answers and for the studio's history."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, or_, select

from radsmith.errors import NotFound
from radsmith.server.jobs.about import About
from radsmith.server.jobs.queue import OPEN
from radsmith.server.store.database import Database
from radsmith.server.store.tables import BATCHES, IMAGES, JOBS


@dataclass(frozen=True, kw_only=True)
class StoredImage(About):
    """An image's row."""

    id: str
    digest: str
    batch: str
    created: float

    @property
    def facts(self) -> dict[str, Any]:
        """The record's values."""
        facts: dict[str, Any] = json.loads(self.record)
        return facts


@dataclass(frozen=True, kw_only=True)
class JobView:
    """One image of a batch: queued, running, done (with its image), failed or cancelled."""

    position: int
    state: str
    error: str | None
    status: int | None
    payload: dict[str, Any]
    image: StoredImage | None


@dataclass(frozen=True, kw_only=True)
class BatchView:
    """A batch with its jobs, in the order asked."""

    id: str
    operation: str
    prompt: str
    canonical: str
    created: float
    jobs: tuple[JobView, ...]

    @property
    def open(self) -> bool:
        """Whether something is still to be made."""
        return any(job.state in OPEN for job in self.jobs)


class History:
    """Batches and images of one owner; never another's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def batch(self, batch: str, owner: str) -> BatchView:
        """One batch. Raises NotFound."""
        found = self._views(_batches().where(BATCHES.c.id == batch, BATCHES.c.owner == owner))
        if not found:
            raise NotFound("no such batch of this key")
        return found[0]

    def search(self, owner: str, words: str, before: float, count: int) -> list[BatchView]:
        """Newest batches first. words: each must be in the prompt; before: seconds since 1970."""
        query = _batches().where(BATCHES.c.owner == owner, BATCHES.c.created < before)
        for word in words.split()[:20]:
            query = query.where(
                or_(
                    BATCHES.c.prompt.icontains(word, autoescape=True),
                    BATCHES.c.canonical.icontains(word, autoescape=True),
                )
            )
        return self._views(query.order_by(BATCHES.c.created.desc()).limit(count))

    def image(self, image: str, owner: str | None) -> StoredImage:
        """One image; owner None: of anybody (a signed address was shown). Raises NotFound."""
        query = _images().where(IMAGES.c.id == image)
        if owner is not None:
            query = query.where(IMAGES.c.owner == owner)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound("no such image of this key")
        return _stored(row)

    def _views(self, query: Select[Any]) -> list[BatchView]:
        with self._database.read() as connection:
            batches = connection.execute(query).all()
            ids = [row.id for row in batches]
            jobs = connection.execute(
                select(JOBS).where(JOBS.c.batch.in_(ids)).order_by(JOBS.c.position)
            ).all()
            images = connection.execute(_images().where(JOBS.c.batch.in_(ids))).all()
        by_job = {row.job: _stored(row) for row in images}
        return [_view(row, (j for j in jobs if j.batch == row.id), by_job) for row in batches]


def _batches() -> Select[Any]:
    return select(BATCHES)


def _images() -> Select[Any]:
    return select(IMAGES, JOBS.c.batch).join(JOBS, JOBS.c.id == IMAGES.c.job)


def _view(row: Row[Any], jobs: Iterable[Row[Any]], images: dict[str, StoredImage]) -> BatchView:
    return BatchView(
        id=row.id,
        operation=row.operation,
        prompt=row.prompt,
        canonical=row.canonical,
        created=row.created,
        jobs=tuple(
            JobView(
                position=job.position,
                state=job.state,
                error=job.error,
                status=job.status,
                payload=json.loads(job.payload),
                image=images.get(job.id),
            )
            for job in jobs
        ),
    )


def _stored(row: Row[Any]) -> StoredImage:
    return StoredImage.of(row, id=row.id, digest=row.digest, batch=row.batch, created=row.created)
