"""What a server keeps on the disk and in the database, opened and held by one server at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from radsmith.errors import InvalidInput, Unavailable
from radsmith.files import prepare_folder
from radsmith.server.store.blobs import Blobs
from radsmith.server.store.database import Database
from radsmith.server.store.keys import Keys
from radsmith.server.store.settings import ServerSettings
from radsmith.server.store.signing import Signer, open_secret

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
            where = settings.public_url or settings.host
            raise InvalidInput(
                f"a server that others can reach at {where} needs API keys: add --keys"
            )
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
