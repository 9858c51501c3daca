"""One database, opened and migrated: SQLite for one server, PostgreSQL for any number."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from radsmith.errors import InvalidInput, Unavailable
from radsmith.server.store.migrations import migrate

_LOCKS = {"migrate": 7_205_759_403, "submit": 7_205_759_404, "members": 7_205_759_405}
"""PostgreSQL advisory locks, held for one transaction."""
_WAIT_MS = 20_000


class Database:
    """Short transactions: `read` and `write`. Errors of the database become Unavailable."""

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)
        self.sqlite = self._url.get_backend_name() == "sqlite"
        self._engine = _engine(self._url, self.sqlite)
        try:
            with self.write() as connection:
                self.alone(connection, "migrate")
                migrate(connection)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that changes nothing."""
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed whole or not at all."""
        with (
            self._translated(),
            self._engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    def alone(self, connection: Connection, what: str) -> None:
        """Wait until no other server is at this; until the transaction ends. SQLite's writers are
        alone anyhow."""
        if not self.sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCKS[what]})

    def now(self, connection: Connection) -> float:
        """Seconds since 1970 by the one clock that all servers of the database share."""
        if self.sqlite:
            return time.time()
        clock = text("SELECT EXTRACT(EPOCH FROM clock_timestamp())")
        return float(connection.execute(clock).scalar_one())

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            where = self._url.render_as_string(hide_password=True)
            raise Unavailable(f"the database {where} cannot be used: {error.orig}") from error


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise InvalidInput(f"not a database URL: {url!r}; see radsmith serve --help") from error
    if backend == "postgres" or backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise InvalidInput(f"a database must be sqlite or postgresql, got {backend!r}")
    return parsed


def _engine(url: URL, sqlite: bool) -> Engine:
    try:
        if sqlite:
            engine = create_engine(url, pool_size=8)
            event.listen(engine, "connect", _on_connect)
            event.listen(engine, "begin", _on_begin)
            return engine
        return create_engine(url, pool_pre_ping=True, pool_size=8)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise Unavailable(
            "PostgreSQL needs psycopg: install it with `pip install radsmith[serve,postgres]`"
        ) from error


def _on_connect(connection: Any, _: object) -> None:
    """WAL, so that readers never wait; FULL, so that what was accepted outlives a power cut."""
    connection.isolation_level = None  # transactions are begun by `_on_begin`
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_WAIT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten
    cursor.close()


def _on_begin(connection: Connection) -> None:
    """A writer takes its lock at once: a reader that turns writer could not wait for it."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
