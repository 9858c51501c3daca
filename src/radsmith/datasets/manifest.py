"""The finished data set: train.csv, test.csv, manifest.parquet, sources.csv, import.json.

Copies are found here, in the order of the plan: whatever the workers did, the result is the same.
"""

from __future__ import annotations

import base64
import csv
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from radsmith.datasets.entry import COLUMNS
from radsmith.datasets.shards import ShardPlace
from radsmith.datasets.state import State
from radsmith.files import unnamed, write_atomically

FEW = 50
SUMMARY = "import.json"


@dataclass
class Summary:
    """Images kept, left out by reason, and per class; `problems` lies beside the data set.

    noted: by kind, what was not used of a list or a report, and pictures that a list lacks.
    """

    images: int = 0
    patients: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)

    def few(self) -> list[str]:
        """Classes with fewer images than a model learns from."""
        return sorted(c for c, n in self.classes.items() if n < FEW)


@dataclass(frozen=True)
class Folders:
    """The data set, the private folder beside it, and the listing of what was left out."""

    out: Path
    work: Path
    problems: Path


def finish(
    state: State, folders: Folders, source: str, noted: Sequence[tuple[str, str]]
) -> Summary:
    """Write the manifests from the parts. Safe to repeat: each file is replaced when whole.

    noted: (what it is about, what to know), for the listing.
    """
    out, work, problems = folders.out, folders.work, folders.problems
    summary = Summary()
    state.forget_seen()
    temporary = {name: out / f".{name}.part" for name in ("train.csv", "test.csv")}
    temporary["manifest.parquet"] = out / ".manifest.parquet.part"
    listing = problems.with_name(f".{problems.name}.part")
    with ExitStack() as stack:
        csvs = {}
        for split in ("train", "test"):
            file = stack.enter_context(
                temporary[f"{split}.csv"].open("w", newline="", encoding="utf-8")
            )
            csvs[split] = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            csvs[split].writeheader()
        table = stack.enter_context(Parquet(temporary["manifest.parquet"]))
        told = _Listing(stack.enter_context(_text(listing)), summary, noted)
        for path, reason in state.problems():
            if reason != "-":
                told.left_out(path, reason)
        for name in state.names():
            place = ShardPlace(out=out, state=work, name=name)
            part = json.loads(place.part.read_bytes())
            for path, reason in part["problems"]:
                told.left_out(path, reason)
            kept = list(_new_rows(state, part["rows"], told))
            _count(kept, name.partition("-")[0], summary)
            csvs[name.partition("-")[0]].writerows(kept)
            table.add(kept, name.partition("-")[0])
            state.commit()
        told.note()
    for name, written in temporary.items():
        os.replace(written, out / name)
    os.replace(listing, problems)
    summary.patients = state.patients_seen()
    _write_rest(out, summary, source)
    return summary


def _new_rows(state: State, rows: list[dict[str, str]], told: _Listing) -> Iterator[dict[str, str]]:
    for row in rows:
        series = f"{row['patient_id']} {row['series']}"
        thumb = base64.b64decode(row.pop("thumb"))
        copied = state.copy_of(row["key"], row["digest"], row["alike"], series, thumb)
        if copied:
            told.left_out(f"image {row['key']} in {row['shard']}", copied)
        else:
            state.add_patient(row["patient_id"])
            yield row


def _count(rows: list[dict[str, str]], split: str, summary: Summary) -> None:
    summary.images += len(rows)
    summary.splits[split] += len(rows)
    for row in rows:
        kind = f"{row['modality']} {row['body_part'] or '(body part not known)'}"
        summary.classes[kind] += 1
        for finding in filter(None, row["findings"].split(";")):
            if finding.startswith("finding:"):
                summary.classes[f"{kind}: {finding.partition(':')[2]}"] += 1


class _Listing:
    """The CSV of what was left out or noted, and how often of each kind."""

    def __init__(self, file: IO[str], summary: Summary, noted: Sequence[tuple[str, str]]) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(("file", "reason"))
        self._summary = summary
        self._noted = noted
        self._about = {about for about, _ in noted}
        self._gone: set[str] = set()

    def left_out(self, path: str, reason: str) -> None:
        """A file that gives no image."""
        if path in self._about:
            self._gone.add(path)
        self._write(path, reason, self._summary.left_out)

    def note(self) -> None:
        """What is to be known of files that gave images, and of rows without a file."""
        for about, what in self._noted:
            if about not in self._gone:
                self._write(about, what, self._summary.noted)

    def _write(self, path: str, reason: str, counted: Counter[str]) -> None:
        self._writer.writerow((path, reason))
        counted[_kind(unnamed(reason, Path(path)))] += 1


def _kind(reason: str) -> str:
    """A reason without numbers and without anything that a file says of itself."""
    if "copy of" in reason:
        return "copy of another image"
    if reason.startswith("modality"):
        return "modality is not imported"
    kind = re.split(r":| but|\(|'", reason)[0]
    return " ".join("".join(c for c in kind if not c.isdigit()).split())[:80]


def _text(path: Path) -> IO[str]:
    return path.open("w", newline="", encoding="utf-8", errors="surrogateescape")


def _write_rest(out: Path, summary: Summary, source: str) -> None:
    lines = ["source,license,license_class,images,repository"]
    lines.append(f'"{source}",own data,check,{summary.images},')
    write_atomically(out / "sources.csv", ("\n".join(lines) + "\n").encode())
    facts = {
        "images": summary.images,
        "patients": summary.patients,
        "splits": dict(summary.splits),
        "classes": dict(summary.classes.most_common()),
        f"classes of fewer than {FEW} images": summary.few(),
        "left out": dict(summary.left_out.most_common()),
        "noted": dict(summary.noted.most_common()),
    }
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    write_atomically(out / SUMMARY, text.encode("utf-8", "replace"))


class Parquet:
    """manifest.parquet, growing by row groups; closed on leaving. more: columns after COLUMNS."""

    def __init__(self, path: Path, more: Sequence[str] = ()) -> None:
        import pyarrow

        kinds = {"width": pyarrow.int32(), "height": pyarrow.int32(), "age": pyarrow.int16()}
        self._schema = pyarrow.schema(
            [(name, kinds.get(name, pyarrow.string())) for name in (*COLUMNS, *more, "split")]
        )
        self._path = path
        self._writer: Any = None

    def __enter__(self) -> Parquet:
        from pyarrow.parquet import ParquetWriter

        self._writer = ParquetWriter(self._path, self._schema)
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, rows: Sequence[Mapping[str, str]], split: str) -> None:
        """Append rows as one group."""
        import pyarrow

        numbers = ("width", "height", "age")
        typed = [
            {k: _whole(v) if k in numbers else v for k, v in row.items()} | {"split": split}
            for row in rows
        ]
        if typed:
            self._writer.write_table(pyarrow.Table.from_pylist(typed, self._schema))


def _whole(text: str) -> int | None:
    return int(float(text)) if re.fullmatch(r"\d+(\.\d+)?", text) else None
