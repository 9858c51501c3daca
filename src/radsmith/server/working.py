"""Workers alone: they draw what servers of a shared database are asked for, on any machine."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType

from radsmith.errors import InvalidInput
from radsmith.server.jobs.among import Among
from radsmith.server.jobs.pool import Pool
from radsmith.server.jobs.queue import Jobs
from radsmith.server.store.blobs import open_blobs
from radsmith.server.store.database import Database
from radsmith.server.store.members import Members
from radsmith.server.store.settings import ServerSettings
from radsmith.server.store.store import joined


def work(settings: ServerSettings) -> None:
    """Draw until SIGINT or SIGTERM; then finish what is at work and put back the rest.

    Raises InvalidInput without a database and a store of images that others share.
    """
    if not settings.shared or not settings.blobs:
        raise InvalidInput(
            "workers need what their servers use: --db postgresql://… and --blobs, a folder that"
            " all machines share or s3://…"
        )
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    ended = threading.Event()

    def stop(sig: int, frame: FrameType | None) -> None:
        ended.set()

    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, stop)
    blobs = open_blobs(settings.blobs)
    database = Database(settings.database_url)
    try:
        members, jobs = Members(database), Jobs(database, settings.limits)
        member = joined(members, settings, None)
        pool = Pool(jobs, blobs, settings, lambda batch: None, member.id)
        pool.start()
        gone = threading.Event()
        among = Among(members, member, jobs, pool)
        beating = threading.Thread(target=among.run, args=(gone,), daemon=True)
        beating.start()
        ended.wait()
        pool.stop()
        gone.set()
        beating.join()
        members.leave(member)
    finally:
        database.close()
