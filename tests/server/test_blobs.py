"""Images by digest: the same laws in a folder and in an object store."""

import hashlib
import time

import pytest

from radsmith.errors import InvalidInput, NotFound
from radsmith.server.store.blobs import open_blobs
from tests.compute.objects import bucket_of


@pytest.fixture(params=["folder", "s3"])
def blobs(request, tmp_path, monkeypatch):
    if request.param == "folder":
        yield open_blobs(tmp_path / "blobs")
        return
    with bucket_of(monkeypatch) as where:
        yield open_blobs(where)


def test_what_is_kept_comes_back_by_its_digest(blobs):
    digest = blobs.put(b"pixels")
    assert digest == hashlib.sha256(b"pixels").hexdigest() == blobs.put(b"pixels")
    assert blobs.get(digest) == b"pixels"
    with pytest.raises(NotFound, match="no longer kept"):
        blobs.get("0" * 64)
    with pytest.raises(InvalidInput, match="not a digest"):
        blobs.get("../../etc/passwd")


def test_what_is_young_or_needed_stays(blobs):
    old, needed = blobs.put(b"old"), blobs.put(b"needed")
    assert blobs.prune({needed}, time.time() - 60) == 0
    assert not blobs.remove(old, time.time() - 60)
    assert blobs.prune({needed}, time.time() + 60) == 1
    assert blobs.get(needed) == b"needed"
    with pytest.raises(NotFound):
        blobs.get(old)
    assert blobs.remove(needed, time.time() + 60) and not blobs.remove(needed, time.time() + 60)
