"""Images as content-addressed files: the name is the SHA-256 of the bytes."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from pathlib import Path

from radsmith.errors import InvalidInput, NotFound
from radsmith.files import prepare_folder, read_bytes, write_atomically

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """Arrays as NPY files under `folder`, each whole or absent."""

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
        if not _DIGEST.fullmatch(digest):
            raise InvalidInput(f"not a digest: {digest[:80]!r}")
        return self._folder / digest[:2] / f"{digest}.npy"
