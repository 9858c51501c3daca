"""What learners and teachers may do and see over the network."""

import itertools
import sqlite3
import time

import httpx
import numpy as np
import pytest

from radsmith.review.desk import Desk
from radsmith.review.gathering import gather
from radsmith.review.study import Design, NewStudy, create_study
from radsmith.teaching.pictures import SYNTHETIC, learners_picture
from radsmith.teaching.sets import accept
from tests.review.conftest import ACCEPT, AT, say
from tests.server.conftest import Running
from tests.server.review.conftest import account
from tests.teaching.conftest import labelled, new_set, silent


class Learner:
    """A person at the page."""

    number = itertools.count()

    def __init__(self, url, name=None):
        self.http = httpx.Client(base_url=url, timeout=60)
        if name:
            body = {"name": name, "password": f"the password of {name}"}
            assert self.http.post("/review/api/login", json=body, headers=HEADER).status_code == 200

    def get(self, path):
        return self.http.get(f"/teach/api{path}")

    def post(self, path, **body):
        return self.http.post(f"/teach/api{path}", json=body, headers=HEADER)

    def answer(self, name, item, request=None, **answer):
        request = request or f"test-request-{next(self.number)}"
        return self.post(f"/sets/{name}/answers", request=request, item=item, seconds=2.0, **answer)


HEADER = {"X-Radsmith-Request": "teach"}


def any_answer(item):
    """Some answer to an item as it is asked."""
    if item["kind"] == "where":
        return {"point": [0.5, 0.5]}
    if item["kind"] == "order":
        return {"order": item["pictures"]}
    return {"choice": item["choices"][0]}


