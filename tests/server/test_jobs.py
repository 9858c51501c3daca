"""The queue in the database: each law on SQLite and on PostgreSQL."""

import threading
from dataclasses import fields

import pytest
from sqlalchemy import create_engine, inspect, select, text

from radsmith.editing.dicom import Origin
from radsmith.errors import Busy, InvalidInput, NotFound, Unavailable
from radsmith.server.jobs.about import About
from radsmith.server.jobs.history import History
from radsmith.server.jobs.queue import Jobs, MadeImage, NewBatch
from radsmith.server.store.audit import Audit
from radsmith.server.store.database import Database
from radsmith.server.store.keys import Keys
from radsmith.server.store.migrations import MIGRATIONS, migrate
from radsmith.server.store.settings import Limits
from radsmith.server.store.tables import IMAGES, METADATA

MADE = MadeImage(
    data=b"",
    unit="intensity",
    width=2,
    height=3,
    spacing=(0.5, 0.75),
    window=(40.0, 80.0),
    record='{"seed": 1}',
    bits=12,
    inverted=True,
    origin=Origin(modality="CT", slope=2.0, intercept=-1024.0),
    place=(0, 7),
)


@pytest.fixture
def database(db):
    opened = Database(db)
    yield opened
    opened.close()


def batch(count=1, owner="local", prompt="chest x-ray", **more):
    payloads = [{"seed": seed} for seed in range(count)]
    return NewBatch(
        owner=owner,
        operation="generate",
        prompt=prompt,
        canonical=prompt,
        payloads=payloads,
        **more,
    )


