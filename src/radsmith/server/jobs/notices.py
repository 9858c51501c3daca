"""Tells coroutines of one event loop what threads did to a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Notices:
    """Must be made inside the loop that watches."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._watching: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def watch(self, batch: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the batch has news."""
        event = asyncio.Event()
        self._watching.setdefault(batch, set()).add(event)
        try:
            yield event
        finally:
            self._watching[batch].discard(event)
            if not self._watching[batch]:
                del self._watching[batch]

    def changed(self, batch: str) -> None:
        """The batch has news; from any thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody watches any more
            self._loop.call_soon_threadsafe(self._set, batch)

    def all_changed(self) -> None:
        """Every batch has news; from any thread."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._set_all)

    def _set(self, batch: str) -> None:
        for event in self._watching.get(batch, ()):
            event.set()

    def _set_all(self) -> None:
        for batch in self._watching:
            self._set(batch)
