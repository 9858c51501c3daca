"""What an import knows of its sources, on disk: found files, plan, digests. Memory stays flat.

One SQLite file in the data set's folder; a killed import finds there what was scanned.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from radsmith.datasets.entry import bits_apart, plan_slices, same_picture, split_of

_SCHEMA = """
create table if not exists file (
  path text primary key, kind text, patient text, study text, series text, position real,
  count integer, reason text);
create index if not exists by_series on file (kind, patient, series, position, path);
create table if not exists report (
  name text primary key, text text, patient text, path text, count integer);
create table if not exists stem (name text primary key, count integer);
create table if not exists job (number integer primary key, name text, units text);
create table if not exists fact (name text primary key, value text);
create table if not exists seen (
  key text primary key, digest text, alike text, series text, a text, b text, c text, d text,
  thumb blob);
create table if not exists patient (id text primary key);
create index if not exists seen_digest on seen (digest);
create index if not exists seen_a on seen (a);
create index if not exists seen_b on seen (b);
create index if not exists seen_c on seen (c);
create index if not exists seen_d on seen (d);
"""
_NEAR = 3


@dataclass(frozen=True, kw_only=True)
class Found:
    """A source file as its head tells; `reason` says why it is left out, "" where it is not.

    kind: "slice" (one of a CT or MR series), "image", "frames", "volume" (NIfTI), "shard".
    patient, study, series: the source's own ids, which stay in the state.  count: frames.
    """

    path: str
    kind: str = ""
    patient: str = ""
    study: str = ""
    series: str = ""
    position: float = 0.0
    count: int = 1
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class FoundReport:
    """A report's text and what it is of, as names: "study:UID", "beside:PATH" (without ending) or
    "image:NAME" and "stem:NAME", which count where one image alone has that name.

    patient: of the images that it names, "" where it names none.  path: of its file.
    """

    names: tuple[str, ...]
    text: str
    patient: str = ""
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Slices or frames of one file that go into a shard. study: for finding its report."""

    path: str
    kind: str
    patient: str
    study: str
    indices: tuple[int, ...] = (0,)


@dataclass(frozen=True, kw_only=True)
class ShardJob:
    """One shard to be made."""

    name: str
    units: tuple[Unit, ...] = field(default_factory=tuple)


