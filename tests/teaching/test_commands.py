"""The commands of `radsmith teach`, as people and programs call them."""

import csv
import json
import zipfile

import pytest
from click.testing import CliRunner

from radsmith.cli import cli
from radsmith.errors import InvalidInput, NotFound
from radsmith.review.desk import Desk
from radsmith.review.study import open_study
from radsmith.server.store.database import Database
from radsmith.server.teaching.answers import Answers
from radsmith.teaching.items import mark
from radsmith.teaching.sets import open_set, set_folder
from tests.review.conftest import ACCEPT, say

pytestmark = pytest.mark.slow


def teach(*args):
    done = CliRunner().invoke(cli, ["teach", *map(str, args)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def refused(error, *args):
    done = CliRunner().invoke(cli, ["teach", *map(str, args)])
    assert isinstance(done.exception, error), done.output
    return str(done.exception)


def answer_all(data, opened, learner, wrong=()):
    """What a page would send: right but for these places."""
    database = Database(f"sqlite:///{data / 'radsmith.sqlite3'}")
    try:
        for number, item in enumerate(opened.open_items):
            bad = next(c for c in item.choices if c not in item.answer)
            answer = {"choice": bad if number in wrong else item.answer[0]}
            found = mark(item, answer)
            Answers(database).add(
                opened.id, item, learner, answer, found,
                request=f"{learner}-{number:06}", seconds=1.0, at=1e9 + number,
            )  # fmt: skip
    finally:
        database.close()


def test_from_prompts_by_experts_to_results(tmp_path, ids):
    data = tmp_path / "data"
    listed = tmp_path / "list.csv"
    listed.write_text("prompt,n,seed\nknee x-ray,1,4\n")
    made = teach(
        "new", "basics", "--title", "Chest basics", "-n", 2, "--kind", "finding", "--data", data,
        "--prompt", "chest x-ray, PA view, adult, normal", "--prompt", "chest x-ray, pneumothorax",
        "--from", listed,
    )  # fmt: skip
    assert "basics: 4 questions (4 finding)" in made.stdout
    assert "4 questions wait for experts: radsmith review new STUDY" in made.stdout
    assert "“pneumothorax (chest x-ray)”: learned from 25 training images" in made.stderr
    assert "6 of 25" in made.stderr and "No trial of learning radiology" in made.stderr
    assert "which finding is not asked of “knee x-ray" in made.stderr
    told = json.loads(teach("list", "--json", "--data", data).stdout)
    assert (told[0]["name"], told[0]["questions"], told[0]["closed"]) == ("basics", 0, 4)
    assert "accepted none" in refused(
        InvalidInput, "export", "basics", "--as", "scorm", "-o", tmp_path / "x.zip", "--data", data
    )
    folder = set_folder(data, "basics")
    study = tmp_path / "study"
    review = ["review", "new", study, "--images", folder / "images", "--reader", "ann", "--phases"]
    assert CliRunner().invoke(cli, [*map(str, review), "1"]).exit_code == 0
    say(Desk(open_study(study)), "ann", ACCEPT, ids)
    told = teach("accept", "basics", study, "--data", data).stdout
    assert "4 of 4 questions can be asked" in told
    assert "4 of 4 questions can be asked  Chest basics" in teach("list", "--data", data).stdout
    opened = open_set(folder)
    for number in range(4):
        answer_all(data, opened, f"learner-{number}", wrong=range(number))
    found = json.loads(teach("results", "basics", "--json", "--data", data).stdout)
    assert found["learners"]["learner-3"] == {"answered": 4, "right": 1, "total": 4}
    assert [item["difficulty"] for item in found["items"]] == [0.25, 0.5, 0.75, 1.0]
    assert found["items"][1]["discrimination"] == pytest.approx(0.5**0.5)
    assert found["alpha"] == pytest.approx(2 / 3)
    words = teach("results", "basics", "--data", data).stdout
    assert "learner-0: 4 right of 4 answered" in words and "Cronbach's alpha: 0.67" in words
    for form in ("csv", "items", "xapi", "scorm", "anki"):
        out = tmp_path / f"out.{form}"
        teach("export", "basics", "--as", form, "-o", out, "--data", data)
        assert out.stat().st_size > 200
    with (tmp_path / "out.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 16
    assert len(json.loads((tmp_path / "out.xapi").read_text())) == 16
    for form in ("scorm", "anki"):
        assert zipfile.is_zipfile(tmp_path / f"out.{form}")
    more = ("--learner", "learner-0", "-o", tmp_path / "x", "--data", data)
    assert "missed nothing" in refused(InvalidInput, "export", "basics", "--as", "anki", *more)
    teach("export", "basics", "--as", "csv", *more)
    assert len((tmp_path / "x").read_text().splitlines()) == 5
    assert "4 answers of learner-3" in teach("forget", "basics", "learner-3", "--data", data).stdout
    assert "gave no answer" in refused(NotFound, "forget", "basics", "learner-3", "--data", data)
    assert "learner-3" not in teach("results", "basics", "--data", data).stdout


def test_what_is_missing_is_said(tmp_path):
    assert "say what it is made of" in refused(InvalidInput, "new", "empty", "--data", tmp_path)
    assert "no sets yet" in teach("list", "--data", tmp_path).stderr
    assert "no such folder" in refused(NotFound, "list", "--data", tmp_path / "gone")
    assert "radsmith teach new" in refused(NotFound, "results", "none", "--data", tmp_path)
