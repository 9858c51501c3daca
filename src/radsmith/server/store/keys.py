"""API keys. A key is 32 random bytes, so one SHA-256 of it is safe to keep: there is no
dictionary to try, and a slow hash would only slow every request. The key itself is shown once.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

from sqlalchemy import insert, select, update

from radsmith.errors import InvalidInput, NotFound
from radsmith.server.store.database import Database
from radsmith.server.store.tables import API_KEYS

PREFIX = "rsk-"
LOCAL = "local"
"""Owner of what is asked for without a key."""


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key's row. created, revoked: seconds since 1970."""

    id: str
    name: str
    created: float
    revoked: float | None


class Keys:
    """The keys of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str) -> str:
        """Make a key for `name` (1-100 characters); the only time it is seen."""
        if not 0 < len(name.strip()) <= 100:
            raise InvalidInput(
                "a key needs a name of 1-100 characters, such as whom it is for, got"
                f" {len(name.strip())} characters"
            )
        key = PREFIX + secrets.token_urlsafe(32)
        row = {"id": secrets.token_hex(8), "name": name.strip(), "digest": _digest(key)}
        with self._database.write() as connection:
            connection.execute(insert(API_KEYS).values(**row, created=time.time()))
        return key

    def revoke(self, key_id: str) -> None:
        """End a key. Raises NotFound."""
        alive = (API_KEYS.c.id == key_id, API_KEYS.c.revoked.is_(None))
        with self._database.write() as connection:
            change = update(API_KEYS).where(*alive).values(revoked=time.time())
            if connection.execute(change).rowcount != 1:
                raise NotFound(f"no key {key_id!r} that is in use; list them with radsmith key")

    def all(self) -> list[ApiKey]:
        """Every key, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(API_KEYS).order_by(API_KEYS.c.created)).all()
        return [ApiKey(id=r.id, name=r.name, created=r.created, revoked=r.revoked) for r in rows]

    def owner_of(self, key: str) -> str | None:
        """The id of a key in use; None for anything else."""
        alive = (API_KEYS.c.digest == _digest(key), API_KEYS.c.revoked.is_(None))
        with self._database.read() as connection:
            return connection.execute(select(API_KEYS.c.id).where(*alive)).scalar_one_or_none()

    def in_use(self, key_id: str) -> bool:
        """Whether the key of this id may still be used."""
        alive = (API_KEYS.c.id == key_id, API_KEYS.c.revoked.is_(None))
        with self._database.read() as connection:
            return connection.execute(select(API_KEYS.c.id).where(*alive)).first() is not None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
