"""Files that are either whole or absent, and disk errors said in words.

Knows bytes and paths only; what the bytes mean is for others.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from radsmith.errors import InvalidInput, NotFound, RadsmithError, Unavailable

MAX_BYTES = 2 * 1024**3
"""Largest file `read_bytes` takes into memory."""


def write_atomically(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write `data` to `path` so that no reader, crash or Ctrl-C ever meets half a file.

    A temporary file in the same folder is filled, fsynced and renamed over `path`; on any
    failure it is removed and an older `path` is untouched. mode: of the file, less the umask.

    Raises Unavailable (disk full, device error) or InvalidInput (folder missing or read-only).
    """
    temporary = path.with_name(f".{path.name[:64]}.{uuid4().hex}.part")
    try:
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise _explain_write(error, path) from error


def prepare_folder(path: Path) -> Path:
    """Make the folder `path` (and its parents) and prove that files can be written there.

    Meant to run before minutes of work, not after. Returns `path`.
    Raises InvalidInput (a file is in the way, no permission) or Unavailable (disk full).
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidInput(
            f"cannot make the folder {path}: a file is in the way; choose another folder with -o"
        ) from error
    except OSError as error:
        raise _explain_write(error, path) from error
    probe = path / f".{uuid4().hex}.part"
    try:
        try:
            probe.write_bytes(b"\0")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise _explain_write(error, path) from error
    return path


def cache_folder() -> Path:
    """For what can be made again: $XDG_CACHE_HOME/radsmith or ~/.cache/radsmith."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "radsmith"


def read_bytes(path: Path) -> bytes:
    """All bytes of the file `path`, at most MAX_BYTES.

    Raises NotFound (no such file) or InvalidInput (a folder or device, too large, unreadable).
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise InvalidInput(f"{path} is a folder; name one file in it")
        if not stat.S_ISREG(found.st_mode):
            raise InvalidInput(f"{path} is a device or pipe; name an ordinary file")
        if found.st_size > MAX_BYTES:
            raise InvalidInput(
                f"{path} holds {found.st_size:,} bytes; at most {MAX_BYTES:,} are read"
            )
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"no such file: {path}") from error
    except OSError as error:
        raise InvalidInput(
            f"cannot read {path}: {error.strerror}; check its permissions"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; Windows cannot open folders and needs no such step."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explain_write(error: OSError, path: Path) -> RadsmithError:
    code = error.errno
    if code in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(
            f"disk full while writing {path}; free some space or choose another disk with -o"
        )
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InvalidInput(
            f"cannot write to {path}: {error.strerror}; choose another folder with -o"
        )
    if code in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG):
        return InvalidInput(
            f"cannot write to {path}: {error.strerror}; give a file name in an existing folder"
        )
    return Unavailable(f"cannot write to {path}: {error.strerror or error}")


def unnamed(reason: str, path: Path) -> str:
    """A reason without the file's path, name and stem: they may tell who it is of."""
    for said in (str(path), path.name, path.stem):
        if len(said) > 1:
            reason = reason.replace(said, "file")
    return reason
