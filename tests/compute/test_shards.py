"""Shards are whole or absent, the same whoever makes them, and listed after they are there."""

import hashlib
import io
import json
import tarfile

import pytest

from radsmith.compute.shards import (
    KINDS,
    Sample,
    bounds,
    part_name,
    read_part,
    shard_name,
    write_shard,
)
from radsmith.compute.stores import Folder
from radsmith.errors import InvalidInput, NotFound


def samples(count=3):
    for number in range(count):
        facts = {"prompt": f"knee, “{number}”", "seed": number, "guidance": 1.5}
        yield Sample(key=f"{number:04d}", suffix="png", picture=bytes([number] * 9), facts=facts)


@pytest.mark.parametrize("total, shards", [(1, 1), (7, 3), (1000, 7), (100, 100)])
def test_every_image_is_in_one_shard(total, shards):
    parts = [bounds(number, shards, total) for number in range(shards)]
    assert [n for part in parts for n in part] == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    with pytest.raises(InvalidInput, match="numbered"):
        bounds(shards, shards, total)


def test_names_sort_as_numbers_do():
    for shards in (3, 100_000, 1_000_000):
        names = [shard_name(number, shards) for number in (0, 1, 9, 10, shards - 1)]
        assert names == sorted(names) or shards == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_shard_made_again_is_the_same_file(tmp_path, kind):
    made = []
    for folder in ("one", "two"):
        store = Folder(tmp_path / folder)
        row = write_shard(store, "shard-00000", kind, samples())
        made.append((store.read(row["file"]), store.read(part_name("shard-00000"))))
        assert hashlib.sha256(made[-1][0]).hexdigest() == row["sha256"]
        assert len(made[-1][0]) == row["bytes"] and row["images"] == 3
        assert read_part(store, "shard-00000") == row
    assert made[0] == made[1]


def test_a_tar_holds_what_webdataset_reads(tmp_path):
    store = Folder(tmp_path)
    write_shard(store, "s", "webdataset", samples())
    with tarfile.open(fileobj=io.BytesIO(store.read("s.tar"))) as tar:
        names = tar.getnames()
        assert names == [f"{n:04d}.{suffix}" for n in range(3) for suffix in ("png", "json")]
        facts = json.loads(tar.extractfile("0001.json").read())
        assert tar.extractfile("0001.png").read() == bytes([1] * 9)
    assert facts == {"prompt": "knee, “1”", "seed": 1, "guidance": 1.5}


def test_parquet_is_read_by_its_users(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    store = Folder(tmp_path)
    write_shard(store, "s", "parquet", samples())
    rows = parquet.read_table(tmp_path / "s.parquet").to_pylist()
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert rows[2]["image"] == {"bytes": bytes([2] * 9), "path": "0002.png"}


def test_what_fails_leaves_neither_shard_nor_row(tmp_path):
    def broken():
        yield from samples(2)
        raise InvalidInput("no more")

    store = Folder(tmp_path)
    with pytest.raises(InvalidInput, match="no more"):
        write_shard(store, "s", "webdataset", broken())
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    with pytest.raises(NotFound):
        read_part(store, "s")
