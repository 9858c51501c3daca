"""The log of a study: every answer and change, one line of JSON each, only ever added to.

Each line carries the hash of the line before and its own, so that nothing can be changed, taken
out or put in between without breaking the chain from there on. The head's hash, kept elsewhere,
tells whether lines were cut off the end. The log is the study's one truth; all else is derived.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from radsmith.errors import InvalidInput, NotFound, Unavailable

LOG_NAME = "review-log.jsonl"
START = "0" * 64
"""What the first line has as its previous hash."""

Event = dict[str, Any]


def hash_of(event: Mapping[str, Any]) -> str:
    """SHA-256 of an event without its own hash, as JSON with sorted keys and no spaces."""
    told = {key: value for key, value in event.items() if key != "hash"}
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def chained(event: Mapping[str, Any], previous: str) -> Event:
    """The event with the hash of what came before and its own."""
    linked = {**event, "previous": previous}
    return {**linked, "hash": hash_of(linked)}


def check_line(text: bytes, previous: str, number: int) -> Event:
    """One line of a log that follows `previous`. Raises InvalidInput naming the line."""
    try:
        event: Event = json.loads(text)
        told, own = event["previous"], event["hash"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"line {number} of the log is no event of a study: {error}") from error
    if told != previous or own != hash_of(event):
        raise InvalidInput(
            f"line {number} of the log was changed, or one before it was taken out: the chain of"
            " hashes is broken there"
        )
    return event


class Log:
    """The log of one study folder, shared by processes through a lock on the file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOG_NAME
        self.head = START
        self.lines = 0
        self._bytes = 0

    def create(self, event: Mapping[str, Any]) -> Event:
        """Begin the log. Raises InvalidInput where there is one."""
        try:
            self.path.touch(mode=0o600, exist_ok=False)
        except FileExistsError as error:
            raise InvalidInput(f"{self.path} is there: this folder holds a study") from error
        with self.held() as held:
            return held.add([event])[0]

    def news(self) -> list[Event]:
        """Events added since the last look, by whomever; the chain is checked."""
        with self._opened("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return self._read(file)

    @contextmanager
    def held(self) -> Iterator[Held]:
        """Sole right to add. `Held.news` is what others had added meanwhile."""
        with self._opened("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield Held(self, file, self._read(file, mend=True))

    @contextmanager
    def _opened(self, mode: str) -> Iterator[Any]:
        try:
            file = self.path.open(mode)
        except FileNotFoundError as error:
            raise NotFound(f"{self.path.parent} is no study: it has no {LOG_NAME}") from error
        except OSError as error:
            raise Unavailable(f"cannot open {self.path}: {error.strerror}") from error
        with file:
            yield file

    def _read(self, file: Any, *, mend: bool = False) -> list[Event]:
        """What follows the part that is known. A last line without its end was never acknowledged:
        who may write takes it away."""
        file.seek(0, os.SEEK_END)
        if file.tell() < self._bytes:
            raise InvalidInput(f"{self.path} became shorter: lines were taken out of it")
        file.seek(self._bytes)
        data: bytes = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        events = []
        for line in whole.splitlines():
            event = check_line(line, self.head, self.lines + 1)
            events.append(event)
            self.head, self.lines = event["hash"], self.lines + 1
        self._bytes += len(whole)
        if mend and len(whole) < len(data):
            file.truncate(self._bytes)
        return events

    def _write(self, file: Any, events: Sequence[Mapping[str, Any]]) -> list[Event]:
        added, head = [], self.head
        for event in events:
            added.append(chained(event, head))
            head = added[-1]["hash"]
        text = "".join(
            json.dumps(e, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"
            for e in added
        ).encode()
        try:
            file.seek(self._bytes)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            raise Unavailable(
                f"cannot write {self.path}: {error.strerror}; free some space"
            ) from error
        self.head, self.lines = head, self.lines + len(added)
        self._bytes += len(text)
        return added


class Held:
    """The log while nobody else may add to it. news: what others added since the last look."""

    def __init__(self, log: Log, file: Any, news: list[Event]) -> None:
        self._log = log
        self._file = file
        self.news = news

    def add(self, events: Sequence[Mapping[str, Any]]) -> list[Event]:
        """Add events, on the disk when this returns; as they stand in the log."""
        return self._log._write(self._file, events)


def read_log(folder: Path) -> tuple[list[Event], str]:
    """All events of a study and the head's hash. Raises NotFound, or InvalidInput where the chain
    is broken."""
    log = Log(folder)
    return log.news(), log.head
