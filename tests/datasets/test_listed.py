"""Lists of pictures: identity is the path, and nothing that a list says is lost in silence."""

import json
import math

import pytest

from radsmith.datasets.corpus import read_manifest
from radsmith.datasets.entry import Entry
from radsmith.datasets.labelling import labelled
from radsmith.datasets.listed import read_listed
from radsmith.datasets.matching import matched, parts_of
from radsmith.datasets.state import Found, FoundReport, State, beside, stem_of
from radsmith.errors import InvalidInput

HEAD = "file,modality,body_part,Pneumonia,patient_id\n"


@pytest.fixture
def write(tmp_path):
    def written(data, name="list.csv"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return read_listed(path)

    return written


def rows_of(listed, files, *bases):
    found = matched(listed, files, [str(listed.path.parent), *bases])
    return {f: row.cells["patient_id"] for f, row in found.rows.items()}, found


FILES = ["/in/p1/0001.png", "/in/p2/0001.png", "/in/p2/0002.png"]


@pytest.mark.parametrize(
    "paths",
    [
        ("p1/0001.png", "p2/0001.png", "p2/0002.png"),
        ("./p1/0001.png", "p2//0001.png", "p1/../p2/0002.png"),
        ("p1\\0001.png", "p2\\0001.png", "p2\\0002.png"),
        ("/in/p1/0001.png", "/in/p2/0001.png", "/in/p2/0002.png"),
        ("in/p1/0001.png", "in/p2/0001.png", "in/p2/0002.png"),
        ("D:\\exp\\p1\\0001.png", "D:\\exp\\p2\\0001.png", "D:\\exp\\p2\\0002.png"),
        ("/other/root/p1/0001.png", "/other/root/p2/0001.png", "/other/root/p2/0002.png"),
        ("p1/0001.png", "p2/0001.png", "0002.png"),
    ],
)
def test_a_row_is_of_the_file_of_its_path(write, paths):
    listed = write(HEAD + "".join(f"{p},x-ray,chest,1,{n}\n" for n, p in enumerate(paths)))
    rows, found = rows_of(listed, FILES, "/in")
    assert rows == dict(zip(FILES, "012", strict=True)) and not found.noted


def test_letters_composed_or_not_are_one_name(write):
    listed = write(HEAD + "Mu\u0308ller/1.png,x-ray,chest,1,a\n")
    rows, _ = rows_of(listed, ["/in/M\u00fcller/1.png"], "/in")
    assert rows == {"/in/M\u00fcller/1.png": "a"}
    assert parts_of("C:\\a\\.\\b.png") == ("a", "b.png")


def test_a_name_of_several_files_is_nobodys(write):
    listed = write(HEAD + "0001.png,x-ray,chest,1,a\n0002.png,x-ray,chest,0,b\n")
    rows, found = rows_of(listed, FILES, "/in")
    assert rows == {"/in/p2/0002.png": "b"}
    assert found.noted[0][1].startswith("row of 2 files: line 2 of list.csv")


def test_a_path_of_another_folder_is_not_taken_for_this_one(write):
    listed = write(HEAD + "p1/0002.png,x-ray,chest,1,a\np2/0001.png,x-ray,chest,1,b\n")
    rows, found = rows_of(listed, FILES, "/in")
    assert rows == {"/in/p2/0001.png": "b"}
    assert found.noted[0] == (
        "p1/0002.png",
        "row without a file: line 2 of list.csv; of that name there is /in/p2/0002.png",
    )


def test_rows_that_contradict_or_are_broken_are_not_taken(write):
    listed = write(
        HEAD + "p1/0001.png,x-ray,chest,1,a\n/in/p1/0001.png,x-ray,chest,0,a\n"
        "p2/0001.png,x-ray,chest,1,b,more\n" + 2 * "p2/0002.png,x-ray,chest,1,c\n" + ""
        "gone.png,x-ray,chest,1,d\n"
    )
    rows, found = rows_of(listed, FILES, "/in")
    assert rows == {"/in/p2/0002.png": "c"}
    assert "lines 2 and 3" in found.refused["/in/p1/0001.png"]
    assert "line 4 of list.csv: 6 cells" in found.refused["/in/p2/0001.png"]
    assert [what.partition(":")[0] for _, what in found.noted] == [
        "row without a file", "row is there twice",
    ]  # fmt: skip


def test_every_column_is_a_label_a_fact_or_named(write):
    listed = write(
        "file,Patient ID,Body Part,pneumonia,Ceramic Widget,No Finding,split,is_test,weight,"
        "caption,finding:fracture,no effusion,,smoker\n"
        "a.png,p1,chest,1,0,0,train,1,70.5,hello,-1,1,x,yes\n"
        "b.png,p2,chest,,1,1,test,0,80,hi,0,0,y,no\n"
    )
    assert listed.labels == ("pneumonia", "Ceramic Widget", "No Finding", "finding:fracture")
    assert {column for column, _ in listed.ignored} == {
        "split", "is_test", "weight", "caption", "no effusion", "smoker", "number 13",
    }  # fmt: skip
    cells = listed.rows[0].cells
    assert (cells["patient_id"], cells["body_part"]) == ("p1", "chest")
    words = [row["findings"].split(";") for row in listed.for_words]
    assert words[1] == ["Ceramic Widget", "No Finding", "finding:fracture"]


def test_cells_that_cannot_be_read_are_told_by_line(write):
    listed = write(
        "file;pneumonia;age;sex;laterality;view;modality\n"
        "a.png;maybe;45Y;female;R;pa;X-Ray\n"
        "b.png;1;old;x;up;sideways;x-ray\n"
        "c.png;0;;;;;hologram\n"
        "d.png;yes\n"
        ";1;;;;;\n"
    )
    a, b, c, d, e = listed.rows
    assert {k: a.cells[k] for k in ("age", "sex", "laterality", "view", "modality")} == {
        "age": "45", "sex": "F", "laterality": "right", "view": "PA", "modality": "x-ray",
    }  # fmt: skip
    assert a.doubts == ("'pneumonia' is “maybe”, not 1, 0 or -1",) and not a.cells["pneumonia"]
    assert len(b.doubts) == 4 and not any(b.cells[k] for k in ("age", "sex", "laterality", "view"))
    assert c.broken == "modality “hologram” is not known"
    assert d.doubts == ("5 cells are missing at its end",) and d.line == 5
    assert e.broken == "names no file"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('[{"file": "a.png", "Pneumonia": 0, "findings": ["edema", "fracture"]}]', "list.json"),
        ('{"file": "a.png", "Pneumonia": false, "findings": "edema;fracture"}\n', "list.jsonl"),
        ("\ufefffile\tPneumonia\tfindings\r\na.png\t0\tedema;fracture\r\n", "list.tsv"),
        ("Path|Pneumonia|findings\na.png|0|edema;fracture\n", "list.txt"),
    ],
)
def test_a_zero_is_a_label_in_every_kind_of_list(write, text, name):
    row = write(text, name).rows[0]
    entry = Entry(key="k", width=9, height=9, modality="x-ray", patient_id="p", source="s",
                  body_part="chest")  # fmt: skip
    entry = labelled(entry, row.cells, ["Pneumonia"])
    assert entry.labels["finding:pneumonia"] == 0.0
    assert entry.labels["finding:pulmonary-edema"] == entry.labels["finding:fracture"] == 1.0


