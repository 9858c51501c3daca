"""Jobs in the database. A batch is one request; a job is one image of it.

    queued ──claim──▶ running ──finish──▶ done
      ▲  │               │ ├────fail────▶ failed
      │  └───cancel──────┼─┴───cancel───▶ cancelled
      └─────requeue──────┘

Every step is one transaction that names the state and the attempt it starts from, so a step that
comes too late (after a cancel, a deadline, another attempt) changes nothing, and an image is
stored together with its job's `done` or not at all.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, insert, or_, select, update

from radsmith.errors import Busy, InvalidInput
from radsmith.server.jobs.about import About
from radsmith.server.store.database import Database
from radsmith.server.store.settings import Limits
from radsmith.server.store.tables import BATCHES, IMAGES, JOBS

OPEN = ("queued", "running")


@dataclass(frozen=True, kw_only=True)
class NewBatch:
    """What a request asks for; one payload (JSON values) an image.

    retry_key: the client's Idempotency-Key; the same key and payloads, but for how they were
    planned, give the same batch.
    """

    owner: str
    operation: str
    prompt: str
    canonical: str
    payloads: Sequence[Mapping[str, Any]]
    end_user: str | None = None
    retry_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class QueuedJob:
    """A job that a worker was given. deadline: seconds since 1970."""

    id: str
    batch: str
    attempt: int
    deadline: float
    payload: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class MadeImage(About):
    """An image as a worker hands it over. data: NPY."""

    data: bytes


class Jobs:
    """The queue, in the database."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits

    def submit(self, new: NewBatch, wait_s: float) -> str:
        """Accept a batch whole or not at all; its id.

        wait_s: a guess of seconds for one image, for Retry-After. Raises Busy where the queue
        or the owner's part of it is full, InvalidInput for a retry key used for another request.
        """
        parts = [{k: v for k, v in p.items() if k != "plan"} for p in new.payloads]
        asked = json.dumps(parts, sort_keys=True)
        digest = hashlib.sha256(asked.encode()).hexdigest()
        now = time.time()
        with self._database.write() as connection:
            self._database.alone(connection, "submit")
            if new.retry_key is not None:
                known = _batch_of(connection, new.owner, new.retry_key, digest)
                if known is not None:
                    return known
            self._check_room(connection, new, wait_s)
            batch = _insert(connection, new, digest, now)
            until = now + self._limits.deadline_s
            rows = [_row(new, batch, k, now, until) for k in range(len(new.payloads))]
            connection.execute(insert(JOBS), rows)
        return batch

    def _check_room(self, connection: Connection, new: NewBatch, wait_s: float) -> None:
        waiting = select(func.count()).select_from(JOBS).where(JOBS.c.state.in_(OPEN))
        asked = len(new.payloads)
        mine = connection.execute(waiting.where(JOBS.c.owner == new.owner)).scalar() or 0
        if mine + asked > self._limits.per_key:
            raise Busy(
                f"{mine} images of this key are waiting; at most {self._limits.per_key} may."
                " Try again when some are done",
                seconds=round(wait_s * asked),
                own=True,
            )
        whole = connection.execute(waiting).scalar() or 0
        if whole + asked > self._limits.queue:
            raise Busy(
                f"the queue is full ({whole} images); try again later",
                seconds=round(wait_s * asked),
                own=False,
            )

    def claim(self, member: str | None = None) -> QueuedJob | None:
        """The oldest waiting job, now running; None where there is none. member: whose it is."""
        oldest = (
            select(JOBS)
            .where(JOBS.c.state == "queued")
            .order_by(JOBS.c.created, JOBS.c.position)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self._database.write() as connection:
            row = connection.execute(oldest).one_or_none()
            if row is None:
                return None
            connection.execute(
                update(JOBS)
                .where(JOBS.c.id == row.id)
                .values(
                    state="running",
                    attempts=row.attempts + 1,
                    started=time.time(),
                    member=member,
                )
            )
        return QueuedJob(
            id=row.id,
            batch=row.batch,
            attempt=row.attempts + 1,
            deadline=row.deadline,
            payload=json.loads(row.payload),
        )

    def finish(self, job: QueuedJob, made: MadeImage, digest: str) -> bool:
        """Store the image and close the job; False where the job is no longer this attempt's."""
        with self._database.write() as connection:
            if not _leave(connection, job, "done"):
                return False
            owner = connection.execute(select(JOBS.c.owner).where(JOBS.c.id == job.id)).scalar_one()
            _store(connection, job.id, owner, made, digest)
        return True

    def keep(self, new: NewBatch, made: MadeImage, digest: str) -> str:
        """A batch of one image that is there already, such as an upload; the batch's id."""
        with self._database.write() as connection:
            batch = _insert(connection, new, None, time.time())
            row = _row(new, batch, 0, time.time(), time.time()) | {"state": "done"}
            connection.execute(insert(JOBS).values(**row))
            _store(connection, row["id"], new.owner, made, digest)
        return batch

    def fail(self, job: QueuedJob, message: str, status: int) -> bool:
        """Close the job without an image. status: what HTTP says of it, 400 or 503."""
        with self._database.write() as connection:
            return _leave(connection, job, "failed", error=message, status=status)

    def requeue(self, job: QueuedJob, *, count: bool) -> bool:
        """Put the job back. count: this was an attempt; else it is as if it had not begun."""
        attempts = job.attempt if count else job.attempt - 1
        with self._database.write() as connection:
            return _leave(connection, job, "queued", attempts=attempts)

    def requeue_running(self, alive: Collection[str] = ()) -> int:
        """What was at work at members that are not alive is waiting again; its number.

        Waiting jobs get their whole time anew where nobody is alive: they waited for nobody; else
        those that are queued again do. One that was at work at each of several crashes is failed:
        it may be what crashes.
        """
        now = time.time()
        running = and_(
            JOBS.c.state == "running",
            or_(JOBS.c.member.is_(None), JOBS.c.member.not_in(list(alive))),
        )
        later = {"deadline": now + self._limits.deadline_s}
        with self._database.write() as connection:
            connection.execute(
                update(JOBS)
                .where(running, JOBS.c.attempts >= self._limits.attempts)
                .values(
                    state="failed",
                    error="the server stopped at each try of this image",
                    status=503,
                    ended=now,
                )
            )
            again = update(JOBS).where(running).values(state="queued", **later)
            found = connection.execute(again).rowcount
            if not alive:
                connection.execute(update(JOBS).where(JOBS.c.state == "queued").values(later))
        return found

    def still(self, jobs: Sequence[QueuedJob]) -> list[str]:
        """Ids of those that are still at work in this attempt: not cancelled, not taken away."""
        if not jobs:
            return []
        attempts = {job.id: job.attempt for job in jobs}
        query = select(JOBS.c.id, JOBS.c.attempts).where(
            JOBS.c.id.in_(list(attempts)), JOBS.c.state == "running"
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [row.id for row in rows if row.attempts == attempts[row.id]]

    def expire(self) -> list[str]:
        """Fail waiting jobs past their deadline; the batches they belong to."""
        now = time.time()
        late = (JOBS.c.state == "queued", JOBS.c.deadline < now)
        with self._database.write() as connection:
            batches = list(connection.execute(select(JOBS.c.batch).where(*late)).scalars())
            if batches:
                connection.execute(
                    update(JOBS)
                    .where(*late)
                    .values(
                        state="failed",
                        error="the deadline passed while the image was waiting",
                        status=503,
                        ended=now,
                    )
                )
        return sorted(set(batches))

    def cancel(self, batch: str, owner: str) -> list[str]:
        """Cancel what is not done of a batch; ids of the jobs that were at work."""
        mine = (JOBS.c.batch == batch, JOBS.c.owner == owner, JOBS.c.state.in_(OPEN))
        with self._database.write() as connection:
            rows = connection.execute(select(JOBS.c.id, JOBS.c.state).where(*mine)).all()
            connection.execute(
                update(JOBS).where(*mine).values(state="cancelled", ended=time.time())
            )
        return [row.id for row in rows if row.state == "running"]

    def counts(self) -> dict[str, int]:
        """Number of jobs by state."""
        with self._database.read() as connection:
            query = select(JOBS.c.state, func.count()).group_by(JOBS.c.state)
            return {state: number for state, number in connection.execute(query)}


def _insert(connection: Connection, new: NewBatch, digest: str | None, now: float) -> str:
    batch = secrets.token_urlsafe(16)
    connection.execute(
        insert(BATCHES).values(
            id=batch,
            owner=new.owner,
            operation=new.operation,
            prompt=new.prompt,
            canonical=new.canonical,
            end_user=new.end_user,
            retry_key=new.retry_key,
            retry_digest=digest if new.retry_key is not None else None,
            created=now,
        )
    )
    return batch


def _row(new: NewBatch, batch: str, position: int, now: float, deadline: float) -> dict[str, Any]:
    """A waiting job."""
    return {
        "id": secrets.token_urlsafe(16),
        "batch": batch,
        "position": position,
        "owner": new.owner,
        "state": "queued",
        "payload": json.dumps(new.payloads[position], sort_keys=True),
        "attempts": 0,
        "created": now,
        "deadline": deadline,
    }


def _store(connection: Connection, job: str, owner: str, made: MadeImage, digest: str) -> None:
    own = {"id": secrets.token_urlsafe(16), "job": job, "owner": owner, "digest": digest}
    connection.execute(insert(IMAGES).values(**own, created=time.time(), **made.columns()))


def _batch_of(connection: Connection, owner: str, retry_key: str, digest: str) -> str | None:
    query = select(BATCHES.c.id, BATCHES.c.retry_digest)
    row = connection.execute(
        query.where(BATCHES.c.owner == owner, BATCHES.c.retry_key == retry_key)
    ).one_or_none()
    if row is not None and row.retry_digest != digest:
        raise InvalidInput("this Idempotency-Key was used for another request; choose a new one")
    return None if row is None else str(row.id)


def _leave(connection: Connection, job: QueuedJob, state: str, **values: Any) -> bool:
    """Take the job from running (in this attempt) to `state`; whether it was there."""
    ended = {} if state == "queued" else {"ended": time.time()}
    mine = (JOBS.c.id == job.id, JOBS.c.state == "running", JOBS.c.attempts == job.attempt)
    result = connection.execute(update(JOBS).where(*mine).values(state=state, **values, **ended))
    return bool(result.rowcount == 1)
