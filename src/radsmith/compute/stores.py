"""Where results go: a folder that machines share, or an object store by fsspec.

Both keep one promise: what lies under a name is whole or absent. A folder does it by a rename, an
object store by making an object visible when all of it was sent.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast
from uuid import uuid4

from radsmith.errors import InvalidInput, NotFound, RadsmithError, Unavailable
from radsmith.files import prepare_folder, read_bytes, write_atomically

Fill = Callable[[BinaryIO], None]
"""Writes a file's bytes; the file can be sought in."""
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}


class Store(Protocol):
    """Files by name; a name has parts joined by /."""

    shared: bool
    """Whether claims can be made in it: whether it is a folder."""

    def read(self, name: str) -> bytes:
        """All bytes. Raises NotFound."""

    def has(self, name: str) -> bool:
        """Whether it is there, and so whole."""

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder of the store, in order."""

    def put(self, name: str, data: bytes) -> None:
        """Write whole or not at all, over what was there."""

    def put_file(self, name: str, fill: Fill) -> None:
        """As `put`, of what `fill` writes."""

    def create(self, name: str, data: bytes) -> bool:
        """Write where nothing is yet; whether it was this call that did."""

    def age(self, name: str, now: float) -> float:
        """Seconds since it was written. Raises NotFound. now: seconds since 1970."""

    def remove(self, name: str) -> None:
        """Remove it if it is there."""


def is_url(where: str) -> bool:
    """Whether a place is in an object store, such as s3://bucket/folder."""
    return "://" in where


def open_store(where: str) -> Store:
    """The place of this name, made where it is a folder.

    Raises InvalidInput where it cannot be written, Unavailable where an extra is missing.
    """
    return Objects(where) if is_url(where) else Folder(Path(where))


class Folder:
    """Files below a folder."""

    shared = True

    def __init__(self, path: Path) -> None:
        self.path = prepare_folder(path)

    def read(self, name: str) -> bytes:
        """All bytes."""
        return read_bytes(self.path / name)

    def has(self, name: str) -> bool:
        """Whether it is there."""
        return (self.path / name).is_file()

    def names(self, folder: str) -> list[str]:
        """Files of a folder, without those still being written."""
        found = (self.path / folder).glob("*")
        return sorted(f"{folder}/{p.name}" for p in found if not p.name.startswith("."))

    def put(self, name: str, data: bytes) -> None:
        """Write whole or not at all."""
        self._beside(name)
        write_atomically(self.path / name, data)

    def put_file(self, name: str, fill: Fill) -> None:
        """Fill a file beside, sync it and rename it."""
        path = self.path / name
        temporary = self._beside(name) / f".{path.name}.{uuid4().hex}.part"
        try:
            with temporary.open("xb+") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.replace(temporary, path)
            except FileNotFoundError:  # swept: another made it and closed the run
                if not path.exists():
                    raise
        except OSError as error:
            raise Unavailable(f"cannot write {path}: {error.strerror or error}") from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def create(self, name: str, data: bytes) -> bool:
        """By a hard link, which fails where the name is taken."""
        path = self.path / name
        temporary = self._beside(name) / f".{path.name}.{uuid4().hex}.part"
        write_atomically(temporary, data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            raise Unavailable(f"cannot make {path}: {error.strerror or error}") from error
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def age(self, name: str, now: float) -> float:
        """By the file's time of change."""
        try:
            return now - (self.path / name).stat().st_mtime
        except FileNotFoundError as error:
            raise NotFound(f"no such file: {self.path / name}") from error

    def remove(self, name: str) -> None:
        """Remove it if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what killed processes left half written, and empty folders."""
        for path in (*self.path.glob(".*.part"), *self.path.glob("*/.*.part")):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            (self.path / "claims").rmdir()

    def _beside(self, name: str) -> Path:
        folder = (self.path / name).parent
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class Objects:
    """Objects below an address, such as s3://bucket/folder; s3:// and gs:// are tested kinds.

    Credentials, region and endpoint come from where the kind's own tools take them
    (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL …).
    """

    shared = False

    def __init__(self, where: str) -> None:
        kind = where.partition("://")[0]
        try:
            import fsspec

            self._files: Any = fsspec.filesystem(kind, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            extra = _EXTRAS.get(kind)
            mend = f"pip install radsmith[{extra}]" if extra else "s3:// and gs:// are known"
            raise Unavailable(f"{kind}:// cannot be opened ({error}): {mend}") from error
        self.where = where.rstrip("/")

    def read(self, name: str) -> bytes:
        """All bytes."""
        with self._told(name):
            return cast(bytes, self._files.cat_file(self._path(name)))

    def has(self, name: str) -> bool:
        """Whether it is there."""
        with self._told(name):
            return bool(self._files.isfile(self._path(name)))

    def names(self, folder: str) -> list[str]:
        """Objects below a folder."""
        with self._told(folder):
            found = self._files.find(self._path(folder))
        return sorted(f"{folder}/{path.rpartition('/')[2]}" for path in found)

    def put(self, name: str, data: bytes) -> None:
        """Write over what was there."""
        with self._told(name):
            self._files.pipe_file(self._path(name), data)

    def put_file(self, name: str, fill: Fill) -> None:
        """Fill a file of this machine, then send it."""
        with tempfile.NamedTemporaryFile(prefix="radsmith-") as file:
            fill(cast(BinaryIO, file))
            file.flush()
            with self._told(name):
                self._files.put_file(file.name, self._path(name))

    def create(self, name: str, data: bytes) -> bool:
        """By the store's own condition that nothing is there."""
        try:
            with self._told(name):
                self._files.pipe_file(self._path(name), data, mode="create")
        except FileExistsError:
            return False
        return True

    def age(self, name: str, now: float) -> float:
        """By the object's time of change."""
        with self._told(name):
            return now - float(self._files.modified(self._path(name)).timestamp())

    def remove(self, name: str) -> None:
        """Remove it if it is there."""
        with suppress(NotFound), self._told(name):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self.where}/{name}"

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except (FileExistsError, RadsmithError):
            raise
        except FileNotFoundError as error:
            raise NotFound(f"no such object: {self._path(name)}, or no such bucket") from error
        except PermissionError as error:
            raise InvalidInput(
                f"{self._path(name)} is not allowed to us: check credentials and the bucket's rules"
            ) from error
        except Exception as error:  # each kind of store has a tree of errors of its own
            raise Unavailable(f"{self._path(name)} cannot be reached: {error}") from error
