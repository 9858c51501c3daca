"""What leaves: tables, statements, a SCORM package, decks."""

import csv
import io
import json
import re
import sqlite3
import uuid
import zipfile
from datetime import datetime
from xml.etree import ElementTree as ET

import pytest

from radsmith.errors import InvalidInput
from radsmith.server.teaching.files import exported
from radsmith.teaching.quiz import Given
from radsmith.teaching.results import uuid_of
from radsmith.teaching.sets import open_set
from tests.teaching.conftest import labelled, new_set

IMS = "{http://www.imsproject.org/xsd/imscp_rootv1p1p2}"
ADL = "{http://www.adlnet.org/xsd/adlcp_rootv1p2}"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return new_set(tmp_path_factory.mktemp("exports") / "data")


def answers(opened):
    """Two learners, one of whom answers an item again."""
    items = opened.open_items[:4]
    told = [
        Given(
            item=item.id,
            learner=name,
            correct=n % 2 == 0,
            score=float(n % 2 == 0),
            at=1e9 + n,
            text="=SUM(1)",
            seconds=2.5,
        )
        for name in ("ann", "bob")
        for n, item in enumerate(items)
    ]
    return [*told, Given(item=items[1].id, learner="ann", correct=True, score=1.0, at=2e9)]


def test_a_table_of_answers(opened):
    text = exported("csv", opened, answers(opened), "").decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 9
    assert [row["first"] for row in rows] == ["1"] * 8 + ["0"]
    assert rows[0]["at"] == "2001-09-09T01:46:40.000+00:00"
    assert rows[0]["answer"] == "'=SUM(1)"  # no formula
    figures = list(
        csv.DictReader(io.StringIO(exported("items", opened, answers(opened), "").decode()))
    )
    assert len(figures) == len(opened.items)
    assert (figures[1]["right"], figures[1]["answered"], figures[1]["difficulty"]) == (
        "0",
        "2",
        "0.0000",
    )


def test_statements(opened):
    """As IEEE 9274.1.1 has them: ids, actors, verbs, results and times of these forms."""
    told = json.loads(exported("xapi", opened, answers(opened), "https://teach.example.org/"))
    assert len({one["id"] for one in told}) == len(told) == 9
    again = json.loads(exported("xapi", opened, answers(opened), "https://teach.example.org/"))
    assert told == again
    for one in told:
        assert uuid.UUID(one["id"]).version == 5
        account = one["actor"]["account"]
        assert set(account) == {"homePage", "name"} and account["name"] in ("ann", "bob")
        assert one["verb"]["id"] == "http://adlnet.gov/expapi/verbs/answered"
        assert one["object"]["id"].startswith(f"https://teach.example.org/teach/{opened.id}/")
        definition = one["object"]["definition"]
        assert definition["interactionType"] in ("choice", "sequencing", "other")
        if definition["interactionType"] == "choice":
            ids = {choice["id"] for choice in definition["choices"]}
            assert set(definition["correctResponsesPattern"]) < ids
        assert 0 <= one["result"]["score"]["scaled"] <= 1
        assert datetime.fromisoformat(one["timestamp"]).tzinfo is not None
    assert told[0]["result"]["duration"] == "PT2.50S"


def test_ids_are_those_of_everybody():
    assert uuid_of("https://example.org/") == str(
        uuid.uuid5(uuid.NAMESPACE_URL, "https://example.org/")
    )


def test_a_package_that_says_what_it_holds(opened):
    data = exported("scorm", opened, (), "")
    assert data == exported("scorm", open_set(opened.folder), (), "")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = set(archive.namelist())
        root = ET.fromstring(archive.read("imsmanifest.xml"))
        page, questions = archive.read("index.html").decode(), archive.read("questions.js").decode()
    (resource,) = root.iter(f"{IMS}resource")
    assert resource.get(f"{ADL}scormtype") == "sco"
    assert {file.get("href") for file in root.iter(f"{IMS}file")} | {"imsmanifest.xml"} == names
    assert root.find(f"{IMS}metadata/{IMS}schemaversion").text == "1.2"
    (item,) = root.iter(f"{IMS}item")
    assert item.get("identifierref") == resource.get("identifier")
    assert resource.get("href") in names
    assert not re.search(r'(?:src|href)="(?!questions\.js|#)', page)  # nothing from elsewhere
    assert "import " not in page.split("<script type", 1)[1].split("//", 1)[0]
    told = json.loads(questions.removeprefix("window.RADSMITH_SET = ").rstrip(";\n"))
    assert len(told["items"]) == len(opened.items)
    assert all(p.startswith("data:image/png;base64,") for p in told["pictures"].values())
    assert told["about"]["no_trial"] and told["about"]["unread"] == 8


def test_a_deck(opened, tmp_path):
    genanki = pytest.importorskip("genanki")
    assert genanki
    only = opened.open_items[:3]
    data = exported("anki", opened, (), "", only=only)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path)
        media = json.loads(archive.read("media"))
    deck = sqlite3.connect(tmp_path / "collection.anki2")
    fields = [row[0].split("\x1f") for row in deck.execute("select flds from notes")]
    deck.close()
    assert len(fields) == 3
    for front, back in fields:
        named = re.findall(r'src="([^"]+)"', front + back)
        assert named and set(named) <= set(media.values())
        assert "Not for diagnosis" in back and "No trial of learning radiology" in back
        assert "Real." not in front and "Synthetic." not in front


def test_nothing_leaves_that_may_not_be_shown(tmp_path):
    images = labelled(tmp_path / "images", made=8, real=0)
    closed = new_set(tmp_path / "data", unreviewed=False, images=images)
    for form in ("scorm", "anki"):
        with pytest.raises(InvalidInput, match="accepted none"):
            exported(form, closed, (), "")
