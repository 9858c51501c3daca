"""One shard: a WebDataset tar of PNG pictures with their rows, written whole or not at all.

Runs in a process of its own: a file that brings a decoder down costs itself and nothing else.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Pillow

from radsmith.datasets.entry import thumbnail
from radsmith.datasets.state import ShardJob
from radsmith.datasets.units import UnitImage, UnitOptions, pictures_of
from radsmith.errors import RadsmithError
from radsmith.files import write_atomically
from radsmith.language.vocabulary import learn_concepts

FAILED = 3
"""Exit status of a process that left its reason in the shard's error file."""


@dataclass(frozen=True, kw_only=True)
class ShardPlace:
    """Where a shard and its working files lie: `out` is the data set, `state` stays private."""

    out: Path
    state: Path
    name: str

    @property
    def tar(self) -> Path:
        """The shard."""
        return self.out / f"{self.name}.tar"

    @property
    def part(self) -> Path:
        """Rows and problems of the finished shard; its presence says that the shard is whole."""
        return self.state / f"{self.name}.json"

    @property
    def now(self) -> Path:
        """Names the source file that is being read."""
        return self.state / f"{self.name}.now"

    @property
    def bad(self) -> Path:
        """Source files that brought the process down, one a line as JSON."""
        return self.state / f"{self.name}.bad"

    @property
    def error(self) -> Path:
        """Why the process gave up."""
        return self.state / f"{self.name}.error"


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """A shard to be made. reports: text by source file."""

    place: ShardPlace
    job: ShardJob
    reports: Mapping[str, str]
    options: UnitOptions


def make_shard(task: ShardTask) -> None:
    """Write the shard, then its part. Raises what disk and missing extras raise."""
    place, options = task.place, task.options
    learn_concepts(options.vocabulary)
    blamed = read_bad(place)
    rows: list[dict[str, str]] = []
    problems = [(path, reason) for path, reason in blamed.items()]
    temporary = place.tar.with_name(f".{place.name}.part")
    with temporary.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for unit in task.job.units:
                if unit.path in blamed:
                    continue
                place.now.write_bytes(os.fsencode(unit.path))
                for made in pictures_of(unit, task.reports.get(unit.path, ""), options):
                    if made.entry is None:
                        problems.append((made.path, made.reason))
                    else:
                        rows.append(_add(tar, made, place.tar.name))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, place.tar)
    part = json.dumps({"rows": rows, "problems": problems}, separators=(",", ":"))
    write_atomically(place.part, part.encode("utf-8", "surrogateescape"))
    place.now.unlink(missing_ok=True)


def make_shard_apart(task: ShardTask) -> None:
    """`make_shard` as the whole of a process: what goes wrong is left in the error file."""
    try:
        make_shard(task)
    except (RadsmithError, OSError) as error:
        task.place.error.write_text(str(error), encoding="utf-8")
        sys.exit(FAILED)


def read_bad(place: ShardPlace) -> dict[str, str]:
    """Files blamed for a crash, with the reason."""
    if not place.bad.exists():
        return {}
    lines = place.bad.read_text(encoding="utf-8").splitlines()
    return dict(json.loads(line) for line in lines)


def blame(place: ShardPlace, reason: str) -> bool:
    """Note the file that was being read as bad; whether there was one."""
    if not place.now.exists():
        return False
    path = os.fsdecode(place.now.read_bytes())
    if path in read_bad(place):
        return False
    with place.bad.open("a", encoding="utf-8") as file:
        file.write(json.dumps([path, reason]) + "\n")
    place.now.unlink()
    return True


def _add(tar: tarfile.TarFile, made: UnitImage, shard: str) -> dict[str, str]:
    if made.entry is None or made.pixels is None:
        raise ValueError("an image without pixels")
    row = made.entry.row(shard)
    stream = io.BytesIO()
    Pillow.fromarray(made.pixels).save(stream, "PNG", compress_level=4)
    add_sample(tar, row, stream.getvalue())
    return row | {"thumb": base64.b64encode(thumbnail(made.pixels)).decode()}


def add_sample(tar: tarfile.TarFile, row: Mapping[str, str], picture: bytes) -> None:
    """One WebDataset sample: the PNG, and what its row says as JSON, under the row's key."""
    facts = {name: value for name, value in row.items() if value}
    for suffix, data in (("png", picture), ("json", json.dumps(facts).encode())):
        info = tarfile.TarInfo(f"{row['key']}.{suffix}")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
