"""Rate limits: a bucket of requests for each key or address, refilled steadily."""

from __future__ import annotations

import time
from collections import OrderedDict

from radsmith.errors import Busy

_MOST = 10_000
"""Callers remembered; the longest unseen is forgotten first, with a full bucket."""


class Rates:
    """At most `per_minute` requests of one caller, in bursts of up to as many."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, now: float | None = None) -> None:
        """Count one request. Raises Busy. now: seconds, of a clock that never goes back."""
        now = time.monotonic() if now is None else now
        left, seen = self._left.pop(caller, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - seen) * self._per_minute / 60)
        allowed = left >= 1
        self._left[caller] = (left - 1 if allowed else left, now)
        if len(self._left) > _MOST:
            self._left.popitem(last=False)
        if not allowed:
            seconds = round((1 - left) * 60 / self._per_minute) + 1
            raise Busy(
                f"more than {self._per_minute} requests a minute; try again in {seconds} s",
                seconds=seconds,
                own=True,
            )
