"""Ratings to other programs and back; verdicts as DICOM."""

import io
import json
from xml.etree import ElementTree

import numpy as np
import pytest

from radsmith.errors import InvalidInput
from radsmith.review.blinding import on_original, on_square
from radsmith.review.design import Design
from radsmith.review.desk import Desk
from radsmith.review.dicom_verdicts import region_of, write_dicom_verdicts
from radsmith.review.exchange import (
    import_ratings,
    label_studio,
    labelling_config,
    parquet_bytes,
    read_label_studio,
    read_rating_table,
)
from radsmith.review.gathering import gather
from radsmith.review.study import NewStudy, create_study
from tests.review.conftest import ACCEPT, AT, REJECT, say

MARKS = [
    {"shape": "box", "points": [[0.2, 0.3], [0.5, 0.6]], "artefact": "bone"},
    {"shape": "ellipse", "points": [[0.2, 0.3], [0.6, 0.4]], "artefact": ""},
    {"shape": "freehand", "points": [[0.2, 0.2], [0.4, 0.2], [0.4, 0.5]], "artefact": "seam"},
]
MARKED = {**REJECT, "marks": MARKS, "note": "two\nlines", "artefacts": ["bone", "seam"]}


def test_points_go_to_the_original_and_back():
    for shape in ((100, 60), (60, 100), (80, 80)):
        assert on_original((0.5, 0.5), shape) == (shape[1] / 2, shape[0] / 2)
        point = on_original((0.4, 0.6), shape)
        assert on_square(point, shape) == pytest.approx((0.4, 0.6))
    assert on_original((0, 0), (100, 60)) == (0, 0)  # on a bar
    assert on_original((0.2, 0), (100, 60)) == pytest.approx((0, 0))


def test_label_studio_goes_round(make, ids, tmp_path):
    desk = make(images=4)
    say(desk, "ann", MARKED, ids)
    say(desk, "bob", ACCEPT, ids)
    tasks = label_studio(desk.study, desk.state)
    told = json.dumps(tasks)
    assert "control" not in told
    assert "synthetic" not in told
    box = next(r for r in tasks[0]["annotations"][0]["result"] if r["type"] == "rectanglelabels")
    assert (box["original_width"], box["original_height"]) == (80, 96)
    assert box["value"]["width"] == pytest.approx(100 * 0.3 * 96 / 80)
    path = tmp_path / "tasks.json"
    path.write_text(told)
    other = Desk(_again(desk, tmp_path / "again"))
    assert import_ratings(other, _renamed(desk, other, read_label_studio(path)), "tasks.json") == 8
    for case in other.study.cases:
        ann, bob = other.state.of_case(case.id)
        assert ann.by == "import of tasks.json"
        expected = desk.study.rubric.checked(MARKED, 1)
        marks = ann.answer["marks"]
        for mine, theirs in zip(expected["marks"], marks, strict=True):
            assert np.allclose(mine["points"], theirs["points"], atol=2e-5)
            assert (mine["shape"], mine["artefact"]) == (theirs["shape"], theirs["artefact"])
        assert {**ann.answer, "marks": 0} == {**expected, "marks": 0}
        assert bob.answer == desk.study.rubric.checked(ACCEPT, 1)
    path.write_text('{"tasks": 1}')
    with pytest.raises(InvalidInput, match="not Label Studio's JSON"):
        read_label_studio(path)


def test_the_labelling_configuration_knows_all_that_the_tasks_say(make, ids):
    desk = make(images=4)
    say(desk, "ann", MARKED, ids)
    root = ElementTree.fromstring(labelling_config(desk.study.rubric))
    tools = {tool.get("name"): tool for tool in root if tool.get("toName") == "image"}
    for task in label_studio(desk.study, desk.state):
        assert {tag.get("value") for tag in root if tag.tag in ("Image", "Text")} <= {
            f"${name}" for name in task["data"]
        }
        for result in task["annotations"][0]["result"]:
            tool, kind = tools[result["from_name"]], result["type"]
            assert tool.tag.lower() == kind
            offered = {label.get("value") for label in tool}
            said = result["value"].get(kind, []) if offered else []
            assert set(said) <= offered


def _again(desk, folder):
    """Another study of the same files."""
    found = gather(desk.study.path_of(desk.study.cases[0]).parent)
    asked = NewStudy(name="again", images=found, readers=("ann", "bob"), design=desk.study.design)
    return create_study(folder, asked, AT, lambda done, total: None)


