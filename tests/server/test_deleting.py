"""What a person deletes is gone, from the database and the disk, and nothing else is."""

import io
import json
import time
import zipfile

import numpy as np
import pytest
from PIL import Image as Picture

from radsmith.errors import InvalidInput, NotFound
from radsmith.images.npy import npy_of
from radsmith.images.pictures import read_record, read_sheet
from radsmith.server.jobs.deleting import Deleting
from radsmith.server.jobs.history import History
from radsmith.server.jobs.keeping import UPLOAD
from radsmith.server.jobs.queue import Jobs, MadeImage, NewBatch
from radsmith.server.store.blobs import FolderBlobs
from radsmith.server.store.database import Database
from radsmith.server.store.settings import Limits
from tests.server.conftest import Studio


class Place:
    """A database and its files, as a server has them."""

    def __init__(self, database, folder):
        self.database, self.folder = database, folder
        self.blobs = FolderBlobs(folder)
        self.jobs = Jobs(database, Limits())
        self.history = History(database)
        self.deleting = Deleting(database, self.blobs)

    def made(self, number):
        data = npy_of(np.full((2, 3), number, np.uint8))
        return MadeImage(unit="stored value", width=3, height=2, spacing=None, window=None,
                    record="{}", data=data), self.blobs.put(data)  # fmt: skip

    def uploaded(self, number, owner="local"):
        batch = self.jobs.keep(new(owner, UPLOAD, {}), *self.made(number))
        return self.history.batch(batch, owner).jobs[0].image

    def drawn(self, *numbers, owner="local", **payload):
        """A batch that is done; its images."""
        batch = self.jobs.submit(new(owner, "vary", *[payload] * len(numbers)), 1)
        for number in numbers:
            assert self.jobs.finish(self.jobs.claim(), *self.made(number))
        return [job.image for job in self.history.batch(batch, owner).jobs]

    def files(self):
        return {path.stem for path in self.folder.glob("*/*")}

    def images(self, owner="local"):
        views = self.history.search(owner, "", 1e12, 99)
        return {job.image.id for view in views for job in view.jobs if job.image}


def new(owner, operation, *payloads):
    return NewBatch(owner=owner, operation=operation, prompt="x", canonical="x", payloads=payloads)


@pytest.fixture
def place(db, tmp_path):
    database = Database(db)
    yield Place(database, tmp_path / "images")
    database.close()


def test_one_image_goes_with_its_file_and_its_empty_batch(place):
    first, second = place.drawn(1, 2)
    gone = place.deleting.image(first.id, "local")
    assert (gone.images, gone.files) == (1, 1)
    assert place.images() == {second.id} and place.files() == {second.digest}
    with pytest.raises(NotFound):
        place.deleting.image(first.id, "local")
    place.deleting.image(second.id, "local")
    assert place.files() == set() and place.history.search("local", "", 1e12, 9) == []


def test_an_upload_goes_with_what_edits_of_it_were_given(place):
    upload = place.uploaded(1)
    mask = place.blobs.put(npy_of(np.ones(4)))
    given = {"parent": upload.id, "parts": {"source": upload.digest, "mask": mask}}
    [edit] = place.drawn(2, **given)
    gone = place.deleting.image(upload.id, "local")
    assert (gone.files, gone.made_from_it) == (1, 1)
    assert place.images() == {edit.id} and place.files() == {edit.digest, mask}
    assert place.deleting.image(edit.id, "local").files == 2 and place.files() == set()


def test_what_somebody_else_has_or_just_asked_for_stays_on_the_disk(place):
    mine, theirs = place.uploaded(1), place.uploaded(1, owner="other")
    with pytest.raises(NotFound):
        place.deleting.image(theirs.id, "local")
    assert place.deleting.image(mine.id, "local").files == 0
    assert place.images("other") == {theirs.id} and place.files() == {theirs.digest}
    time.sleep(0.02)  # as coarse as a file's time may be
    place.made(1)  # a request that is not in the database yet
    assert place.deleting.image(theirs.id, "other").files == 0 and len(place.files()) == 1


def test_what_is_being_edited_cannot_go(place):
    upload = place.uploaded(1)
    given = {"parent": upload.id, "parts": {"source": upload.digest}}
    batch = place.jobs.submit(new("local", "vary", given), 1)
    for delete, what in ((place.deleting.image, upload.id), (place.deleting.batch, batch)):
        with pytest.raises(InvalidInput, match="cancel that"):
            delete(what, "local")
    place.jobs.cancel(batch, "local")
    assert place.deleting.batch(batch, "local").images == 0
    assert place.deleting.image(upload.id, "local").files == 1 and place.files() == set()


def test_everything_of_one_is_nothing_of_another(place):
    place.uploaded(1)
    place.drawn(2, 3)
    theirs = [place.uploaded(3, owner="other"), *place.drawn(4, owner="other")]
    place.jobs.submit(new("local", "vary", {"parts": {"source": theirs[1].digest}}), 1)
    running = place.jobs.claim()
    gone = place.deleting.everything("local")
    assert (gone.images, gone.files, gone.stopped) == (3, 2, (running.id,))
    assert place.images() == set() and place.images("other") == {i.id for i in theirs}
    assert place.files() == {i.digest for i in theirs}
    assert not place.jobs.finish(running, *place.made(5))
    assert place.deleting.everything("local").images == 0


def test_the_studio_takes_a_batch_along_and_deletes(serve, tmp_path):
    studio = Studio(serve().url)
    token = {"X-Radsmith-Request": studio.token}
    batch = studio.generate(prompt="chest x-ray, PA view", n=2, steps=1, seed=5)
    studio.wait(batch)
    answer = studio.http.get(f"/studio/batches/{batch}/zip", params={"form": "png16"})
    assert answer.content == studio.http.get(f"/studio/batches/{batch}/zip?form=png16").content
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        file.extractall(tmp_path)
        names = file.namelist()
    assert names == ["01-generate-5.png", "02-generate-6.png", "contact-sheet.png", "records.json"]
    assert [read_record(tmp_path / name).seed for name in names[:2]] == [5, 6]
    assert [record.seed for record in read_sheet(tmp_path / "contact-sheet.png")] == [5, 6]
    told = json.loads((tmp_path / "records.json").read_text())
    assert [entry["file"] for entry in told["images"]] == names[:2]
    stream = io.BytesIO()
    Picture.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(stream, "PNG")
    sent = {"image": ("a.png", stream.getvalue())}
    upload = studio.http.post("/studio/uploads", files=sent, headers=token).json()["batch"]
    assert studio.http.get(f"/studio/batches/{upload}/zip").status_code == 400
    kept = tmp_path / "data" / "images"
    assert len(list(kept.glob("*/*"))) == 3
    assert studio.http.delete(f"/studio/batches/{upload}").status_code == 403  # no token
    gone = studio.http.delete(f"/studio/batches/{upload}", headers=token)
    assert gone.json()["files"] == 1 and len(list(kept.glob("*/*"))) == 2
    busy = studio.generate(prompt="knee x-ray", n=3, steps=100)
    assert studio.http.delete("/studio/everything", headers=token).json()["images"] >= 2
    assert studio.history() == [] and not list(kept.glob("*/*"))
    assert studio.http.get(f"/studio/batches/{busy}").status_code == 404
    studio.wait(studio.generate(prompt="knee x-ray", steps=1))  # and it goes on drawing
