"""Several servers and workers on one database: each law on SQLite and on PostgreSQL."""

import threading
import time

import pytest
from sqlalchemy import update

from radsmith.errors import InvalidInput
from radsmith.server.jobs.history import History
from radsmith.server.jobs.queue import Jobs, NewBatch
from radsmith.server.store.database import Database
from radsmith.server.store.members import LOST_S, Member, Members
from radsmith.server.store.settings import Limits
from radsmith.server.store.tables import MEMBERS
from tests.server.test_jobs import MADE


@pytest.fixture
def database(db):
    opened = Database(db)
    yield opened
    opened.close()


def member(**changes):
    return Member(**{"workers": 1, "blobs": "s3://b/x", "secret": "one"} | changes)


def batch(count, **changes):
    payloads = [{"seed": seed} for seed in range(count)]
    values = {"owner": "a", "operation": "generate", "prompt": "p", "canonical": "p"}
    return NewBatch(**values | {"payloads": payloads} | changes)


def silent(database, who, seconds=LOST_S + 1):
    """The member has given no sign of life for so long."""
    with database.write() as connection:
        since = database.now(connection) - seconds
        connection.execute(update(MEMBERS).where(MEMBERS.c.id == who.id).values(seen=since))


def test_members_know_who_lives(database):
    members, one, two = Members(database), member(workers=2), member(workers=3)
    members.join(one)
    members.join(two)
    assert members.alive() == {one.id: 2, two.id: 3}
    silent(database, one)
    assert members.alive() == {two.id: 3}
    members.beat(one)  # it was only slow
    assert members.alive() == {one.id: 2, two.id: 3}
    members.leave(two)
    assert members.alive() == {one.id: 2}


@pytest.mark.parametrize(
    "changes, words",
    [({"blobs": "/elsewhere"}, "the same --blobs"), ({"secret": "two"}, "RADSMITH_SERVER_SECRET")],
)
def test_members_keep_and_sign_alike(database, changes, words):
    members, first = Members(database), member()
    members.join(first)
    with pytest.raises(InvalidInput, match=words):
        members.join(member(**changes))
    members.join(member(secret=None))  # a worker signs nothing
    assert len(members.alive()) == 2
    silent(database, first)
    members.alive()
    members.join(member(**{"secret": "two"} if "secret" in changes else {}))


def test_what_a_dead_member_was_at_is_drawn_once_by_another(database):
    jobs, members = Jobs(database, Limits()), Members(database)
    dead, alive = member(), member()
    members.join(dead)
    members.join(alive)
    asked = jobs.submit(batch(2), 1.0)
    lost, kept = jobs.claim(dead.id), jobs.claim(alive.id)
    assert jobs.requeue_running(members.alive()) == 0
    silent(database, dead)
    assert jobs.requeue_running(members.alive()) == 1
    again = jobs.claim(alive.id)
    assert again.id == lost.id and again.attempt == 2
    assert not jobs.finish(lost, MADE, "x" * 64)  # it was only slow: too late
    assert set(jobs.still([kept, again])) == {kept.id, again.id} and jobs.still([lost]) == []
    assert jobs.finish(again, MADE, "x" * 64) and jobs.finish(kept, MADE, "y" * 64)
    view = History(database).batch(asked, "a")
    assert [job.state for job in view.jobs] == ["done", "done"]


def test_a_job_that_every_member_dies_of_is_given_up(database):
    jobs, members = Jobs(database, Limits(attempts=2)), Members(database)
    alive = member()
    members.join(alive)
    asked = jobs.submit(batch(1), 1.0)
    for _ in range(2):
        assert jobs.claim("gone") is not None
        jobs.requeue_running(members.alive())
    (job,) = History(database).batch(asked, "a").jobs
    assert job.state == "failed" and "stopped at each try" in job.error


def test_a_cancelled_job_is_no_longer_its_workers(database):
    jobs = Jobs(database, Limits())
    asked = jobs.submit(batch(1), 1.0)
    job = jobs.claim("one")
    assert jobs.still([job]) == [job.id] and jobs.still([]) == []
    jobs.cancel(asked, "a")
    assert jobs.still([job]) == []


def test_servers_that_ask_at_once_keep_the_bounds_and_the_retry_key(database, db):
    """Each thread is a server with its own connections."""
    if db.startswith("sqlite"):
        pytest.skip("SQLite has one server")
    others = [Database(db) for _ in range(4)]
    found, errors = [], []

    def ask(place):
        jobs = Jobs(place, Limits(per_key=8, queue=8))
        for _ in range(4):
            try:
                found.append(jobs.submit(batch(2), 1.0))
            except Exception as error:
                errors.append(type(error).__name__)

    threads = [threading.Thread(target=ask, args=(place,)) for place in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and set(errors) == {"Busy"}
    keyed = []

    def once(place):
        jobs = Jobs(place, Limits())
        keyed.append(jobs.submit(batch(1, owner="b", retry_key="k"), 1.0))

    threads = [threading.Thread(target=once, args=(place,)) for place in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keyed) == 4 and len(set(keyed)) == 1
    for place in others:
        place.close()


def test_the_clock_is_the_databases(database):
    with database.read() as connection:
        assert abs(database.now(connection) - time.time()) < 60
