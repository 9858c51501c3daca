"""Images by the SHA-256 of their bytes: as files of a folder, or in an object store that several
servers share."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from pathlib import Path
from typing import Protocol

from radsmith.compute.stores import Objects, is_url
from radsmith.errors import InvalidInput, NotFound
from radsmith.files import prepare_folder, read_bytes, write_atomically

_NPY = "npy"
_PROBE = "radsmith"
_YOUNG_S = 600.0
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Blobs(Protocol):
    """Arrays as NPY files, each whole or absent."""

    def put(self, data: bytes) -> str:
        """Keep `data`; its digest. What is there already is not written again, but young again."""

    def get(self, digest: str) -> bytes:
        """The bytes of `digest`. Raises NotFound or, where they were changed, InvalidInput."""

    def remove(self, digest: str, before: float) -> bool:
        """Remove one file, unless it was written again since: somebody else just asked for it."""

    def prune(self, needed: set[str], before: float) -> int:
        """Remove files written before that are not needed; their number."""


def open_blobs(where: str | Path) -> Blobs:
    """Of a folder, or of s3://… or gs://….

    Raises InvalidInput where it cannot be written, Unavailable where an extra is missing.
    """
    if isinstance(where, str) and is_url(where):
        return ObjectBlobs(where)
    return FolderBlobs(Path(where))


class FolderBlobs:
    """Files under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = prepare_folder(folder)
        self._writing = threading.Lock()

    def put(self, data: bytes) -> str:
        """Keep `data`; its digest. What is there already is not written again, but young again."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        with self._writing:
            if path.is_file() and path.stat().st_size == len(data):
                os.utime(path)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, data)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of `digest`. Raises NotFound or, where the file was changed, InvalidInput."""
        path = self._path(digest)
        try:
            data = read_bytes(path)
        except NotFound as error:
            raise NotFound("this image is no longer kept; open it again") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise InvalidInput(f"the stored image {digest[:12]}… was changed on the disk")
        return data

    def remove(self, digest: str, before: float) -> bool:
        """Remove one file, unless it was written again since: somebody else just asked for it."""
        path = self._path(digest)
        with self._writing:
            if not path.is_file() or path.stat().st_mtime > before:
                return False
            path.unlink()
        return True

    def prune(self, needed: set[str], before: float) -> int:
        """Remove files written before that are not needed; their number."""
        removed = 0
        for path in self._folder.glob("*/*"):
            with self._writing:
                if path.stem not in needed and path.stat().st_mtime < before:
                    path.unlink()
                    removed += 1
        return removed

    def _path(self, digest: str) -> Path:
        return self._folder / _checked(digest)[:2] / f"{digest}.npy"


class ObjectBlobs:
    """Objects below an address. A store has no lock: what is asked for anew is written anew unless
    it is young, long before pruning takes it for old."""

    def __init__(self, where: str) -> None:
        self._store = Objects(where)
        self._store.put(_PROBE, b"radsmith")  # that it can be written is known before any work

    def put(self, data: bytes) -> str:
        """Keep `data`; its digest."""
        digest = hashlib.sha256(data).hexdigest()
        name = self._name(digest)
        try:
            young = self._store.age(name, time.time()) < _YOUNG_S
        except NotFound:
            young = False
        if not young:
            self._store.put(name, data)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of `digest`."""
        try:
            data = self._store.read(self._name(digest))
        except NotFound as error:
            raise NotFound("this image is no longer kept; open it again") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise InvalidInput(f"the stored image {digest[:12]}… was changed in its store")
        return data

    def remove(self, digest: str, before: float) -> bool:
        """Remove one object that was written before."""
        name, now = self._name(digest), time.time()
        try:
            if now - self._store.age(name, now) > before:
                return False
        except NotFound:
            return False
        self._store.remove(name)
        return True

    def prune(self, needed: set[str], before: float) -> int:
        """Remove objects written before that are not needed."""
        names = (name.rpartition("/")[2].removesuffix(".npy") for name in self._store.names(_NPY))
        return sum(self.remove(digest, before) for digest in names if digest not in needed)

    def _name(self, digest: str) -> str:
        return f"{_NPY}/{_checked(digest)}.npy"


def _checked(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise InvalidInput(f"not a digest: {digest[:80]!r}")
    return digest
