"""A list of pictures: what its columns say, read once and told by line.

A row is of a file by its path (`matching`). Nothing of a list is dropped without a word: columns
that say nothing here, cells that cannot be read and rows that are broken are all named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radsmith import tables
from radsmith.datasets.labels import VIEW
from radsmith.errors import InvalidInput
from radsmith.files import read_bytes
from radsmith.language.own_words import meant
from radsmith.language.vocabulary import default_vocabulary, slug
from radsmith.tables import read_table, text_of

PATHS = ("file", "path", "filename", "file_name", "image_path")
"""Names of the column that says which file a row is of, best first."""
KNOWN = (
    "file", "modality", "body_part", "view", "technique", "findings", "patient_id", "sex", "age",
    "laterality", "spacing", "report", "labels",
)  # fmt: skip
_BOOKKEEPING = frozenset(
    ("id", "index", "idx", "number", "row", "split", "fold", "train", "training", "test", "valid",
     "validation", "val", "label", "class", "target", "group", "cohort", "site", "center", "centre",
     "gender", "male", "female", "smoker", "follow-up", "followup", "normalised", "normalized",
     "used", "is-train", "is-test", "is-valid", "is-training", "is-validation")
)  # fmt: skip
"""Words that no finding is called, though 1 and 0 stand below them."""
_MARKS = {
    "1": 1.0, "1.0": 1.0, "yes": 1.0, "y": 1.0, "true": 1.0, "present": 1.0, "positive": 1.0,
    "0": 0.0, "0.0": 0.0, "no": 0.0, "n": 0.0, "false": 0.0, "absent": 0.0, "negative": 0.0,
    "-1": float("nan"), "-1.0": float("nan"), "uncertain": float("nan"),
}  # fmt: skip
_NUMBERS = frozenset(("1", "1.0", "0", "0.0", "-1", "-1.0"))
_NOT_SAID = frozenset(("", "nan", "na", "n/a", "none", "null", "-", "?", "unknown"))
_SIDES = frozenset(("", "left", "right", "bilateral", "l", "r", "b", "both"))
_SEXES = frozenset(("", "f", "m", "w", "o", "u", "female", "male", "other", "unknown"))


@dataclass(frozen=True, kw_only=True)
class ListedRow:
    """One row. line: of the list; cells: what is taken from it, by column of `KNOWN` or label.

    broken: why it cannot be used, else empty.  doubts: cells that are not taken, each with why.
    """

    line: int
    cells: Mapping[str, str]
    broken: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The path as the list has it, "" where none is said."""
        return self.cells.get("file", "")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A list of pictures. word: "line", or "entry" of JSON.

    labels: columns that say whether a finding is there.  ignored: other columns, with why.
    """

    path: Path
    rows: Sequence[ListedRow]
    labels: tuple[str, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    word: str = "line"

    def at(self, row: ListedRow) -> str:
        """Where a row is, for people."""
        return f"{self.word} {row.line} of {self.path.name}"

    @property
    def for_words(self) -> list[dict[str, str]]:
        """Rows in which label columns are findings, so that words of one's own are learned."""
        found = []
        for row in self.rows:
            said = [c for c in self.labels if mark_of(row.cells.get(c, "")) is not None]
            phrases = [row.cells.get("findings", ""), *said]
            found.append(dict(row.cells) | {"findings": ";".join(p for p in phrases if p)})
        return found


def mark_of(cell: str) -> float | None:
    """1 present, 0 absent, NaN uncertain; None where the cell says nothing of the kind."""
    return _MARKS.get(cell.strip().casefold())


