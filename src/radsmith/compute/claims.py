"""Who is at which shard of a folder that several machines share.

A claim saves work and nothing depends on it: two that make one shard write the same bytes under the
same name. So a claim may be taken over without being sure that its holder is dead.
"""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

STALE_S = 120.0
"""Seconds without a sign of life after which a claim is taken over."""


class Claim:
    """A claim on one name below `folder`; `take` it, `beat` while at work, `leave` it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.claim"

    def take(self) -> bool:
        """Take it, or take it over from one that died; whether it is ours now."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._made():
            return True
        if not self._dead():
            return False
        aside = self._path.with_name(f".{self._path.name}.{uuid4().hex}")
        try:
            os.rename(self._path, aside)  # of several that see it dead, one can
        except FileNotFoundError:
            return False
        aside.unlink(missing_ok=True)
        return self._made()

    def beat(self) -> None:
        """A sign of life."""
        with suppress(OSError):  # taken over: what is made is the same
            os.utime(self._path)

    def leave(self) -> None:
        """Let go of it."""
        self._path.unlink(missing_ok=True)

    def holder(self) -> str:
        """Machine and process that hold it; "" for none."""
        said = self._said()
        return f"{said['host']} process {said['pid']}" if said else ""

    def _made(self) -> bool:
        said = {"host": socket.gethostname(), "pid": os.getpid(), "boot": _boot()}
        try:
            with self._path.open("x", encoding="utf-8") as file:
                json.dump(said, file)
        except FileExistsError:
            return False
        return True

    def _dead(self) -> bool:
        try:
            age = time.time() - self._path.stat().st_mtime
        except FileNotFoundError:
            return False
        if age > STALE_S:
            return True
        said = self._said()
        if not said or said["host"] != socket.gethostname() or said["boot"] != _boot():
            return False
        try:
            os.kill(said["pid"], 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def _said(self) -> dict[str, Any] | None:
        try:
            said = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return said if isinstance(said, dict) and {"host", "pid", "boot"} <= set(said) else None


def _boot() -> str:
    """Tells machines, and containers of one machine, apart that bear one name."""
    found = ""
    with suppress(OSError):
        found = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    with suppress(OSError):
        found += os.readlink("/proc/self/ns/pid")
    return found
