"""Folders and object stores of two kinds keep the same promises."""

import threading
import time

import pytest

from radsmith.compute.stores import Folder, Objects, open_store
from radsmith.errors import InvalidInput, NotFound, Unavailable
from tests.compute.objects import bucket_of, google_bucket_of

pytestmark = pytest.mark.slow


@pytest.fixture(params=["folder", "s3", "gs"])
def store(request, tmp_path):
    if request.param == "folder":
        return Folder(tmp_path / "store")
    return Objects(request.getfixturevalue("s3"))


@pytest.fixture
def s3(monkeypatch):
    with bucket_of(monkeypatch) as where:
        yield where


@pytest.fixture
def gs(monkeypatch):
    with google_bucket_of(monkeypatch) as where:
        yield where


def test_what_is_put_is_read_and_listed(store):
    for name in ("parts/b", "parts/a", "c"):
        store.put(name, name.encode())
    store.put("c", b"later")
    assert store.read("c") == b"later" and store.read("parts/a") == b"parts/a"
    assert store.names("parts") == ["parts/a", "parts/b"]
    assert store.has("c") and not store.has("d") and store.names("none") == []
    assert 0 <= store.age("c", time.time() + 1) < 60
    store.remove("c")
    store.remove("c")
    assert not store.has("c")
    with pytest.raises(NotFound):
        store.read("c")


def test_only_one_creates(store):
    made = []

    def create(number):
        if store.create("run.json", str(number).encode()):
            made.append(number)

    threads = [threading.Thread(target=create, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and store.read("run.json") == str(made[0]).encode()


def test_a_file_is_there_whole_or_not_at_all(store):
    def broken(file):
        file.write(b"x" * 100_000)
        raise InvalidInput("stopped")

    with pytest.raises(InvalidInput, match="stopped"):
        store.put_file("shard.tar", broken)
    assert not store.has("shard.tar")
    store.put_file("shard.tar", lambda file: file.write(b"y" * 100_000) and None)
    assert store.read("shard.tar") == b"y" * 100_000


def test_a_folder_is_swept_of_what_was_killed(tmp_path):
    store = Folder(tmp_path)
    store.put("parts/a", b"a")
    (tmp_path / ".s.tar.1.part").write_bytes(b"half")
    (tmp_path / "parts" / ".a.2.part").write_bytes(b"half")
    store.sweep()
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["a"]


@pytest.mark.parametrize("bucket", [bucket_of, google_bucket_of])
def test_a_bucket_that_is_missing_is_named(monkeypatch, bucket):
    with bucket(monkeypatch) as where, pytest.raises(NotFound, match="bucket"):
        open_store(f"{where.rpartition('/')[0]}-missing/a").put("x", b"")


def test_places_that_cannot_be_used_say_why(tmp_path, s3, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidInput, match="a file is in the way"):
        open_store(str(tmp_path / "file"))
    with pytest.raises(Unavailable, match="known"):
        open_store("nosuch://a/b")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Unavailable, match="cannot be reached"):
        open_store("s3://a/b").read("x")
