"""A set and its answers as files for other programs: CSV, xAPI, SCORM, Anki."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from radsmith.errors import InvalidInput
from radsmith.server.teaching.bundle import player_html
from radsmith.teaching.anki import deck_bytes
from radsmith.teaching.items import Item
from radsmith.teaching.quiz import Given, class_of
from radsmith.teaching.results import items_csv, results_csv, statements
from radsmith.teaching.scorm import package
from radsmith.teaching.sets import TeachingSet

FILES = {
    "csv": ("text/csv; charset=utf-8", ".csv"),
    "items": ("text/csv; charset=utf-8", "-items.csv"),
    "xapi": ("application/json", "-xapi.json"),
    "scorm": ("application/zip", "-scorm.zip"),
    "anki": ("application/octet-stream", ".apkg"),
}
HOME = "urn:radsmith"


def exported(
    form: str,
    opened: TeachingSet,
    given: Sequence[Given],
    home: str,
    *,
    only: Sequence[Item] | None = None,
) -> bytes:
    """The file of this form. home: by which statements name accounts.  only: these items.

    Raises InvalidInput where nothing may be shown; Unavailable without the extra.
    """
    items = opened.open_items if only is None else only
    if form in ("scorm", "anki") and not items:
        raise InvalidInput(
            f"no question of {opened.name} may be asked: experts accepted none of its images yet"
        )
    times = [
        datetime.fromtimestamp(one.at, UTC).isoformat(timespec="milliseconds") for one in given
    ]
    if form == "csv":
        return results_csv(opened.name, items, given, times).encode()
    if form == "items":
        return items_csv(items, class_of(items, given)).encode()
    if form == "xapi":
        told = statements(
            opened.id, opened.title, items, given, times, home or HOME
        )  # fmt: skip
        return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()
    if form == "scorm":
        return package(opened, items, player_html(opened.title))
    return deck_bytes(opened, items)
