"""Very many images: shards made by any number of processes and machines, each exactly once.

`run.json` in the place of the result says what is made; whoever comes first writes it, and others
join only with the same request. An image depends on its prompt, seed, settings and model, and its
record carries the time of `run.json`: so a shard made again is the same file, bit for bit.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import accumulate, count, pairwise
from pathlib import Path
from typing import Any, BinaryIO, Final
from uuid import UUID

from radsmith import __version__
from radsmith.clock import now
from radsmith.compute.claims import Claim
from radsmith.compute.shards import (
    Sample,
    bounds,
    part_name,
    read_part,
    shard_name,
    write_shard,
)
from radsmith.compute.stores import Folder, Store, open_store
from radsmith.engines.choice import Choice, load_engine, load_facts
from radsmith.engines.engine import Engine
from radsmith.errors import InvalidInput, NotFound
from radsmith.generation.plan import Plan, make
from radsmith.generation.prompt_list import Row
from radsmith.images.image import Image
from radsmith.images.pictures import npy_bytes, png_bytes
from radsmith.images.provenance import NOTICE, Generation, Request, Settings
from radsmith.marks.watermark import marked

RUN: Final = "run.json"
MANIFEST: Final = "manifest.csv"
SHARDS: Final = "shards.csv"
SUFFIXES: Final = {"png": "png", "png16": "png", "dicom": "dcm", "npy": "npy"}
_FACTS = ("prompt", "canonical_prompt", "concepts", "not_understood", "warnings", "seed",
          "num_steps", "guidance_scale", "sampler", "width", "height", "engine", "model",
          "model_digest", "radsmith_version", "created", "pixels_sha256")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ShardedRequest:
    """What to make and where: a folder, s3://… or gs://….

    rows, plans: of the prompts, one for one.  kind: of `shards.KINDS`.  format: of SUFFIXES.
    """

    out: str
    rows: tuple[Row, ...]
    plans: tuple[Plan, ...]
    shards: int
    kind: str
    format: str
    choice: Choice
    watermark: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.shards <= self.total:
            raise InvalidInput(
                f"{self.shards} shards of {self.total} images: give 1 to as many as images"
            )
        _no_image_twice(self.rows, self.plans)

    @property
    def total(self) -> int:
        """Images in all."""
        return sum(row.count for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class ShardPart:
    """Images of one prompt in a shard, of seeds counting up. number: of the first in the run."""

    number: int
    plan: Plan
    prompt: str
    name: str
    settings: Settings
    seed: int
    count: int


@dataclass(frozen=True, kw_only=True)
class GenerateShard:
    """A shard to be made, small enough to be sent. claim: first claim it, in a shared folder."""

    out: str
    name: str
    run: str
    kind: str
    format: str
    choice: Choice
    watermark: bool
    created: str
    parts: tuple[ShardPart, ...]
    claim: bool

    @property
    def images(self) -> int:
        """How many it holds."""
        return sum(part.count for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class ShardEnd:
    """What became of a shard: made here, there already, or at work elsewhere (`holder`)."""

    name: str
    images: int
    made: bool = False
    there: bool = False
    holder: str = ""


def begin(request: ShardedRequest) -> tuple[Store, dict[str, Any]]:
    """The place of the result and its run.json, which is written here if it is not there.

    $SOURCE_DATE_EPOCH (seconds since 1970) is the time that records carry, where it is set.
    Raises InvalidInput where the place holds a run of another request.
    """
    store = open_store(request.out)
    wanted = {**_said(request), "created": _created()}
    data = json.dumps(wanted, indent=1, sort_keys=True).encode() + b"\n"
    if not store.has(RUN) and store.create(RUN, data):
        return store, wanted
    there: dict[str, Any] = json.loads(store.read(RUN))
    differing = [key for key, value in _said(request).items() if there.get(key) != value]
    if differing:
        raise InvalidInput(
            f"{request.out} holds a run that differs in {', '.join(differing)}: give the same"
            " request to go on, or another place with -o"
        )
    return store, there


def shard_tasks(
    request: ShardedRequest, run: dict[str, Any], numbers: Iterable[int], *, claim: bool
) -> Iterator[GenerateShard]:
    """The shards of these numbers, each with its own images alone."""
    begins = [0, *accumulate(row.count for row in request.rows)]
    digest = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()
    for number in numbers:
        yield GenerateShard(
            out=request.out,
            name=shard_name(number, request.shards),
            run=digest,
            kind=request.kind,
            format=request.format,
            choice=request.choice,
            watermark=request.watermark,
            created=run["created"],
            parts=tuple(_parts(request, begins, bounds(number, request.shards, request.total))),
            claim=claim,
        )


def make_shard(task: GenerateShard) -> ShardEnd:
    """Make one shard, unless it is there or somebody else is at it.

    The same for a process of this machine, a SLURM array's task and an actor of Ray. Raises
    NotFound where run.json is not seen from here: a folder must be shared by all machines.
    """
    store = _store(task.out)
    end = ShardEnd(name=task.name, images=task.images)
    if store.has(part_name(task.name)):
        return replace(end, there=True)
    _check_shared(task, store)
    if not task.claim or not isinstance(store, Folder):
        write_shard(store, task.name, task.kind, _samples(task, None))
        return replace(end, made=True)
    claim = Claim(store.path / "claims", task.name)
    if not claim.take():
        return replace(end, holder=claim.holder())
    try:
        if store.has(part_name(task.name)):
            return replace(end, there=True)
        write_shard(store, task.name, task.kind, _samples(task, claim))
    finally:
        claim.leave()
    return replace(end, made=True)


def whole(request: ShardedRequest, store: Store) -> list[int]:
    """Numbers of the shards that are there."""
    there = set(store.names("parts"))
    names = (part_name(shard_name(n, request.shards)) for n in range(request.shards))
    return [number for number, name in enumerate(names) if name in there]


def finish(request: ShardedRequest, store: Store) -> bool:
    """Write shards.csv and manifest.csv where all shards are there; whether they are.

    Whoever sees the last shard may do it, and several at once: they write the same.
    """
    if len(whole(request, store)) < request.shards:
        return False
    names = [shard_name(number, request.shards) for number in range(request.shards)]

    def shards(target: BinaryIO) -> None:
        columns = ("file", "images", "bytes", "sha256")
        _csv(target, columns, (read_part(store, name) for name in names))

    def images(target: BinaryIO) -> None:
        columns = ("key", "file", "name", *_FACTS)
        rows = (
            {**row, "file": part["file"]}
            for name in names
            for part in (read_part(store, name),)
            for row in part["rows"]
        )
        _csv(target, columns, rows)

    store.put_file(SHARDS, shards)
    store.put_file(MANIFEST, images)
    if isinstance(store, Folder):
        for claim in (store.path / "claims").glob("*.claim"):  # of killed processes
            claim.unlink(missing_ok=True)
        store.sweep()
    return True


def _csv(target: BinaryIO, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=True)
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    text.detach()


def _samples(task: GenerateShard, claim: Claim | None) -> Iterator[Sample]:
    engine = _engine(task.choice)
    for part in task.parts:
        for more in range(part.count):
            request = Request(prompt=part.prompt, seed=part.seed + more, settings=part.settings)
            try:
                image, record = make(engine, part.plan, request, task.created)
                if task.watermark:
                    image = replace(image, pixels=marked(image.pixels.astype("float32")))
                    record = replace(record, pixels_sha256=image.digest())
                picture = _picture(task, part.number + more, part.plan, image, record)
            except InvalidInput as error:
                said = f"“{part.prompt[:80]}”, seed {request.seed}"
                raise InvalidInput(f"{task.name}: {said}: {error}") from error
            if claim is not None:
                claim.beat()
            facts = {name: _plain(getattr(record, name)) for name in _FACTS}
            yield Sample(
                key=f"{part.number + more:09d}",
                suffix=SUFFIXES[task.format],
                picture=picture,
                facts={"name": f"{part.name}-{request.seed}", **facts, "notice": NOTICE},
            )


def _picture(
    task: GenerateShard, number: int, planned: Plan, image: Image, record: Generation
) -> bytes:
    if task.format == "npy":
        return npy_bytes(image, record)[0]
    if task.format == "dicom":
        from radsmith.generation.dicom_codes import codes_of
        from radsmith.images.dicom.writing import dicom_bytes  # pydicom is slow to start

        uids = _uids(f"{task.run} {number}")
        return dicom_bytes(image, record, codes_of(planned.prompt), lambda: next(uids))
    return png_bytes(image, record, bits=16 if task.format == "png16" else 8)


def _uids(of: str) -> Iterator[str]:
    """UIDs of UUIDs under 2.25 (PS3.5 B.2) that follow from a text: new for each run and image."""
    for number in count():
        digest = hashlib.sha256(f"{of} {number}".encode()).digest()
        yield f"2.25.{UUID(bytes=digest[:16], version=5).int}"


def _plain(value: Any) -> Any:
    return "; ".join(map(str, value)) if isinstance(value, tuple) else value


def _check_shared(task: GenerateShard, store: Store) -> None:
    """Raises where this machine does not see the run that the task belongs to."""
    try:
        there = json.loads(store.read(RUN))
    except NotFound as error:
        raise NotFound(
            f"{task.out}/{RUN} is not seen on this machine: give a folder that all machines share,"
            " or an object store"
        ) from error
    if hashlib.sha256(json.dumps(there, sort_keys=True).encode()).hexdigest() != task.run:
        raise InvalidInput(f"{task.out} holds another run by now; choose another place with -o")


def _parts(request: ShardedRequest, begins: list[int], wanted: range) -> Iterator[ShardPart]:
    first, last = bisect_right(begins, wanted.start) - 1, bisect_left(begins, wanted.stop)
    for at in range(first, last):
        row, planned = request.rows[at], request.plans[at]
        begin = max(wanted.start, begins[at])
        yield ShardPart(
            number=begin,
            plan=planned,
            prompt=row.prompt,
            name=row.name or planned.stem,
            settings=row.settings,
            seed=row.seed + begin - begins[at],
            count=min(wanted.stop, begins[at] + row.count) - begin,
        )


def _no_image_twice(rows: Sequence[Row], plans: Sequence[Plan]) -> None:
    """Raises InvalidInput where two rows ask for one image."""
    of: dict[Any, list[Row]] = {}
    for row, planned in zip(rows, plans, strict=True):
        of.setdefault((planned.canonical, planned.concepts, row.settings), []).append(row)
    for asked in of.values():
        inside = sorted(asked, key=lambda row: row.seed)
        for one, two in pairwise(inside):
            if one.seed + one.count > two.seed:
                raise InvalidInput(
                    f"lines {one.line} and {two.line} ask for the same images, from seed"
                    f" {two.seed} on: give one of them another seed"
                )


def _said(request: ShardedRequest) -> dict[str, Any]:
    """What decides the files."""
    listed = hashlib.sha256()
    for row, planned in zip(request.rows, request.plans, strict=True):
        said = [row.prompt, row.count, row.seed, row.name, asdict(row.settings), planned.canonical]
        listed.update(json.dumps([*said, planned.concepts, planned.warnings]).encode() + b"\n")
    return {
        "prompts": listed.hexdigest(),
        "images": request.total,
        "shards": request.shards,
        "kind": request.kind,
        "format": request.format,
        "watermark": request.watermark,
        "model": load_facts(request.choice).digest,
        "radsmith": __version__,
    }


def _created() -> str:
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not told:
        return now()
    try:
        return datetime.fromtimestamp(int(told), UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(f"SOURCE_DATE_EPOCH must be seconds since 1970, got {told!r}") from error


@cache
def _store(out: str) -> Store:
    return open_store(out)


@cache
def _engine(choice: Choice) -> Engine:
    return load_engine(choice)


def place(out: str) -> str:
    """A place as every process of this machine understands it."""
    return out if "://" in out else str(Path(out).absolute())
