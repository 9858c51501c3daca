"""The time that records carry."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """This moment, in ISO 8601 to the second, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def today() -> str:
    """The day, as YYYY-MM-DD, UTC."""
    return datetime.now(UTC).date().isoformat()
