"""Tables of text as programs save them: separators, marks of encoding, quotes, true line numbers.

Knows bytes alone. What a column means is for others; a row that cannot be used keeps its line and
the reason, so that nobody need count.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from radsmith.errors import InvalidInput

SEPARATORS = (",", ";", "\t", "|")
_NAMED = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_BINARY = (
    (b"PK\x03\x04", "a spreadsheet or ZIP file"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"%PDF", "a PDF"),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row. line: where it begins, from 1.  cells: by column, without blanks around them.

    error: why it cannot be used, else empty; then `cells` may be incomplete.  short: cells that
    are missing at its end, taken as empty.
    """

    line: int
    cells: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    short: int = 0


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns as written, without blanks around them, and the rows below; blank lines are none.

    unnamed: numbers, from 1, of columns that hold something but have no name.
    """

    columns: tuple[str, ...]
    rows: Sequence[Row]
    unnamed: tuple[int, ...] = ()


def read_table(data: bytes, name: str, wanted: Sequence[str]) -> Table:
    """A table with a header that has one of the columns `wanted`, whatever its case.

    UTF-8, or UTF-16 and UTF-32 with their mark; comma, semicolon, tab or bar between cells, told
    by the header or by a line `sep=;` before it. name: of the file, for messages.

    Raises InvalidInput, naming the line, for what is no such table.
    """
    text = text_of(data, name)
    first, separator = _separator(text, name, wanted)
    reader = csv.reader(_lines(text, first), delimiter=separator, strict=True)
    header = next(reader)
    line = first + reader.line_num
    columns = [cell.strip() for cell in header]
    folded = [column.casefold() for column in columns if column]
    twice = next((c for c in folded if folded.count(c) > 1), None)
    if twice is not None:
        raise InvalidInput(f"{name}, line {line}: the column {twice!r} is there twice; leave one")
    filled: set[int] = set()
    rows = tuple(_rows(reader, columns, first, separator, filled))
    return Table(
        columns=tuple(column for column in columns if column),
        rows=rows,
        unnamed=tuple(n + 1 for n in sorted(filled) if not columns[n]),
    )


def text_of(data: bytes, name: str) -> str:
    """Bytes as text, by their mark or as UTF-8. Raises InvalidInput, naming the line."""
    kind = next((kind for start, kind in _BINARY if data.startswith(start)), "")
    if kind:
        raise InvalidInput(f"{name} is {kind}, no table of text: save it as CSV UTF-8")
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        said = f"line {line} is no {encoding.removesuffix('-sig').upper()} text"
        raise InvalidInput(f"{name}: {said}; save it as CSV UTF-8") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InvalidInput(f"{name}: line {line} holds zero bytes; save it as CSV UTF-8")
    if not text.strip():
        raise InvalidInput(f"{name} is empty; a table begins with the names of its columns")
    return text


def _separator(text: str, name: str, wanted: Sequence[str]) -> tuple[int, str]:
    """Lines before the header, and what separates its cells."""
    first = text[: len(text) - len(text.lstrip("\r\n"))].count("\n")
    said = next(_lines(text, first)).strip().lower()
    given: Sequence[str] = SEPARATORS
    if said.startswith("sep=") and len(said.removeprefix("sep=")) <= 1:
        given, first = (said.removeprefix("sep=") or "\t",), first + 1
    best: list[str] = []
    found = ""
    for separator in given:
        try:
            row = next(csv.reader(_lines(text, first), delimiter=separator, strict=True), [])
        except csv.Error:
            continue
        cells = [cell.strip() for cell in row]
        fits = any(cell.casefold() in wanted for cell in cells)
        if (fits and not found) or (fits == bool(found) and len(cells) > len(best)):
            best, found = cells, separator if fits else ""
    if not found:
        there = ", ".join(repr(cell[:40]) for cell in best[:12] if cell) or "none"
        raise InvalidInput(
            f"{name}, line {first + 1}: a header with the column {' or '.join(map(repr, wanted))}"
            f" is needed; columns there: {there}"
        )
    return first, found


def _lines(text: str, first: int) -> Iterator[str]:
    """The lines from number `first` on, counted from 0."""
    for number, line in enumerate(io.StringIO(text, newline="")):
        if number >= first:
            yield line


def _rows(
    reader: Any, columns: list[str], first: int, separator: str, filled: set[int]
) -> Iterator[Row]:
    told = reader.line_num
    while True:
        line = first + told + 1
        try:
            cells = next(reader, None)
        except csv.Error as broken:
            told = reader.line_num
            yield Row(line=line, error=_broken(str(broken)))
            continue
        told = reader.line_num
        if cells is None:
            return
        cells = [cell.strip() for cell in cells]
        if cells in ([], [""]):
            continue
        filled.update(n for n, cell in enumerate(cells[: len(columns)]) if cell)
        named = {c: cell for c, cell in zip(columns, cells, strict=False) if c}
        error = ""
        if any(cells[len(columns) :]):
            error = (
                f"{len(cells)} cells, the header has {len(columns)}: put text that holds"
                f" {_NAMED.get(separator, 'the separator')} in double quotes"
            )
        missing = max(0, len(columns) - len(cells))
        named = dict.fromkeys(filter(None, columns), "") | named
        yield Row(line=line, cells=named, error=error, short=missing)


def _broken(said: str) -> str:
    if "unexpected end of data" in said:
        return "a quote is opened and never closed"
    if "expected after" in said:
        return "text behind a closing quote: double the quotes that belong to the text"
    return f"not readable as CSV: {said}"