def _renamed(desk, other, ratings):
    """The same files have other ids in another study: named by file."""
    names = {c.id: c.file.rpartition("/")[2] for c in desk.study.cases}
    assert other.study.salt != desk.study.salt
    return [type(r)(**(vars(r) | {"case": names[r.case]})) for r in ratings]


def test_tables(make, ids, tmp_path):
    desk = make(images=2)
    path = tmp_path / "ratings.csv"
    names = [c.file.rpartition("/")[2] for c in desk.study.cases]
    path.write_text(
        "case,reader,verdict,realism,why\n"
        f"{names[0]},ann,accept,2,\n{names[1]},ann,reject,-1,unreal;quality\n"
    )
    assert import_ratings(desk, read_rating_table(path, ("realism",)), "ratings.csv") == 2
    assert [desk.state.of_case(c.id)[0].answer["why"] for c in desk.study.cases] == [
        [],
        ["unreal", "quality"],
    ]
    for row, why in (
        ("nothing.png,ann,accept", "line 2: 'ann' is not to read 'nothing.png'"),
        (f"{names[0]},eve,accept", "'eve' is not to read"),
        (f"{names[0]},bob,maybe", "line 2: a verdict is"),
    ):
        path.write_text(f"case,reader,verdict\n{row}\n")
        with pytest.raises(InvalidInput, match=why):
            import_ratings(desk, read_rating_table(path, ()), "ratings.csv")
    assert len(desk.state.answers) == 2
    table = pytest.importorskip("pyarrow.parquet").read_table(
        io.BytesIO(parquet_bytes(desk.study, desk.state))
    )
    assert sorted(table.column("verdict").to_pylist()) == ["accept", "reject"]


def test_shapes_in_dicom():
    kind, points = region_of(MARKS[0], (100, 50))
    assert kind == "POLYLINE"
    assert points[0].tolist() == points[-1].tolist()
    kind, points = region_of(MARKS[1], (100, 100))
    assert kind == "ELLIPSE"
    assert points.tolist() == [[20, 35], [60, 35], [40, 30], [40, 40]]


def test_verdicts_as_dicom(ids, tmp_path):
    pytest.importorskip("highdicom")
    from pydicom import dcmread
    from pydicom.data import get_testdata_file
    from pydicom.uid import generate_uid

    place = tmp_path / "images"
    place.mkdir()
    for number in range(3):
        image = dcmread(get_testdata_file("CT_small.dcm"))
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.SyntheticData = "YES"
        image.save_as(place / f"{number}.dcm")
    asked = NewStudy(
        name="trial",
        images=gather(place),
        readers=("ann", "simulated-b"),
        simulated=("simulated-b",),
        design=Design(controls=0, repeats=0, phases=1),
    )
    desk = Desk(create_study(tmp_path / "study", asked, AT, lambda done, total: None))
    bad = desk.study.cases[0].id
    for reader in desk.study.readers:
        say(desk, reader, {c.id: MARKED if c.id == bad else ACCEPT for c in desk.study.cases}, ids)
    written = write_dicom_verdicts(tmp_path / "out", desk.study, desk.state, "all", "teaching")
    assert (len(written.files), written.left_out) == (8, 0)
    read = {path.name: dcmread(path) for path in written.files}
    assert {d.SyntheticData for d in read.values()} == {"YES"}
    selections = {
        d.ConceptNameCodeSequence[0].CodeValue: d for d in read.values() if d.Modality == "KO"
    }
    assert set(selections) == {"113001", "113004"}
    rejected = dcmread(desk.study.path_of(desk.study.by_id[bad])).SOPInstanceUID
    said = str(selections["113001"])
    assert rejected in said
    assert rejected not in str(selections["113004"])
    reports = [d for d in read.values() if d.Modality == "SR"]
    marked = [d for d in reports if "Marked region" in str(d)]
    assert len(marked) == 2
    assert str(marked[0]).count("Graphic Type") == 3
    assert sum("simulated-b" in str(d) and "Device" in str(d) for d in reports) == 3
    with pytest.raises(InvalidInput, match="research or teaching"):
        write_dicom_verdicts(tmp_path / "out", desk.study, desk.state, "all", "sale")