def right_answer(item):
    """The right answer to an item of a set."""
    if item.kind == "order":
        return {"order": list(item.answer)}
    if item.kind == "where":
        at, inside = 0, False
        for run in item.region:
            if inside:
                break
            at, inside = at + run, not inside
        return {"point": [(at % 128 + 0.5) / 128, (at // 128 + 0.5) / 128]}
    return {"choice": item.answer[0]}


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """A server with accounts and two sets, one of which waits for experts."""
    data = tmp_path_factory.mktemp("school") / "data"
    for name, role in (
        ("ann", "reader"),
        ("bob", "reader"),
        ("olga", "organiser"),
        ("oskar", "observer"),
    ):
        account(data, name, role)
    open_to_all = new_set(data, "lungs")
    closed = new_set(data, "closed", unreviewed=False, images=labelled(data.with_name("c"), 6, 0))
    running = Running(data)
    people = {name: Learner(running.url, name) for name in ("ann", "bob", "olga", "oskar")}
    yield running, people, open_to_all, closed
    for one in people.values():
        one.http.close()
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def test_nobody_learns_without_an_account_where_there_are_accounts(school):
    running, people, opened, _ = school
    nobody = Learner(running.url)
    token = opened.items[0].pictures[0]
    for path in ("/me", "/sets/lungs", "/sets/lungs/queue", f"/sets/lungs/pictures/{token}"):
        assert nobody.get(path).status_code == 401
    assert nobody.http.get("/teach").status_code == 200
    nobody.http.close()
    me = people["ann"].get("/me").json()
    assert (me["role"], me["teacher"], me["exports"]) == ("reader", False, False)
    assert [one["id"] for one in me["sets"]] == ["closed", "lungs"]


def test_a_spoiled_set_is_told_beside_the_others(school):
    _, people, opened, _ = school
    spoiled = opened.folder.with_name("spoiled")
    spoiled.mkdir()
    for text in ("{", "{}", "[]", '{"format": 1}', '{"format": 2}'):
        (spoiled / "set.json").write_text(text)
        told = {one["id"]: one["error"] for one in people["ann"].get("/me").json()["sets"]}
        assert told["lungs"] == "" and "spoiled" in told["spoiled"]
        assert people["ann"].get("/sets/spoiled").status_code == 400
    (spoiled / "set.json").unlink()
    spoiled.rmdir()
    assert people["ann"].get("/sets/spoiled").status_code == 404


def test_what_a_learner_is_told_before_the_answer_is_nothing_of_it(school):
    _, people, opened, _ = school
    ann = people["ann"]
    for _ in range(6):
        told = ann.get("/sets/lungs/queue").json()
        item = told["coming"][0]
        assert set(item) == {"id", "kind", "question", "pictures", "choices"}
        known = opened.item(item["id"])
        if item["kind"] == "source":
            assert not {*known.revealed} & {*item["pictures"]}
        answered = ann.answer("lungs", item["id"], **any_answer(item)).json()
        assert answered["solution"]["told"] == known.told
        assert answered["queue"]["progress"]["answered"] == told["progress"]["answered"] + 1
    picture = ann.get(f"/sets/lungs/pictures/{item['pictures'][0]}")
    assert len(picture.content) == 512 * 512
    assert picture.headers["content-type"] == "application/octet-stream"


def test_an_answer_counts_once_and_each_learner_alone(school):
    _, people, opened, _ = school
    bob, item = people["bob"], opened.items[0]
    for choice in ("real", "synthetic", "real"):
        bob.answer("lungs", item.id, "the-same-request", choice=choice)
    assert bob.get("/sets/lungs/queue").json()["progress"]["answered"] == 1
    found = people["olga"].get("/sets/lungs/class").json()
    by_name = {one["name"]: one for one in found["learners"]}
    assert by_name["bob"]["answered"] == 1
    assert by_name["ann"]["answered"] == 6


def test_what_is_no_answer_is_refused(school):
    _, people, opened, _ = school
    bob = people["bob"]
    item = opened.items[0]
    for wrong in ({}, {"choice": "x"}, {"point": [2, 2]}, {"order": ["a"]}):
        assert bob.answer("lungs", item.id, **wrong).status_code == 400
    assert bob.answer("lungs", "nothing", choice="real").status_code == 404
    assert bob.answer("none", item.id, choice="real").status_code == 404
    assert bob.get("/sets/..%2Flungs").status_code == 404
    body = {"request": "some-request", "item": item.id, "choice": "real"}
    assert bob.http.post("/teach/api/sets/lungs/answers", json=body).status_code == 403


def test_results_are_for_teachers_and_answers_for_organisers(school):
    _, people, _, _ = school
    for name, seen, taken in (("ann", 403, 403), ("oskar", 200, 403), ("olga", 200, 200)):
        assert people[name].get("/sets/lungs/class").status_code == seen
        for form in ("csv", "items", "xapi", "scorm", "anki"):
            assert people[name].get(f"/sets/lungs/export/{form}").status_code == taken
    deck = people["bob"].get("/sets/lungs/misses")
    assert deck.status_code in (200, 404)


def test_misses_come_back(school):
    _, people, opened, _ = school
    olga = people["olga"]
    item = next(item for item in opened.items if item.kind == "finding")
    wrong = next(c for c in item.choices if c not in item.answer)
    told = olga.answer("lungs", item.id, choice=wrong).json()
    assert not told["solution"]["correct"]
    queue = told["queue"]
    assert (queue["missed"], queue["due"]) == (1, 0)
    assert 0 < queue["next"] < 3600
    assert olga.get("/sets/lungs/misses").status_code == 200


def test_experts_open_a_closed_set_while_the_server_runs(school, tmp_path):
    _, people, _, closed = school
    bob = people["bob"]
    about = bob.get("/sets/closed").json()
    assert (about["questions"], about["closed"]) == (0, len(closed.items))
    hidden = closed.items[0]
    assert bob.get(f"/sets/closed/pictures/{hidden.pictures[0]}").status_code == 404
    assert bob.answer("closed", hidden.id, **right_answer(hidden)).status_code == 404
    found = gather(closed.folder.parents[2] / "c" / "labels.csv")
    asked = NewStudy(
        name="e", images=found, readers=("ann",), design=Design(controls=0, reads=1, phases=1)
    )
    study = create_study(tmp_path / "study", asked, AT, silent)
    number = itertools.count()
    say(Desk(study), "ann", ACCEPT, lambda: f"request-{next(number):06}")
    time.sleep(0.01)
    accept(closed.folder, study.folder)
    about = bob.get("/sets/closed").json()
    assert (about["questions"], about["closed"], about["unread"]) == (len(closed.items), 0, 0)
    assert about["studies"] == ["e"]
    assert bob.answer("closed", hidden.id, **right_answer(hidden)).json()["solution"]["correct"]


def test_on_this_machine_no_account_is_needed_and_another_is_drawn(serve, tmp_path):
    data = tmp_path / "data"
    made = new_set(data, "lungs")
    running = serve(folder=data)
    me = Learner(running.url)
    told = me.get("/me").json()
    assert (told["local"], told["teacher"], told["draws"]) == (True, True, True)
    for item in made.open_items:
        solution = me.answer("lungs", item.id, **right_answer(item)).json()["solution"]
        assert solution["correct"], item
    progress = me.get("/sets/lungs/queue").json()["progress"]
    assert progress["answered"] == progress["right"] == progress["total"] == len(made.items)
    batch = me.post("/another", prompt="chest x-ray, pneumothorax").json()["batch"]
    for _ in range(600):
        found = me.get(f"/another/{batch}").json()
        if not found["open"]:
            break
        time.sleep(0.1)
    assert found["image"] and "6 of 25" in found["evidence"]
    picture = me.get(f"/another/{found['image']}/picture").content
    assert len(picture) == 512 * 512
    word = learners_picture(np.zeros((64, 64)), 64, word=SYNTHETIC, synthetic=False)
    assert (
        np.frombuffer(picture, np.uint8).reshape(512, 512)[-16:, :120] == word[-16:, :120]
    ).all()
    assert me.post("/another", prompt="blorp").status_code == 400
    assert me.post("/another", prompt="knee x-ray").status_code == 202
    assert me.get(f"/another/{found['image']}/picture").status_code == 404  # one at a time
    assert me.get("/another/none").status_code == 404
    page = me.http.get("/teach").text
    assert "{{" not in page
    me.http.close()
    with sqlite3.connect(data / "radsmith.sqlite3") as database:
        kept = database.execute("select distinct learner from teach_answers").fetchall()
    assert kept == [("local",)]
