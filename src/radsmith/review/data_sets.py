"""Data sets and review: their images taken out to be read, and the set that experts let in.

A gated set holds, of what a model made, only what a study accepted: each image by the digest of its
bytes. Real images pass: nobody made them. What was let in without a verdict, because somebody asked
for that, says so in its row and in `review.json`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radsmith.datasets.corpus import read_manifest
from radsmith.datasets.entry import is_synthetic
from radsmith.datasets.labels import concepts_of
from radsmith.datasets.shards import add_sample
from radsmith.errors import InvalidInput
from radsmith.files import prepare_folder, read_bytes, write_atomically
from radsmith.images.provenance import UNREVIEWED
from radsmith.language.prompt import prompt_of, render
from radsmith.review.accepted import Accepted, accepted
from radsmith.review.design import shuffled
from radsmith.review.gathering import Found, gather

ACCEPTED = "accepted"
SUMMARY = "review.json"
MANIFEST = "accepted.csv"
_KEPT = ("test.csv", "vocabulary.toml", "sources.csv")
_MOST_REAL = 500
Row = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """kept: images that were accepted.  unreviewed: let in without a verdict, as asked.
    left_out: made by a model and not accepted.  real: that no model made.
    """

    kept: int
    unreviewed: int
    left_out: int
    real: int


def gather_data_set(folder: Path, into: Path, *, real: bool, seed: int = 0) -> list[Found]:
    """The images of a data set that a model made, or real ones, taken out of its shards to `into`.

    Of real ones at most _MOST_REAL, drawn by the seed. The wording of both comes from the labels.
    """
    rows: list[Row] = [dict(row) for row in read_manifest(folder / "train.csv")]
    wanted = [row for row in rows if is_synthetic(row) != real]
    if not wanted:
        kind = "real" if real else "synthetic"
        raise InvalidInput(f"{folder} has no {kind} images in train.csv")
    if real:
        wanted = shuffled(wanted, seed, "real images")[:_MOST_REAL]
    prepare_folder(into)
    words = {row["key"]: _words(row) for row in wanted}
    for row, data in _pictures(folder, wanted):
        (into / f"{row['key']}.png").write_bytes(data)
    found = {one.path.stem: one for one in gather(into, "real" if real else "")}
    return [
        Found(
            path=found[row["key"]].path,
            prompt=words[row["key"]],
            group=_group(row),
            source="real" if real else found[row["key"]].source,
        )
        for row in wanted
    ]


def _words(row: Row) -> str:
    try:
        return render(prompt_of(concepts_of(row)))
    except InvalidInput:
        return ""


def _group(row: Row) -> str:
    return f"{row['body_part']} {row['modality']}".strip()


def _pictures(folder: Path, rows: Sequence[Row]) -> Iterator[tuple[Row, bytes]]:
    """Rows with the bytes of their PNG, shard by shard. Raises InvalidInput for a missing one."""
    shards: dict[str, list[Row]] = {}
    for row in rows:
        shards.setdefault(row["shard"], []).append(row)
    for shard, members in sorted(shards.items()):
        if Path(shard).name != shard:
            raise InvalidInput(f"the manifest names the shard {shard!r}: expected a file name")
        with tarfile.open(folder / shard) as tar:
            for row in members:
                try:
                    stream = tar.extractfile(f"{row['key']}.png")
                except KeyError:
                    stream = None
                if stream is None:
                    raise InvalidInput(f"{folder / shard} holds no picture of {row['key']}")
                yield row, stream.read()


def admit(
    data: Path, study: Path, out: Path, rule: str = "majority", *, unreviewed: bool = False
) -> Admitted:
    """Write the data set again with what the study accepted, and without what it did not.

    unreviewed: keep what has no accepting verdict as well, and say so.
    Raises InvalidInput where `out` is not empty, and what `accepted` raises.
    """
    if out.exists() and any(out.iterdir()):
        raise InvalidInput(f"{out} is not empty: choose another folder with -o")
    verdicts = accepted(study, rule)
    known = {image.sha256 for image in verdicts.images}
    rows: list[Row] = [dict(row) for row in read_manifest(data / "train.csv")]
    made = [row for row in rows if is_synthetic(row)]
    mixed = {row["shard"] for row in made}
    prepare_folder(out)
    states: dict[str, str] = {}
    for shard in sorted({row["shard"] for row in rows} | _test_shards(data)):
        if shard not in mixed:
            _link(data / shard, out / shard)
            continue
        members = [row for row in rows if row["shard"] == shard]
        kept = []
        for row, picture in _pictures(data, members):
            state = _state(row, picture, known)
            states[row["key"]] = state
            if state in ("", ACCEPTED) or unreviewed:
                kept.append((row | {"review": state}, picture))
        _write_shard(out / shard, kept)
    stay = [row for row in rows if _stays(states.get(row["key"], ""), unreviewed)]
    found = [states[row["key"]] for row in made]
    admitted = Admitted(
        kept=found.count(ACCEPTED),
        unreviewed=found.count(UNREVIEWED) if unreviewed else 0,
        left_out=0 if unreviewed else found.count(UNREVIEWED),
        real=len(rows) - len(made),
    )
    for name in _KEPT:
        if (data / name).is_file():
            _link(data / name, out / name)
    write_atomically(out / SUMMARY, _summary(verdicts, admitted))
    columns = list(dict.fromkeys([*rows[0], "review"]))
    told = [row | {"review": states.get(row["key"], "")} for row in stay]
    write_atomically(out / "train.csv", _csv(columns, told))
    return admitted


def _state(row: Row, picture: bytes, known: set[str]) -> str:
    if not is_synthetic(row):
        return ""
    return ACCEPTED if hashlib.sha256(picture).hexdigest() in known else UNREVIEWED


def _stays(state: str, unreviewed: bool) -> bool:
    return unreviewed or state in ("", ACCEPTED)


def export_accepted(study: Path, out: Path, rule: str = "majority") -> Accepted:
    """Copy what a study accepted into an empty folder, with a list that names verdict and log."""
    if out.exists() and any(out.iterdir()):
        raise InvalidInput(f"{out} is not empty: choose another folder with -o")
    verdicts = accepted(study, rule)
    prepare_folder(out)
    rows = []
    for image in verdicts.images:
        data = read_bytes(image.path)
        if hashlib.sha256(data).hexdigest() != image.sha256:
            raise InvalidInput(f"{image.path} changed while it was copied: try again")
        name = f"{image.sha256[:16]}{image.path.suffix}"
        write_atomically(out / name, data)
        row = {"file": name, "sha256": image.sha256, "verdict": image.verdict}
        rows.append(row | {"reads": str(image.reads), "review": ACCEPTED})
    admitted = Admitted(kept=len(rows), unreviewed=0, left_out=verdicts.rejected, real=0)
    write_atomically(out / SUMMARY, _summary(verdicts, admitted))
    columns = ["file", "sha256", "verdict", "reads", "review"]
    write_atomically(out / MANIFEST, _csv(columns, rows))
    return verdicts


def _summary(verdicts: Accepted, admitted: Admitted) -> bytes:
    told: dict[str, Any] = {
        "study": verdicts.study,
        "rule": verdicts.rule,
        "log_head": verdicts.log_head,
        "readers": list(verdicts.readers),
        "simulated_readers": list(verdicts.simulated),
        "images": vars(admitted),
    }
    if admitted.unreviewed:
        told["warning"] = f"{admitted.unreviewed} images were let in without an accepting verdict"
    return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()


def _test_shards(data: Path) -> set[str]:
    if not (data / "test.csv").is_file():
        return set()
    return {row["shard"] for row in read_manifest(data / "test.csv", may_be_empty=True)}


def _write_shard(path: Path, samples: Sequence[tuple[Row, bytes]]) -> None:
    if not samples:
        return
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for row, picture in samples:
            add_sample(tar, row, picture)
    write_atomically(path, stream.getvalue())


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()