class State:
    """The SQLite file; open it in one process only."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Write what is pending and let go of the file."""
        self._db.commit()
        self._db.close()

    def commit(self) -> None:
        """Make what was said so far durable."""
        self._db.commit()

    def fact(self, name: str, value: str | None = None) -> str:
        """A remembered text; given a value, remember it."""
        if value is not None:
            self._db.execute("insert or replace into fact values (?, ?)", (name, value))
            self._db.commit()
        found = self._db.execute("select value from fact where name = ?", (name,)).fetchone()
        return str(found[0]) if found else ""

    def knows(self, path: str) -> bool:
        """Whether a file was scanned."""
        known = self._db.execute("select 1 from file where path = ?", (_stored(path),)).fetchone()
        return bool(known)

    def add(self, found: Found) -> None:
        """Remember a scanned file."""
        columns = asdict(found)
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        columns |= {k: _text(v) for k, v in columns.items() if isinstance(v, str)}
        values = tuple((columns | {"path": _stored(found.path)}).values())
        self._db.execute(f"insert or replace into file ({names}) values ({marks})", values)

    def add_report(self, found: FoundReport) -> None:
        """Remember a report under all its names, and how often a name came with other text."""
        text, patient = _text(found.text), _text(found.patient)
        self._db.executemany(
            "insert into report values (?, ?, ?, ?, 1) on conflict (name) do update set"
            " count = count + (text != excluded.text or patient != excluded.patient)",
            [(_text(name), text, patient, _stored(found.path)) for name in found.names],
        )

    def join_reports(self) -> None:
        """Pictures that one report names are of one patient, unless a list says whose they are.

        A name that several images or reports have joins nothing: which is whose, nobody can tell.
        """
        self._db.create_function("stem", 1, lambda path: stem_of(_path(path)), deterministic=True)
        self._db.execute("delete from stem")
        self._db.execute(
            "insert into stem select stem(path), count(*) from file where kind in ('image',"
            " 'slice', 'frames', 'volume') group by stem(path)"
        )
        self._db.execute(
            "update file set patient = report.patient from report, stem where file.kind = 'image'"
            " and file.patient = 'file:' || file.path and report.name = 'image:' || stem(file.path)"
            " and report.count = 1 and stem.name = stem(file.path) and stem.count = 1"
        )
        self._db.commit()

    def report(self, study: str, path: str) -> str:
        """The report of a study or a file, "" if there is none or nobody can tell which."""
        stem = stem_of(path)
        names = [f"study:{study}", f"beside:{beside(path)}"]
        if self._once(stem):
            names += [f"image:{stem}", f"stem:{stem}"]
        for name in names:
            found = self._db.execute(
                "select text from report where name = ? and (count = 1 or name like 'study:%')",
                (_text(name),),
            ).fetchone()
            if found:
                return str(found[0])
        return ""

    def _once(self, stem: str) -> bool:
        found = self._db.execute("select count from stem where name = ?", (_text(stem),)).fetchone()
        return bool(found) and found[0] == 1

    def doubtful_reports(self) -> Iterator[tuple[str, str]]:
        """Reports that give nothing because their name is that of several images or reports."""
        rows = self._db.execute(
            "select distinct report.path, stem.count, report.count from report join stem on"
            " report.name in ('stem:' || stem.name, 'image:' || stem.name)"
            " where report.path != '' and (stem.count > 1 or report.count > 1)"
            " order by report.path"
        ).fetchall()
        for path, images, reports in rows:
            read = _path(path)
            known = self._db.execute(
                "select 1 from file where kind != '' and path like ? escape '!'",
                (_like(beside(read)),),
            ).fetchone()
            if not known:
                several = f"{images} images" if images > 1 else f"{reports} reports"
                yield read, f"report of a name that several have: {several}; put it beside its own"

    def problems(self) -> Iterator[tuple[str, str]]:
        """Files left out when scanned, with the reason."""
        rows = self._db.execute("select path, reason from file where reason != '' order by path")
        yield from ((_path(path), reason) for path, reason in rows)

    def plan(self, slices: int, test_share: float, size: int) -> int:
        """Cut what was found into jobs of at most `size` units; returns how many.

        The plan depends on the files alone, so that a later run makes the same shards.
        """
        self._db.execute("delete from job")
        number = 0
        waiting: dict[str, list[Unit]] = {"train": [], "test": []}
        counts = dict.fromkeys(waiting, 0)
        for unit in self._units(slices):
            split: str = split_of(unit.patient, test_share)
            if unit.kind == "shard":
                split = "test" if Path(unit.path).name.startswith("test") else "train"
            waiting[split].append(unit)
            if len(waiting[split]) == (1 if unit.kind == "shard" else size):
                number = self._add_job(number, split, counts, waiting)
        for split in waiting:
            if waiting[split]:
                number = self._add_job(number, split, counts, waiting)
        self._db.commit()
        return number

    def _add_job(
        self, number: int, split: str, counts: dict[str, int], waiting: dict[str, list[Unit]]
    ) -> int:
        units = json.dumps([asdict(unit) for unit in waiting[split]])
        name = f"{split}-{counts[split]:05d}"
        self._db.execute("insert into job values (?, ?, ?)", (number, name, units))
        waiting[split], counts[split] = [], counts[split] + 1
        return number + 1

    def _units(self, slices: int) -> Iterator[Unit]:
        rows = self._db.execute(
            "select kind, patient, series, path, study, count from file where reason = ''"
            " order by kind, patient, series, position, path"
        )
        for (kind, patient, _), members in groupby(rows, key=lambda row: row[:3]):
            if kind != "slice":
                for _, _, _, path, study, count in members:
                    indices = tuple(plan_slices(count, slices)) if kind != "image" else (0,)
                    yield Unit(
                        path=_path(path), kind=kind, patient=patient, study=study, indices=indices
                    )
                continue
            paths = [(row[3], row[4]) for row in members]
            for index in plan_slices(len(paths), slices):
                path, study = paths[index]
                yield Unit(path=_path(path), kind=kind, patient=patient, study=study)

    def names(self) -> list[str]:
        """Names of all jobs in order."""
        return [name for (name,) in self._db.execute("select name from job order by number")]

    def job(self, name: str) -> ShardJob:
        """The job of a name."""
        found = self._db.execute("select units from job where name = ?", (name,)).fetchone()
        read: list[dict[str, Any]] = json.loads(found[0])
        made = (Unit(**(unit | {"indices": tuple(unit["indices"])})) for unit in read)
        return ShardJob(name=name, units=tuple(made))

    def forget_seen(self) -> None:
        """Begin the search for copies and the count of patients anew."""
        self._db.execute("delete from seen")
        self._db.execute("delete from patient")

    def add_patient(self, patient: str) -> None:
        """Count a patient once."""
        self._db.execute("insert or ignore into patient values (?)", (patient,))

    def patients_seen(self) -> int:
        """How many patients were counted."""
        return int(self._db.execute("select count(*) from patient").fetchone()[0])

    def copy_of(self, key: str, digest: str, alike: str, series: str, thumb: bytes) -> str:
        """Say which earlier image this one copies, "" if none; remember it if it is new.

        Near copies are looked for among other series only: neighbouring slices are alike. Of 64
        bits in four bands at most 3 differ, so that one band at least is equal; thumbnails decide.
        """
        found = self._db.execute("select key from seen where digest = ?", (digest,)).fetchone()
        if found:
            return f"copy of {found[0]}"
        bands = tuple(alike[i : i + 4] for i in range(0, 16, 4))
        varied = 8 <= int(alike, 16).bit_count() <= 56
        if varied:
            near = self._db.execute(
                "select key, alike, thumb from seen where (a = ? or b = ? or c = ? or d = ?) and"
                " (series != ? or series = '')",
                (*bands, series),
            )
            for other, bits, known in near:
                if bits_apart(alike, bits) <= _NEAR and same_picture(thumb, known):
                    return f"near copy of {other}"
        values = (key, digest, alike, series, *(bands if varied else ("",) * 4), thumb)
        self._db.execute("insert or replace into seen values (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        return ""


def stem_of(path: str) -> str:
    """A file's name without its ending, which has letters: "1.2.840" has none."""
    name = Path(path).name
    return re.sub(r"(?i)(\.nii)?\.[a-z][a-z0-9]{0,4}$", "", name) or name


def beside(path: str) -> str:
    """A file's path without its ending."""
    return str(Path(path).with_name(stem_of(path)))


def _stored(path: str) -> str:
    """A path as SQLite can hold it: names that are no UTF-8 as the hexadecimal of their bytes."""
    return path if path.isascii() or _text(path) == path else f"bytes:{os.fsencode(path).hex()}"


def _path(stored: str) -> str:
    return os.fsdecode(bytes.fromhex(stored[6:])) if stored.startswith("bytes:") else stored


def _like(path: str) -> str:
    """Files of this path with any ending, for SQL's `like` with "!" as its escape."""
    plain = _stored(path)
    for sign in "!%_":
        plain = plain.replace(sign, f"!{sign}")
    return f"{plain}.%"


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
