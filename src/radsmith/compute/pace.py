"""How fast many tasks go, and which of them are late. Knows no clock: it is told the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

LATE: Final = 3.0
"""Times the usual length of a task, after which one is called late."""
_LEAST_S = 2.0
_RECENT = 64


@dataclass(frozen=True, kw_only=True)
class Late:
    """A task that takes long. where: machine and process; seconds: so far."""

    number: int
    where: str
    seconds: float


class Pace:
    """Tasks by their number; all times in seconds of one clock. tell: is told of each late task,
    once."""

    def __init__(self, tell: Callable[[Late], None] = lambda late: None) -> None:
        self._tell = tell
        self._told: set[int] = set()
        self._begun: dict[int, tuple[str, float]] = {}
        self._lengths: list[float] = []
        self.again = 0
        """Tasks begun once more because what ran them died."""

    def begun(self, number: int, where: str, now: float) -> None:
        """A task is at work."""
        self._begun[number] = (where, now)

    def ended(self, number: int, now: float) -> None:
        """A task is done."""
        begun = self._begun.pop(number, None)
        if begun is not None:
            self._lengths = [*self._lengths[1 - _RECENT :], now - begun[1]]

    def lost(self, number: int) -> None:
        """A task is to begin again."""
        self._begun.pop(number, None)
        self.again += 1

    @property
    def usual(self) -> float | None:
        """Seconds of the middle one of the last tasks; None before any ended."""
        return median(self._lengths) if self._lengths else None

    def late(self, now: float) -> Sequence[Late]:
        """Tasks at work for more than LATE times the usual, the longest first."""
        if self.usual is None:
            return ()
        most = max(LATE * self.usual, _LEAST_S)
        found = [
            Late(number=number, where=where, seconds=now - at)
            for number, (where, at) in self._begun.items()
            if now - at > most
        ]
        return sorted(found, key=lambda late: -late.seconds)

    def look(self, now: float) -> None:
        """Tell of what became late since the last look."""
        for late in self.late(now):
            if late.number not in self._told:
                self._told.add(late.number)
                self._tell(late)
