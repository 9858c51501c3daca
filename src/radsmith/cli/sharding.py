"""`generate --shards`: very many images, by workers here, on a cluster or on many machines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from radsmith.errors import InvalidInput

if TYPE_CHECKING:
    from rich.console import Console

    from radsmith.compute.pace import Late, Pace
    from radsmith.compute.stores import Store
    from radsmith.generation.sharded import ShardedRequest

INTERRUPTED = 130
_POLL_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Crew:
    """Who makes the shards. shard: one alone, None for all that this process gets."""

    workers: int
    ray: str
    shard: int | None


def array_shards(shards: int, shard: int | None, ray: str) -> tuple[list[int], str]:
    """Numbers of the shards this process is to make, and what said so.

    A task of a SLURM array makes every n-th shard of an array of n tasks.
    """
    if shard is not None:
        if not 0 <= shard < shards:
            raise InvalidInput(f"--shard must be 0-{shards - 1} of {shards}, got {shard}")
        return [shard], f"shard {shard}"
    task = os.environ.get("SLURM_ARRAY_TASK_ID", "")
    if not task or ray:
        return list(range(shards)), ""
    try:
        first = int(os.environ.get("SLURM_ARRAY_TASK_MIN", "0"))
        step = int(os.environ.get("SLURM_ARRAY_TASK_STEP", "1"))
        count = int(os.environ.get("SLURM_ARRAY_TASK_COUNT", str(shards)))
        own = (int(task) - first) // step
    except (ValueError, ZeroDivisionError) as error:
        raise InvalidInput(f"SLURM_ARRAY_TASK_ID is no number: {task!r}") from error
    return list(range(own, shards, count)), f"task {own} of {count} of a SLURM array"


def run_sharded(request: ShardedRequest, crew: Crew) -> None:
    """Make this process' shards, show how it goes, and close the run where it is complete."""
    from radsmith.cli.console import say_plans
    from radsmith.cli.terminal import terminal
    from radsmith.compute.pace import Pace
    from radsmith.generation.sharded import begin, finish, whole

    console = terminal()
    say_plans(console, request.plans)
    numbers, why = array_shards(request.shards, crew.shard, crew.ray)
    store, run = begin(request)
    done = len(whole(request, store))
    if why:
        console.print(f"{why}: {len(numbers)} of {request.shards} shards", soft_wrap=True)
    if done:
        console.print(f"{done} of {request.shards} shards are there", soft_wrap=True)

    def late(one: Late) -> None:
        said = f"a shard at {one.where} for {one.seconds:.0f} s"
        console.print(f"  ! late: {said}, usual {pace.usual or 0:.0f} s", soft_wrap=True)

    pace = Pace(late)
    began = time.monotonic()
    made = images = 0
    try:
        for count in _made(request, run, numbers, crew, (console, pace, store)):
            made, images = made + 1, images + count
    except KeyboardInterrupt:
        console.print("stopped. Run the same command again to go on.", soft_wrap=True)
        sys.exit(INTERRUPTED)
    seconds = time.monotonic() - began
    said = f"{images} images in {made} shards in {seconds:.1f} s" if images else "nothing to do"
    if images:
        said += f", {images / max(seconds, 1e-9):.2f} images/s"
    if pace.again:
        said += f"; {pace.again} tasks begun again, their worker had died"
    console.print(f"{said}: {request.out}", soft_wrap=True)
    if finish(request, store):
        click.echo(f"{request.out.rstrip('/')}/manifest.csv")
    else:
        left = request.shards - len(whole(request, store))
        console.print(f"{left} shards are left to others", soft_wrap=True)


def _made(
    request: ShardedRequest,
    run: dict[str, str],
    numbers: Sequence[int],
    crew: Crew,
    shown: tuple[Console, Pace, Store],
) -> Iterator[int]:
    """Images of each shard made here. What others are at is looked at again until it is there."""
    from radsmith.compute.shards import shard_name
    from radsmith.compute.tasks import over_tasks
    from radsmith.generation.sharded import make_shard, shard_tasks, whole

    console, pace, store = shown
    of_name = {shard_name(number, request.shards): number for number in range(request.shards)}
    with _bar(console, request) as show:
        there = set(whole(request, store))
        while left := [number for number in numbers if number not in there]:
            tasks = shard_tasks(request, run, left, claim=not crew.ray)
            held = ""
            for end in over_tasks(make_shard, tasks, crew.workers, ray=crew.ray, pace=pace):
                if end.holder:
                    held = f"{end.name} at work elsewhere: {end.holder}"
                    continue
                there.add(of_name[end.name])
                show(len(there), "")
                if end.made:
                    yield end.images
            there |= set(whole(request, store))
            show(len(there), held)
            if held and crew.shard is not None:
                console.print(held, soft_wrap=True)
                return
            if held:
                time.sleep(_POLL_S)


@contextmanager
def _bar(console: Console, request: ShardedRequest) -> Iterator[Callable[[int, str], None]]:
    """A bar of the whole run's shards, with images a second or what is waited for."""
    from rich.progress import TextColumn

    from radsmith.cli.console import bar

    with bar(console, TextColumn("{task.fields[note]}", markup=False)) as progress:
        task = progress.add_task("shards", total=request.shards, note="")
        begun: tuple[float, int] | None = None

        def show(done: int, note: str) -> None:
            nonlocal begun
            now = time.monotonic()
            begun = begun or (now, done)
            if done > begun[1]:
                rate = (done - begun[1]) / max(now - begun[0], 1e-9)
                note = note or f"{rate * request.total / request.shards:.2f} images/s"
            progress.update(task, completed=done, note=note)

        yield show
