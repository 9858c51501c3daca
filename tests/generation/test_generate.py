"""The generate command, run as users run it, on the shipped model."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image as Picture

from radsmith.engines.engine import ModelFacts
from radsmith.engines.model_files import default_folder, load_facts
from radsmith.errors import InvalidInput
from radsmith.generation.plan import plan, plan_of, simulated_notes
from radsmith.images.pictures import read_record
from radsmith.language.prompt import Prompt
from radsmith.language.reading import read_prompt
from tests.common import run_command

CHEST = "chest x-ray, PA view, adult, normal"
FAST = ("--steps", "1")


@pytest.fixture
def run(monkeypatch, capsys):
    return lambda *args: run_command(monkeypatch, capsys, *args)


def pixels(path):
    with Picture.open(path) as picture:
        return np.asarray(picture)


def test_a_prompt_becomes_files_with_their_provenance(run, tmp_path):
    code, out, _ = run("generate", CHEST, "-n", 2, "--seed", 7, "-o", tmp_path, *FAST)
    assert code == 0
    files = [Path(line) for line in out.splitlines()]
    assert [f.name for f in files] == [f"chest-x-ray-pa-view-adult-normal-{n}.png" for n in (7, 8)]
    record = read_record(files[1])
    assert (record.seed, record.prompt, record.synthetic) == (8, CHEST, True)
    assert (tmp_path / "contact-sheet.png").is_file()
    code, out, _ = run("inspect", files[0])
    assert code == 0 and json.loads(out)["canonical_prompt"] == CHEST


def test_pixels_depend_on_the_seed_alone(run, tmp_path):
    one, two, three = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    run("generate", CHEST, "-n", 3, "-o", one, *FAST)
    run("generate", CHEST, "--seed", 2, "-o", two, *FAST)
    code, _, _ = run("generate", CHEST, "-n", 3, "--workers", 2, "-o", three, *FAST)
    assert code == 0
    name = "chest-x-ray-pa-view-adult-normal-{}.png"
    assert np.array_equal(pixels(one / name.format(2)), pixels(two / name.format(2)))
    for n in range(3):
        assert np.array_equal(pixels(one / name.format(n)), pixels(three / name.format(n)))
    assert not np.array_equal(pixels(one / name.format(0)), pixels(one / name.format(1)))


@pytest.mark.parametrize(
    ("prompt", "sop_class", "body_part"),
    [
        ("left knee x-ray, PA", pydicom.uid.DigitalXRayImageStorageForPresentation, "KNEE"),
        ("head ct, brain window", pydicom.uid.CTImageStorage, "HEAD"),
        ("axial brain mri, T1", pydicom.uid.MRImageStorage, "BRAIN"),
        ("liver ultrasound", pydicom.uid.UltrasoundImageStorage, "LIVER"),
        (
            "left breast x-ray, MLO",
            pydicom.uid.DigitalMammographyXRayImageStorageForPresentation,
            "BREAST",
        ),
    ],
)
def test_dicom_is_coded_and_marked(run, tmp_path, prompt, sop_class, body_part):
    code, out, _ = run("generate", prompt, "--format", "dicom", "-o", tmp_path, *FAST)
    assert code == 0
    file = pydicom.dcmread(out.strip())
    assert file.SOPClassUID == sop_class
    assert file.BodyPartExamined == body_part
    assert file.AnatomicRegionSequence[0].CodingSchemeDesignator == "SCT"
    assert file[0x0008, 0x001C].value == "YES"
    assert "Not for diagnosis" in file.ImageComments
    if "left" in prompt:
        assert file.ImageLaterality == "L"
    if "brain window" in prompt:
        assert (file.WindowCenter, file.WindowWidth) == (40, 80)
        assert file.RescaleType == "HU"
    if shutil.which("dciodvfy"):
        checked = subprocess.run(["dciodvfy", out.strip()], capture_output=True, text=True)
        errors = [e for e in checked.stderr.splitlines() if e.startswith("Error")]
        assert all("(0x0008,0x001c)" in e.lower() for e in errors), errors


def test_every_format_holds_the_same_image(run, tmp_path):
    found = {}
    for name in ("png", "png16", "npy"):
        _, out, _ = run("generate", "knee x-ray", "--format", name, "-o", tmp_path / name, *FAST)
        file = Path(out.strip())
        found[name] = np.load(file) if name == "npy" else pixels(file)
        assert read_record(file).seed == 0
    assert found["png"].dtype == np.uint8
    assert found["png16"].max() > 255
    assert np.array_equal(found["png"], np.rint(found["npy"].astype(np.float64) * 255))
    assert np.array_equal(found["png16"], np.rint(found["npy"].astype(np.float64) * 65535))


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("",), 2, "the prompt is empty"),
        ((), 2, "--from"),
        (("blorp",), 2, "nothing to draw"),
        (("chest x-ray, blorp", "--strict"), 2, "not understood"),
        (("heart ultrasound", "--strict"), 2, "training images; expect poor results"),
        (("chest x-ray", "--size", "2048x512"), 2, "size 2048x512 is not supported"),
        (("chest x-ray", "--size", "big"), 2, "WIDTHxHEIGHT"),
        (("chest x-ray", "--steps", "0"), 2, "steps must be"),
        (("chest x-ray", "--seed", "-1"), 2, "seed must be"),
        (("chest x-ray", "--sampler", "magic"), 2, "sampler must be"),
        (("chest x-ray", "--model", "/nowhere"), 3, "no model in /nowhere"),
        (("--from", "/nowhere.csv"), 3, "no such file"),
    ],
)
def test_bad_input_is_one_clear_line(run, tmp_path, args, code, words):
    got, out, err = run("generate", *args, "-o", tmp_path / "out")
    assert got == code
    last = err.strip().splitlines()[-1]
    assert words in last and last.startswith("radsmith: ")
    assert not out


def test_a_folder_that_cannot_be_written_is_said_before_any_work(run, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run("generate", CHEST, "-o", tmp_path / "file")
    assert code == 2 and "a file is in the way" in err


def test_a_full_disk_is_said_and_leaves_no_half_file(run, tmp_path, monkeypatch):
    run("generate", CHEST, "-o", tmp_path, *FAST)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, _, err = run("generate", CHEST, "-n", 2, "-o", tmp_path, *FAST)
    assert code == 4 and "disk full" in err
    assert [f.name for f in tmp_path.iterdir()] == ["chest-x-ray-pa-view-adult-normal-0.png"]


@pytest.mark.parametrize("name", ["base.onnx", "prior.safetensors", "model.json"])
def test_changed_or_missing_weights_are_refused(run, tmp_path, name):
    model = tmp_path / "model"
    shutil.copytree(default_folder(), model)
    if name == "model.json":
        text = (model / name).read_text().replace('"digest": "', '"digest": "0')
        (model / name).write_text(text)
    else:
        data = bytearray((model / name).read_bytes())
        data[1000] ^= 1
        (model / name).write_bytes(data)
    code, _, err = run("generate", CHEST, "--model", model, "-o", tmp_path / "out", *FAST)
    assert code == 2 and "was changed" in err
    (model / name).unlink()
    code, _, err = run("generate", CHEST, "--model", model, "-o", tmp_path / "two", "--workers", 2)
    assert code == 3 and "reinstall radsmith" in err


def test_a_list_runs_around_its_broken_rows_and_goes_on(run, tmp_path):
    listed = tmp_path / "list.csv"
    with listed.open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("prompt", "n", "seed", "name", "size"),
                ("knee x-ray, severe osteoarthritis", 2, 5, "knee", ""),
                ("", "", "", "", ""),
                ("chest x-ray", "many", "", "", ""),
                ("chest x-ray", "", "", "", "9x9"),
                ("liver ultrasound", "", "", "", "128x100"),
            ]
        )
    out = tmp_path / "out"
    code, _, err = run("generate", "--from", listed, "-o", out, *FAST)
    assert code == 2 and "3 failed" in err
    assert {f.name for f in out.glob("*.png")} == {
        "knee-5.png", "knee-6.png", "liver-ultrasound-0.png", "contact-sheet.png",
    }  # fmt: skip
    failures = list(csv.DictReader((out / "failures.csv").read_text().splitlines()))
    assert [f["line"] for f in failures] == ["3", "4", "5"]
    before = (out / "knee-5.png").stat().st_mtime_ns
    (out / "knee-6.png").unlink()
    code, _, err = run("generate", "--from", listed, "-o", out, *FAST)
    assert "2 images already there" in err
    assert (out / "knee-6.png").is_file()
    assert (out / "knee-5.png").stat().st_mtime_ns == before


def test_a_row_with_an_unquoted_comma_says_the_mend(run, tmp_path):
    (tmp_path / "list.csv").write_text("prompt,n\nchest x-ray, normal, adult,2\n")
    code, _, err = run("generate", "--from", tmp_path / "list.csv", "-o", tmp_path / "out")
    assert code == 2 and "double quotes" in err


def test_files_made_otherwise_are_not_overwritten(run, tmp_path):
    run("generate", CHEST, "-o", tmp_path, "--steps", 1)
    code, _, err = run("generate", CHEST, "-o", tmp_path, "--steps", 2)
    assert code == 2 and "--force" in err
    code, _, _ = run("generate", CHEST, "-o", tmp_path, "--steps", 2, "--force")
    assert code == 0
    assert read_record(tmp_path / "chest-x-ray-pa-view-adult-normal-0.png").num_steps == 2


def _heed_interrupts():
    """As in a terminal, even where the tests themselves were started in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupt_leaves_whole_files_and_a_run_to_go_on(tmp_path, workers):
    command = [sys.executable, "-c", "from radsmith.cli import main; main()", "generate", CHEST]
    command += ["-n", "2000", "-o", str(tmp_path), "--workers", workers, *FAST]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_heed_interrupts,
    )
    deadline = time.monotonic() + 120
    while not any(tmp_path.glob("*.png")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err.decode()
    assert b"Run the same command again" in err and b"Traceback" not in err
    left = list(tmp_path.iterdir())
    assert left and all(f.suffix == ".png" for f in left)
    assert all(read_record(f).prompt == CHEST for f in left)


def test_explain_shows_the_reading(run):
    code, out, _ = run("explain", "chest x-ray, no pneumothorax, blorp")
    assert code == 0
    for words in ("no pneumothorax", "36118008 SCT", "not understood", "blorp"):
        assert words in out


def test_what_was_never_learned_is_said():
    facts = load_facts()
    told = " ".join(plan("esophagus x-ray, right pneumothorax", facts).warnings)
    assert "“esophagus” was never learned" in told
    assert "does not place “pneumothorax” here" in told
    assert plan(CHEST, facts).warnings == ()
    with pytest.raises(InvalidInput, match="training images"):
        plan("ankle x-ray", facts, strict=True)


def test_what_no_machine_ever_took_is_said_where_it_is_most_of_what_was_learned():
    knee, femur, skull = (f"body_part:{part}" for part in ("knee", "femur", "skull"))
    facts = ModelFacts(
        name="m",
        digest="0",
        images={"modality:x-ray": 900, knee: 700, femur: 110, skull: 90},
        together={f"modality:x-ray {p}": n for p, n in ((knee, 700), (femur, 110), (skull, 90))},
        simulated={
            f"modality:x-ray {knee}": {"parametric_limb": (40, 10)},
            f"modality:x-ray {femur}": {"parametric_limb": (100, 50)},
            f"modality:x-ray {skull}": {"ct_projection": (90, 2), "parametric_limb": (0, 0)},
        },
    )
    assert plan("knee x-ray", facts).warnings == ()
    assert not list(simulated_notes(Prompt(), facts))
    (femur_note,) = plan("femur x-ray", facts).warnings
    assert "100 of 110" in femur_note
    assert "shapes" in femur_note
    (skull_note,) = plan("skull x-ray", facts).warnings
    assert "90 of 90" in skull_note
    assert "2 people" in skull_note
    with pytest.raises(InvalidInput, match="made of shapes"):
        plan("femur x-ray", facts, strict=True)


def test_what_was_learned_in_another_modality_is_not_taken_for_learned():
    facts = load_facts()
    assert not any("training images" in w for w in plan("chest CT, lung cancer", facts).warnings)
    told = " ".join(plan("chest CT, bacterial pneumonia", facts).warnings)
    assert "“bacterial pneumonia in chest CT” was never learned" in told
    told = " ".join(plan("knee MRI, osteoarthritis", facts).warnings)
    assert "“knee MRI”: 16" in told
    assert "osteoarthritis in" not in told, "what holds for all of the kind is said once"
    asked = plan_of(
        read_prompt("chest CT, left lung mass, pleural effusion"), facts,
        adds="finding:pleural-effusion", begun=True,
    )  # fmt: skip
    assert any("“lung mass in chest CT”: 36" in said for said in asked.warnings), (
        "asked of the model"
    )
    assert not any("mass in" in said for said in plan("chest CT, lung mass", facts).warnings)
    assert "“glioma of the knee” was never" in " ".join(plan("knee MRI, glioma", facts).warnings)


def test_a_grade_is_drawn_only_where_it_was_learned():
    facts = load_facts()
    assert "severity:severe" in plan("knee x-ray, severe osteoarthritis", facts).concepts
    assert "severity:severe" not in plan("chest x-ray, severe pneumonia", facts).concepts


def test_a_grade_that_nobody_says_is_the_usual_one_and_said_where_there_are_no_others():
    facts = load_facts()
    for text in ("knee x-ray, osteoarthritis", "knee x-ray, osteoarthritis, no fracture"):
        planned = plan(text, facts, strict=True)
        assert "severity:moderate" in planned.concepts
        assert sum("drawn as moderate" in warning for warning in planned.warnings) == 1
    for text in (
        "knee x-ray, severe osteoarthritis",
        "knee x-ray, no osteoarthritis",
        "chest x-ray, pneumonia",
        "knee x-ray",
    ):
        planned = plan(text, facts)
        assert "severity:moderate" not in planned.concepts
        assert not any("drawn as" in warning for warning in planned.warnings)