def test_denied_phrases_and_labels_of_a_manifest_are_kept():
    entry = Entry(key="k", width=9, height=9, modality="x-ray", patient_id="p", source="s",
                  body_part="chest")  # fmt: skip
    row = {"findings": "no pneumothorax; pneumonia", "labels": '{"finding:fracture": null}'}
    labels = labelled(entry, row, []).labels
    assert labels.pop("finding:fracture") != labels and labels == {
        "finding:pneumothorax": 0.0, "finding:pneumonia": 1.0,
    }  # fmt: skip
    kept = labelled(
        entry, {"labels": json.dumps({"finding:mass": 0, "finding:fracture": None})}, ()
    )
    assert kept.labels["finding:mass"] == 0.0 and math.isnan(kept.labels["finding:fracture"])


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("name,label\na,1\n", "list.csv", "line 1: a header with the column 'file'"),
        ("file,Patient ID,patient_id\na,1,2\n", "list.csv", "two columns for 'patient_id'"),
        ("file\n", "list.csv", "names no picture"),
        ('{"file": "a.png"}', "list.json", "expected a JSON list"),
        ('[{"file": "a.png"},]', "list.json", "no JSON, line 1"),
        ('[\n{"file": 3 4}]', "list.json", "no JSON, line 2"),
        ('{"file": "a"}\n{"file"\n', "list.jsonl", "no JSON, line 2"),
        ('[{"name": "a.png"}]', "list.json", "needs the column 'file'"),
        ("[" * 9000, "list.json", "no JSON"),
    ],
)
def test_what_is_no_list_is_refused_in_one_line(write, text, name, words):
    with pytest.raises(InvalidInput) as refused:
        write(text, name)
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_names_twice_in_json_are_told(write):
    listed = write('[{"file": "a.png", "edema": 1, "edema": 0}, 3, {"file": "b"}]', "list.json")
    assert [row.broken for row in listed.rows] == ["names 'edema' twice", "is no JSON object", ""]