def jobs(database, **limits):
    return Jobs(database, Limits(**limits))


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
def test_every_older_database_migrates_to_the_tables(db, version):
    engine = create_engine(db.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        migrate(connection, version)
        if version:
            insert = "INSERT INTO api_keys VALUES ('a', 'old', 'digest', 1.5, NULL)"
            connection.execute(text(insert))
    engine.dispose()
    database = Database(db)
    with database.read() as connection:
        seen = inspect(connection)
        for table in METADATA.sorted_tables:
            found = {c["name"]: c["nullable"] for c in seen.get_columns(table.name)}
            wanted = {c.name: c.nullable for c in table.columns}
            assert set(found) == set(wanted), table.name
            for name, nullable in wanted.items():
                if not table.columns[name].primary_key:
                    assert found[name] == nullable, (table.name, name)
    names = [key.name for key in Keys(database).all()]
    assert names == (["old"] if version else [])
    database.close()


def test_a_database_of_a_later_radsmith_is_refused(db):
    first = Database(db)
    with first.write() as connection:
        connection.execute(text("INSERT INTO schema_version VALUES (999, 'later', 0)"))
    first.close()
    with pytest.raises(Unavailable, match="install the radsmith that made it"):
        Database(db)


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", ""])
def test_other_databases_are_refused(url):
    with pytest.raises(InvalidInput):
        Database(url)


def test_jobs_come_in_order_and_once(database):
    queue = jobs(database)
    first = queue.submit(batch(2), 1)
    second = queue.submit(batch(1), 1)
    claimed = [queue.claim() for _ in range(4)]
    assert [(c.batch, c.payload["seed"]) for c in claimed[:3]] == [
        (first, 0), (first, 1), (second, 0),
    ]  # fmt: skip
    assert claimed[3] is None


def test_threads_never_claim_the_same_job(database):
    queue = jobs(database)
    queue.submit(batch(30), 1)
    got, errors = [], []

    def work():
        try:
            while (job := queue.claim()) is not None:
                got.append(job.id)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(got) == len(set(got)) == 30


def images(database):
    with database.read() as connection:
        return connection.execute(select(IMAGES)).all()


def test_an_image_is_stored_with_its_job_or_not_at_all(database):
    queue = jobs(database)
    queue.submit(batch(1), 1)
    job = queue.claim()
    assert queue.finish(job, MADE, "0" * 64)
    assert not queue.finish(job, MADE, "0" * 64)
    assert len(images(database)) == 1
    assert queue.counts() == {"done": 1}
    stored = History(database).image(images(database)[0].id, "local")
    for field in fields(About):
        assert getattr(stored, field.name) == getattr(MADE, field.name), field.name


def test_a_late_result_of_an_earlier_attempt_changes_nothing(database):
    queue = jobs(database)
    queue.submit(batch(1), 1)
    lost = queue.claim()
    assert queue.requeue_running() == 1
    again = queue.claim()
    assert again.attempt == 2
    assert not queue.finish(lost, MADE, "0" * 64)
    assert not queue.fail(lost, "late", 503)
    assert queue.finish(again, MADE, "0" * 64)
    assert len(images(database)) == 1


def test_cancelling_closes_what_is_open_and_keeps_what_is_done(database):
    queue = jobs(database)
    name = queue.submit(batch(3), 1)
    done, running = queue.claim(), queue.claim()
    queue.finish(done, MADE, "0" * 64)
    assert queue.cancel(name, "somebody else") == []
    assert queue.cancel(name, "local") == [running.id]
    assert not queue.finish(running, MADE, "0" * 64)
    assert queue.counts() == {"done": 1, "cancelled": 2}


def test_what_crashes_every_server_is_given_up(database):
    queue = jobs(database, attempts=2)
    queue.submit(batch(1), 1)
    queue.claim()
    assert queue.requeue_running() == 1
    queue.claim()
    assert queue.requeue_running() == 0
    assert queue.counts() == {"failed": 1}


def test_a_full_queue_refuses_whole_batches(database):
    queue = jobs(database, queue=5, per_key=3)
    queue.submit(batch(3), 2.0)
    with pytest.raises(Busy) as mine:
        queue.submit(batch(1), 2.0)
    assert (mine.value.http_status, mine.value.seconds) == (429, 2)
    with pytest.raises(Busy) as whole:
        queue.submit(batch(3, owner="b"), 2.0)
    assert (whole.value.http_status, whole.value.seconds) == (503, 6)
    queue.submit(batch(2, owner="b"), 2.0)
    assert queue.counts() == {"queued": 5}


def test_jobs_past_their_deadline_are_failed(database):
    queue = jobs(database, deadline_s=1e-6)
    name = queue.submit(batch(2), 1)
    assert queue.expire() == [name]
    assert queue.claim() is None
    assert History(database).batch(name, "local").jobs[0].status == 503


def test_a_repeated_request_is_one_batch(database):
    queue = jobs(database)
    first = queue.submit(batch(2, retry_key="k"), 1)
    assert queue.submit(batch(2, retry_key="k"), 1) == first
    assert queue.submit(batch(2, owner="b", retry_key="k"), 1) != first
    with pytest.raises(InvalidInput, match="another request"):
        queue.submit(batch(3, retry_key="k"), 1)
    assert queue.counts() == {"queued": 4}


def test_history_finds_words_and_keeps_owners_apart(database):
    queue, history = jobs(database), History(database)
    name = queue.submit(batch(2, prompt="Knee X-ray, 50% flexion_view"), 1)
    queue.submit(batch(1, prompt="brain MRI"), 1)
    queue.submit(batch(1, owner="b", prompt="knee MRI"), 1)

    def found(words):
        return [view.prompt for view in history.search("local", words, 1e12, 10)]

    assert found("") == ["brain MRI", "Knee X-ray, 50% flexion_view"]
    assert found("x-RAY knee") == ["Knee X-ray, 50% flexion_view"]
    assert found("50%") == found("n_v") == ["Knee X-ray, 50% flexion_view"]
    assert found("%") == ["Knee X-ray, 50% flexion_view"]
    assert found("knee brain") == []
    with pytest.raises(NotFound):
        history.batch(name, "b")
    job = queue.claim()
    queue.finish(job, MADE, "0" * 64)
    image = history.batch(name, "local").jobs[0].image
    assert image.window == (40.0, 80.0)
    assert history.image(image.id, "local").id == image.id
    with pytest.raises(NotFound):
        history.image(image.id, "b")


def test_keys_are_kept_hashed_and_can_be_ended(database):
    keys = Keys(database)
    key = keys.add("radiology")
    owner = keys.owner_of(key)
    assert keys.in_use(owner)
    with database.read() as connection:
        stored = str(connection.execute(text("SELECT * FROM api_keys")).all())
    assert key not in stored and key.removeprefix("rsk-") not in stored
    assert keys.owner_of(key + "x") is None
    keys.revoke(owner)
    assert keys.owner_of(key) is None and not keys.in_use(owner)
    with pytest.raises(NotFound):
        keys.revoke(owner)


def test_the_audit_log_grows(database):
    audit = Audit(database)
    for number in range(3):
        audit.note("local", "127.0.0.1", "generate", "x" * 900 + str(number))
    with database.read() as connection:
        details = connection.execute(text("SELECT detail FROM audit")).scalars().all()
    assert [len(d) for d in details] == [500] * 3
