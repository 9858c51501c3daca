"""A study of what a server drew."""

import numpy as np
import pytest

from radsmith.editing.operations import Source
from radsmith.errors import InvalidInput, NotFound
from radsmith.images.image import Image
from radsmith.images.pictures import read_record
from radsmith.images.provenance import Generation
from radsmith.review.gathering import gather
from radsmith.server.jobs.drawing import made_from
from radsmith.server.jobs.queue import Jobs, NewBatch
from radsmith.server.review.from_history import write_history
from radsmith.server.store.blobs import FolderBlobs
from radsmith.server.store.database import Database
from radsmith.server.store.settings import Limits, ServerSettings


def test_what_a_server_drew_is_read_and_uploads_are_not(tmp_path):
    settings = ServerSettings(folder=tmp_path / "server")
    with pytest.raises(NotFound, match="no server keeps"):
        write_history(settings, tmp_path / "out")
    settings.folder.mkdir()
    database, blobs = Database(settings.database_url), FolderBlobs(settings.folder / "images")
    jobs = Jobs(database, Limits())
    try:
        with pytest.raises(InvalidInput, match="drawn nothing"):
            write_history(settings, tmp_path / "out")
        for number, synthetic in enumerate((True, True, False)):
            image = Image(pixels=np.random.default_rng(number).random((70, 80), np.float32))
            words = "chest x-ray, PA view"
            record = Generation(
                radsmith_version="0", operation="generate", engine="", model="m",
                model_digest="", prompt=words, canonical_prompt=words, concepts=(), seed=number,
                num_steps=1, guidance_scale=1, width=80, height=70, created="",
                pixels_sha256=image.digest(), synthetic=synthetic,
            )  # fmt: skip
            made = made_from(Source(image=image, bits=16, words=words), record, None)
            new = NewBatch(
                owner="local", operation="generate", prompt=words, canonical=words, payloads=[{}]
            )
            jobs.keep(new, made, blobs.put(made.data))
        assert write_history(settings, tmp_path / "out") == 2
    finally:
        database.close()
    found = gather(tmp_path / "out")
    assert [one.source for one in found] == ["m", "m"]
    assert {one.group for one in found} == {"chest x-ray"}
    assert read_record(found[0].path).review == "unreviewed"