def test_reports_belong_to_the_image_beside_them(tmp_path):
    state = State(tmp_path / "state.db")
    for folder in ("p1", "p2"):
        state.add(Found(path=f"/in/{folder}/0001.png", kind="image", patient="a"))
        path = f"/in/{folder}/0001.txt"
        names = (f"beside:{beside(path)}", f"stem:{stem_of(path)}")
        state.add_report(FoundReport(names=names, text=f"of {folder}", path=path))
    state.add(Found(path="/in/p3/0001.png", kind="image", patient="a"))
    state.add(Found(path="/in/img/7.png", kind="image", patient="a"))
    names = ("beside:/in/reports/7", "stem:7")
    state.add_report(FoundReport(names=names, text="of 7", path="/in/reports/7.txt"))
    state.add_report(
        FoundReport(names=("beside:/r/0001", "stem:0001"), text="?", path="/r/0001.txt")
    )
    state.join_reports()
    reports = [state.report("", f"/in/{p}.png") for p in ("p1/0001", "p2/0001", "p3/0001", "img/7")]
    assert reports == ["of p1", "of p2", "", "of 7"]
    assert [stem_of(p) for p in ("1.2.840", "a/1.2.840.dcm", "b.nii.gz")] == ["1.2.840"] * 2 + ["b"]
    state.close()


MANIFEST = "key,shard,modality,body_part,source,patient_id\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MANIFEST + "a,s.tar,ct,chest,x,p\na,s.tar,ct,chest,x,p\n", "lines 2 and 3 have one key"),
        (MANIFEST + "a,s.tar,ct,chest,x\n", "line 2: 1 cells are missing"),
        (MANIFEST + '"a\nb",s.tar,ct,chest,x,p\nc,s.tar,ct,chest,x,p,q\n', "line 4: 7 cells"),
        ("key,shard\na,s.tar\n", "lacks the columns body_part"),
        ("a,b\n1,2\n", "line 1: a header with the column 'key'"),
    ],
)
def test_a_manifest_that_is_not_whole_is_refused_by_line(tmp_path, text, words):
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(InvalidInput, match=words):
        read_manifest(tmp_path / "train.csv")


def test_a_manifest_saved_by_a_spreadsheet_is_read(tmp_path):
    rows = MANIFEST + "a,s.tar,ct,chest,x,p\n"
    (tmp_path / "train.csv").write_bytes(rows.replace(",", ";").encode("utf-8-sig"))
    assert read_manifest(tmp_path / "train.csv")[0]["patient_id"] == "p"
