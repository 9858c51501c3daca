"""What a server keeps on the disk and in the database.

A folder is held by one server at a time, and so is an SQLite database in it; PostgreSQL is shared
by its members (`members`)."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from radsmith.errors import InvalidInput, Unavailable
from radsmith.files import prepare_folder
from radsmith.server.store.blobs import Blobs, open_blobs
from radsmith.server.store.database import Database
from radsmith.server.store.keys import Keys
from radsmith.server.store.members import Member, Members
from radsmith.server.store.settings import ServerSettings
from radsmith.server.store.signing import Signer, open_secret

LOCK_NAME: Final = "server.lock"


@dataclass(frozen=True, kw_only=True)
class Store:
    """What is on the disk and in the database. member: of a shared database, which server this is;
    None where the database is its own."""

    database: Database
    blobs: Blobs
    signer: Signer
    lock: int
    members: Members
    member: Member | None

    def close(self) -> None:
        """Let go of it."""
        if self.member is not None:
            with suppress(Unavailable):  # the others will see that it gives no sign of life
                self.members.leave(self.member)
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
        blobs = open_blobs(settings.blobs_at)
        members, member = Members(database), None
        if settings.shared:
            member = joined(members, settings, signer.fingerprint)
        opened.pop_all()  # from here on the store closes them
        return Store(
            database=database,
            blobs=blobs,
            signer=signer,
            lock=lock,
            members=members,
            member=member,
        )


def joined(members: Members, settings: ServerSettings, secret: str | None) -> Member:
    """This process as a member of a shared database. Raises InvalidInput as `Members.join` does."""
    where = settings.blobs or f"{socket.gethostname()}:{settings.folder.absolute() / 'images'}"
    member = Member(workers=settings.workers, blobs=where, secret=secret)
    members.join(member)
    return member


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
