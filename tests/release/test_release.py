"""What a bundle holds, what stays out of it, and that other tools can read it."""

import csv
import io
import itertools
import json
import os
import re
import subprocess
import sys
import tarfile
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from PIL import Image as Picture

from radsmith import cli
from radsmith.cli import release_demo
from radsmith.errors import InvalidInput, NotFound
from radsmith.images.pictures import read_image, read_record
from radsmith.release.facts import LICENCES
from radsmith.release.gates import hash_of
from radsmith.release.integrity import Trust
from radsmith.release.verify import VerifyRequest, verify
from radsmith.review.accepted import accepted
from radsmith.review.design import Design
from radsmith.review.desk import Desk
from radsmith.review.gathering import gather
from radsmith.review.study import NewStudy, create_study
from tests.release.making import (
    CHEST,
    MADE,
    audit_in,
    bundled,
    pixels,
    record,
    verdicts,
    write_dicom,
    write_png,
)
from tests.review.conftest import ACCEPT, REJECT

CT = "abdomen CT, axial slice, soft-tissue window"
LOADED = """
import os, sys
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": sys.argv[2]}
from datasets import load_dataset
for where in (["imagefolder", sys.argv[1] + "/images"], [sys.argv[1], None]):
    found = load_dataset(where[0], data_dir=where[1])
    row = found["train"][0]
    print({name: len(part) for name, part in sorted(found.items())})
    print(row["image"].size, row["prompt"], row["findings"], row["synthetic"])
"""
CROISSANT = """
import sys, mlcroissant
found = mlcroissant.Dataset(jsonld=sys.argv[1] + "/croissant.json")
assert not found.metadata.issues.errors and not found.metadata.issues.warnings, (
    found.metadata.issues.report())
rows = list(found.records("images-table"))
print(len(rows), sorted({r["images-table/split"].decode() for r in rows}))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, key, images):
    """A bundle with every format: six images, an edit of one, and a stack of three slices."""
    base = tmp_path_factory.mktemp("made")
    folder = base / "source"
    for path in sorted(images.iterdir()):
        (folder / path.name).parent.mkdir(exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())
    parent = read_image(folder / "image-0.png")
    effusion = "chest x-ray, PA view, adult, right pleural effusion"
    edit = record(effusion, seed=50, operation="change", parents=(parent.digest(),), edit="drawn")
    after = np.asarray(parent.pixels) / 255
    after[20:30, 10:25] = 0.9
    path = write_png(folder, "DoeJane-change-1", edit, after)
    mask = np.zeros((48, 64), np.uint8)
    mask[20:30, 10:25] = 255
    Picture.fromarray(mask).save(path.with_name("DoeJane-change-1-mask.png"))
    pair = path.with_name("DoeJane-change-1-pair.json")
    pair.write_text(json.dumps({"finding": "pleural effusion"}))
    series = pydicom.uid.generate_uid()
    for number in range(3):
        slice_path = write_dicom(folder, f"slice-{number}", record(CT, seed=100 + number))
        dataset = pydicom.dcmread(slice_path)
        dataset.SeriesInstanceUID = series
        dataset.ImagePositionPatient = [-50, -40, 100 + 5 * number]
        dataset.save_as(slice_path)
    formats = ("dicom", "nifti", "webdataset", "coco")
    bundled(folder, base / "bundle", key, formats=formats, test_share=0.5, title="Alles & mehr")
    return base / "bundle"


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_it_verifies(made, key):
    verdict = verify(VerifyRequest(bundle=made, trust=Trust(key=key.public), sample=0))
    assert verdict.holds, verdict.findings


def test_the_first_page_and_the_statement_say_what_was_waived(made, images, tmp_path, key):
    waived = "review: no reader accepted these images"
    assert f"WAIVED: {waived}" in (made / "README.md").read_text("utf-8")
    assert f"**Waived:** {waived}" in (made / "data/README.md").read_text("utf-8")
    assert waived in (made / "bag-info.txt").read_text("utf-8")
    said = json.loads((made / "data/release.json").read_bytes())
    assert [w.partition(":")[0] for w in said["waived"]] == ["review", "privacy audit"]
    files = sorted(images.glob("*.png"))
    accepted = verdicts(tmp_path / "verdicts.json", dict.fromkeys(files, "accept"))
    audit = audit_in(tmp_path / "report", files)
    bundled(images, tmp_path / "whole", key, accepted=accepted, audit=audit)
    assert "Nothing was waived" in (tmp_path / "whole/data/README.md").read_text("utf-8")
    assert json.loads((tmp_path / "whole/data/release.json").read_bytes())["waived"] == []


def test_pictures_keep_their_pixels_and_records(made, images):
    rows = lines(made / "data/provenance.jsonl")
    assert len(rows) == 10
    for path in images.glob("*.png"):
        before = read_record(path)
        row = next(r for r in rows if r["record"]["seed"] == before.seed)
        after = made / "data" / row["file"]
        assert np.array_equal(read_image(after).pixels, read_image(path).pixels)
        assert read_record(after) == before
        assert path.stem not in after.name


def test_16_bits_keep_what_a_16_bit_picture_holds(tmp_path, key):
    path = write_png(tmp_path / "source", "one", record(), bits=16)
    bundled(tmp_path / "source", tmp_path / "b", key, bits=16)
    after = next((tmp_path / "b/data/images").rglob("*.png"))
    assert read_image(after).pixels.dtype == np.uint16
    assert np.array_equal(read_image(after).pixels, read_image(path).pixels)


def test_dicom_is_enough_for_a_pacs_and_holds_nothing_private(made):
    paths = sorted((made / "data/dicom").glob("*.dcm"))
    assert len(paths) == 10
    for path in paths:
        dataset = pydicom.dcmread(path)
        assert dataset.SyntheticData == "YES" and dataset.PatientName == "SYNTHETIC^RADSMITH"
        assert not [e for e in dataset.iterall() if e.tag.is_private]
        assert dataset.file_meta.ImplementationVersionName == "RADSMITH"
        purpose = dataset.ContributingEquipmentSequence[0].PurposeOfReferenceCodeSequence[0]
        assert purpose.CodeValue == "109100"
        assert dataset.pixel_array.shape == (48, 64)


def test_a_stack_becomes_a_volume_with_its_geometry(made):
    import nibabel

    (path,) = (made / "data/nifti").iterdir()
    volume = nibabel.load(path)
    assert volume.shape == (64, 48, 3)
    assert np.allclose(volume.header.get_zooms(), (1, 1, 5))
    assert nibabel.aff2axcodes(volume.affine) == ("L", "P", "S")
    slices = [pydicom.dcmread(p) for p in (made / "data/dicom").glob("abdomen*.dcm")]
    slices.sort(key=lambda d: d.InstanceNumber)
    assert len({d.SeriesInstanceUID for d in slices}) == 1
    assert [float(d.ImagePositionPatient[2]) for d in slices] == [0, 5, 10]
    first = slices[0].pixel_array * slices[0].RescaleSlope + slices[0].RescaleIntercept
    assert np.allclose(np.asarray(volume.dataobj)[..., 0], first.T, atol=0.1)


def test_single_images_are_no_stack(images, tmp_path, key):
    done = bundled(images, tmp_path / "b", key, formats=("nifti",))
    assert done.stacks == 0 and done.said["counts"]["stacks"] == 0
    assert not (tmp_path / "b/data/nifti").exists()


def test_coco_marks_what_was_drawn(made):
    coco = json.loads((made / "data/annotations/coco.json").read_bytes())
    assert len(coco["images"]) == 10 and len(coco["annotations"]) == 1
    mark = coco["annotations"][0]
    assert mark["bbox"] == [10, 20, 15, 10] and mark["area"] == 150
    runs, flat = mark["segmentation"]["counts"], []
    for number, length in enumerate(runs):
        flat += [number % 2] * length
    mask = np.array(flat).reshape(64, 48).T
    assert mask[20:30, 10:25].all() and mask.sum() == 150
    assert coco["categories"] == [{"id": mark["category_id"], "name": "pleural effusion"}]
    image = coco["images"][mark["image_id"] - 1]
    assert (made / "data" / image["file_name"]).is_file()


def test_shards_hold_the_same_files_for_each_sample(made):
    found = {}
    for path in (made / "data/shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                found.setdefault(key, {})[suffix] = tar.extractfile(member).read()
    assert len(found) == 10 and all(set(f) == {"png", "json"} for f in found.values())
    for key, sample in found.items():
        row = json.loads(sample["json"])
        assert (made / f"data/images/{row['split']}/{key}.png").read_bytes() == sample["png"]


def test_edits_stay_with_their_parents_and_no_group_is_parted(made):
    with (made / "data/images.csv").open() as file:
        rows = list(csv.DictReader(file))
    sides = {}
    for row in rows:
        assert sides.setdefault(row["group"], row["split"]) == row["split"]
    assert {r["split"] for r in rows} == {"train", "test"}
    groups = {r["seed"]: r["group"] for r in rows if r["modality"] == "x-ray"}
    assert groups["0"] == groups["50"]


def test_datasets_loads_it(made, tmp_path):
    command = [sys.executable, "-c", LOADED, str(made / "data"), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.splitlines()
    with (made / "data/images.csv").open() as file:
        splits = [row["split"] for row in csv.DictReader(file)]
    counts = {name: splits.count(name) for name in ("test", "train")}
    assert said[0] == said[2] == str(counts)
    assert said[1] == said[3] and said[1].startswith("(64, 48)") and said[1].endswith("True")


def test_croissant_is_valid_and_its_rows_load(made):
    command = [sys.executable, "-c", CROISSANT, str(made / "data")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "10 ['test', 'train']"
    said = json.loads((made / "data/croissant.json").read_bytes())
    assert said["rai:hasSyntheticData"] is True and said["conformsTo"][0].endswith("/1.1")


@pytest.mark.filterwarnings("ignore")
def test_ro_crate_reads_it(made):
    from rocrate.rocrate import ROCrate

    crate = ROCrate(made / "data")
    assert crate.root_dataset["name"] == "Alles & mehr"
    files = {e.id for e in crate.data_entities}
    assert "images.csv" in files and len([f for f in files if f.endswith(".png")]) == 10
    assert str(crate.metadata["conformsTo"]).endswith("/ro/crate/1.2")


@pytest.mark.filterwarnings("ignore")
def test_bagit_takes_it(made):
    import bagit

    bag = bagit.Bag(str(made))
    assert bag.is_valid() and bag.has_oxum()
    assert bag.info["Source-Organization"] == "Dr test, Anstalt"


def test_citation_and_licence_are_there(made, images, tmp_path, key):
    citation = (made / "data/CITATION.cff").read_text("utf-8")
    assert "cff-version: 1.2.0" in citation and '"Alles & mehr"' in citation
    assert LICENCES["CC-BY-4.0"] in (made / "data/LICENSE").read_text("utf-8")
    own = tmp_path / "terms.txt"
    own.write_text("Between A and B only.\n")
    asked = {"licence": "own terms", "licence_file": own, "creators": ("Ada", "Bo")}
    bundled(images, tmp_path / "b", key, **asked)
    assert (tmp_path / "b/data/LICENSE").read_text() == "Between A and B only.\n"
    assert "Ada, Bo (2026)" in (tmp_path / "b/data/README.md").read_text("utf-8")
    assert "license: other" in (tmp_path / "b/data/README.md").read_text("utf-8")


def test_only_accepted_images_leave(images, tmp_path, key):
    files = sorted(images.glob("*.png"))
    said = dict(zip(files, ("accept", "accept", "reject"), strict=False))
    done = bundled(images, tmp_path / "b", key, accepted=verdicts(tmp_path / "v.json", said))
    assert sorted(i.record.seed for i in done.facts.items) == [0, 1]
    assert done.facts.left_out == {"without an accepting verdict": 4}
    assert {i.verdict for i in done.facts.items} == {"accept"}
    with pytest.raises(InvalidInput, match="--without-review"):
        bundled(images, tmp_path / "c", key, without_review=False)
    none = verdicts(tmp_path / "w.json", {files[0]: "reject"})
    with pytest.raises(InvalidInput, match="no image is left"):
        bundled(images, tmp_path / "c", key, accepted=none)
    assert not (tmp_path / "c").exists()


def test_an_image_changed_after_its_verdict_stays(tmp_path, key):
    folder = tmp_path / "source"
    files = [write_png(folder, f"i{n}", record(seed=n)) for n in range(2)]
    accepted = verdicts(tmp_path / "v.json", dict.fromkeys(files, "accept"))
    write_png(folder, "i0", record(seed=0), pixels(40))
    done = bundled(folder, tmp_path / "b", key, accepted=accepted)
    assert len(done.facts.items) == 1
    assert done.facts.left_out["accepted, but not there or changed since"] == 1


def test_a_log_out_of_order_shuts_the_gate(images, tmp_path, key):
    files = sorted(images.glob("*.png"))
    chain, previous = [], "0" * 64
    for event in ({"event": "opened"}, {"event": "read", "case": "c1"}):
        entry = event | {"previous": previous}
        previous = hash_of(entry)
        chain.append(entry | {"hash": previous})
    accepted = verdicts(tmp_path / "v.json", {files[0]: "accept"}, log_head=previous)
    log = tmp_path / "review-log.jsonl"
    log.write_text("".join(json.dumps(e) + "\n" for e in chain))
    bundled(images, tmp_path / "b", key, accepted=accepted)
    assert (tmp_path / "b/data/review-log.jsonl").read_bytes() == log.read_bytes()
    done = bundled(images, tmp_path / "without", key, accepted=accepted, log=False)
    assert not (tmp_path / "without/data/review-log.jsonl").exists()
    assert done.said["review"]["log_head"] == previous
    log.write_text("".join(json.dumps(e) + "\n" for e in chain[::-1]))
    with pytest.raises(InvalidInput, match="does not follow"):
        bundled(images, tmp_path / "c", key, accepted=accepted)
    log.write_text("".join(json.dumps(e) + "\n" for e in chain).replace('"c1"', '"c2"'))
    with pytest.raises(InvalidInput, match="line 2 was changed"):
        bundled(images, tmp_path / "c", key, accepted=accepted)
    log.write_text(json.dumps(chain[0]) + "\n")
    with pytest.raises(InvalidInput, match="not the head"):
        bundled(images, tmp_path / "c", key, accepted=accepted)


def test_what_is_no_study_is_refused_in_words(images, tmp_path, key):
    (tmp_path / "review-log.jsonl").write_text("{}\n")
    write_png(tmp_path, "one", record())
    with pytest.raises((InvalidInput, NotFound), match=re.escape(str(tmp_path))):
        bundled(tmp_path, tmp_path / "b", key, without_review=False)


def test_a_study_releases_what_it_accepted_wherever_that_lies(images, tmp_path, key):
    asked = NewStudy(
        name="trial",
        readers=("ann", "bob", "Simulated reader 2"),
        simulated=("Simulated reader 2",),
        images=gather(images, ""),
        design=Design(controls=0, repeats=0, reads=3, phases=1),
    )
    study = create_study(tmp_path / "study", asked, MADE, lambda *_: None)
    desk, number = Desk(study, clock=lambda: MADE), itertools.count()
    wanted = {case.id for case in study.cases if study.path_of(case).stem in ("image-0", "image-1")}
    for reader in asked.readers:
        for read in iter(lambda who=reader: next(iter(desk.coming(who, 1)), None), None):
            answer = ACCEPT if read.case in wanted else REJECT
            desk.answer(reader, read.id, answer, request=f"request-{next(number):06}", seconds=5)
    done = bundled(study.folder, tmp_path / "b", key, without_review=False, rule="all")
    assert sorted(i.record.seed for i in done.facts.items) == [0, 1]
    assert {i.reads for i in done.facts.items} == {3}
    head = accepted(study.folder, "all").log_head
    assert done.said["review"] == {"study": "trial", "rule": "all", "log_head": head}
    assert "Simulated reader 2" in done.said["remarks"][0]


def test_the_audit_must_be_of_these_images_and_not_older(images, tmp_path, key):
    files = sorted(images.glob("*.png"))
    audit = audit_in(tmp_path / "a", files, copies=["image-2.png"])
    done = bundled(images, tmp_path / "b", key, audit=audit)
    assert done.facts.left_out == {"near a training image, by the audit": 1}
    assert 2 not in {i.record.seed for i in done.facts.items}
    text = (tmp_path / "b/data/privacy.json").read_text("utf-8")
    assert "DoeJane" not in text and json.loads(text)["copies"] == 1
    with pytest.raises(InvalidInput, match="of 5 other images"):
        bundled(images, tmp_path / "c", key, audit=audit_in(tmp_path / "d", files[:5]))
    old = audit_in(tmp_path / "e", files, made="2026-04-30T00:00:00+00:00")
    with pytest.raises(InvalidInput, match="older than the newest image"):
        bundled(images, tmp_path / "c", key, audit=old)
    with pytest.raises(InvalidInput, match="--without-audit"):
        bundled(images, tmp_path / "c", key, without_audit=False)
    with pytest.raises(NotFound):
        bundled(images, tmp_path / "c", key, audit=tmp_path / "gone")


def test_what_gates_say_of_themselves_is_on_the_first_page(images, tmp_path, key):
    files = sorted(images.glob("*.png"))
    said = dict.fromkeys(files, "accept")
    accepted = verdicts(tmp_path / "v.json", said, simulated_readers=["robot-1"])
    audit = audit_in(tmp_path / "a", files)
    report = json.loads((audit / "audit.json").read_bytes())
    report["verdict"] |= {"status": "open", "sentence": "No statement about copies: too few."}
    report["training"] = {"images": 9, "unread": [{"file": "DoeJane.png", "reason": "DoeJane"}]}
    report["options"] = {"data": "/home/DoeJane"}
    (audit / "audit.json").write_text(json.dumps(report))
    bundled(images, tmp_path / "b", key, accepted=accepted, audit=audit)
    for page in ("README.md", "data/README.md"):
        text = (tmp_path / "b" / page).read_text("utf-8")
        assert "no persons: robot-1" in text and "No statement about copies: too few." in text
    assert "DoeJane" not in (tmp_path / "b/data/privacy.json").read_text("utf-8")
    request = VerifyRequest(bundle=tmp_path / "b", trust=Trust(key=key.public), sample=0)
    warnings = " ".join(verify(request).warnings)
    assert "robot-1" in warnings and "No statement" in warnings


def test_edits_of_images_that_stay_do_not_leave_unless_waived(tmp_path, key):
    folder = tmp_path / "source"
    write_png(folder, "made", record(seed=1))
    edit = record(seed=2, operation="inpaint", parents=("a" * 64,), untouched_sha256="b" * 64)
    write_png(folder, "DoeJane-inpaint-2", edit)
    done = bundled(folder, tmp_path / "b", key)
    assert [i.record.seed for i in done.facts.items] == [1]
    assert done.facts.left_out == {"edits with pixels of an image outside the release": 1}
    done = bundled(folder, tmp_path / "c", key, source_pixels=True)
    assert len(done.facts.items) == 2
    assert "source pixels" in (tmp_path / "c/README.md").read_text("utf-8")
    for path in (tmp_path / "c").rglob("*"):
        text = path.read_bytes() if path.is_file() else b""
        assert b"a" * 64 not in text and b"b" * 64 not in text and b"DoeJane" not in text


def test_words_that_nobody_understood_do_not_leave(tmp_path, key):
    said = replace(record(), prompt="Jane Doe " + CHEST, not_understood=("jane", "doe"))
    said = replace(said, warnings=("not understood: “jane”", "something else"))
    write_png(tmp_path / "source", "one", said)
    bundled(tmp_path / "source", tmp_path / "b", key, formats=("dicom", "webdataset"))
    for path in (tmp_path / "b").rglob("*"):
        assert not path.is_file() or b"ane" not in path.read_bytes().replace(b"plane", b""), path
    (line,) = lines(tmp_path / "b/data/provenance.jsonl")
    assert line["record"]["prompt"] == CHEST
    assert line["record"]["not_understood"] == ["2 words withheld"]
    assert line["record"]["warnings"] == ["something else"]


def test_of_a_data_set_only_synthetic_rows_leave(tmp_path, key):
    folder = tmp_path / "set"
    folder.mkdir()
    with tarfile.open(folder / "train-0.tar", "w") as tar:
        for name, path in (
            ("made", write_png(tmp_path / "x", "made", record(seed=1))),
            ("real", write_png(tmp_path / "x", "real", record(seed=2))),
        ):
            data = path.read_bytes()
            member = tarfile.TarInfo(f"{name}.png")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    (folder / "train.csv").write_text(
        "key,shard,synthetic\nmade,train-0.tar,1\nreal,train-0.tar,\n"
    )
    done = bundled(folder, tmp_path / "b", key, formats=("dicom",), test_share=0.9)
    assert [(i.record.seed, i.split) for i in done.facts.items] == [(1, "train")]
    assert done.facts.left_out == {"real, of the data set": 1}


def test_the_same_pixels_leave_once_and_foreign_files_not_at_all(tmp_path, key):
    folder = tmp_path / "source"
    for name in ("one", "two"):
        write_png(folder, name, record(seed=1))
    write_png(folder, "two", replace(record(seed=1), created="2026-05-01T13:00:00+00:00"))
    Picture.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "foreign.png")
    (folder / "notes.txt").write_text("x")
    write_png(folder, "upload", replace(record(seed=3), synthetic=False))
    done = bundled(folder, tmp_path / "b", key)
    assert done.facts.left_out == {
        "without a radsmith record": 1,
        "not synthetic": 1,
        "the same pixels as another": 1,
    }


@pytest.mark.parametrize("space", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize(("colours", "left_out"), [(True, 1), (False, 0)])
def test_an_image_in_colour_is_left_out_and_told(tmp_path, key, space, colours, left_out):
    folder = tmp_path / "source"
    write_dicom(folder, "gray", record(seed=1))
    path = write_dicom(folder, "colour", record("breast ultrasound", seed=2))
    dataset = pydicom.dcmread(path)
    levels = (255 * np.repeat(pixels(2)[..., None], 3, 2)).astype(np.uint8)
    if space == "YBR_FULL":
        levels[..., 1:] = 128
    levels[:8, :8, 2] += 60 * colours
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, space
    dataset.PlanarConfiguration, dataset.PixelData = 0, levels.tobytes()
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.save_as(path)
    done = bundled(folder, tmp_path / "b", key)
    assert done.facts.left_out.get("in colour, which a release does not keep", 0) == left_out
    assert len(done.facts.items) == 2 - left_out


def test_a_place_that_is_taken_is_left_alone(images, tmp_path, key):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/mine.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="is there"):
        bundled(images, tmp_path / "b", key)
    with pytest.raises(NotFound):
        bundled(tmp_path / "gone", tmp_path / "c", key)
    with pytest.raises(InvalidInput, match="no image with a radsmith record"):
        bundled(tmp_path / "b", tmp_path / "c", key)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b"]


def test_the_depth_of_dicom_values_survives(tmp_path, key):
    """A file that was DICOM keeps its stored values, window and rescale."""
    folder = tmp_path / "source"
    path = write_dicom(folder, "one", record(CT, seed=5))
    bundled(folder, tmp_path / "b", key, formats=("dicom",))
    before, after = (
        pydicom.dcmread(p) for p in (path, next((tmp_path / "b/data/dicom").glob("*.dcm")))
    )
    assert np.array_equal(before.pixel_array, after.pixel_array)
    for keyword in ("WindowCenter", "WindowWidth", "RescaleSlope", "Modality", "SOPClassUID"):
        assert before.get(keyword) == after.get(keyword), keyword
    assert before.SOPInstanceUID != after.SOPInstanceUID


@pytest.mark.slow
def test_the_demo_walks_to_a_bundle_that_loads(tmp_path, monkeypatch, capsys):
    """generate, a simulated reader, a waived audit, release, verify, load."""
    monkeypatch.setattr(release_demo, "EACH", 1)
    monkeypatch.setattr(sys, "argv", ["radsmith", "demo", "--release", "-o", str(tmp_path / "d")])
    monkeypatch.setattr(release_demo, "_load", lambda bundle: _load_apart(bundle, tmp_path))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    out = capsys.readouterr().out
    assert "no person looked" in out and "! waived: privacy audit" in out
    assert "the bundle holds" in out and "drawn again from their seeds: the same" in out
    assert "6. loaded by Hugging Face's datasets: " in out
    said = json.loads((tmp_path / "d/bundle/data/release.json").read_bytes())
    assert said["review"]["rule"].startswith("simulated") and len(said["waived"]) == 1


def _load_apart(bundle, cache):
    """As the demo loads it, in a process of its own: the library warns when it is imported."""
    script = "import sys; from radsmith.cli import release_demo as d; from pathlib import Path; "
    script += "print(d._load(Path(sys.argv[1])))"
    command = [sys.executable, "-c", script, str(bundle)]
    env = {**os.environ, "HF_HOME": str(cache / "hf")}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout


@pytest.mark.parametrize(
    "prompt",
    [
        "breast x-ray, left, MLO view, adult female, normal",
        "breast ultrasound, malignant breast mass",
        "brain MRI, axial, T1 post-contrast, meningioma",
        "chest CT, axial slice, lung window, contrast-enhanced",
        "lateral cervical spine x-ray, child, normal",
        "image",
    ],
)
def test_every_kind_of_object_keeps_the_rules(tmp_path, key, prompt):
    """`dicom` checks each object itself and would raise; MG, US, MR, CT, DX and SC are written."""
    write_png(tmp_path / "source", "one", record(prompt))
    bundled(tmp_path / "source", tmp_path / "b", key, formats=("dicom",))
    assert len(list((tmp_path / "b/data/dicom").glob("*.dcm"))) == 1
