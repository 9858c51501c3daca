"""Servers with a study, and readers as the page is one."""

import itertools

import httpx
import pytest

from radsmith.review.design import Design
from radsmith.review.gathering import gather
from radsmith.review.study import NewStudy, create_study
from radsmith.server.review.people import People
from radsmith.server.store.database import Database
from tests.review.conftest import AT, pictures


def new_study(folder, images=6, controls=0, readers=("ann", "bob"), **design):
    """A study folder; controls are larger and there are some more of them."""
    found = gather(pictures(folder.with_name(f"{folder.name}-images"), images, 1))
    real = ()
    if controls:
        place = pictures(folder.with_name(f"{folder.name}-real"), controls, 2, (200, 180))
        real = gather(place, "real")
    design = {"controls": 0.2 if controls else 0, "repeats": 0.0, "phases": 1} | design
    asked = NewStudy(
        name=folder.name, images=found, controls=real, readers=readers, design=Design(**design)
    )
    return create_study(folder, asked, AT, lambda done, total: None)


def account(data, name, role, db="", subject=None):
    """Make an account as the command does; its password."""
    data.mkdir(exist_ok=True)
    database = Database(db or f"sqlite:///{data / 'radsmith.sqlite3'}")
    try:
        password = None if subject else f"the password of {name}"
        People(database).add(name, role, password, subject)
    finally:
        database.close()
    return f"the password of {name}"


class Reader:
    """A person at the page: a session and the header of its own requests."""

    number = itertools.count()

    def __init__(self, url, name=None, password=None, study="trial"):
        self.http = httpx.Client(base_url=f"{url}/review/api", timeout=60)
        self.study = study
        if name:
            assert self.post("/login", name=name, password=password).status_code == 200

    def post(self, path, **body):
        return self.http.post(path, json=body, headers={"X-Radsmith-Request": "review"})

    def get(self, path):
        return self.http.get(f"/studies/{self.study}/{path}")

    def queue(self):
        return self.get("queue").json()

    def answer(self, read, answer, request=None):
        request = request or f"test-request-{next(self.number)}"
        body = {"request": request, "read": read, "answer": answer, "seconds": 3.5}
        return self.post(f"/studies/{self.study}/answers", **body)


@pytest.fixture
def reader():
    """Open readers that end with the test."""
    opened = []

    def make(*args, **more):
        opened.append(Reader(*args, **more))
        return opened[-1]

    yield make
    for one in opened:
        one.http.close()
