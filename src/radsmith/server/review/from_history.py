"""Images that a server drew, out of its history, as files to be read."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from radsmith.errors import InvalidInput, NotFound
from radsmith.files import prepare_folder, write_atomically
from radsmith.server.jobs.history import History
from radsmith.server.jobs.renderings import Renderings
from radsmith.server.store.blobs import open_blobs
from radsmith.server.store.database import Database
from radsmith.server.store.settings import ServerSettings
from radsmith.server.store.tables import IMAGES


def write_history(settings: ServerSettings, folder: Path) -> int:
    """Write every synthetic image of a server's history as PNG with its record; how many.

    Uploads are left alone. The server may be running.  Raises NotFound for no such server,
    InvalidInput where it drew nothing.
    """
    if not settings.database and not (settings.folder / "radsmith.sqlite3").is_file():
        raise NotFound(f"no server keeps its images in {settings.folder}: name it with --data")
    prepare_folder(folder)
    database = Database(settings.database_url)
    try:
        blobs, history = open_blobs(settings.blobs_at), History(database)
        with database.read() as connection:
            ids = connection.execute(select(IMAGES.c.id).order_by(IMAGES.c.created)).scalars().all()
        count = 0
        for image in ids:
            stored = history.image(image, None)
            if stored.facts["synthetic"]:
                data = Renderings(blobs=blobs).file_bytes(stored, "png")
                write_atomically(folder / f"{image}.png", data)
                count += 1
    finally:
        database.close()
    if not count:
        raise InvalidInput(f"the server of {settings.folder} has drawn nothing yet")
    return count
