"""Everything a route may need, made once a server."""

from __future__ import annotations

import logging
import threading
import time
from functools import cached_property
from typing import TYPE_CHECKING

from radsmith.engines.choice import load_facts
from radsmith.engines.engine import ModelFacts
from radsmith.errors import RadsmithError
from radsmith.marks.keys import load_key
from radsmith.server.jobs.among import Among
from radsmith.server.jobs.deleting import Deleting
from radsmith.server.jobs.history import History
from radsmith.server.jobs.keeping import Keeping
from radsmith.server.jobs.notices import Notices
from radsmith.server.jobs.pool import Pool
from radsmith.server.jobs.queue import Jobs
from radsmith.server.jobs.renderings import Renderings
from radsmith.server.store.signing import Signer
from radsmith.server.web.door import Door
from radsmith.server.web.uploads import Uploads

if TYPE_CHECKING:
    from radsmith.server.web.metrics import Metrics

_LOG = logging.getLogger("radsmith.serve")
_PRUNE_S = 3600


class Services:
    """Made inside the running event loop; `start` and `end` around its life."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.settings = settings = door.settings
        self.store = store = door.store
        self.keys, self.audit, self.rates = door.keys, door.audit, door.rates
        self.facts: ModelFacts = load_facts(settings.engine)
        self.notices = Notices()
        self.jobs = Jobs(store.database, settings.limits)
        member = None if store.member is None else store.member.id
        self.pool = Pool(self.jobs, store.blobs, settings, self.notices.changed, member)
        self.history = History(store.database)
        key = None if settings.sign is None else load_key(settings.sign)
        self.renderings = Renderings(blobs=store.blobs, key=key)
        self.uploads = Uploads(settings.folder / "uploads", settings.limits)
        self.deleting = Deleting(store.database, store.blobs)
        self.keeping = Keeping(store.database, store.blobs, settings.limits)
        self.stopped = False
        self._ended = threading.Event()
        self._stopping: threading.Thread | None = None
        self._among: threading.Thread | None = None

    @cached_property
    def metrics(self) -> Metrics:
        """Counters of this server."""
        from radsmith.server.web.metrics import Metrics  # not needed for the first page

        return Metrics(self.jobs, self.pool, self.store.members)

    @property
    def signer(self) -> Signer:
        """Signs addresses and sessions."""
        return self.store.signer

    def start(self) -> None:
        """Take up what an earlier server left, and start the workers."""
        if self.store.member is None:
            left = self.jobs.requeue_running()
            if left:
                said = "%d images were at work when the last server ended; queued again"
                _LOG.warning(said, left)
        else:
            among = Among(self.store.members, self.store.member, self.jobs, self.pool)
            self._among = threading.Thread(target=among.run, args=(self._ended,), daemon=True)
            self._among.start()
        self.pool.start()
        threading.Thread(target=self._prune, name="keeping", daemon=True).start()

    def _prune(self) -> None:
        """Remove what is kept no longer, now and every hour."""
        while not self._ended.is_set():
            try:
                uploads, files = self.keeping.prune(time.time())
                if uploads or files:
                    detail = f"{uploads} uploads, {files} files"
                    self.audit.note("server", "", "pruned", detail)
            except RadsmithError as error:
                _LOG.error("pruning: %s", error)
            self._ended.wait(_PRUNE_S)

    def begin_stop(self) -> None:
        """Finish what is at work, put the rest back, then tell everybody who waits."""
        if self._stopping is None:
            self._stopping = threading.Thread(target=self._stop, name="stop")
            self._stopping.start()

    def _stop(self) -> None:
        self.pool.stop()
        self.stopped = True
        self.notices.all_changed()

    def end(self) -> None:
        """Wait for the stop."""
        self.begin_stop()
        if self._stopping is not None:
            self._stopping.join()
        self._ended.set()
        if self._among is not None:
            self._among.join()
