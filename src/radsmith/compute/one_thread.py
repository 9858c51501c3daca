"""One thread of linear algebra for as long as anything asks for it, whoever else does.

Two threads split a product elsewhere and round its sums otherwise: the last bit of a pixel would
depend on the machine's cores.  And where products are small and a core is taken, they wait on
each other: ten times as long.  The library's setting is one for the process, so it is given back
only when the last of those who asked is done; threadpoolctl lets one thread alone change it, so it
is taken from whoever holds it, and held no longer than it takes to change it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import OpenBLASController, threadpool_limits

_changing = threading.Lock()
_within = 0
_limit: threadpool_limits | None = None


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, numpy computes on one thread; where calls overlap, until the last of them ends."""
    global _within, _limit
    with _changing:
        if _limit is None:
            with _control():
                _limit = threadpool_limits(1)
        _within += 1
    try:
        yield
    finally:
        with _changing:
            _within -= 1
            if _limit is not None and not _within:
                with _control():
                    _limit.restore_original_limits()
                _limit = None


@contextmanager
def _control() -> Iterator[None]:
    OpenBLASController.clear_controlling_thread(force=True)
    yield
    OpenBLASController.clear_controlling_thread()
