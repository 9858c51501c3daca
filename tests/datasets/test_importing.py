"""Importing: what comes in, what is left out and why, that it can be killed, and that nobody is
to be found in it."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import warnings
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pyarrow.parquet
import pydicom
import pytest
from click.testing import CliRunner
from PIL import Image as Picture
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from radsmith.cli import cli
from radsmith.datasets import run as importing
from radsmith.datasets import shards
from radsmith.datasets.corpus import load_corpus
from radsmith.datasets.labelling import own_vocabulary
from radsmith.datasets.labels import concepts_of
from radsmith.datasets.listed import read_listed
from radsmith.datasets.run import ImportRequest, run_import
from radsmith.datasets.scan import scan_file
from radsmith.datasets.state import Unit
from radsmith.datasets.units import UnitOptions, pictures_of
from radsmith.deidentification.attributes import Policy
from radsmith.errors import InvalidInput, NotFound
from radsmith.language.vocabulary import parse_vocabulary
from tests.common import tiny_training

pytestmark = pytest.mark.slow


POLICY = Policy(secret=b"0123456789abcdef")
DICOM = Path(get_testdata_file("CT_small.dcm")).parent
SHARED = Path(__file__).parents[3] / "shared" / "data" / "dicom"


def options(**changes):
    return UnitOptions(**({"policy": POLICY, "source": "own_data", "text": "keep"} | changes))


MINE = ("workers", "ray", "test_share", "shard_size", "listed")


def run_on(source, out, **changes):
    mine = {k: changes.pop(k) for k in MINE if k in changes}
    request = ImportRequest(sources=(source,), out=out, options=options(**changes), **mine)
    return run_import(request, lambda *_: None)


def rows_of(out, split="train"):
    with (out / f"{split}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def reasons(out):
    with out.with_name(f"{out.name}-problems.csv").open(
        newline="", errors="surrogateescape"
    ) as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


def write_picture(path, seed, side=64):
    rng = np.random.default_rng(seed)
    pixels = np.kron(rng.uniform(20, 220, (8, 8)), np.ones((side // 8, side // 8)))
    pixels += rng.normal(0, 8, pixels.shape)
    Picture.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)


def write_slices(folder, count=12, patient="Doe^Jane", body="CHEST", seed=0):
    """A CT series of `count` slices, each with its own pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    study, series = generate_uid(entropy_srcs=[patient]), generate_uid(entropy_srcs=[patient, "s"])
    for n in range(count):
        dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
        dataset.PatientName, dataset.PatientID = patient, f"MRN-{patient}"
        dataset.PatientBirthDate, dataset.PatientSex = "19500105", "F"
        dataset.PatientAge = "070Y"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[patient, str(n)])
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.BodyPartExamined = body
        dataset.ImagePositionPatient = [0, 0, 5 * n]
        rng = np.random.default_rng((seed, n))
        noise = np.kron(rng.integers(-90, 90, (16, 16)), np.ones((8, 8), int))
        dataset.PixelData = (dataset.pixel_array + noise).astype(np.int16).tobytes()
        dataset.save_as(folder / f"{count - n:03d}.dcm")
    return study


