"""Is a whole bundle what it says? Counts, splits, records, DICOM, shards, the review's log.

These find what a careless or lying sender signed; `integrity` finds what happened afterwards.
"""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radsmith.errors import InvalidInput
from radsmith.images.pictures import read_picture
from radsmith.release.gates import broken_link
from radsmith.release.integrity import Finding, Integrity
from radsmith.release.layout import DESCRIPTION, PROVENANCE, REVIEW_LOG, SCORECARD, TABLE
from radsmith.release.png_chunks import Chunks, read_chunks
from radsmith.release.webdataset import entries


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A bundle's tables. rows: of images.csv by file; lines: of provenance.jsonl by file.

    heads: of PNGs, as they were seen while they were hashed.
    """

    data: Path
    files: Mapping[str, str]
    heads: Mapping[str, Chunks]
    said: Mapping[str, Any]
    rows: Mapping[str, Mapping[str, str]]
    lines: Mapping[str, Mapping[str, Any]]

    @property
    def pictures(self) -> list[str]:
        """Paths of the PNGs below `data/`."""
        return sorted(n for n in self.files if n.startswith("images/") and n.endswith(".png"))


def read_contents(bundle: Path, found: Integrity) -> Contents:
    """The tables of a bundle that is whole.

    Raises InvalidInput where a table is not what `radsmith release` writes.
    """
    data = bundle / "data"
    try:
        table = csv.DictReader(io.StringIO((data / TABLE).read_text("utf-8")))
        rows = {row["file"]: row for row in table}
        lines = [json.loads(line) for line in (data / PROVENANCE).read_text("utf-8").splitlines()]
        return Contents(
            data=data,
            files={n[5:]: d for n, d in found.files.items() if n.startswith("data/")},
            heads={n[5:]: c for n, c in found.heads.items() if n.startswith("data/")},
            said=found.said,
            rows=rows,
            lines={str(line["file"]): line for line in lines},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"{bundle} is signed, but its tables cannot be read ({error}); ask the signer"
        ) from error


def check_contents(contents: Contents) -> Iterator[Finding]:
    """Everything that is looked at in every image."""
    yield from _described(contents)
    yield from _tables(contents)
    yield from _records_and_splits(contents)
    yield from _counted(contents)
    yield from _objects(contents)
    yield from _shards(contents)
    if REVIEW_LOG in contents.files:
        broken = broken_link((contents.data / REVIEW_LOG).read_bytes())
        if broken:
            yield Finding(kind="record", path=f"data/{REVIEW_LOG}", text=broken)


def _described(contents: Contents) -> Iterator[Finding]:
    for name, expected in ((DESCRIPTION, contents.said), (SCORECARD, None)):
        try:
            said = json.loads((contents.data / name).read_bytes())
        except (OSError, ValueError):
            yield Finding(kind="record", path=f"data/{name}", text="it cannot be read")
            continue
        if expected is not None and said != expected:
            text = "it says otherwise than the signed statement"
            yield Finding(kind="record", path=f"data/{name}", text=text)
        if name == SCORECARD and said.get("set") != contents.said.get("counts"):
            text = "its counts are not those of the signed statement"
            yield Finding(kind="count", path=f"data/{name}", text=text)


def _tables(contents: Contents) -> Iterator[Finding]:
    """Every picture has a row and a record, with its SHA-256, and there is none without one."""
    for table, known in ((TABLE, contents.rows), (PROVENANCE, contents.lines)):
        for name in contents.pictures:
            line = known.get(name)
            if line is None:
                yield Finding(kind="record", path=f"data/{name}", text=f"{table} has no line of it")
            elif line["sha256"] != contents.files[name]:
                yield Finding(
                    kind="record", path=f"data/{name}", text=f"{table} names another SHA-256"
                )
        for name in sorted(known.keys() - set(contents.pictures)):
            yield Finding(kind="record", path=f"data/{table}", text=f"it names {name}, not there")


def _records_and_splits(contents: Contents) -> Iterator[Finding]:
    """Records in the files, one group on one side, the same pixels on one side."""
    sides: dict[str, tuple[str, str]] = {}
    for name in contents.pictures:
        head = contents.heads.get(name)
        text, pixels = head or read_chunks((contents.data / name).read_bytes())
        line, row = contents.lines.get(name), contents.rows.get(name, {})
        try:
            same = line is not None and json.loads(text) == line["record"]
        except ValueError:
            same = False
        if not same:
            text = "its own record is not the one that provenance.jsonl has"
            yield Finding(kind="record", path=f"data/{name}", text=text)
        split = name.split("/")[1]
        if row.get("split", split) != split:
            yield Finding(kind="split", path=f"data/{name}", text="images.csv names another split")
        for what, key in (("the same pixels as", pixels), ("the group of", row.get("group", ""))):
            side, other = sides.setdefault(f"{what} {key}", (split, name))
            if key and side != split and (key != pixels or _same_pixels(contents, name, other)):
                yield Finding(
                    kind="split", path=f"data/{name}", text=f"{what} data/{other} in {side}"
                )


def _same_pixels(contents: Contents, one: str, two: str) -> bool:
    """Whether two pictures whose sums agree hold the same pixels."""
    a, b = (read_picture(contents.data / name).pixels for name in (one, two))
    return np.array_equal(a, b)


def _counted(contents: Contents) -> Iterator[Finding]:
    """Count again what the statement counts."""
    rows = [contents.rows.get(name, {}) for name in contents.pictures]
    again = {"images": len(rows)}
    again |= {
        f"split {n}": k for n, k in Counter(p.split("/")[1] for p in contents.pictures).items()
    }
    again["edited images"] = sum(
        bool(line["record"].get("parents")) for line in contents.lines.values()
    )
    for kind in ("modality", "body_part"):
        found = Counter(row.get(kind) or "not said" for row in rows)
        again |= {f"{kind.replace('_', ' ')} {name}": n for name, n in found.items()}
    if "nifti" in contents.said.get("formats", ()):
        again["stacks"] = sum(name.startswith("nifti/") for name in contents.files)
    said = dict(contents.said.get("counts", {}))
    for name in sorted({*said, *again}):
        if said.get(name, 0) != again.get(name, 0):
            text = f"{name}: {said.get(name, 0)} stated, {again.get(name, 0)} found"
            yield Finding(kind="count", path="", text=text)


def _objects(contents: Contents) -> Iterator[Finding]:
    """DICOM files against the list of what a release may hold."""
    names = sorted(n for n in contents.files if n.startswith("dicom/") and n.endswith(".dcm"))
    if not names:
        return
    import pydicom

    from radsmith.release.dicom_rules import problems_of

    for name in names:
        path = contents.data / name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                wrong = problems_of(pydicom.dcmread(path, defer_size=1 << 12))
            except Exception as error:  # damaged bytes break pydicom in ways no list can name
                wrong = [f"it cannot be read: {error}"]
        for text in wrong:
            yield Finding(kind="DICOM", path=f"data/{name}", text=text)


def _shards(contents: Contents) -> Iterator[Finding]:
    """Every picture is in one shard of its split, the same bytes as outside."""
    shards = sorted(n for n in contents.files if n.startswith("shards/") and n.endswith(".tar"))
    left = set(contents.pictures) if shards else set()
    for shard in shards:
        found, wrong = entries((contents.data / shard).read_bytes())
        for text in wrong:
            yield Finding(kind="shard", path=f"data/{shard}", text=text)
        split = shard.removeprefix("shards/").rpartition("-")[0]
        for entry, digest in found.items():
            picture = f"images/{split}/{entry}"
            if entry.endswith(".json"):
                continue
            if contents.files.get(picture) != digest:
                text = f"its {entry} is not data/{picture}"
                yield Finding(kind="shard", path=f"data/{shard}", text=text)
            left.discard(picture)
    for name in sorted(left):
        yield Finding(kind="shard", path=f"data/{name}", text="no shard holds it")
