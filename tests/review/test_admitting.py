"""No image without an accepting verdict enters a gated set, on any path."""

import csv
import hashlib
import itertools
import json
import shutil
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radsmith.datasets.entry import COLUMNS
from radsmith.errors import InvalidInput
from radsmith.review.data_sets import admit, export_accepted, gather_data_set
from radsmith.review.design import Design
from radsmith.review.desk import Desk
from radsmith.review.study import NewStudy, create_study
from tests.review.conftest import ACCEPT, AT, REJECT, UNSURE, pictures, say

COUNT = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set: a shard of real images, one of both kinds."""
    folder = tmp_path_factory.mktemp("data")
    place = pictures(folder / "pictures", 2 * COUNT, 5)
    rows = []
    for number in range(2 * COUNT):
        made = number % 2 == 1
        row = dict.fromkeys(COLUMNS, "") | {
            "key": f"{number:03}",
            "shard": "train-00000.tar" if number < 4 and not made else "train-00001.tar",
            "modality": "x-ray",
            "body_part": "chest",
            "source": "radsmith-synthetic" if made else "real",
            "patient_id": f"p{number}",
            "synthetic": "1" if made else "",
        }
        rows.append(row)
    for shard in {row["shard"] for row in rows}:
        with tarfile.open(folder / shard, "w") as tar:
            for row in rows:
                if row["shard"] == shard:
                    tar.add(place / f"{row['key']}.png", f"{row['key']}.png")
    with (folder / "train.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    shutil.rmtree(place)
    return folder


@pytest.fixture(scope="module")
def template(data, tmp_path_factory):
    """A study of the data set's made images, before anybody read them."""
    base = tmp_path_factory.mktemp("studies")
    found = gather_data_set(data, base / "sources", real=False)
    assert {one.prompt for one in found} == {"chest x-ray"}
    asked = NewStudy(
        name="trial",
        images=found,
        readers=("ann", "bob"),
        design=Design(controls=0, repeats=0, phases=1),
    )
    create_study(base / "study", asked, AT, lambda done, total: None)
    return base / "study"


def members(folder):
    """Digests of every picture in a folder, in tars as well."""
    found = {}
    for path in folder.rglob("*"):
        if path.suffix == ".tar":
            with tarfile.open(path) as tar:
                for name in tar.getnames():
                    if name.endswith(".png"):
                        found[name[:-4]] = hashlib.sha256(tar.extractfile(name).read()).hexdigest()
        elif path.suffix == ".png":
            found[path.stem] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


number = itertools.count()
answers = st.lists(st.sampled_from([ACCEPT, REJECT, UNSURE, None]), min_size=COUNT, max_size=COUNT)


@settings(max_examples=12)
@given(answers, answers, st.sampled_from(["all", "majority", "adjudicated"]))
def test_only_what_was_accepted_gets_out(data, template, tmp_path_factory, ann, bob, rule):
    base = tmp_path_factory.mktemp("out")
    study = shutil.copytree(template, template.with_name(f"study-{next(number)}"))
    from radsmith.review.study import open_study

    desk = Desk(open_study(study))
    cases = {case.id: place for place, case in enumerate(desk.study.cases)}
    for reader, said in (("ann", ann), ("bob", bob)):
        for read in desk.coming(reader, 99):
            answer = said[cases[read.case]]
            if answer is not None:
                desk.answer(reader, read.id, answer, request=f"request {read.id}")
    allowed = set()
    for case, place in cases.items():
        if ann[place] is ACCEPT and bob[place] is ACCEPT:
            allowed.add(desk.study.by_id[case].sha256)
    found = export_accepted(study, base / "set", rule)
    assert set(members(base / "set").values()) == allowed
    assert {image.sha256 for image in found.images} == allowed
    told = admit(data, study, base / "data", rule)
    rows = rows_of(base / "data" / "train.csv")
    out = members(base / "data")
    assert {row["key"] for row in rows} == set(out)
    assert {out[row["key"]] for row in rows if row["synthetic"]} == allowed
    assert sum(not row["synthetic"] for row in rows) == COUNT == told.real
    assert (told.kept, told.left_out) == (len(allowed), COUNT - len(allowed))
    assert {row["review"] for row in rows} <= {"", "accepted"}


def test_asked_otherwise_the_set_says_so(data, template, tmp_path):
    told = admit(data, template, tmp_path / "all", unreviewed=True)
    assert (told.kept, told.unreviewed, told.left_out) == (0, COUNT, 0)
    rows = rows_of(tmp_path / "all" / "train.csv")
    assert [r["review"] for r in rows if r["synthetic"]] == ["unreviewed"] * COUNT
    said = json.loads((tmp_path / "all" / "review.json").read_text())
    assert "without an accepting verdict" in said["warning"]
    with pytest.raises(InvalidInput, match="not empty"):
        admit(data, template, tmp_path / "all")
    with pytest.raises(InvalidInput, match="not empty"):
        export_accepted(template, tmp_path / "all")


def test_another_image_under_the_name_of_an_accepted_one_stays_out(data, template, tmp_path, ids):
    from radsmith.review.study import open_study

    study = shutil.copytree(template, template.with_name("study-swapped"))
    desk = Desk(open_study(study))
    say(desk, "ann", ACCEPT, ids)
    say(desk, "bob", ACCEPT, ids)
    other = shutil.copytree(data, tmp_path / "data")
    with tarfile.open(other / "train-00001.tar") as tar:
        names = [n for n in tar.getnames() if n.endswith(".png")]
        pictures_of = {n: tar.extractfile(n).read() for n in names}
    swapped = dict(zip(names, [pictures_of[n] for n in reversed(names)], strict=True))
    swapped |= {names[0]: pictures_of[names[0]] + b"more"}
    with tarfile.open(other / "train-00001.tar", "w") as tar:
        for name, content in swapped.items():
            path = tmp_path / name
            path.write_bytes(content)
            tar.add(path, name)
    accepted_digests = {c.sha256 for c in desk.study.cases}
    admit(other, study, tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "train.csv")
    out = members(tmp_path / "out")
    assert {out[r["key"]] for r in rows if r["synthetic"]} <= accepted_digests


def test_files_carry_their_state():
    from radsmith.images.provenance import Generation

    blank = dict.fromkeys(("radsmith_version", "operation", "engine", "model", "model_digest"), "")
    blank |= dict.fromkeys(("prompt", "canonical_prompt", "created", "pixels_sha256"), "")
    blank |= {
        "concepts": (),
        "seed": 0,
        "num_steps": 1,
        "guidance_scale": 1,
        "width": 1,
        "height": 1,
    }
    assert json.loads(Generation(**blank).to_json())["review"] == "unreviewed"
