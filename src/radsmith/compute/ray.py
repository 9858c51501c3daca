"""One function over many tasks on a Ray cluster: actors that keep what they loaded.

Ray sends functions, tasks and results as pickles: the one exception to our rule that none is
loaded. Whoever holds the cluster's token can run anything there; so a token is asked for always.
A task is run at least once here; that its file appears exactly once is its own doing (a name that
follows from the task, and a rename).
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from radsmith.compute.pace import Pace
from radsmith.errors import InvalidInput, RadsmithError, Unavailable

Task = TypeVar("Task")
Result = TypeVar("Result")
LOCAL: Final = "local"
"""The address that starts a cluster on this machine, for this command alone."""
ATTEMPTS: Final = 5
"""Actors that may die at one task before it is given up."""
_AHEAD = 2
"""Tasks an actor holds: the one it is at and the next."""
_STORE_BYTES = 100 * 1024**2
_LOOK_S = 1.0
_START_S = 300.0


class _Worker:
    """An actor: a process that runs tasks one after the other and keeps what it loads."""

    def __init__(self, folder: str) -> None:
        with suppress(OSError):  # relative paths are those of the command, where the folder is
            os.chdir(folder)

    def where(self) -> str:
        """Machine and process."""
        return f"{socket.gethostname()} process {os.getpid()}"

    def run(self, function: Callable[[Any], Any], task: Any) -> tuple[bool, Any]:
        """The function's result, or the error it means."""
        try:
            return True, function(task)
        except RadsmithError as error:
            return False, error


@dataclass
class _Actor:
    handle: Any
    where: str = ""
    held: int = 0


@dataclass(frozen=True)
class _Call:
    """A task that an actor holds. attempt: from 1."""

    actor: _Actor
    number: int
    task: Any
    attempt: int


@dataclass
class _Cluster:
    """A connection and its actors; `over` runs one function over tasks on them."""

    ray: Any
    size: int
    idle: list[_Actor] = field(default_factory=list)
    starting: dict[Any, _Actor] = field(default_factory=dict)

    def over(
        self, function: Callable[[Any], Any], tasks: Iterable[Any], pace: Pace
    ) -> Iterator[Any]:
        """Results as they come."""
        left = iter(enumerate(tasks))
        again: deque[tuple[int, Any, int]] = deque()
        calls: dict[Any, _Call] = {}
        shared = self.ray.put(function)
        more, seen = True, time.monotonic()
        try:
            while True:
                self._fill()
                for actor in self.idle:
                    while actor.held < _AHEAD and (again or more):
                        found = again.popleft() if again else _next(left)
                        if found is None:
                            more = False
                            break
                        call = _Call(actor, *found)
                        calls[actor.handle.run.remote(shared, call.task)] = call
                        actor.held += 1
                        if actor.held == 1:
                            pace.begun(call.number, actor.where, time.monotonic())
                if not (calls or again or more):
                    return
                if calls or self.idle:
                    seen = time.monotonic()
                elif time.monotonic() - seen > _START_S:
                    raise Unavailable(
                        f"no worker of Ray started in {_START_S:.0f} s: the cluster has no free CPU"
                    )
                pace.look(time.monotonic())
                refs = [*calls, *self.starting]
                for ref in self.ray.wait(refs, num_returns=1, timeout=_LOOK_S)[0]:
                    if ref in self.starting:
                        self._started(ref)
                    elif ref in calls:
                        call = calls.pop(ref)
                        outcome = self._result(ref, call, again, pace)
                        if outcome is None:
                            continue
                        _next_begun(calls, call.actor, pace)
                        right, value = outcome
                        if not right:
                            raise value
                        yield value
        finally:
            for actor in {id(call.actor): call.actor for call in calls.values()}.values():
                self._drop(actor)

    def _fill(self) -> None:
        """As many actors as wanted; Ray places those it has room for."""
        kind = self.ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Worker)
        while len(self.idle) + len(self.starting) < self.size:
            actor = _Actor(kind.remote(os.getcwd()))
            self.starting[actor.handle.where.remote()] = actor

    def _started(self, ref: Any) -> None:
        actor = self.starting.pop(ref)
        try:
            actor.where = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            if isinstance(error, self.ray.exceptions.RayTaskError):
                raise Unavailable(f"a worker of Ray cannot start: {_short(error)}") from error
            return  # it died before it began; `_fill` starts another
        self.idle.append(actor)

    def _result(
        self, ref: Any, call: _Call, again: deque[tuple[int, Any, int]], pace: Pace
    ) -> tuple[bool, Any] | None:
        """What the function gave; None where its actor died and the task is to begin again."""
        call.actor.held -= 1
        try:
            found: tuple[bool, Any] = self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            raise Unavailable(f"a task failed on Ray: {_short(error)}") from error
        except self.ray.exceptions.RayError as error:
            self._drop(call.actor)
            pace.lost(call.number)
            if call.attempt >= ATTEMPTS:
                raise Unavailable(
                    f"{ATTEMPTS} workers died at one task, perhaps of too little memory: {error}"
                ) from error
            again.append((call.number, call.task, call.attempt + 1))
            return None
        pace.ended(call.number, time.monotonic())
        return found

    def _drop(self, actor: _Actor) -> None:
        if actor in self.idle:
            self.idle.remove(actor)
            self.ray.kill(actor.handle)


