"""A server or worker among others of one database: it says that it lives, and takes up what those
that died had at work."""

from __future__ import annotations

import logging
import threading

from radsmith.errors import RadsmithError
from radsmith.server.jobs.pool import Pool
from radsmith.server.jobs.queue import Jobs
from radsmith.server.store.members import BEAT_S, Member, Members

_LOG = logging.getLogger("radsmith.serve")


class Among:
    """A member's regular work; `run` is a thread's."""

    def __init__(self, members: Members, member: Member, jobs: Jobs, pool: Pool) -> None:
        self._members, self._member = members, member
        self._jobs, self._pool = jobs, pool

    def run(self, ended: threading.Event) -> None:
        """Look every BEAT_S until the end."""
        while not ended.is_set():
            try:
                self.look()
            except RadsmithError as error:  # the database: perhaps it is there again soon
                _LOG.error("among others: %s", error)
            ended.wait(BEAT_S)

    def look(self) -> int:
        """A sign of life, and a look at the others; how many images were queued again."""
        self._members.beat(self._member)
        left = self._jobs.requeue_running(self._members.alive())
        if left:
            _LOG.warning("%d images were at work at a server that died; queued again", left)
            self._pool.wake()
        self._pool.kill_stray()
        return left
