"""One function over many tasks: in this process, in a pool of spawned ones, or in one a task."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.process import BaseProcess
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


def in_order(found: Iterable[tuple[int, Result]]) -> Iterator[Result]:
    """Results with their numbers, 0, 1, 2 …, in that order, whichever comes first."""
    waiting: dict[int, Result] = {}
    following = 0
    for number, result in found:
        waiting[number] = result
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def one_process_each(
    function: Callable[[Task], None],
    tasks: Iterable[Task],
    workers: int,
    ended: Callable[[Task, BaseProcess], bool | None],
    poll_s: float = 0.05,
) -> Generator[list[Task]]:
    """Each task in a spawned process of its own, so many at once; yields what was done, each look.

    For tasks that may hang or crash: nothing but their own process goes down with them.  ended: of
    a task and its process, None while that runs, True where the task is done, False where it is to
    begin again; it may stop the process, or raise.
    """
    waiting = iter(tasks)
    running: list[tuple[Task, BaseProcess]] = []
    try:
        while True:
            for task in islice(waiting, workers - len(running)):
                running.append((task, _apart(function, task)))
            if not running:
                return
            done: list[Task] = []
            left: list[tuple[Task, BaseProcess]] = []
            for task, process in running:
                end = ended(task, process)
                if end is None:
                    left.append((task, process))
                elif end:
                    done.append(task)
                else:
                    left.append((task, _apart(function, task)))
            running = left
            yield done
            time.sleep(poll_s)
    finally:
        for _, process in running:
            process.kill()
            process.join()


def _apart(function: Callable[[Task], None], task: Task) -> BaseProcess:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=function, args=(task,), daemon=True)
    process.start()
    return process


def _ignore_interrupt() -> None:
    """Ctrl-C is for the parent: a worker finishes the file it is at."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