def test_a_folder_of_everything(tmp_path):
    source, out = tmp_path / "Hospital of Doe", tmp_path / "out"
    write_slices(source / "doe jane")
    (source / "pictures").mkdir()
    for n in range(4):
        write_picture(source / "pictures" / f"{n}.png", n)
    write_picture(source / "pictures" / "report.jpg", 9)
    (source / "pictures" / "report.txt").write_text(
        "Patient: Jane Doe\nIMPRESSION: Mild pulmonary edema. No pneumothorax. Possible fracture."
    )
    (source / "list.csv").write_text(
        "file,modality,body_part,view,findings,patient_id,age,Pneumonia\n"
        "0.png,x-ray,chest,PA,pleural effusion,p1,95,-1\n"
        "1.png,x-ray,chest,AP,normal,p2,,0\n"
        "report.jpg,x-ray,chest,PA,,p3,40,\n"
    )
    rng = np.random.default_rng(1)
    volume = np.kron(rng.normal(100, 40, (8, 8, 10)), np.ones((6, 6, 1))).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([1, 1, 3, 1])), source / "scan.nii.gz")
    (source / "notes.doc").write_bytes(b"hello")
    summary = run_on(
        source,
        out,
        listed=read_listed(source / "list.csv"),
        modality="",
        slices=4,
        test_share=0.0,
    )
    rows = rows_of(out)
    assert summary.images == len(rows)
    kinds = [(r["modality"], r["technique"]) for r in rows]
    assert sum(k[1].startswith("lung window") for k in kinds) == 4
    assert sum(k[0] == "ct" for k in kinds) == 8
    ct = next(r for r in rows if r["modality"] == "ct")
    assert (ct["body_part"], ct["view"], ct["sex"], ct["age"]) == ("chest", "axial", "F", "70")
    assert ct["spacing"] == "0.6615x0.6615"
    pictures = {r["age"]: r for r in rows if r["modality"] == "x-ray"}
    assert pictures["90"]["findings"] == "finding:pleural-effusion"
    assert json.loads(pictures["90"]["labels"]) == {
        "finding:pleural-effusion": 1,
        "finding:pneumonia": None,
    }
    assert json.loads(pictures["40"]["labels"]) == {
        "finding:pulmonary-edema": 1,
        "finding:pneumothorax": 0,
        "finding:fracture": None,
    }
    assert pictures["40"]["findings"] == "finding:pulmonary-edema;severity:mild"
    left = {Path(k).name: v for k, v in reasons(out).items()}
    assert "no modality" in left["2.png"] and "--modality" in left["scan.nii.gz"]
    assert "no image" in left["notes.doc"]
    assert {"report.txt", "list.csv", "0.png"}.isdisjoint(left)
    table = pyarrow.parquet.read_table(out / "manifest.parquet").to_pylist()
    assert [r["key"] for r in table] == [r["key"] for r in rows]
    for path in out.rglob("*"):
        for word in (b"Doe", b"jane", b"MRN", b"19500105", b"Hospital", b"CompressedSamples"):
            assert word not in path.read_bytes(), (path, word)
    assert not (tmp_path / "out-import-state").exists()
    with pytest.raises(InvalidInput, match="complete import"):
        run_on(source, out)


def test_nifti_gives_planned_slices_upright(tmp_path):
    volume = np.zeros((40, 48, 30), np.int16)
    volume[:, 40:, :] = 200
    volume[:10, :, :] = 100
    volume += (np.arange(30) * 3).astype(np.int16)
    source = tmp_path / "source"
    source.mkdir()
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([2, 1, 3, 1])), source / "a.nii")
    made = list(
        pictures_of(
            Unit(path=str(source / "a.nii"), kind="volume", patient="p", study=""),
            "",
            options(modality="mri", body_part="brain", slices=3),
        )
    )
    assert len(made) == 3
    entry, pixels = made[0].entry, made[0].pixels
    assert (entry.view, entry.spacing, pixels.shape) == ("axial", (1.0, 1.0), (48, 80))
    assert pixels[:8].mean() > 200  # the front (+y in RAS) is up
    assert pixels[20, -5] > pixels[20, 5]  # the patient's left is at the right


def test_reports_find_their_images_by_study(tmp_path):
    from tests.language.test_report import structured_report

    source, out = tmp_path / "source", tmp_path / "out"
    study = write_slices(source)
    report = pydicom.dcmread(io.BytesIO(structured_report()))
    report.StudyInstanceUID, report.Modality = study, "SR"
    report.save_as(source / "report.dcm")
    run_on(source, out, slices=1, test_share=0.0, windows=("lung window",))
    (row,) = rows_of(out)
    assert json.loads(row["labels"])["finding:pleural-effusion"] == 1
    assert "finding:pleural-effusion" in row["findings"]


def test_open_i_reports_find_the_images_they_name_and_keep_them_together(tmp_path):
    from tests.language.test_report import LINKED

    source, out = tmp_path / "source", tmp_path / "out"
    (source / "images").mkdir(parents=True)
    (source / "ecgen-radiology").mkdir()
    for n in range(1, 13):
        said = LINKED.replace("CXR1", f"CXR{n}").replace("other-name", f"other-{n}")
        if n > 6:
            said = said.replace("Small left pleural effusion.", "No pleural effusion.")
        (source / "ecgen-radiology" / f"{n}.xml").write_text(said)
        for view in ("3001", "4001"):
            write_picture(
                source / "images" / f"CXR{n}_1_IM-0001-{view}.png", 10_000 * n + int(view)
            )
    write_picture(source / "images" / "CXR99_1_IM-0001-3001.png", 7)
    run_on(source, out, modality="x-ray", body_part="chest", test_share=0.4, keep_doubtful=True)
    rows = {split: rows_of(out, split) for split in ("train", "test")}
    assert len(rows["train"]) + len(rows["test"]) == 25 and rows["test"] and rows["train"]
    labels = [json.loads(r["labels"] or "{}") for part in rows.values() for r in part]
    assert sorted(str(given.get("finding:pleural-effusion")) for given in labels) == sorted(
        ["0"] * 12 + ["1"] * 12 + ["None"]
    )
    patients = {split: {r["patient_id"] for r in part} for split, part in rows.items()}
    assert len(patients["train"] | patients["test"]) == 13
    assert not patients["train"] & patients["test"]
    assert b"CXR" not in (out / "train.csv").read_bytes()


