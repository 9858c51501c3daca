"""Marks on files that radsmith writes: which were asked for, and putting credentials on a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from radsmith.files import read_bytes, write_atomically
from radsmith.images.provenance import Generation
from radsmith.marks import credentials
from radsmith.marks.keys import SigningKey, load_key


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What to put on images beside their record; a plain value, for worker processes too.

    key: file of the key that signs content credentials, None for none.  watermark: in the pixels.
    """

    key: Path | None = None
    watermark: bool = False

    def check(self) -> None:
        """Raise NotFound, InvalidInput or Unavailable before any work, not after."""
        if self.key is not None:
            load_key(self.key)
            credentials.require()


NONE = Marks()


def sign_file(path: Path, record: Generation, key: Path, source: bytes = b"") -> list[Path]:
    """Put credentials into a PNG, or beside any other file; returns the sidecars written.

    source: the file that was edited, whose own credentials are kept.
    """
    return _signed(path, record, load_key(key), source)


def _signed(path: Path, record: Generation, key: SigningKey, source: bytes) -> list[Path]:
    data = read_bytes(path)
    whole, manifest = credentials.signed(data, record, key, source)
    if credentials.embeds(data):
        write_atomically(path, whole)
        return []
    beside = credentials.sidecar(path)
    write_atomically(beside, manifest)
    return [beside]
