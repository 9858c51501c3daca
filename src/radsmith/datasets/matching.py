"""Which row of a list is of which file: by the path, never by the name alone.

Knows paths as text and nothing of files.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from radsmith.datasets.listed import Listed, ListedRow

Parts = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Matched:
    """What a list says of the files that are there.

    rows: by file.  refused: files of which the list says nothing that can be used, with why.
    noted: (what it is about, what to know), in the order of the list.
    """

    rows: Mapping[str, ListedRow]
    refused: Mapping[str, str]
    noted: Sequence[tuple[str, str]]


def matched(listed: Listed, files: Iterable[str], bases: Sequence[str]) -> Matched:
    """Rows of the files that they are of.

    files: all that are imported.  bases: folders that the list's paths may begin at: its own, and
    the sources. A path may also begin higher or lower, as long as one file alone is meant.
    """
    paths = {row.line: parts_of(row.file) for row in listed.rows if row.file}
    names = {path[-1] for path in paths.values() if path}
    by_name: dict[str, list[tuple[Parts, str]]] = defaultdict(list)
    for file in files:
        parts = parts_of(file)
        if parts and parts[-1] in names:
            by_name[parts[-1]].append((parts, file))
    before = _before([path[:-1] for path in paths.values()])
    roots = [parts_of(base) for base in bases]
    claims: dict[str, list[ListedRow]] = defaultdict(list)
    noted: list[tuple[str, str]] = []
    for row in listed.rows:
        if not row.file:
            noted.append((listed.at(row), f"row {row.broken or 'names no file'}: {listed.at(row)}"))
            continue
        candidates = by_name.get((paths[row.line] or ("",))[-1], [])
        found = _meant(paths[row.line], candidates, roots, before)
        if len(found) == 1:
            claims[found[0]].append(row)
            continue
        noted.append((row.file, _unmatched(listed, row, found, candidates)))
    rows, refused = _agreed(listed, claims, noted)
    return Matched(rows=rows, refused=refused, noted=noted)


def parts_of(path: str) -> Parts:
    """A path's parts in one spelling: either slash, composed letters, no dots."""
    plain = unicodedata.normalize("NFC", path).replace("\\", "/")
    plain = re.sub(r"^[A-Za-z]:(?=/)", "", plain)
    found: list[str] = []
    for part in plain.split("/"):
        if part == "..":
            found = found[:-1]
        elif part not in ("", "."):
            found.append(part)
    return tuple(found)


def _before(folders: Sequence[Parts]) -> Parts:
    """What all folders begin with."""
    least, most = min(folders, default=()), max(folders, default=())
    length = 0
    while length < min(len(least), len(most)) and least[length] == most[length]:
        length += 1
    return least[:length]


def _meant(
    path: Parts, candidates: Sequence[tuple[Parts, str]], roots: Sequence[Parts], before: Parts
) -> list[str]:
    """The files that a path can mean: by itself, below a base, as their end, or without what
    all paths of the list begin with."""
    exact = {path, *((*root, *path) for root in roots)}
    found = [file for parts, file in candidates if parts in exact]
    if not found:
        found = [file for parts, file in candidates if parts[-len(path) :] == path]
    if not found and before:
        rest = path[len(before) :]
        below = {(*root, *rest) for root in roots}
        found = [file for parts, file in candidates if parts in below]
    return found


def _unmatched(
    listed: Listed, row: ListedRow, found: Sequence[str], candidates: Sequence[tuple[Parts, str]]
) -> str:
    at = listed.at(row)
    if found:
        return f"row of {len(found)} files: {at}; write their path, such as {found[0]}"
    if candidates:
        there = "; ".join(file for _, file in candidates[:2])
        return f"row without a file: {at}; of that name there is {there}"
    return f"row without a file: {at}; nothing of that name is there"


def _agreed(
    listed: Listed, claims: Mapping[str, list[ListedRow]], noted: list[tuple[str, str]]
) -> tuple[dict[str, ListedRow], dict[str, str]]:
    """One row a file; what two say differently of one, or a broken one says, is not taken."""
    rows: dict[str, ListedRow] = {}
    refused: dict[str, str] = {}
    for file, claimed in claims.items():
        broken = next((row for row in claimed if row.broken), None)
        first = claimed[0]
        lines = " and ".join(str(row.line) for row in claimed[:4])
        if broken:
            refused[file] = f"its row cannot be used: {listed.at(broken)}: {broken.broken}"
        elif any(_said(row) != _said(first) for row in claimed):
            refused[file] = f"rows say different things of it: {listed.word}s {lines}"
        else:
            rows[file] = first
            if len(claimed) > 1:
                noted.append((file, f"row is there twice: {listed.word}s {lines}"))
            noted += [(file, f"cell is not taken: {listed.at(first)}: {d}") for d in first.doubts]
    return rows, refused


def _said(row: ListedRow) -> dict[str, str]:
    return {column: cell for column, cell in row.cells.items() if column != "file"}
