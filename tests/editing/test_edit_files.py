"""Editing as users do it: files in, files out, on the shipped model."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image as Picture
from pydicom.data import get_testdata_file

from radsmith.editing.files import box_mask, open_source, polygon_mask, read_mask
from radsmith.editing.operations import Source
from radsmith.editing.wording import changed_prompt, edit_plan, margins_of
from radsmith.engines.model_files import load_facts
from radsmith.errors import InvalidInput
from radsmith.images.dicom.reading import read_dicom_image
from radsmith.images.image import Image
from radsmith.images.pictures import read_record
from tests.common import run_command

pytestmark = pytest.mark.slow


FAST = ("--steps", "1")


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*args):
        code, said, told = run_command(monkeypatch, capsys, *args)
        return code, said.split(), told

    return call


def gray(path, dtype=np.uint8, shape=(90, 120)):
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    top = np.iinfo(dtype).max
    levels = ((np.sin(8 * x) * np.cos(5 * y) + 1) / 2 * top * 0.9).astype(dtype)
    Picture.fromarray(levels).save(path)
    return levels


def values(path):
    if path.endswith(".dcm"):
        return read_dicom_image(Path(path)).image.pixels
    if path.endswith(".npy"):
        return np.load(path)
    with Picture.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_picture_keeps_its_depth_and_its_other_pixels(run, tmp_path, dtype):
    before = gray(tmp_path / "in.png", dtype)
    code, out, _ = run(
        "inpaint", tmp_path / "in.png", "--box", "20,30,40,25", "--prompt", "knee x-ray", "-n", 2,
        "-o", tmp_path / "out", *FAST,
    )  # fmt: skip
    assert code == 0 and len(out) == 2
    mask = box_mask("20,30,40,25", before.shape)
    for name in out:
        after = values(name)
        assert after.dtype.itemsize == before.dtype.itemsize
        assert np.array_equal(after[~mask], before[~mask])
        assert not np.array_equal(after[mask], before[mask])
    record = read_record(Path(out[0]))
    assert record.operation == "inpaint" and len(record.untouched_sha256) == 64
    assert np.array_equal(values(f"{out[0][:-4]}-mask.png") > 0, mask)
    coco = json.loads((tmp_path / "out" / "in-inpaint-0-coco.json").read_text())
    assert coco["annotations"][0]["bbox"] == [20, 30, 40, 25]
    runs = coco["annotations"][0]["segmentation"]["counts"]
    flat = np.repeat(np.arange(len(runs)) % 2, runs).reshape(before.shape, order="F")
    assert np.array_equal(flat > 0, mask)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_stay_numbers(run, tmp_path, dtype):
    before = np.random.default_rng(0).random((50, 60)).astype(dtype)
    np.save(tmp_path / "in.npy", before)
    code, out, _ = run("inpaint", tmp_path / "in.npy", "--polygon", "5,5 40,8 20,40",
                       "-o", tmp_path / "out", *FAST)  # fmt: skip
    mask = polygon_mask("5,5 40,8 20,40", before.shape)
    assert code == 0 and np.array_equal(values(out[0])[~mask], before[~mask])


DICOM = ["CT_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm"]


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm"])
def test_a_falling_rescale_turns_the_polarity(run, tmp_path, name):
    old = pydicom.dcmread(get_testdata_file(name))
    old.RescaleSlope, old.RescaleIntercept = -1, 4000
    old.save_as(tmp_path / "in.dcm")
    before = read_dicom_image(tmp_path / "in.dcm")
    assert before.inverted
    code, out, err = run(
        "inpaint", tmp_path / "in.dcm", "--box", "20,20,9,9", "-o", tmp_path, *FAST
    )
    assert code == 0, err
    after = read_dicom_image(Path(out[0]))
    assert after.inverted
    mask = box_mask("20,20,9,9", before.image.pixels.shape)
    assert np.array_equal(after.image.pixels[~mask], before.image.pixels[~mask])


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("name", DICOM)
def test_dicom_becomes_a_new_object_of_the_same_depth(run, tmp_path, name, inverted):
    old = pydicom.dcmread(get_testdata_file(name))
    if inverted:
        old.PhotometricInterpretation = "MONOCHROME1"
    old.save_as(tmp_path / "in.dcm")
    before = read_dicom_image(tmp_path / "in.dcm")
    pixels = before.image.pixels
    box = f"{pixels.shape[1] // 4},{pixels.shape[0] // 4},20,20"
    code, out, err = run("inpaint", tmp_path / "in.dcm", "--box", box, "-o", tmp_path / "o", *FAST)
    assert code == 0, err
    after = read_dicom_image(Path(out[0]))
    mask = box_mask(box, pixels.shape)
    assert np.array_equal(after.image.pixels[~mask], pixels[~mask])
    assert (after.bits_stored, after.inverted) == (before.bits_stored, before.inverted)
    if before.modality == "CT":
        assert after.rescale == before.rescale
    new = pydicom.dcmread(out[0])
    assert new[0x0008, 0x001C].value == "YES"
    assert new.SOPInstanceUID != old.SOPInstanceUID and "SourceImageSequence" not in new
    written = Path(out[0]).read_bytes()
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "SOPInstanceUID"):
        value = str(old.get(keyword, ""))
        assert len(value) < 5 or value.encode() not in written, keyword
    code, out, _ = run("inpaint", tmp_path / "in.dcm", "--box", box, "-o", tmp_path / "r",
                       "--keep-reference", *FAST)  # fmt: skip
    kept = pydicom.dcmread(out[0]).SourceImageSequence[0]
    assert kept.ReferencedSOPInstanceUID == old.SOPInstanceUID
    if shutil.which("dciodvfy"):
        checked = subprocess.run(["dciodvfy", out[0]], capture_output=True, text=True)
        errors = [e for e in checked.stderr.splitlines() if e.startswith("Error")]
        assert all("(0x0008,0x001c)" in e.lower() for e in errors), errors


def test_the_other_edits_run(run, tmp_path):
    gray(tmp_path / "a.png", shape=(128, 128))
    gray(tmp_path / "b.png", shape=(128, 128))
    out = tmp_path / "out"
    code, made, _ = run("outpaint", tmp_path / "a.png", "--canvas", "200x160",
                        "--prompt", "chest x-ray", "-o", out, *FAST)  # fmt: skip
    assert code == 0 and values(made[0]).shape == (160, 200)
    code, made, _ = run("vary", tmp_path / "a.png", "--strength", 0.3, "-n", 2, "-o", out, *FAST)
    assert code == 0 and len(made) == 2 and (out / "a-vary-0-sheet.png").is_file()
    code, made, _ = run(
        "change", tmp_path / "a.png", "--prompt", "chest x-ray, adult", "--add",
        "pleural effusion@right", "-o", out, *FAST,
    )  # fmt: skip
    assert code == 0 and (out / "a-add-pleural-effusion-0-difference.png").is_file()
    mask = values(f"{made[0][:-4]}-mask.png") > 0
    assert np.flatnonzero(mask.any(0)).mean() < 48
    pair = json.loads(Path(f"{made[0][:-4]}-pair.json").read_text())
    before = (tmp_path / pair["before"]["file"]).read_bytes()
    assert hashlib.sha256(before).hexdigest() == pair["before"]["file_sha256"]
    assert pair["after"]["pixels_sha256"] == read_record(Path(made[0])).pixels_sha256
    assert (out / pair["mask"]).is_file() and (out / pair["difference"]).is_file()
    record = read_record(Path(made[0]))
    assert record.canonical_prompt.endswith("right pleural effusion")
    assert sum("no lungs were found" in warning for warning in record.warnings) == 1
    code, made, _ = run(
        "change", tmp_path / "a.png", "--prompt", "chest x-ray, adult", "--add", "nodule",
        "--box", "20,20,30,30", "-o", out, *FAST,
    )  # fmt: skip
    record = read_record(Path(made[0]))
    assert code == 0 and not any("lungs" in warning for warning in record.warnings)
    assert "strength 0.4" in record.edit
    code, made, _ = run("interpolate", tmp_path / "a.png", tmp_path / "b.png", "-n", 2,
                        "-o", out, *FAST)  # fmt: skip
    assert code == 0 and len(made) == 2
    code, made, _ = run("extend", tmp_path / "a.png", "--to", "leg", "--prompt", "left knee x-ray",
                        "-o", out, *FAST)  # fmt: skip
    assert code == 0 and values(made[0]).shape[0] > 3 * 128
    assert values(f"{made[0][:-4]}-distance.png").dtype == np.uint16


def test_the_distance_map_of_dicom_is_dicom_too_and_says_millimetres(run, tmp_path):
    code, made, _ = run("generate", "left knee x-ray", "--format", "dicom", "--size", "96x96",
                        "--steps", 1, "-o", tmp_path)  # fmt: skip
    code, made, _ = run("extend", made[0], "--to", "leg", "-o", tmp_path / "out", *FAST)
    assert code == 0
    found = pydicom.dcmread(f"{made[0][:-4]}-distance.dcm")
    tenths = values(f"{made[0][:-4]}-distance.png")
    shown = found.pixel_array * float(found.RescaleSlope) + float(found.RescaleIntercept)
    assert np.allclose(shown, tenths / 10) and shown.max() > 100
    assert found.PixelSpacing == pydicom.dcmread(made[0]).PixelSpacing
    assert found.SyntheticData == "YES" and found.PatientID.startswith("SYNTHETIC")
    if shutil.which("dciodvfy"):
        checked = subprocess.run(
            ["dciodvfy", f"{made[0][:-4]}-distance.dcm"], capture_output=True, text=True
        )
        errors = [e for e in checked.stderr.splitlines() if e.startswith("Error")]
        assert all("(0x0008,0x001c)" in e.lower() for e in errors), errors


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("inpaint", "in.png"), 2, "say where"),
        (("inpaint", "in.png", "--box", "1,2,3"), 2, "x,y,width,height"),
        (("inpaint", "in.png", "--box", "100,80,30,30"), 2, "leaves the image"),
        (("inpaint", "in.png", "--polygon", "1,1 2,2"), 2, "3 corners"),
        (("inpaint", "in.png", "--mask", "small.png"), 2, "must have the size"),
        (("inpaint", "in.png", "--mask", "black.png"), 2, "marks no pixel"),
        (("inpaint", "none.png", "--box", "1,1,5,5"), 3, "no such file"),
        (("inpaint", "colour.png", "--box", "1,1,5,5"), 2, "holds colour"),
        (("inpaint", "nan.npy", "--box", "1,1,2,2"), 2, "NaN"),
        (("inpaint", "three.npy", "--box", "1,1,2,2"), 2, "must be (height, width)"),
        (("outpaint", "in.png"), 2, "say how far"),
        (("outpaint", "in.png", "--left", "3cm"), 2, "millimetres"),
        (("outpaint", "in.png", "--left", "3mm"), 2, "no pixel spacing"),
        (("outpaint", "in.png", "--canvas", "10x10"), 2, "smaller than the image"),
        (("outpaint", "in.png", "--canvas", "900x900", "--left", "3"), 2, "not both"),
        (("inpaint", "in.png", "--polygon", "nan,1 2,2 3,1"), 2, "do not lie"),
        (("change", "in.png", "--add", "effusion@moon"), 2, "not understood"),
        (("change", "in.png", "--remove", "nodule", "--severity", "mild"), 2, "no severity"),
        (("interpolate", "in.png", "in.png", "--strength", "3"), 2, "strength must be"),
        (("outpaint", "in.png", "--left", "9999999"), 2, "too large"),
        (("vary", "in.png", "--strength", "2"), 2, "strength must be"),
        (("change", "in.png", "--add", "blorp"), 2, "no finding"),
        (("change", "in.png"), 2, "say what to change"),
        (("extend", "in.png", "--prompt", "knee x-ray", "--to", "moon"), 2, "extend to one of"),
        (("extend", "in.png"), 2, "cannot extend"),
        (("interpolate", "in.png", "small.png"), 2, "one size"),
    ],
)
def test_bad_input_is_one_clear_line(run, tmp_path, monkeypatch, args, code, words):
    monkeypatch.chdir(tmp_path)
    gray("in.png")
    gray("small.png", shape=(10, 10))
    Picture.fromarray(np.zeros((90, 120), np.uint8)).save("black.png")
    Picture.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)).save(
        "colour.png"
    )
    np.save("nan.npy", np.full((9, 9), np.nan))
    np.save("three.npy", np.zeros((9, 9, 9)))
    got, _, err = run(*args)
    last = err.strip().splitlines()[-1]
    assert got == code and words in last and last.startswith("radsmith: "), err


def test_nothing_is_overwritten_without_force(run, tmp_path):
    gray(tmp_path / "in.png")
    args = ("inpaint", tmp_path / "in.png", "--box", "1,1,9,9", "-o", tmp_path / "o", *FAST)
    assert run(*args)[0] == 0
    (tmp_path / "o" / "in-inpaint-0.png").unlink()
    code, _, err = run(*args)
    assert code == 2 and "--force" in err
    assert run(*args, "--force")[0] == 0


def test_masks_may_be_white_or_transparent(tmp_path):
    alpha = np.full((4, 6, 4), 255, np.uint8)
    alpha[1:3, 2:5, 3] = 0
    Picture.fromarray(alpha).save(tmp_path / "alpha.png")
    white = np.zeros((4, 6), np.uint8)
    white[1:3, 2:5] = 255
    Picture.fromarray(white).save(tmp_path / "white.png")
    Picture.fromarray(white.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    found = [read_mask(tmp_path / f"{n}.png", (4, 6)) for n in ("alpha", "white", "deep")]
    assert all(np.array_equal(mask, white > 0) for mask in found)


def test_what_a_file_says_of_itself_is_used(run, tmp_path):
    run("generate", "left knee x-ray, PA view", "--format", "dicom", "-o", tmp_path, *FAST)
    file = next(tmp_path.glob("*.dcm"))
    assert open_source(file).source.words == "left knee x-ray, PA view"
    ct = open_source(Path(get_testdata_file("CT_small.dcm"))).source
    assert "CT" in ct.words
    text, planned = edit_plan("lateral", "left knee x-ray", load_facts())
    assert planned.prompt.body_part == "body_part:knee" and "knee x-ray" in text
    assert edit_plan("", "", load_facts()) == ("", None)


@pytest.mark.parametrize("slope", [2.5, 0.0001])
def test_a_rescaled_mr_keeps_its_window_in_stored_values(run, tmp_path, slope):
    old = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    old.RescaleSlope, old.RescaleIntercept = slope, -7
    old.WindowCenter, old.WindowWidth = 600 * slope - 7, 1600 * slope
    old.save_as(tmp_path / "in.dcm")
    before = read_dicom_image(tmp_path / "in.dcm").image.window
    code, out, err = run("inpaint", tmp_path / "in.dcm", "--box", "9,9,9,9", "-o", tmp_path, *FAST)
    assert code == 0, err
    after = read_dicom_image(Path(out[0])).image.window
    if before is not None:
        assert np.isclose(after.center, before.center) and np.isclose(after.width, before.width)


def test_an_opaque_alpha_hides_nothing(tmp_path):
    marked = np.zeros((4, 6, 4), np.uint8)
    marked[..., 3] = 255
    marked[1:3, 2:5, :3] = 255
    Picture.fromarray(marked).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", (4, 6)).sum() == 6


def test_margins_in_millimetres_use_the_spacing():
    image = Image(pixels=np.zeros((40, 50), np.uint8), unit="stored value", spacing=(0.5, 0.25))
    margins = margins_of(Source(image=image), ("10mm", "0", "10mm", "7"), None)
    assert (margins.left, margins.right, margins.top, margins.bottom) == (40, 0, 20, 7)


def test_a_removed_finding_is_named_absent():
    wanted = changed_prompt("chest x-ray, tuberculosis", None, "tuberculosis", None)
    assert "finding:tuberculosis" in wanted.prompt.absent
    assert "finding:tuberculosis" not in wanted.prompt.concepts
    gone = changed_prompt("chest x-ray, right pleural effusion", None, "effusion", None)
    assert gone.finding.side == "side:right"
    worse = changed_prompt("chest x-ray, mild right pleural effusion", None, None, "severe")
    assert "severe right pleural effusion" in worse.text
    graded = changed_prompt("knee x-ray, mild osteoarthritis", None, None, "severe")
    assert "severe osteoarthritis" in graded.text
    with pytest.raises(InvalidInput, match="one finding at a time"):
        changed_prompt("chest x-ray", "effusion", "nodule", None)


@pytest.mark.parametrize(
    "words, add, side, sites, told",
    [
        (
            "chest x-ray, PA view",
            "mass in the right lung",
            "right",
            ["body_part:lung"],
            "lung mass",
        ),
        ("chest x-ray", "nodule@left lung", "left", ["body_part:lung"], "lung nodule"),
        ("chest x-ray", "effusion@right lower lobe", "right", ["site:lower-lobe"], "pleural effus"),
        ("chest CT", "mass in the left upper lobe", "left", ["site:upper-lobe"], "lung mass"),
        ("brain MRI", "glioma in the left frontal lobe", "left", ["site:frontal-lobe"], "glioma"),
        ("knee x-ray", "moderate effusion", None, [], "moderate joint effusion"),
    ],
)
def test_where_a_finding_is_added_is_read_in_the_image_it_is_added_to(
    words, add, side, sites, told
):
    wanted = changed_prompt(words, add, None, None)
    assert wanted.finding.side == (side and f"side:{side}")
    assert list(wanted.finding.sites) == sites and told in wanted.text
