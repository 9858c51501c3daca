"""The augmented data set as files: the originals, linked, and synthetic shards with their rows.

Every file is replaced when whole and the order depends on the plan alone, so that writing it all
again after a stop gives the same.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tarfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from radsmith.augmentation.plan import LABELS
from radsmith.datasets.entry import COLUMNS, is_synthetic
from radsmith.datasets.manifest import Parquet
from radsmith.datasets.shards import add_sample
from radsmith.errors import InvalidInput, NotFound
from radsmith.files import read_bytes, write_atomically
from radsmith.images.contact_sheet import Tile, contact_sheet
from radsmith.images.image import Image
from radsmith.images.picture_reading import RECORD_KEY
from radsmith.images.provenance import Generation

SOURCE = "radsmith-synthetic"
"""Of all synthetic rows; it gives them a style of their own in training."""
SUMMARY = "augment.json"
_OWN = ("synthetic", "model_digest", "seed", "prompt", "digest", "alike", "origin")
_SHARD = "train-synthetic-"
_SHOWN_CLASSES, _SHOWN = 8, 6

Row = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Manifests:
    """Rows of train.csv and test.csv as they are; `columns` of train.csv and those added to it."""

    folder: Path
    train: Sequence[Row]
    test: Sequence[Row]
    by: tuple[str, ...]

    @cached_property
    def real(self) -> list[Row]:
        """Rows of train.csv that no model made."""
        return [row for row in self.train if not is_synthetic(row)]

    @cached_property
    def made(self) -> list[Row]:
        """Rows of train.csv whose images a model made before."""
        return [row for row in self.train if is_synthetic(row)]

    @property
    def columns(self) -> tuple[str, ...]:
        """The header of the augmented train.csv."""
        there = tuple(self.train[0])
        return (*there, *(c for c in _OWN if c not in there))

    @property
    def shards(self) -> list[str]:
        """Names of the tar files that the manifests name, in order."""
        return sorted({row["shard"] for row in (*self.train, *self.test)})

    def new_shard(self, number: int) -> str:
        """Name of a synthetic shard that is not there yet."""
        taken = [s[len(_SHARD) : -4] for s in self.shards if s.startswith(_SHARD)]
        first = max((int(t) for t in taken if t.isdecimal()), default=-1) + 1
        return f"{_SHARD}{first + number:05d}.tar"

    def row_of(self, labels: Row, made: Mapping[str, Any], shard: str) -> dict[str, str]:
        """The manifest row of a synthetic image: its own facts, the labels of a real row."""
        kept = {c: labels.get(c) or "" for c in (*LABELS, *self.by) if c in self.columns}
        own = {name: str(value) for name, value in made.items()} | {
            "shard": shard,
            "patient_id": made["key"],
            "source": SOURCE,
            "origin": f"labels of {labels['key']}",
            "synthetic": "1",
        }
        return dict.fromkeys(self.columns, "") | kept | own


def check_manifests(manifests: Manifests) -> None:
    """Raises InvalidInput for a broken row or a shard outside the folder, NotFound without one."""
    for row in (*manifests.train, *manifests.test):
        if None in row or None in row.values():
            raise InvalidInput(
                f"the manifest's row of {row['key']} has other cells than the header has columns"
            )
    for name in manifests.shards:
        if Path(name).name != name:
            raise InvalidInput(f"the manifest names the shard {name!r}: expected a plain file name")
        if not (manifests.folder / name).is_file():
            raise NotFound(f"no shard {manifests.folder / name}, which the manifest names")


def write_shard(path: Path, samples: Sequence[tuple[Row, bytes]]) -> None:
    """Rows with their PNG as a tar, whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for row, picture in samples:
                add_sample(tar, row, picture)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def finish(
    manifests: Manifests, out: Path, rows: Sequence[Row], summary: Mapping[str, Any]
) -> None:
    """Everything but the synthetic shards; train.csv comes last, for it makes the rest findable.

    summary: for augment.json; `classes` lists names of classes, and `model` has a name and digest.
    """
    for name in manifests.shards:
        _link(manifests.folder / name, out / name)
    if manifests.test:
        _link(manifests.folder / "test.csv", out / "test.csv")
    _write_parquet(manifests, out / "manifest.parquet", rows)
    _write_sources(manifests, out / "sources.csv", len(rows), summary["model"])
    text = json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
    write_atomically(out / SUMMARY, text.encode())
    write_atomically(out / "train.csv", _csv(manifests.columns, [*manifests.train, *rows]))


def write_sheet(out: Path, rows: Sequence[Row], class_of: Callable[[Row], str]) -> None:
    """samples.png: the first synthetic images of the largest additions, one row a class."""
    classes: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        classes[class_of(row)].append(row)
    largest = sorted(classes, key=lambda name: (-len(classes[name]), name))[:_SHOWN_CLASSES]
    tiles = []
    for name in largest:
        for row in classes[name][:_SHOWN]:
            with tarfile.open(out / row["shard"]) as tar:
                file = tar.extractfile(f"{row['key']}.png")
                data = file.read() if file else b""
            with Pillow.open(io.BytesIO(data)) as picture:
                record = Generation.from_json(str(picture.info[RECORD_KEY]))
                pixels = np.asarray(picture, np.float32) / 255
            tiles.append(Tile(image=Image(pixels=pixels), caption=name, record=record))
    if tiles:
        sheet = contact_sheet(tiles, columns=_SHOWN, tile=160, title="added to the data set")
        write_atomically(out / "samples.png", sheet)


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the disk cannot link."""
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        temporary = target.with_name(f".{target.name}.part")
        with suppress(FileNotFoundError):
            temporary.unlink()
        shutil.copyfile(source, temporary)
        os.replace(temporary, target)


def _write_parquet(manifests: Manifests, path: Path, rows: Sequence[Row]) -> None:
    temporary = path.with_name(f".{path.name}.part")
    more = [c for c in manifests.columns if c not in COLUMNS]
    names = (*COLUMNS, *more)
    with Parquet(temporary, more) as table:
        for split, part in (("train", [*manifests.train, *rows]), ("test", manifests.test)):
            table.add([{c: row.get(c) or "" for c in names} for row in part], split)
    os.replace(temporary, path)


def _write_sources(manifests: Manifests, path: Path, count: int, model: Mapping[str, str]) -> None:
    """sources.csv with a line for what was made."""
    header: tuple[str, ...] = ("source", "license", "license_class", "images", "repository")
    listed: list[Row] = []
    there = manifests.folder / "sources.csv"
    if there.is_file():
        reader = csv.DictReader(io.StringIO(read_bytes(there).decode("utf-8-sig"), newline=""))
        header, listed = tuple(reader.fieldnames or header), list(reader)
    line = {
        "source": SOURCE,
        "license": f"as the card of {model['name']} says",
        "license_class": "check",
        "images": str(count),
        "repository": f"made by {model['name']} {model['digest'][:12]}",
    }
    write_atomically(path, _csv(header, [*listed, line]))


def _csv(header: Sequence[str], rows: Sequence[Row]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, header, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()
