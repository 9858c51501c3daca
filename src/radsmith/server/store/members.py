"""Servers and workers that share one database: who they are, and which of them died.

Each member writes the time of the database into its row, again and again. One that has not for
LOST_S is lost: its row goes, and what it was at is queued again (`jobs.queue`). A member that was
only slow joins anew; what it still had at work no longer counts, as its attempt is over.
"""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from radsmith.errors import InvalidInput
from radsmith.server.store.database import Database
from radsmith.server.store.tables import MEMBERS

BEAT_S: Final = 3.0
LOST_S: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class Member:
    """One server or worker. blobs: where it keeps images.  secret: a digest of what it signs with,
    None for one that signs nothing."""

    workers: int
    blobs: str
    secret: str | None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    name: str = field(default_factory=lambda: f"{socket.gethostname()} process {os.getpid()}")


class Members:
    """The members of one database. lost_s: as LOST_S."""

    def __init__(self, database: Database, lost_s: float = LOST_S) -> None:
        self._database = database
        self._lost_s = lost_s

    def join(self, member: Member) -> None:
        """Become one of them. Raises InvalidInput where it keeps images elsewhere than the others
        do, or signs with another secret: they would not know each other's addresses."""
        with self._database.write() as connection:
            self._database.alone(connection, "members")
            since = self._database.now(connection) - self._lost_s
            others = connection.execute(select(MEMBERS).where(MEMBERS.c.seen >= since)).all()
            for other in others:
                if other.blobs != member.blobs:
                    raise InvalidInput(
                        f"{other.name} shares this database and keeps images in {other.blobs}, this"
                        f" one would in {member.blobs}: give all the same --blobs"
                    )
                if member.secret and other.secret and other.secret != member.secret:
                    raise InvalidInput(
                        f"{other.name} shares this database and signs with another secret: start"
                        " all with the same $RADSMITH_SERVER_SECRET"
                    )
            self._write(connection, member)

    def beat(self, member: Member) -> None:
        """A sign of life."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            own = update(MEMBERS).where(MEMBERS.c.id == member.id).values(seen=now)
            if connection.execute(own).rowcount == 0:
                self._write(connection, member)

    def leave(self, member: Member) -> None:
        """Be one of them no longer."""
        with self._database.write() as connection:
            connection.execute(delete(MEMBERS).where(MEMBERS.c.id == member.id))

    def alive(self) -> dict[str, int]:
        """Members that gave a sign of life, with their workers; the others are forgotten."""
        with self._database.write() as connection:
            since = self._database.now(connection) - self._lost_s
            connection.execute(delete(MEMBERS).where(MEMBERS.c.seen < since))
            rows = connection.execute(select(MEMBERS.c.id, MEMBERS.c.workers)).all()
        return {row.id: row.workers for row in rows}

    def _write(self, connection: Connection, member: Member) -> None:
        now = self._database.now(connection)
        connection.execute(insert(MEMBERS).values(**vars(member), seen=now))
