"""Shards: files of many images, written whole or not at all, and a row of the manifest after that.

A shard's name is its number; its bytes depend on what was asked for alone. So a shard that is made
twice, by a retry or by two machines, is the same file. `parts/NAME.json` is its row: where it is
there, the shard is whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from radsmith.compute.stores import Store
from radsmith.errors import InvalidInput, Unavailable

KINDS: Final = {"webdataset": ".tar", "parquet": ".parquet"}
"""Kinds of shards with the suffixes of their files."""
PARTS: Final = "parts"
_AT_ONCE = 1024**2


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image of a shard. key: unique in the run; suffix: of the picture, such as "png".

    facts: JSON values, of the same names in every sample.
    """

    key: str
    suffix: str
    picture: bytes
    facts: Mapping[str, Any]


def shard_name(number: int, shards: int) -> str:
    """Such as shard-00007 of 100: as many digits as the last one needs, at least five."""
    return f"shard-{number:0{max(5, len(str(shards - 1)))}d}"


def part_name(name: str) -> str:
    """The row of a shard."""
    return f"{PARTS}/{name}.json"


def bounds(number: int, shards: int, total: int) -> range:
    """Which of `total` things belong to a shard: sizes differ by one at most."""
    if not 0 <= number < shards:
        raise InvalidInput(f"shards are numbered 0-{shards - 1}, got {number}")
    return range(number * total // shards, (number + 1) * total // shards)


def write_shard(store: Store, name: str, kind: str, samples: Iterable[Sample]) -> dict[str, Any]:
    """Write a shard, then its row; the row.

    kind: of KINDS. Raises Unavailable where the store cannot be written or pyarrow is missing.
    """
    file = name + KINDS[kind]
    rows: list[dict[str, Any]] = []
    digest, size = "", 0

    def fill(target: BinaryIO) -> None:
        nonlocal digest, size
        kept = _kept(samples, rows)
        if kind == "parquet":
            _parquet(target, kept)
        else:
            _tar(target, kept)
        size = target.seek(0, io.SEEK_END)
        target.seek(0)
        hashed = hashlib.sha256()
        while some := target.read(_AT_ONCE):
            hashed.update(some)
        digest = hashed.hexdigest()

    store.put_file(file, fill)
    row = {"file": file, "images": len(rows), "bytes": size, "sha256": digest, "rows": rows}
    store.put(part_name(name), json.dumps(row, separators=(",", ":")).encode())
    return row


def read_part(store: Store, name: str) -> dict[str, Any]:
    """The row of a whole shard. Raises NotFound."""
    row: dict[str, Any] = json.loads(store.read(part_name(name)))
    return row


def _kept(samples: Iterable[Sample], rows: list[dict[str, Any]]) -> Iterator[Sample]:
    for sample in samples:
        rows.append({"key": sample.key, **sample.facts})
        yield sample


def _tar(target: BinaryIO, samples: Iterable[Sample]) -> None:
    """WebDataset: the files of a sample under its key, one after the other; no clock, no owner."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in samples:
            facts = json.dumps(dict(sample.facts), ensure_ascii=False).encode()
            for suffix, data in ((sample.suffix, sample.picture), ("json", facts)):
                info = tarfile.TarInfo(f"{sample.key}.{suffix}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def _parquet(target: BinaryIO, samples: Iterable[Sample]) -> None:
    """A row an image: its file as Hugging Face's Image column has it, and its facts."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise Unavailable("Parquet needs pyarrow: pip install radsmith[import]") from error
    found = list(samples)
    facts = pa.Table.from_pylist([dict(sample.facts) for sample in found])
    shown = all(sample.suffix == "png" for sample in found)
    pictures = pa.array(
        [{"bytes": s.picture, "path": f"{s.key}.{s.suffix}"} for s in found],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    table = pa.table({"key": [s.key for s in found], "image" if shown else "file": pictures})
    for name in facts.column_names:
        table = table.append_column(name, facts[name])
    if shown:
        features = {"info": {"features": {"image": {"_type": "Image"}, **_plain(table)}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(table, target)


def _plain(table: Any) -> dict[str, Any]:
    """Hugging Face's words for the other columns."""
    found = {}
    for field in table.schema:
        if field.name != "image":
            kind = {"double": "float64"}.get(str(field.type), str(field.type))
            found[field.name] = {"dtype": kind, "_type": "Value"}
    return found
