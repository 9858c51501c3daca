"""Worker processes and the threads that feed them, one thread a worker.

A thread claims a job, sends it to its worker and waits for the image, the worker's death, or the
deadline. A cancel or a deadline ends the process; a new one takes its place.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from radsmith.errors import NotFound, RadsmithError
from radsmith.server.jobs.queue import Jobs, MadeImage, QueuedJob
from radsmith.server.jobs.worker import work
from radsmith.server.store.blobs import Blobs
from radsmith.server.store.settings import ServerSettings

_LOG = logging.getLogger("radsmith.serve")
_IDLE_S = 5.0
"""Between looks at deadlines while nothing happens."""
_SHARED_IDLE_S = 0.5
"""The same where other servers put jobs into the queue."""


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, settings: ServerSettings) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=work, args=(other, settings.engine), daemon=True
        )
        self.process.start()
        other.close()

    def receive(self, timeout: float | None) -> tuple[str, Any] | None:
        """The next message; None where the process died or the time is up."""
        ready = wait([self.connection, self.process.sentinel], timeout)
        if self.connection in ready or self.connection.poll():
            with suppress(EOFError, OSError):
                message: tuple[str, Any] = self.connection.recv()
                return message
        return None

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.join()
        self.connection.close()


class Pool:
    """Runs the jobs. changed: called with a batch's id, from any thread, when it has news.

    member: whose workers they are, where several servers share the queue.
    """

    def __init__(
        self,
        jobs: Jobs,
        blobs: Blobs,
        settings: ServerSettings,
        changed: Callable[[str], None],
        member: str | None = None,
    ) -> None:
        self._jobs = jobs
        self._blobs = blobs
        self._settings = settings
        self._changed = changed
        self._news = threading.Condition()
        self._stopping = False
        self._running: dict[str, tuple[_Worker, QueuedJob]] = {}
        self._member = member
        self._idle_s = _IDLE_S if member is None else _SHARED_IDLE_S
        self._threads: list[threading.Thread] = []
        self._ready = 0
        alone = member is None and not settings.workers
        self.broken = "this server is for review alone" if alone else ""
        self.restarts = 0
        self.seconds = 1.0

    @property
    def ready(self) -> int:
        """Workers that have the model loaded."""
        return self._ready

    @property
    def wait_s(self) -> float:
        """A guess of the seconds one image takes, over all workers."""
        return self.seconds / max(1, self._settings.workers)

    def start(self) -> None:
        """Start the workers; returns at once."""
        self._threads = [
            threading.Thread(target=self._serve, name=f"worker-{n}", daemon=True)
            for n in range(self._settings.workers)
        ]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """There is something in the queue."""
        with self._news:
            self._news.notify_all()

    def kill(self, job_ids: list[str]) -> None:
        """End the workers at these jobs (the jobs are cancelled already)."""
        with self._news:
            for job_id in job_ids:
                if job_id in self._running:
                    self._running[job_id][0].process.kill()

    def kill_stray(self) -> None:
        """End workers at jobs that another server cancelled or deleted."""
        with self._news:
            held = [job for _, job in self._running.values()]
        still = set(self._jobs.still(held))
        self.kill([job.id for job in held if job.id not in still])

    def stop(self) -> None:
        """Let images at work be finished for a while, put the rest back, end the processes."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        until = time.monotonic() + self._settings.limits.shutdown_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._news:
            for worker, _ in self._running.values():
                worker.process.kill()
        for thread in self._threads:
            thread.join(5)

    def _serve(self) -> None:
        worker: _Worker | None = None
        while not self._stopping:
            try:
                if worker is None:
                    worker = self._started()
                    continue
                job = self._next()
                if job is not None and not self._run(worker, job):
                    worker.kill()
                    self._ready -= 1
                    self.restarts += 1
                    worker = None
            except RadsmithError as error:  # the database or the disk: others may go on
                _LOG.error("worker thread: %s", error)
                self._pause()
        if worker is not None:
            worker.kill()

    def _started(self) -> _Worker | None:
        """A worker with its model loaded, or None after a pause where that failed."""
        worker = _Worker(self._settings)
        message = worker.receive(None)
        if message is not None and message[0] == "ready":
            self.broken = ""
            self._ready += 1
            return worker
        worker.kill()
        self.broken = str(message[1]) if message else "a worker died while it loaded the model"
        _LOG.error("%s", self.broken)
        self._pause()
        return None

    def _pause(self) -> None:
        with self._news:
            if not self._stopping:
                self._news.wait(1.0)

    def _next(self) -> QueuedJob | None:
        for batch in self._jobs.expire():
            self._changed(batch)
        with self._news:
            if self._stopping:
                return None
            job = self._jobs.claim(self._member)
            if job is None:
                self._news.wait(self._idle_s)
            return job

    def _run(self, worker: _Worker, job: QueuedJob) -> bool:
        """Have the job done; False where the worker is of no more use."""
        self._changed(job.batch)
        began = time.monotonic()
        with self._news:
            self._running[job.id] = (worker, job)
        try:
            message = None
            parts = self._parts(job)
            if parts is None:
                return True
            with suppress(OSError):
                worker.connection.send((job.payload, parts))
                message = worker.receive(max(0.0, job.deadline - time.time()))
            with self._news:  # from here on the worker is at nothing that could be stopped
                self._running.pop(job.id, None)
            self._settle(job, message)
        except RadsmithError:
            with suppress(RadsmithError):  # as if it had not begun; else a restart finds it
                self._jobs.requeue(job, count=True)
            raise
        finally:
            with self._news:
                self._running.pop(job.id, None)
            self._changed(job.batch)
        if message is not None:
            self.seconds += 0.1 * (time.monotonic() - began - self.seconds)
        return message is not None

    def _parts(self, job: QueuedJob) -> dict[str, bytes] | None:
        """The arrays a job is given; None, and the job closed, where one is no longer there."""
        try:
            return {n: self._blobs.get(d) for n, d in job.payload.get("parts", {}).items()}
        except NotFound as error:
            self._jobs.fail(job, str(error), error.http_status)
            return None

    def _settle(self, job: QueuedJob, message: tuple[str, Any] | None) -> None:
        if message is not None and message[0] == "made":
            made: MadeImage = message[1]
            self._jobs.finish(job, made, self._blobs.put(made.data))
        elif message is not None:
            text, status = message[1]
            self._jobs.fail(job, text, status)
        elif time.time() >= job.deadline:
            self._jobs.fail(job, "the deadline passed while the image was drawn", 503)
        elif self._stopping:
            self._jobs.requeue(job, count=False)
        elif job.attempt >= self._settings.limits.attempts:
            tries = f"{job.attempt} workers died at this image, perhaps of too little memory"
            self._jobs.fail(job, tries, 503)
        else:
            self._jobs.requeue(job, count=True)
