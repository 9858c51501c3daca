"""Everything a route may need, made once a server."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from radsmith.adapters.files import prepare_folder
from radsmith.adapters.model_files import load_facts
from radsmith.adapters.server.audit import Audit
from radsmith.adapters.server.blobs import Blobs
from radsmith.adapters.server.database import Database
from radsmith.adapters.server.history import History
from radsmith.adapters.server.jobs import Jobs
from radsmith.adapters.server.keys import Keys
from radsmith.adapters.server.metrics import Metrics
from radsmith.adapters.server.notices import Notices
from radsmith.adapters.server.pool import Pool
from radsmith.adapters.server.rates import Rates
from radsmith.adapters.server.settings import ServerSettings
from radsmith.adapters.server.signing import Signer, open_secret
from radsmith.adapters.server.uploads import Uploads
from radsmith.engine import ModelFacts
from radsmith.errors import InvalidInput, Unavailable

_LOG = logging.getLogger("radsmith.serve")
LOCK_NAME: Final = "server.lock"


@dataclass(frozen=True, kw_only=True)
class Store:
    """What is on the disk and in the database; held by one server."""

    database: Database
    blobs: Blobs
    signer: Signer
    lock: int

    def close(self) -> None:
        """Let go of it."""
        self.database.close()
        os.close(self.lock)


def open_store(settings: ServerSettings) -> Store:
    """Open, migrate and hold. Raises Unavailable where another server holds it, and InvalidInput
    for a server that others can reach without any key."""
    folder = prepare_folder(settings.folder)
    with ExitStack() as opened:
        lock = _locked(settings)
        opened.callback(os.close, lock)
        database = Database(settings.database_url)
        opened.callback(database.close)
        database.hold()
        if settings.exposed and not settings.keys:
            raise InvalidInput("a server that others can reach needs API keys: add --keys")
        if settings.keys and not any(key.revoked is None for key in Keys(database).all()):
            raise InvalidInput(
                "no API key yet: make one with `radsmith key --add NAME` and the same --data, --db"
            )
        signer = Signer(open_secret(folder))
        blobs = Blobs(folder / "images")
        opened.pop_all()  # from here on the store closes them
        return Store(database=database, blobs=blobs, signer=signer, lock=lock)


def _locked(settings: ServerSettings) -> int:
    """A lock the system lets go of however the server ends."""
    path = settings.folder / LOCK_NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Unavailable(
            f"another radsmith server uses {settings.folder}; stop it, or name another --data"
        ) from error
    return descriptor


class Services:
    """Made inside the running event loop; `start` and `stop` around its life."""

    def __init__(self, settings: ServerSettings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.facts: ModelFacts = load_facts(settings.model)
        self.notices = Notices()
        self.jobs = Jobs(store.database, settings.limits)
        self.pool = Pool(self.jobs, store.blobs, settings, self.notices.changed)
        self.history = History(store.database)
        self.keys = Keys(store.database)
        self.audit = Audit(store.database)
        self.rates = Rates(settings.limits.requests_per_minute)
        self.uploads = Uploads(settings.folder / "uploads", settings.limits)
        self.stopped = False
        self._stopping: threading.Thread | None = None

    @cached_property
    def metrics(self) -> Metrics:
        """Counters of this server."""
        return Metrics(self.jobs, self.pool)

    @property
    def signer(self) -> Signer:
        """Signs addresses and sessions."""
        return self.store.signer

    def start(self) -> None:
        """Take up what an earlier server left, and start the workers."""
        left = self.jobs.requeue_running()
        if left:
            _LOG.warning("%d images were at work when the last server ended; queued again", left)
        self.pool.start()

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
        """Wait for the stop, then let go of the store."""
        self.begin_stop()
        if self._stopping is not None:
            self._stopping.join()
        self.store.close()
