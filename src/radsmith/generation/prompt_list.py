"""Lists of prompts as CSV: one row a prompt, with its own number, seed, name and settings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from radsmith import tables
from radsmith.errors import InvalidInput
from radsmith.files import read_bytes
from radsmith.images.provenance import Request, Settings
from radsmith.tables import read_table

COLUMNS = ("prompt", "n", "seed", "name", "steps", "guidance", "sampler", "size")
MOST_PER_ROW = 100_000
Number = TypeVar("Number", int, float)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row. line: in the file, from 1; 0: no file.  error: why it cannot be used, else empty."""

    line: int
    prompt: str
    count: int = 1
    seed: int = 0
    name: str = ""
    settings: Settings = field(default_factory=Settings)
    error: str = ""


def read_list(path: Path, count: int, seed: int, settings: Settings) -> list[Row]:
    """Rows of a CSV file with a header; count, seed and settings hold where a cell is empty.

    Columns: `prompt`, and if wanted `n`, `seed`, `name`, `steps`, `guidance`, `sampler`, `size`;
    between cells as `tables.read_table` has it. A row that cannot be used is returned with its
    error. Raises NotFound, or InvalidInput for a file that is no such list at all.
    """
    table = read_table(read_bytes(path), str(path), ("prompt",))
    unknown = [column for column in table.columns if column.lower() not in COLUMNS]
    if unknown or table.unnamed:
        more = [*map(repr, unknown), *(f"number {n} without a name" for n in table.unnamed)]
        known = ", ".join(COLUMNS)
        raise InvalidInput(f"{path} has unknown columns: {', '.join(more)}; known: {known}")
    if not table.rows:
        raise InvalidInput(f"{path} names no prompt: below its header there is no row")
    base = Row(line=0, prompt="", count=count, seed=seed, settings=settings)
    return [_usable(row, base) for row in table.rows]


def _usable(found: tables.Row, base: Row) -> Row:
    cells = {column.lower(): cell for column, cell in found.cells.items()}
    try:
        if found.error:
            raise InvalidInput(found.error)
        return _row(cells, base, found.line)
    except InvalidInput as error:
        return replace(base, line=found.line, prompt=cells.get("prompt", ""), error=str(error))


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
    for last in (seed, seed + count - 1):
        Request(prompt=cells["prompt"], seed=last, settings=settings)
    return Row(
        line=line, prompt=cells["prompt"], count=count, seed=seed, name=name, settings=settings
    )


def told_apart(settings: Settings, other: Settings) -> str:
    """For a file's name: what these settings say otherwise than the other, such as "-steps16"."""
    said = ""
    if settings.num_steps != other.num_steps:
        said += f"-steps{settings.num_steps}"
    if settings.guidance_scale != other.guidance_scale:
        said += f"-guidance{settings.guidance_scale:g}"
    if settings.sampler != other.sampler:
        said += f"-{settings.sampler}"
    if settings.size != other.size:
        said += "-{}x{}".format(*settings.size) if settings.size else "-natural"
    return said


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
        return type(default)(value if isinstance(default, int) else value.replace(",", "."))
    except ValueError:
        kind = "whole number" if isinstance(default, int) else "number"
        raise InvalidInput(f"{column} must be a {kind}, got {value!r}") from None
