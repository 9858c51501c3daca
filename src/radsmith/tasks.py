"""One function over many tasks, in this process or in spawned ones."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from radsmith.errors import Unavailable

Task = TypeVar("Task")
Result = TypeVar("Result")


def over_tasks(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Iterator[Result]:
    """Results as they come, in the tasks' order with one worker alone.

    function: a module's own or a partial of one, so that it can be sent to a process.
    Raises what the function raises, and Unavailable where a process died.
    """
    if workers == 1:
        yield from map(function, tasks)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_ignore_interrupt)
    try:
        yield from _through(pool, function, iter(tasks), workers)
    except BrokenProcessPool as error:
        raise Unavailable(
            "a worker process died, perhaps of too little memory; run the same command again"
            f" with fewer than {workers} workers: it goes on where it stopped"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _through(
    pool: ProcessPoolExecutor,
    function: Callable[[Task], Result],
    left: Iterator[Task],
    workers: int,
) -> Iterator[Result]:
    """Keep a few tasks waiting per worker, so that a long list does not fill the memory."""
    running: set[Future[Result]] = set()
    while True:
        for task in islice(left, 3 * workers - len(running)):
            running.add(pool.submit(function, task))
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


def _ignore_interrupt() -> None:
    """Ctrl-C is for the parent: a worker finishes the file it is at."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
