"""The tables as `migrations.py` leaves them. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import Column, Double, Integer, MetaData, Table, Text

METADATA = MetaData()

API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("revoked", Double),
)
BATCHES = Table(
    "batches",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("canonical", Text, nullable=False),
    Column("end_user", Text),
    Column("retry_key", Text),
    Column("retry_digest", Text),
    Column("created", Double, nullable=False),
)
JOBS = Table(
    "jobs",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("batch", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("status", Integer),
    Column("created", Double, nullable=False),
    Column("deadline", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("member", Text),
)
IMAGES = Table(
    "images",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("job", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("spacing", Double),
    Column("window_center", Double),
    Column("window_width", Double),
    Column("record", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("bits", Integer, nullable=False),
    Column("inverted", Integer, nullable=False),
    Column("column_spacing", Double),
    Column("modality", Text),
    Column("rescale_slope", Double),
    Column("rescale_intercept", Double),
    Column("place_x", Integer),
    Column("place_y", Integer),
)
REVIEW_PEOPLE = Table(
    "review_people",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password", Text),
    Column("subject", Text),
    Column("created", Double, nullable=False),
    Column("ended", Double),
)
REVIEW_SESSIONS = Table(
    "review_sessions",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("ends", Double, nullable=False),
)
MEMBERS = Table(
    "members",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("workers", Integer, nullable=False),
    Column("blobs", Text, nullable=False),
    Column("secret", Text),
    Column("seen", Double, nullable=False),
)
TEACH_ANSWERS = Table(
    "teach_answers",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("teaching_set", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("learner", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("correct", Integer, nullable=False),
    Column("score", Double, nullable=False),
    Column("seconds", Double),
    Column("at", Double, nullable=False),
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("owner", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
