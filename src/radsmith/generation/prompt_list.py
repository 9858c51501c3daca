"""Lists of prompts as CSV: one row a prompt, with its own number, seed, name and settings."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from radsmith.errors import InvalidInput
from radsmith.files import read_bytes
from radsmith.images.provenance import Settings

COLUMNS = ("prompt", "n", "seed", "name", "steps", "guidance", "sampler", "size")
MOST_PER_ROW = 100_000
Number = TypeVar("Number", int, float)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row. line: in the file, from 1.  error: why it cannot be used, else empty."""

    line: int
    prompt: str
    count: int = 1
    seed: int = 0
    name: str = ""
    settings: Settings = field(default_factory=Settings)
    error: str = ""


def read_list(path: Path, count: int, seed: int, settings: Settings) -> list[Row]:
    """Rows of a CSV file with a header; count, seed and settings hold where a cell is empty.

    Columns: `prompt`, and if wanted `n`, `seed`, `name`, `steps`, `guidance`, `sampler`, `size`.
    A row that cannot be used is returned with its error. Raises NotFound, or InvalidInput for a
    file that is no such list at all.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text: save it as CSV UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = [name.strip().lower() for name in reader.fieldnames or ()]
    if "prompt" not in header:
        raise InvalidInput(f"{path} needs a header with the column prompt; known: {COLUMNS}")
    unknown = set(header) - set(COLUMNS)
    if unknown:
        raise InvalidInput(f"{path} has unknown columns {sorted(unknown)}; known: {COLUMNS}")
    reader.fieldnames = header
    base = Row(line=0, prompt="", count=count, seed=seed, settings=settings)
    return list(_rows(reader, base, path))


def _rows(reader: csv.DictReader[str], base: Row, path: Path) -> Iterator[Row]:
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield replace(base, line=reader.line_num, error=f"not readable as CSV: {error}")
            continue
        try:
            if None in cells:
                raise InvalidInput(
                    "more cells than the header has; put a prompt with commas in double quotes"
                )
            yield _row({k: (v or "").strip() for k, v in cells.items()}, base, reader.line_num)
        except InvalidInput as error:
            prompt = cells.get("prompt") or ""
            yield replace(base, line=reader.line_num, prompt=prompt, error=str(error))


def _row(cells: dict[str, str], base: Row, line: int) -> Row:
    count = _value(cells, "n", base.count)
    if not 1 <= count <= MOST_PER_ROW:
        raise InvalidInput(f"n must be 1-{MOST_PER_ROW}, got {count}")
    name = cells.get("name", "")
    if name and not re.fullmatch(r"[\w][\w. -]{0,99}", name):
        raise InvalidInput(f"name {name!r} is not a plain file name")
    if not cells["prompt"]:
        raise InvalidInput("the prompt is empty")
    asked = base.settings
    size = parse_size(cells["size"]) if cells.get("size") else asked.size
    settings = replace(
        asked,
        num_steps=_value(cells, "steps", asked.num_steps),
        guidance_scale=_value(cells, "guidance", asked.guidance_scale),
        sampler=cells.get("sampler") or asked.sampler,
        size=size,
    )
    seed = _value(cells, "seed", base.seed)
    return Row(
        line=line, prompt=cells["prompt"], count=count, seed=seed, name=name, settings=settings
    )


def parse_size(text: str) -> tuple[int, int]:
    """ "256x192" as (width, height)."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*[x×X]\s*(\d{1,6})\s*", text)
    if not match:
        raise InvalidInput(f"size must be WIDTHxHEIGHT such as 256x192, got {text!r}")
    return int(match[1]), int(match[2])


def parse_steps(text: str) -> list[int]:
    """ "4,25" as whole numbers of steps, without repeats."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and 1 <= int(part) <= 100 for part in parts):
        raise InvalidInput(f"steps must be whole numbers 1-100 such as 8 or 8,16, got {text!r}")
    return list(dict.fromkeys(int(part) for part in parts))


def _value(cells: dict[str, str], column: str, default: Number) -> Number:
    """A cell read as the default's kind of number."""
    value = cells.get(column, "")
    if not value:
        return default
    try:
        return type(default)(value)
    except ValueError:
        kind = "whole number" if isinstance(default, int) else "number"
        raise InvalidInput(f"{column} must be a {kind}, got {value!r}") from None
