"""One function over many tasks: in this process, in a pool of spawned ones, or in one a task.

With an address of Ray the same function runs on its cluster (`radsmith.compute.ray`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import count, islice
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import TypeVar

from radsmith.compute.pace import Pace
from radsmith.errors import Unavailable

Task = TypeVar("Task")
Result = TypeVar("Result")
_HERE = "this machine"
_LOOK_S = 1.0


def over_tasks(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    *,
    ray: str = "",
    pace: Pace | None = None,
) -> Iterator[Result]:
    """Results as they come, in the tasks' order with one worker alone.

    function: a module's own or a partial of one, so that it can be sent to a process.  ray: the
    address of a cluster whose actors are the workers; "" for processes of this machine.  pace: is
    told of each task.  Raises what the function raises, and Unavailable where a process died.
    """
    pace = pace or Pace()
    if ray:
        from radsmith.compute.ray import over_ray  # an extra, and slow to import

        yield from over_ray(function, tasks, workers, ray, pace)
        return
    if workers == 1:
        for number, task in enumerate(tasks):
            pace.begun(number, _HERE, time.monotonic())
            yield function(task)
            pace.ended(number, time.monotonic())
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)
    try:
        yield from _through(pool, function, iter(tasks), workers, pace)
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
    pace: Pace,
) -> Iterator[Result]:
    """Keep a few tasks waiting per worker, so that a long list does not fill the memory."""
    waiting: dict[Future[Result], int] = {}
    begun: set[Future[Result]] = set()
    numbers = count()
    while True:
        for task in islice(left, 3 * workers - len(waiting)):
            waiting[pool.submit(function, task)] = next(numbers)
        if not waiting:
            return
        done, _ = wait(waiting, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
        for future in waiting.keys() - begun:
            if future.running():
                begun.add(future)
                pace.begun(waiting[future], _HERE, time.monotonic())
        pace.look(time.monotonic())
        for future in done:
            pace.ended(waiting.pop(future), time.monotonic())
            begun.discard(future)
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
    process = context.Process(target=_with_parent, args=(function, task), daemon=True)
    process.start()
    return process


def _with_parent(function: Callable[[Task], None], task: Task) -> None:
    _end_with_parent()
    function(task)


def _begin_worker() -> None:
    """Ctrl-C is for the parent: a worker finishes the file it is at."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()


def _end_with_parent() -> None:
    """A killed parent takes this process with it: who runs the command again finds nobody at it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
