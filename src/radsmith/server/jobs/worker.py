"""A worker process: loads the model once, then makes the images it is sent, one at a time.

It touches neither database nor disk beyond the model: what it makes goes back through the pipe,
so that a worker killed at any moment leaves nothing half done.
"""

from __future__ import annotations

import contextlib
import signal
from multiprocessing.connection import Connection

from radsmith.engines.choice import Choice, load_engine
from radsmith.errors import RadsmithError
from radsmith.server.jobs.drawing import made_of


def work(connection: Connection, engine_name: Choice) -> None:
    """Serve until the pipe closes. Sends ("ready", None), then ("made" | "failed", …) a job."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)  # the parent says when
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            engine = load_engine(engine_name)
        except RadsmithError as error:
            connection.send(("broken", str(error)))
            return
        connection.send(("ready", None))
        while True:
            payload, parts = connection.recv()
            try:
                connection.send(("made", made_of(engine, payload, parts)))
            except RadsmithError as error:
                connection.send(("failed", (str(error), error.http_status)))