def over_ray(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    address: str,
    pace: Pace,
) -> Iterator[Result]:
    """Results as they come, from `workers` actors of the cluster at `address`.

    A task whose actor or machine died begins again on another, ATTEMPTS times at most. The
    connection and the actors stay for the life of this process. Raises what the function raises of
    our own errors; InvalidInput for an address or a token that is missing; Unavailable otherwise.
    """
    yield from _connected(address, workers).over(function, tasks, pace)


def close() -> None:
    """Leave the cluster and end a local one; else the end of this process does it."""
    if _connected.cache_info().currsize:
        import ray

        ray.shutdown()
        _connected.cache_clear()


@cache
def _connected(address: str, workers: int) -> _Cluster:
    if importlib.util.find_spec("ray") is None:
        raise Unavailable("--ray needs Ray: install it with `pip install radsmith[ray]`")
    _prepare(address)
    import ray

    options: dict[str, Any] = {"address": address}  # "local" is Ray's word for a new one, too
    if address == LOCAL:
        options |= {
            "include_dashboard": False,
            "num_cpus": workers,
            "object_store_memory": _STORE_BYTES,
        }
    try:
        ray.init(
            **options, namespace="radsmith", log_to_driver=False, logging_level="error",
            configure_logging=True,
        )  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise Unavailable(f"no cluster of Ray at {address}: {_short(error)}") from error
    return _Cluster(ray=ray, size=workers)


def _prepare(address: str) -> None:
    """No statistics, a token always: of this command alone, or the cluster's."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # 15 else: starved beside other work
    if address == LOCAL:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        return
    if address.startswith("ray://"):
        raise InvalidInput(
            "ray:// goes through Ray's client: run this on a machine of the cluster, with --ray"
            " HOST:PORT or --ray auto"
        )
    kept = Path.home() / ".ray" / "auth_token"
    if not (
        os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH") or kept.exists()
    ):
        raise InvalidInput(
            f"the cluster at {address} needs its token: set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
            " (ray get-auth-token --generate makes one)"
        )


def _next(tasks: Iterator[tuple[int, Any]]) -> tuple[int, Any, int] | None:
    found = next(tasks, None)
    return None if found is None else (*found, 1)


def _next_begun(calls: dict[Any, _Call], actor: _Actor, pace: Pace) -> None:
    """The actor goes on with the next task it holds."""
    held = next((call for call in calls.values() if call.actor is actor), None)
    if held is not None:
        pace.begun(held.number, actor.where, time.monotonic())


def _short(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