def read_listed(path: Path) -> Listed:
    """A list of pictures as CSV in any of its kinds (`tables`), JSON or JSON Lines.

    Raises NotFound, or InvalidInput for what is no such list.
    """
    data = read_bytes(path)
    kind = path.suffix.lower()
    if kind in (".json", ".jsonl", ".ndjson"):
        found = _of_json(text_of(data, str(path)), path, by_line=kind != ".json")
        word = "entry" if kind == ".json" else "line"
    else:
        table = read_table(data, str(path), PATHS)
        found, word = _Columns(table.columns, table.rows, table.unnamed), "line"
    if not found.rows:
        raise InvalidInput(f"{path} names no picture: it has no row")
    names = {column: _known(column) for column in found.columns}
    file = next((c for wanted in PATHS for c, n in names.items() if n == wanted), None)
    if file is None:
        there = ", ".join(map(repr, found.columns[:12])) or "none"
        raise InvalidInput(f"{path} needs the column 'file'; columns there: {there}")
    names = {c: "file" if c == file else n for c, n in names.items() if n not in PATHS or c == file}
    twice = [n for n in names.values() if n in KNOWN and list(names.values()).count(n) > 1]
    if twice:
        raise InvalidInput(f"{path} has two columns for {twice[0]!r}; leave one")
    labels, ignored = _sorted_out(found, names)
    ignored += [(c, "another name of the file") for c in found.columns if c not in names]
    ignored += [(f"number {n}", "has no name") for n in found.unnamed]
    taken = {c: n for c, n in names.items() if n in KNOWN} | {c: c for c in labels}
    rows = tuple(_read(row, taken, labels) for row in found.rows)
    return Listed(path=path, rows=rows, labels=tuple(labels), ignored=tuple(ignored), word=word)


@dataclass(frozen=True)
class _Columns:
    columns: tuple[str, ...]
    rows: Sequence[tables.Row]
    unnamed: tuple[int, ...] = ()


def _known(column: str) -> str:
    """The known column that a name stands for ("Patient ID": patient_id), else the name."""
    name = re.sub(r"[\s-]+", "_", column.strip().casefold())
    return name if name in KNOWN or name in PATHS else column


