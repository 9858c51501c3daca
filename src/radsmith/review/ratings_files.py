"""Ratings in tables: read from CSV, whoever made them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from radsmith.errors import InvalidInput
from radsmith.files import read_bytes

COLUMNS = ("case", "reader", "value")


def read_ratings(path: Path) -> list[tuple[str, str, str]]:
    """(case, reader, value) of each row of a CSV with those columns; others are left alone.

    Raises NotFound, or InvalidInput naming the line.
    """
    rows = []
    for number, row in enumerate(read_rows(path, COLUMNS), start=2):
        case, reader, value = (row[name].strip() for name in COLUMNS)
        if not case or not reader:
            raise InvalidInput(f"{path}, line {number}: a rating needs a case and a reader")
        rows.append((case, reader, value))
    return rows


def read_rows(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a CSV in UTF-8 by the names of its first line; what is left out is "".

    Raises InvalidInput where a needed column is missing or nothing follows the names.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8: save it again as CSV in UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise InvalidInput(
            f"{path} has no column {', '.join(missing)}: its first line must name"
            f" {', '.join(needed)}"
        )
    try:
        rows = [{k: v or "" for k, v in row.items() if isinstance(k, str)} for row in reader]
    except csv.Error as error:
        raise InvalidInput(f"{path} is not a CSV that can be read: {error}") from error
    if not rows:
        raise InvalidInput(f"{path} holds no rows below its first line")
    return rows
