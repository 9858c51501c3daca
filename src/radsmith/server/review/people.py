"""People who review: accounts with a role, passwords by Argon2id, sessions in the database."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from radsmith.errors import InvalidInput, NotFound, Unavailable
from radsmith.server.store.database import Database
from radsmith.server.store.tables import REVIEW_PEOPLE, REVIEW_SESSIONS

if TYPE_CHECKING:
    from argon2 import PasswordHasher

Role = Literal["organiser", "reader", "adjudicator", "observer"]
ROLES: tuple[Role, ...] = get_args(Role)
SESSION_S = 12 * 3600
SHORTEST, LONGEST = 10, 200
_SUBJECT = re.compile(r"https?://[^\s|]{1,400}\|[^\x00-\x1f]{1,255}")


@dataclass(frozen=True, kw_only=True)
class Person:
    """An account. name: as studies name their readers.  ended: when it was ended, if it was."""

    id: str
    name: str
    role: Role
    created: float
    ended: float | None = None


LOCAL = Person(id="local", name="local", role="organiser", created=0.0)
"""Whoever sits at this machine, while there are no accounts and nobody else can reach it."""


class People:
    """The accounts of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._at_once = threading.BoundedSemaphore(2)  # hashing takes 64 MiB each

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher()  # RFC 9106, low-memory profile: 64 MiB, three passes

    @cached_property
    def _nobody(self) -> str:
        """A hash that no password has, so that an unknown name takes as long as a known one."""
        return self._hasher.hash(secrets.token_urlsafe(32))

    def add(self, name: str, role: Role, password: str | None, subject: str | None = None) -> None:
        """Make an account. subject: of a sign-on elsewhere; password: None for that alone.

        Raises InvalidInput for a name in use, an unknown role, a short password or a subject that
        names no issuer.
        """
        name = name.strip()
        if not 0 < len(name) <= 60 or name == LOCAL.name:
            raise InvalidInput(
                f"a person needs a name of 1-60 characters, other than “local”; got {name[:60]!r}"
            )
        if role not in ROLES:
            raise InvalidInput(f"no role {role!r}: there are {', '.join(ROLES)}")
        if subject is not None and not _SUBJECT.fullmatch(subject):
            raise InvalidInput(
                f"{subject[:60]!r} is no subject of a sign-on: expected ISSUER|SUBJECT, such as"
                " https://sso.example.org|ann (--subject)"
            )
        row = {"id": secrets.token_hex(8), "name": name, "role": role, "subject": subject}
        row["password"] = None if password is None else self._hash(password)
        try:
            with self._database.write() as connection:
                connection.execute(insert(REVIEW_PEOPLE).values(**row, created=time.time()))
        except Unavailable as error:
            if isinstance(error.__cause__, IntegrityError):
                raise InvalidInput(
                    f"there is an account {name!r} already: choose another"
                ) from error
            raise

    def set_password(self, name: str, password: str) -> None:
        """Another password; sessions end. Raises NotFound, or InvalidInput for a short one."""
        hashed = self._hash(password)
        self._change(name, {"password": hashed})

    def end(self, name: str) -> None:
        """End an account and its sessions; what it answered stays. Raises NotFound."""
        self._change(name, {"ended": time.time()})

    def _change(self, name: str, values: dict[str, object]) -> None:
        alive = (REVIEW_PEOPLE.c.name == name, REVIEW_PEOPLE.c.ended.is_(None))
        with self._database.write() as connection:
            found = connection.execute(select(REVIEW_PEOPLE.c.id).where(*alive)).scalar()
            if found is None:
                raise NotFound(f"no account {name!r}; list them with radsmith review person")
            connection.execute(update(REVIEW_PEOPLE).where(*alive).values(**values))
            connection.execute(delete(REVIEW_SESSIONS).where(REVIEW_SESSIONS.c.person == found))

    def all(self) -> list[Person]:
        """Every account, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(REVIEW_PEOPLE).order_by(REVIEW_PEOPLE.c.created)).all()
        return [_person(row) for row in rows]

    def any(self) -> bool:
        """Whether there is any account."""
        with self._database.read() as connection:
            return bool(
                connection.execute(select(func.count()).select_from(REVIEW_PEOPLE)).scalar()
            )

    def login(self, name: str, password: str) -> str | None:
        """A new session's token; None for a wrong name or password, after the same time."""
        from argon2.exceptions import InvalidHashError, VerificationError

        alive = (REVIEW_PEOPLE.c.name == name.strip(), REVIEW_PEOPLE.c.ended.is_(None))
        with self._database.read() as connection:
            row = connection.execute(select(REVIEW_PEOPLE).where(*alive)).first()
        try:
            with self._at_once:
                known = row.password if row and row.password else self._nobody
                self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return None
        assert row is not None  # nobody's password is known to nobody
        return self.open(row.id)

    def login_by(self, subject: str) -> str | None:
        """A new session's token for who signed on elsewhere; None for somebody unknown."""
        alive = (REVIEW_PEOPLE.c.subject == subject, REVIEW_PEOPLE.c.ended.is_(None))
        with self._database.read() as connection:
            found = connection.execute(select(REVIEW_PEOPLE.c.id).where(*alive)).scalar()
        return None if found is None else self.open(found)

    def open(self, person: str) -> str:
        """A session's token; the database keeps its hash alone."""
        token, now = secrets.token_urlsafe(32), time.time()
        row = {"digest": _digest(token), "person": person, "ends": now + SESSION_S}
        with self._database.write() as connection:
            connection.execute(delete(REVIEW_SESSIONS).where(REVIEW_SESSIONS.c.ends < now))
            connection.execute(insert(REVIEW_SESSIONS).values(**row))
        return token

    def of_session(self, token: str) -> Person | None:
        """Whose session this is, if it has not ended."""
        joined = REVIEW_PEOPLE.join(REVIEW_SESSIONS, REVIEW_SESSIONS.c.person == REVIEW_PEOPLE.c.id)
        asked = (
            select(REVIEW_PEOPLE)
            .select_from(joined)
            .where(
                REVIEW_SESSIONS.c.digest == _digest(token),
                REVIEW_SESSIONS.c.ends > time.time(),
                REVIEW_PEOPLE.c.ended.is_(None),
            )
        )
        with self._database.read() as connection:
            row = connection.execute(asked).first()
        return None if row is None else _person(row)

    def close(self, token: str) -> None:
        """End a session."""
        with self._database.write() as connection:
            connection.execute(
                delete(REVIEW_SESSIONS).where(REVIEW_SESSIONS.c.digest == _digest(token))
            )

    def _hash(self, password: str) -> str:
        if not SHORTEST <= len(password) <= LONGEST:
            raise InvalidInput(f"a password has {SHORTEST}-{LONGEST} characters")
        return self._hasher.hash(password)


def _person(row: Row[tuple[object, ...]]) -> Person:
    return Person(id=row.id, name=row.name, role=row.role, created=row.created, ended=row.ended)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