def _sorted_out(
    found: _Columns, names: Mapping[str, str]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Columns that are labels, and those that are nothing here, with why."""
    labels, ignored = [], []
    for column, name in names.items():
        if name in KNOWN:
            continue
        values = {row.cells.get(column, "").strip().casefold() for row in found.rows} - _NOT_SAID
        why = _no_label(column, values)
        if why:
            ignored.append((column, why))
        else:
            labels.append(column)
    return labels, ignored


def _no_label(column: str, values: set[str]) -> str:
    """Why a column is no label, "" where it is one: a finding by name, or a word with 1 and 0."""
    ids = default_vocabulary().find(column) or default_vocabulary().find(column.replace("_", " "))
    known = column in default_vocabulary().concepts or any(c.startswith("finding:") for c in ids)
    if known:
        marked = sum(value in _MARKS for value in values)
        return "" if 2 * marked >= len(values) else "holds other than 1, 0 and -1"
    if ids:
        return "names no finding"
    if not values:
        return "is empty" if slug(column) else "has no name that can be a word"
    if not values <= _NUMBERS:
        return "is not known here"
    if slug(column) in _BOOKKEEPING or not re.search(r"[^\W\d_]{3}", column):
        return "is no name of a finding"
    if not meant("finding", column):
        return "names what is absent: name the finding, and write 0"
    return "" if len(column) <= 60 else "is too long for a name"


def _read(row: tables.Row, taken: Mapping[str, str], labels: Sequence[str]) -> ListedRow:
    """What a row says in the manifest's words; what cannot be read is left out and told."""
    cells = {name: row.cells.get(column, "") for column, name in taken.items()}
    cells["file"] = cells.get("file", "")
    if row.error:
        return ListedRow(line=row.line, cells=cells, broken=row.error)
    if not cells["file"]:
        return ListedRow(line=row.line, cells=cells, broken="names no file")
    doubts = [f"{row.short} cells are missing at its end"] if row.short else []
    for column in labels:
        if cells[column].casefold() not in _NOT_SAID and mark_of(cells[column]) is None:
            doubts.append(f"{column!r} is {_quoted(cells[column])}, not 1, 0 or -1")
            cells[column] = ""
    for column, said in (("age", _age), ("sex", _sex), ("laterality", _side), ("view", _view)):
        given = cells.get(column, "")
        if given.casefold() in _NOT_SAID:
            cells |= {column: ""} if column in cells else {}
            continue
        cells[column] = said(given)
        if not cells[column]:
            doubts.append(f"{column} {_quoted(given)} is not understood")
    broken = ""
    if cells.get("modality"):
        modality = _modality(cells["modality"])
        broken = "" if modality else f"modality {_quoted(cells['modality'])} is not known"
        cells["modality"] = modality
    return ListedRow(line=row.line, cells=cells, broken=broken, doubts=tuple(doubts))


def _quoted(cell: str) -> str:
    shown = "".join(c for c in cell if c.isprintable())
    return f"“{shown[:40]}”"


def _modality(words: str) -> str:
    ids = default_vocabulary().find(words)
    return next((c.partition(":")[2] for c in ids if c.startswith("modality:")), "")


def _age(words: str) -> str:
    match = re.fullmatch(r"0*(\d{1,3}(?:[.,]\d+)?)\s*(?:y|years?)?", words.strip(), re.IGNORECASE)
    years = float(match[1].replace(",", ".")) if match else 999.0
    return f"{years:g}" if years <= 130 else ""


def _sex(words: str) -> str:
    return words[:1].upper() if words.casefold() in _SEXES else ""


def _side(words: str) -> str:
    named = {"l": "left", "r": "right", "b": "bilateral", "both": "bilateral"}
    word = words.casefold()
    return named.get(word, word) if word in _SIDES else ""


def _view(words: str) -> str:
    """The manifest's word for a view: its own, or that of the vocabulary's concept."""
    folded = {name.casefold(): name for name in VIEW}
    if words.casefold() in folded:
        return folded[words.casefold()]
    ids = list(default_vocabulary().find(words))
    known = next((name for name, meant_by in VIEW.items() if meant_by == ids), "")
    return known or (words if words.startswith("view:") else "")


def _of_json(text: str, path: Path, *, by_line: bool) -> _Columns:
    """Rows of a JSON list of objects, or of one object a line."""
    if by_line:
        lines = [(n, t) for n, t in enumerate(text.splitlines(), start=1) if t.strip()]
        read = [(n, _parsed(t, path, f"line {n}")) for n, t in lines]
    else:
        whole = _parsed(text, path, "")
        if not isinstance(whole, list):
            raise InvalidInput(f"{path} is no list of pictures: expected a JSON list of objects")
        read = list(enumerate(whole, start=1))
    columns: dict[str, None] = {}
    rows = []
    for number, entry in read:
        if not isinstance(entry, _Object):
            rows.append(tables.Row(line=number, error="is no JSON object"))
            continue
        cells, error = {}, f"names {entry.twice!r} twice" if entry.twice else ""
        for name, value in entry.cells.items():
            cells[name.strip()] = _cell(value)
            if isinstance(value, _Object) and name.strip() != "labels":
                error = error or f"{name!r} holds an object, not a text or a number"
        columns |= dict.fromkeys(cells)
        rows.append(tables.Row(line=number, cells=cells, error=error))
    return _Columns(tuple(c for c in columns if c), rows)


@dataclass(frozen=True)
class _Object:
    """A JSON object that still knows which of its names came twice."""

    cells: Mapping[str, Any]
    twice: str = ""


def _parsed(text: str, path: Path, where: str) -> Any:
    def whole(pairs: list[tuple[str, Any]]) -> _Object:
        names = [name for name, _ in pairs]
        return _Object(dict(pairs), next((n for n in names if names.count(n) > 1), ""))

    try:
        return json.loads(text, object_pairs_hook=whole)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError):
            said = f"{where or f'line {error.lineno}'}: {error.msg}"
        else:
            said = f"{where or 'the whole'}: too deep or not JSON"
        raise InvalidInput(f"{path} is no JSON, {said}") from error


def _cell(value: Any) -> str:
    if value is None or value != value:  # null, NaN
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, _Object):
        return json.dumps({k: v for k, v in value.cells.items() if not isinstance(v, _Object)})
    if isinstance(value, list):
        return ";".join(_cell(v) for v in value)
    return str(value).strip()