def write_listed(source, columns, said):
    """Pictures and a list that says something of each, as it is read."""
    source.mkdir()
    for n in range(len(said)):
        write_picture(source / f"{n}.png", n)
    lines = [f"file,{columns}", *(f"{n}.png,{words}" for n, words in enumerate(said))]
    (source / "list.csv").write_text("\n".join(lines))
    return read_listed(source / "list.csv")


def test_patients_of_a_list_lie_on_one_side(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    listed = write_listed(source, "patient_id", [f"p{n % 8}" for n in range(24)])
    run_on(source, out, modality="ultrasound", listed=listed, test_share=0.5)
    sides = [{row["patient_id"] for row in rows_of(out, split)} for split in ("train", "test")]
    assert len(sides[0] | sides[1]) == 8 and all(sides) and not sides[0] & sides[1]


def test_jpeg_extended_of_12_bits_comes_in(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    dataset = pydicom.dcmread(get_testdata_file("JPGExtended.dcm"))
    dataset.Modality = "CR"
    dataset.save_as(source / "a.dcm")
    run_on(source, out, test_share=0.0)
    (row,) = rows_of(out)
    assert (row["width"], row["height"]) == ("256", "1024")


def test_what_is_left_out_is_listed_with_its_reason(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    write_slices(source, 1)
    dataset = pydicom.dcmread(source / "001.dcm")
    dataset.Modality = "MR"
    dataset.save_as(source / "mislabelled.dcm")
    dataset.Modality = "PT"
    dataset.save_as(source / "pet.dcm")
    dataset.Modality = "CT"
    dataset.SeriesInstanceUID = dataset.StudyInstanceUID = generate_uid()
    dataset.save_as(source / "zcopy.dcm")
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.SeriesInstanceUID = generate_uid()
    dataset.save_as(source / "blank.dcm")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dataset.save_as(source / "scout.dcm")
    shutil.copy(DICOM / "MR_small.dcm", source / "mr.dcm")
    (source / "empty.dcm").touch()
    (source / "text.png").write_text("no picture")
    run_on(source, out, modality="ct", test_share=0.0, windows=("soft-tissue window",))
    left = {Path(k).name: v for k, v in reasons(out).items()}
    assert len(rows_of(out)) == 1
    wanted = {
        "mislabelled.dcm": "wrong modality",
        "pet.dcm": "is not imported",
        "blank.dcm": "blank",
        "scout.dcm": "localizer",
        "mr.dcm": "wrong modality: mri",
        "empty.dcm": "empty",
        "text.png": "begins with",
    }
    for name, words in wanted.items():
        assert words in left[name], (name, left[name])
    assert any("copy of" in reason for reason in left.values())
    found, _ = scan_file(source / "mislabelled.dcm")
    assert found.reason.startswith("mislabelled: modality MR, stored as CT")


def test_near_copies_of_other_patients_are_left_out(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    write_picture(source / "a.png", 1, 128)
    with Picture.open(source / "a.png") as picture:
        picture.resize((96, 96)).save(source / "b.jpg", quality=70)
    write_picture(source / "c.png", 2, 128)
    run_on(source, out, modality="ultrasound", test_share=0.0)
    assert len(rows_of(out)) == 2
    assert [r for r in reasons(out).values() if r.startswith("near copy of")]


def test_words_that_the_vocabulary_lacks_become_labels(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    lines = ["file,modality,body_part,findings"]
    for n, finding in enumerate(("Zirconia crown", "porcelain bridge", "pneumonia")):
        write_picture(source / f"{n}.png", n)
        lines.append(f"{n}.png,x-ray,tail,{finding}")
    (source / "list.csv").write_text("\n".join(lines))
    words = tmp_path / "words.toml"
    words.write_text(
        '[finding.dental-bridge]\nname = "dental bridge"\nforms = ["porcelain bridge"]\n'
    )
    listed = read_listed(source / "list.csv")
    vocabulary = own_vocabulary(words, [source], listed)
    assert own_vocabulary(words, [source], listed) == vocabulary
    run_on(source, out, listed=listed, vocabulary=vocabulary, test_share=0)
    found = {row["findings"] for row in rows_of(out)}
    assert found == {"finding:zirconia-crown", "finding:dental-bridge", "finding:pneumonia"}
    kept = parse_vocabulary((out / "vocabulary.toml").read_text())
    assert set(kept.concepts) == {
        "finding:zirconia-crown", "finding:dental-bridge", "body_part:tail"
    }  # fmt: skip
    again = tmp_path / "again"
    run_on(out, again, vocabulary=own_vocabulary(None, [out], None), test_share=0)
    assert {row["findings"] for row in rows_of(again)} == found


def test_shards_of_another_data_set_keep_their_labels_and_split(tmp_path):
    from tests.training.test_training import make_data

    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    make_data(source)
    summary = run_on(source, out)
    assert summary.images == 48 and not rows_of(out, "test")
    before = [r["body_part"] for r in rows_of(source)]
    assert [r["body_part"] for r in rows_of(out)] == before
    assert {r["source"] for r in rows_of(out)} == {"made"}


def test_what_a_model_made_is_marked_on_the_way_in(tmp_path):
    from radsmith.generation.plan import make, plan
    from radsmith.images.pictures import png_bytes
    from radsmith.images.provenance import Request as Asked
    from tests.evaluation.test_evaluate import FakeEngine

    source, out, again = tmp_path / "source", tmp_path / "out", tmp_path / "again"
    source.mkdir()
    engine = FakeEngine()
    asked = Asked(prompt="chest x-ray, pneumonia", seed=5)
    image, record = make(engine, plan(asked.prompt, engine.facts), asked, "")
    (source / "made.png").write_bytes(png_bytes(image, record))
    write_picture(source / "real.png", 1)
    write_slices(source / "ct", 1)
    dataset = pydicom.dcmread(source / "ct" / "001.dcm")
    dataset.SyntheticData = "YES"
    dataset.save_as(source / "ct" / "001.dcm")
    run_on(source, out, modality="x-ray", test_share=0.0)
    run_on(source / "ct", tmp_path / "ct", test_share=0.0, windows=("lung window",))
    run_on(out, again)
    for folder in (out, again):
        rows = {row["synthetic"]: row for row in rows_of(folder)}
        assert set(rows) == {"", "1"}
        assert (rows["1"]["seed"], rows["1"]["prompt"]) == ("5", "chest x-ray, pneumonia")
        assert rows["1"]["model_digest"] == engine.facts.digest and not rows[""]["model_digest"]
    assert [row["synthetic"] for row in rows_of(tmp_path / "ct")] == ["1"]


@pytest.mark.torch
def test_training_takes_the_folder(tmp_path):
    from radsmith.training.run import run

    source, out = tmp_path / "source", tmp_path / "out"
    said = [f"x-ray,chest,PA,{'pneumonia' if n % 2 else 'normal'},p{n}" for n in range(40)]
    listed = write_listed(source, "modality,body_part,view,findings,patient_id", said)
    run_on(source, out, listed=listed, test_share=0.2)
    corpus = load_corpus([out], tmp_path / "cache", concepts_of)
    assert len(corpus) == len(rows_of(out)) > 20
    wanted = {"modality:x-ray", "body_part:chest", "view:pa", "finding:pneumonia"}
    assert any(wanted <= set(ids) for ids in corpus.concepts)
    test = load_corpus([out], tmp_path / "cache", concepts_of, "test")
    assert len(test) + len(corpus) == 40
    assert not set(test.patients) & set(corpus.patients)
    config = tiny_training(tmp_path, out)
    model = run(config)
    assert model.is_dir()


def mutated(corpus, good):
    """At least 200 damaged or hostile files made from pydicom's own."""
    rng = np.random.default_rng(7)
    seeds = [p for p in sorted(DICOM.glob("*.dcm")) if 600 < p.stat().st_size < 60_000][:30]
    for path in seeds:
        data = bytearray(path.read_bytes())
        cut, at = int(rng.integers(140, len(data))), int(rng.integers(140, len(data) - 8))
        flipped = bytearray(data)
        for place in rng.integers(132, len(data), 24):
            flipped[place] ^= int(rng.integers(1, 256))
        encrypted = bytes(data[:300]) + rng.integers(0, 256, len(data) - 300, np.uint8).tobytes()
        changes = {
            "cut": data[:cut],
            "flip": flipped,
            "zeros": data[:at] + bytes(min(2000, len(data) - at)) + data[at + 2000 :],
            "crypt": encrypted,
            "length": data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :],
            "syntax": bytes(data).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.90\0"),
            "third": data[: max(200, len(data) // 3)],
        }
        for name, changed in changes.items():
            (corpus / f"{path.stem}-{name}.dcm").write_bytes(bytes(changed))
    deep = b"\x08\x00\x15\x11\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 4000
    (corpus / "deep.dcm").write_bytes(bytes(128) + b"DICM" + deep)
    dataset = pydicom.dcmread(good)
    dataset.Rows = dataset.Columns = 65535
    dataset.NumberOfFrames = 60000
    dataset.save_as(corpus / "bomb.dcm")
    (corpus / "name.png").write_bytes(good.read_bytes())
    meta = pydicom.dcmread(good).file_meta
    head = bytearray(good.read_bytes()[: 132 + 12 + meta.FileMetaInformationGroupLength])
    at = head.index(b"1.2.840.10008.1.2.1\0")
    head[at - 2 : at + 20] = b"\x16\0" + b"1.2.840.10008.1.2.1.99"
    head[140:144] = (meta.FileMetaInformationGroupLength + 2).to_bytes(4, "little")
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    (corpus / "deflated.dcm").write_bytes(bytes(head) + bomb)
    (corpus / "bomb.nii.gz").write_bytes(b"\x1f\x8b" + bytes(100))
    (corpus / "\udcff\udcfe.dcm").write_bytes(b"\0" * 200)
    png = io.BytesIO()
    Picture.new("L", (64, 64), 9).save(png, "PNG")
    (corpus / "cut.png").write_bytes(png.getvalue()[:40])


def test_two_hundred_broken_files_cost_nothing_but_themselves(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    write_slices(source / "good", 6)
    good = source / "good" / "001.dcm"
    mutated(source, good)
    files = [p for p in source.iterdir() if p.is_file()]
    assert len(files) >= 200
    summary = run_on(source, out, slices=0, modality="", test_share=0.0)
    origins = {r["origin"] for r in rows_of(out)}
    for path in (source / "good").iterdir():
        assert POLICY.pseudonym("file", str(path)) in origins
    left = reasons(out)
    made = {p for p in files if POLICY.pseudonym("file", str(p)) in origins}
    copies = sum("copy of" in r for r in left.values())
    silent = [p for p in files if p not in made and os.fsencode(p) not in map(os.fsencode, left)]
    assert len(silent) <= copies, silent[:5]
    assert all(reason.strip() for reason in left.values())
    assert summary.images >= 12
    assert any("pixels; expected" in reason for reason in left.values())
    assert "deflated" in left[str(source / "deflated.dcm")]


def dying(task):
    """A reader that one file brings down, as a broken decoder would."""
    place = task.place
    for unit in task.job.units:
        place.now.write_bytes(os.fsencode(unit.path))
        if unit.path.endswith("evil.png") and unit.path not in shards.read_bad(place):
            os.kill(os.getpid(), signal.SIGKILL)
    shards.make_shard(task)


def test_a_file_that_brings_its_reader_down_is_listed_alone(tmp_path, monkeypatch):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    for n, name in enumerate(("a", "evil", "z")):
        write_picture(source / f"{name}.png", n)
    monkeypatch.setattr(importing, "make_shard_apart", dying)
    run_on(source, out, modality="ultrasound", test_share=0.0)
    assert len(rows_of(out)) == 2
    assert "brought its reader down" in reasons(out)[str(source / "evil.png")]


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.datasets.test_importing import run_on
if __name__ == "__main__":
    run_on(Path(sys.argv[1]), Path(sys.argv[2]), modality="ultrasound", shard_size=8,
           workers=int(sys.argv[4]))
"""


def contents(out):
    return {
        p.name: p.read_bytes()
        for p in sorted(out.iterdir())
        if p.suffix in (".csv", ".tar", ".json")
    }


def test_a_killed_import_goes_on_to_the_same_result(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for n in range(40):
        write_picture(source / f"{n:02d}.png", n)
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_on(source, whole, modality="ultrasound", shard_size=8, workers=2)
    command = [
        sys.executable,
        str(child),
        str(source),
        str(killed),
        str(Path(__file__).parents[2]),
        "1",
    ]
    process = subprocess.Popen(command, start_new_session=True)
    state = tmp_path / "killed-import-state"
    while process.poll() is None and not list(state.glob("*-0000?.json")):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert state.exists() and not (killed / "import.json").exists()
    with pytest.raises(InvalidInput, match="other options"):
        run_on(source, killed, modality="ct")
    run_on(source, killed, modality="ultrasound", shard_size=8)
    assert contents(killed) == contents(whole)


def test_commands_say_what_is_wrong(tmp_path):
    runner = CliRunner()
    with pytest.raises(NotFound):
        runner.invoke(
            cli, ["import", "/no/such", "-o", str(tmp_path / "o")], catch_exceptions=False
        )
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "a.txt").write_text("No effusion.")
    arguments = ["import", str(tmp_path / "s"), "-o", str(tmp_path / "o")]
    arguments += ["--secret", str(tmp_path / "secret")]
    with pytest.raises(InvalidInput, match="no image"):
        runner.invoke(cli, arguments, catch_exceptions=False)


def test_burned_in_text_is_masked_on_the_way_in(tmp_path):
    from PIL import ImageDraw

    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    write_picture(source / "a.png", 0, 320)
    with Picture.open(source / "a.png") as picture:
        picture = picture.convert("L")
        ImageDraw.Draw(picture).rectangle((0, 0, 319, 40), fill=0)
        ImageDraw.Draw(picture).text((20, 10), "DOE JANE 12/03/1961", fill=255)
        picture.save(source / "a.png")
    run_on(source, out, modality="ultrasound", text="mask", test_share=0.0)
    (row,) = rows_of(out)
    with tarfile.open(out / row["shard"]) as tar:
        pixels = np.asarray(Picture.open(tar.extractfile(f"{row['key']}.png")))
    assert pixels[8:24, 20:140].max() < 30


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data here")
def test_all_kinds_of_real_files(tmp_path):
    with warnings.catch_warnings():
        summary = run_on(SHARED, tmp_path / "out", test_share=0.0)
    assert summary.images >= 50
    kinds = {r["modality"] for r in rows_of(tmp_path / "out")}
    assert kinds == {"ct", "mri", "ultrasound", "x-ray"}
    left = {Path(k).name: v for k, v in reasons(tmp_path / "out").items()}
    assert "cannot be decoded" in left["pydicom_MR_truncated.dcm"]


def test_one_export_with_the_same_names_in_every_folder(tmp_path):
    """Each picture has its own row and its own report; what is of nobody is told."""
    source, out = tmp_path / "export", tmp_path / "out"
    said = ("Mild pulmonary edema.", "No pneumothorax.", "Possible fracture.")
    rows = ["file;modality;body_part;ceramic widget;patient_id"]
    for n, words in enumerate(said):
        folder = source / f"p{n}"
        folder.mkdir(parents=True)
        write_picture(folder / "0001.png", n, side=64 + 8 * n)
        (folder / "0001.txt").write_text(f"IMPRESSION: {words}")
        rows.append(f"p{n}/0001.png;x-ray;chest;{n % 2};{n}")
    write_picture(source / "0002.png", 7)
    rows.append("lost.png;x-ray;chest;1;9")
    (tmp_path / "list.csv").write_bytes("\r\n".join(rows).encode("utf-8-sig"))
    listed = read_listed(tmp_path / "list.csv")
    words = own_vocabulary(None, [], listed)
    summary = run_on(source, out, listed=listed, vocabulary=words, modality="x-ray", test_share=0.0)
    found = {row["width"]: json.loads(row["labels"] or "{}") for row in rows_of(out)}
    assert found["72"] == {"finding:pneumothorax": 0, "finding:ceramic-widget": 1}
    assert found["80"] == {"finding:fracture": None, "finding:ceramic-widget": 0}
    assert summary.images == 4 and summary.patients == 4 and not summary.left_out
    assert summary.noted == {"row without a file": 1, "picture without a row": 1}
    assert "line 5 of list.csv" in reasons(out)["lost.png"]
    assert any(name.endswith("0002.png") for name in reasons(out))
