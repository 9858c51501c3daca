"""What is removed with time, and what never is: each law on SQLite and on PostgreSQL."""

import time

import numpy as np
import pytest
from sqlalchemy import update

from radsmith.errors import NotFound
from radsmith.images.npy import npy_of
from radsmith.server.jobs.history import History
from radsmith.server.jobs.keeping import UPLOAD, Keeping
from radsmith.server.jobs.queue import Jobs, MadeImage, NewBatch
from radsmith.server.store.blobs import FolderBlobs
from radsmith.server.store.database import Database
from radsmith.server.store.settings import Limits
from radsmith.server.store.tables import JOBS
from tests.server.conftest import Studio

DAY = 24 * 3600


class Place:
    """A database and its files, as a server has them."""

    def __init__(self, database, folder):
        self.database = database
        self.blobs = FolderBlobs(folder)
        self.jobs = Jobs(database, Limits())
        self.history = History(database)
        self.keeping = Keeping(database, self.blobs, Limits())

    def made(self, number):
        data = npy_of(np.full((2, 3), number, np.uint8))
        return MadeImage(unit="stored value", width=3, height=2, spacing=None, window=None,
                    record="{}", data=data), self.blobs.put(data)  # fmt: skip

    def uploaded(self, number):
        made, digest = self.made(number)
        batch = self.jobs.keep(new(UPLOAD, {}), made, digest)
        return self.history.batch(batch, "local").jobs[0].image

    def drawn(self, number, **payload):
        """A job that is done; its image."""
        batch = self.jobs.submit(new("vary", payload), 1)
        job = self.jobs.claim()
        assert self.jobs.finish(job, *self.made(number))
        return self.history.batch(batch, "local").jobs[0].image

    def days_later(self, days):
        return self.keeping.prune(time.time() + days * DAY)

    def there(self, image):
        try:
            self.blobs.get(image.digest)
            return self.history.image(image.id, "local") == image
        except NotFound:
            return False


def new(operation, payload):
    return NewBatch(
        owner="local", operation=operation, prompt="x", canonical="x", payloads=[payload]
    )


@pytest.fixture
def place(db, tmp_path):
    database = Database(db)
    yield Place(database, tmp_path / "images")
    database.close()


def test_an_unused_upload_goes_and_what_was_made_stays(place):
    upload, made = place.uploaded(1), place.drawn(2)
    assert place.days_later(6) == (0, 0)
    assert place.there(upload) and place.there(made)
    assert place.days_later(8) == (1, 1)
    assert not place.there(upload) and place.there(made)
    assert [view.operation for view in place.history.search("local", "", 1e12, 9)] == ["vary"]
    assert place.days_later(8) == (0, 0)


def test_an_upload_stays_while_a_job_needs_it_and_goes_after(place):
    upload = place.uploaded(1)
    given = {"parent": upload.id, "parts": {"source": upload.digest}}
    place.jobs.submit(new("vary", given), 1)
    assert place.days_later(100) == (0, 0) and place.there(upload)
    job = place.jobs.claim()
    assert place.jobs.finish(job, *place.made(2))
    with place.database.write() as connection:
        ended = {"ended": time.time() + 50 * DAY}
        connection.execute(update(JOBS).where(JOBS.c.id == job.id).values(**ended))
    assert place.days_later(56) == (0, 0) and place.there(upload)
    assert place.days_later(58) == (1, 1) and not place.there(upload)


def test_what_an_ended_job_was_given_goes_but_not_what_an_image_is(place):
    source, mask = (place.blobs.put(npy_of(np.full(4, n))) for n in (5, 6))
    same = place.drawn(3)
    place.drawn(2, parts={"source": source, "mask": mask, "twin": same.digest})
    assert place.days_later(6) == (0, 0)
    assert place.blobs.get(source) and place.blobs.get(mask)
    assert place.days_later(8) == (0, 2)
    assert place.there(same)
    with pytest.raises(NotFound):
        place.blobs.get(source)


def test_a_file_that_is_being_asked_for_is_left_alone(place):
    young = place.blobs.put(b"young")
    assert place.keeping.prune(time.time()) == (0, 0) and place.blobs.get(young)
    assert place.days_later(1) == (0, 1)


def test_a_job_whose_source_is_gone_is_told(serve, tmp_path):
    studio = Studio(serve().url)
    source = studio.wait(studio.generate(prompt="knee x-ray", steps=1))["jobs"][0]["image"]
    studio.generate(prompt="knee x-ray", steps=100)  # keeps the one worker at work
    asked = {"source": source["id"], "operation": "vary", "steps": 1}
    parts = {name: (None, str(value)) for name, value in asked.items()}
    token = {"X-Radsmith-Request": studio.token}
    batch = studio.http.post("/studio/edits", files=parts, headers=token).json()["batch"]
    for path in (tmp_path / "data" / "images").glob("*/*"):
        path.unlink()
    job = studio.wait(batch)["jobs"][0]
    assert job["state"] == "failed" and "no longer kept" in job["error"]
