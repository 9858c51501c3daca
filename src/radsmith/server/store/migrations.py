"""The database's history: an append-only list. Never change an entry; add one.

Plain SQL that SQLite and PostgreSQL both take. `tables.py` describes where the list leads; a test
compares the two from every entry on.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, text

from radsmith.errors import Unavailable

MIGRATIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "batches of jobs, their images, keys and the audit log",
        (
            """CREATE TABLE api_keys (
                id TEXT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL UNIQUE,
                created DOUBLE PRECISION NOT NULL, revoked DOUBLE PRECISION)""",
            """CREATE TABLE batches (
                id TEXT PRIMARY KEY, owner TEXT NOT NULL, operation TEXT NOT NULL,
                prompt TEXT NOT NULL, canonical TEXT NOT NULL, end_user TEXT,
                retry_key TEXT, retry_digest TEXT, created DOUBLE PRECISION NOT NULL,
                UNIQUE (owner, retry_key))""",
            "CREATE INDEX batches_by_owner ON batches (owner, created)",
            """CREATE TABLE jobs (
                id TEXT PRIMARY KEY, batch TEXT NOT NULL REFERENCES batches (id),
                position INTEGER NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
                payload TEXT NOT NULL, attempts INTEGER NOT NULL, error TEXT, status INTEGER,
                created DOUBLE PRECISION NOT NULL, deadline DOUBLE PRECISION NOT NULL,
                started DOUBLE PRECISION, ended DOUBLE PRECISION,
                UNIQUE (batch, position))""",
            "CREATE INDEX jobs_by_state ON jobs (state, created)",
            """CREATE TABLE images (
                id TEXT PRIMARY KEY, job TEXT NOT NULL UNIQUE REFERENCES jobs (id),
                owner TEXT NOT NULL, digest TEXT NOT NULL, unit TEXT NOT NULL,
                width INTEGER NOT NULL, height INTEGER NOT NULL,
                spacing DOUBLE PRECISION, window_center DOUBLE PRECISION,
                window_width DOUBLE PRECISION, record TEXT NOT NULL,
                created DOUBLE PRECISION NOT NULL)""",
            """CREATE TABLE audit (
                id TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL, owner TEXT NOT NULL,
                address TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL)""",
            "CREATE INDEX audit_by_time ON audit (at)",
        ),
    ),
    (
        "depth and polarity of images that were not drawn from nothing",
        (
            "ALTER TABLE images ADD COLUMN bits INTEGER NOT NULL DEFAULT 16",
            "ALTER TABLE images ADD COLUMN inverted INTEGER NOT NULL DEFAULT 0",
        ),
    ),
    (
        "what images from DICOM keep of it, and where the parent of a larger image lies in it",
        (
            "ALTER TABLE images ADD COLUMN column_spacing DOUBLE PRECISION",
            "ALTER TABLE images ADD COLUMN modality TEXT",
            "ALTER TABLE images ADD COLUMN rescale_slope DOUBLE PRECISION",
            "ALTER TABLE images ADD COLUMN rescale_intercept DOUBLE PRECISION",
            "ALTER TABLE images ADD COLUMN place_x INTEGER",
            "ALTER TABLE images ADD COLUMN place_y INTEGER",
        ),
    ),
    (
        "people who review images, and their sessions",
        (
            """CREATE TABLE review_people (
                id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL,
                password TEXT, subject TEXT UNIQUE, created DOUBLE PRECISION NOT NULL,
                ended DOUBLE PRECISION)""",
            """CREATE TABLE review_sessions (
                digest TEXT PRIMARY KEY, person TEXT NOT NULL REFERENCES review_people (id),
                ends DOUBLE PRECISION NOT NULL)""",
        ),
    ),
    (
        "servers and workers that share one queue, and who is at which job",
        (
            """CREATE TABLE members (
                id TEXT PRIMARY KEY, name TEXT NOT NULL, workers INTEGER NOT NULL,
                blobs TEXT NOT NULL, secret TEXT, seen DOUBLE PRECISION NOT NULL)""",
            "ALTER TABLE jobs ADD COLUMN member TEXT",
        ),
    ),
    (
        "answers of learners",
        (
            """CREATE TABLE teach_answers (
                id TEXT PRIMARY KEY, teaching_set TEXT NOT NULL, item TEXT NOT NULL,
                learner TEXT NOT NULL, request TEXT NOT NULL, answer TEXT NOT NULL,
                words TEXT NOT NULL, correct INTEGER NOT NULL, score DOUBLE PRECISION NOT NULL,
                seconds DOUBLE PRECISION, at DOUBLE PRECISION NOT NULL,
                UNIQUE (learner, request))""",
            "CREATE INDEX teach_answers_by_set ON teach_answers (teaching_set, learner, at)",
        ),
    ),
)


def migrate(connection: Connection, upto: int = len(MIGRATIONS)) -> None:
    """Bring the database to entry `upto`. Raises Unavailable for one made by a later radsmith."""
    connection.execute(
        text(
            "CREATE TABLE IF NOT EXISTS schema_version"
            " (version INTEGER PRIMARY KEY, name TEXT NOT NULL, at DOUBLE PRECISION NOT NULL)"
        )
    )
    current = connection.execute(text("SELECT MAX(version) FROM schema_version")).scalar() or 0
    if current > len(MIGRATIONS):
        raise Unavailable(
            f"the database is at version {current}, this radsmith knows {len(MIGRATIONS)}:"
            " install the radsmith that made it, or name another with --db"
        )
    for version in range(current + 1, upto + 1):
        name, statements = MIGRATIONS[version - 1]
        for statement in statements:
            connection.execute(text(statement))
        connection.execute(
            text("INSERT INTO schema_version VALUES (:version, :name, :at)"),
            {"version": version, "name": name, "at": time.time()},
        )
