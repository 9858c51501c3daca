"""The front door: what `import radsmith` gives, and what it must not cost."""

import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image as Pillow
from pydicom.data import get_testdata_file
from pydicom.pixels import pixel_array

import radsmith
from radsmith.api.model import Model
from radsmith.engines import kinds
from radsmith.engines.choice import named
from radsmith.images.pictures import read_record
from tests.editing.test_frames_and_masks import ultrasound
from tests.test_laws import Honest

ROOT = Path(__file__).parents[2]
NAMES = (
    "Dataset Engine Image InvalidInput NotFound Picture RadsmithError Record Settings"
    " Unavailable change evaluate generate inpaint load_model open"
)
ONE = radsmith.Settings(num_steps=1)
KNEE = "left knee x-ray, AP view"


@pytest.fixture(scope="module")
def model():
    return radsmith.load_model()


@pytest.fixture(scope="module")
def knee(model):
    return model.generate(KNEE, seed=4, settings=ONE)


def hole(pixels):
    mask = np.zeros(pixels.shape, bool)
    mask[30:60, 40:80] = True
    return mask


def load(where):
    """The entry point of the engine below, as a package has one."""
    engine = Honest()
    engine.facts = replace(Honest.facts, name=where)
    return engine


def test_all_names_are_there_sorted_and_no_other():
    assert " ".join(radsmith.__all__) == NAMES
    assert radsmith.__all__ == sorted(radsmith.__all__)
    for name in radsmith.__all__:
        assert getattr(radsmith, name).__doc__, name
    assert set(dir(radsmith)) == {*radsmith.__all__, "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'banana'"):
        _ = radsmith.banana


def test_importing_costs_nothing_and_drawing_never_torch():
    code = (
        "import sys, radsmith\n"
        "heavy = {'numpy', 'PIL', 'pydicom', 'onnxruntime', 'torch', 'importlib.metadata'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        f"radsmith.load_model().plan({KNEE!r})\n"
        "assert not {'onnxruntime', 'torch', 'pydicom'} & set(sys.modules)\n"
        "radsmith.Dataset, radsmith.evaluate, radsmith.load_model().engine\n"
        "assert not {'torch', 'fastapi', 'sqlalchemy', 'click'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_is_typed_and_its_engines_are_entry_points():
    assert (Path(radsmith.__file__).parent / "py.typed").is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["entry-points"][kinds.GROUP] == kinds.OWN
    assert "py.typed" in project["tool"]["setuptools"]["package-data"]["radsmith"]


def test_a_picture_is_what_the_command_makes(model, knee, tmp_path):
    from click.testing import CliRunner

    from radsmith.cli import cli

    asked = ["generate", KNEE, "--seed", "4", "--steps", "1", "-o", str(tmp_path)]
    assert CliRunner().invoke(cli, asked, catch_exceptions=False).exit_code == 0
    by_command = read_record(next(tmp_path.glob("*.png")))
    assert replace(by_command, created="") == replace(knee.record, created="")
    assert knee.pixels.dtype == np.float32 and knee.image.size == (knee.pixels.shape[::-1])
    assert knee.plan.canonical == knee.record.canonical_prompt and knee.mask is None


def test_many_are_the_same_one_by_one_and_in_order(model, knee):
    found = list(model.generate_many([KNEE, "chest x-ray"], n=2, seed=3, settings=ONE))
    said = [(p.record.canonical_prompt, p.record.seed) for p in found]
    assert said == [(KNEE, 3), (KNEE, 4), ("chest x-ray", 3), ("chest x-ray", 4)]
    assert np.array_equal(found[1].pixels, knee.pixels)


def test_workers_give_the_same_images_in_the_same_order(model, knee):
    pair = model.generate_many([KNEE], n=2, seed=4, settings=ONE, workers=2)
    assert np.array_equal(next(pair).pixels, knee.pixels)
    assert next(pair).record.seed == 5 and next(pair, None) is None


@pytest.mark.parametrize("name", ["a.png", "b.npy", "c.dcm"])
def test_a_picture_is_saved_by_its_suffix_with_its_record(knee, tmp_path, name):
    path = knee.save(tmp_path / name)
    assert read_record(path) == knee.record
    opened = radsmith.open(path)
    assert opened.words == KNEE and opened.image.size == knee.image.size
    assert opened.pixels.shape == knee.pixels.shape


def test_a_png_may_have_sixteen_bits(knee, tmp_path):
    with Pillow.open(knee.save(tmp_path / "deep.png", bits=16)) as picture:
        assert picture.mode.startswith("I;16")
    with pytest.raises(radsmith.InvalidInput, match=r"\.png, \.npy, \.dcm"):
        knee.save(tmp_path / "deep.gif")
    assert not list(tmp_path.glob("*.gif"))


def test_a_dicom_file_is_edited_in_kind(model, tmp_path):
    source = radsmith.open(get_testdata_file("CT_small.dcm"))
    mask = hole(source.pixels)
    edited = model.inpaint(source, mask=mask, settings=ONE)
    assert np.array_equal(edited.pixels[~mask], source.pixels[~mask])
    assert (edited.pixels[mask] != source.pixels[mask]).any()
    assert np.array_equal(edited.mask, mask) and edited.record.operation == "inpaint"
    again = radsmith.open(edited.save(tmp_path / "edited.dcm", keep_reference=True))
    assert np.array_equal(again.pixels, edited.pixels)
    dataset = pydicom.dcmread(tmp_path / "edited.dcm")
    assert dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == source.uids[1]
    with Pillow.open(edited.save(tmp_path / "shown.png")) as picture:
        assert picture.mode == "L"


def test_edits_of_one_frame_in_colour_add_up_and_all_else_stays(model, tmp_path):
    frames = np.random.default_rng(3).integers(0, 256, (3, 48, 64, 3), np.uint8)
    ultrasound(frames).save_as(tmp_path / "in.dcm", enforce_file_format=False)
    source = radsmith.open(tmp_path / "in.dcm", frame=2)
    boxes = np.zeros((2, 48, 64), bool)
    boxes[0, 4:20, 6:30] = boxes[1, 28:44, 34:60] = True
    edited = source
    for box in boxes:
        edited = model.inpaint(edited, mask=box, settings=ONE, prompt="ultrasound")
    made = pixel_array(pydicom.dcmread(edited.save(tmp_path / "edited.dcm")))
    drawn, known = made[1][boxes.any(0)], ~boxes.any(0)
    assert np.array_equal(made[[0, 2]], frames[[0, 2]])
    assert np.array_equal(made[1][known], frames[1][known])
    assert np.ptp(drawn, axis=-1).max() == 0 and not np.array_equal(drawn, frames[1][~known])


def test_edits_take_what_was_made_and_bare_images(model, knee):
    mask = hole(knee.pixels)
    first = model.inpaint(knee, mask=mask.astype(np.uint8) * 255, seed=1, settings=ONE)
    second = model.vary(first, strength=0.4, seed=2, settings=ONE)
    assert second.record.parents == (first.record.pixels_sha256,)
    bare = radsmith.Image(pixels=knee.pixels)
    other = model.inpaint(bare, mask=mask, seed=1, settings=ONE, prompt=KNEE)
    assert np.array_equal(other.pixels, first.pixels)
    wide = model.outpaint(knee, left=20, bottom=10, settings=ONE)
    height, width = knee.pixels.shape
    assert wide.pixels.shape == (height + 10, width + 20)


def test_a_finding_is_added_between_two_images_and_a_knee_extended(model, knee):
    chest = model.generate("chest x-ray, PA view, normal", settings=ONE)
    ill = model.change(chest, add="pleural effusion@right", settings=ONE)
    assert "finding:pleural-effusion" in ill.record.concepts and ill.mask.any()
    assert np.array_equal(ill.pixels[~ill.mask], chest.pixels[~ill.mask])
    way = model.interpolate(chest, ill, n=2, settings=ONE)
    assert [p.record.edit[:5] for p in way] == ["0.333", "0.667"]
    small = radsmith.Image(pixels=knee.pixels[::8, ::8].copy())
    leg = model.extend(small, to="leg", prompt=KNEE, settings=ONE)
    assert leg.distance.max() > 0 and leg.distance.shape == leg.pixels.shape


def test_the_short_forms_are_the_shipped_model(knee):
    again = radsmith.generate(KNEE, seed=4, settings=ONE)
    assert np.array_equal(again.pixels, knee.pixels)
    edited = radsmith.inpaint(again, mask=hole(again.pixels), settings=ONE)
    assert edited.record.parents == (knee.record.pixels_sha256,)
    graded = radsmith.change(again, add="osteoarthritis", severity="severe", settings=ONE)
    assert "severe" in graded.record.canonical_prompt


def test_an_engine_of_another_package_is_found_by_its_name(monkeypatch):
    monkeypatch.setattr(kinds, "_installed", lambda: {"noise": "tests.api.test_api:load"})
    model = radsmith.load_model("noise:somewhere")
    assert model.generate("knee x-ray").record.model == "somewhere"
    with pytest.raises(radsmith.InvalidInput, match="default, diffusers, noise, openai"):
        radsmith.load_model("noize:somewhere")
    monkeypatch.setattr(kinds, "_installed", lambda: {"noise": "tests.nowhere:load"})
    with pytest.raises(radsmith.Unavailable, match="install its package again"):
        radsmith.load_model("noise:somewhere")
    monkeypatch.setattr(kinds, "_installed", lambda: {"noise": "tests.api.test_api:ROOT"})
    with pytest.raises(radsmith.InvalidInput, match=r"no function load"):
        radsmith.load_model("noise:somewhere")


def test_an_engine_that_is_there_draws_in_this_process():
    model = radsmith.load_model(Honest())
    assert model.generate("knee x-ray").record.engine == "noise"
    with pytest.raises(radsmith.InvalidInput, match="one process alone"):
        model.generate_many(["knee x-ray"], workers=2)


@pytest.mark.parametrize(
    ("where", "choice"),
    [(None, None), ("mine.radsmith", Path("mine.radsmith")), ("C:/mine", Path("C:/mine"))],
)
def test_one_name_stands_for_a_model(where, choice):
    assert named(where) == choice


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda m: radsmith.load_model("nowhere.radsmith"), radsmith.NotFound, "no model in"),
        (lambda m: radsmith.open("nowhere.png"), radsmith.NotFound, "no such file"),
        (lambda m: m.plan("blorp"), radsmith.InvalidInput, "name a body part"),
        (lambda m: m.plan("knee x-ray", size=(5, 5)), radsmith.InvalidInput, "64-1024"),
        (lambda m: m.generate_many("knee x-ray"), radsmith.InvalidInput, "use generate"),
        (lambda m: m.generate_many(["knee"], n=0), radsmith.InvalidInput, "at least 1"),
        (lambda m: m.generate("knee, blorp", strict=True), radsmith.InvalidInput, "strict"),
        (lambda m: m.inpaint("knee.png", mask=[]), radsmith.InvalidInput, "radsmith.open"),
        (lambda m: m.vary(IMAGE, sed=1), radsmith.InvalidInput, "takes no sed"),
        (lambda m: m.inpaint(IMAGE, mask=[[1]]), radsmith.InvalidInput, "the size of its image"),
        (lambda m: m.change(IMAGE), radsmith.InvalidInput, "say what to change"),
        (lambda m: m.interpolate(IMAGE, IMAGE, n=0), radsmith.InvalidInput, "at least 1"),
        (lambda m: radsmith.Dataset("nowhere"), radsmith.NotFound, "no manifest"),
        (lambda m: radsmith.Dataset("x", split="dev"), radsmith.InvalidInput, "train or test"),
    ],
)
def test_mistakes_get_one_line_that_says_the_mend(model, call, error, said):
    with pytest.raises(error, match=said) as caught:
        call(model)
    assert "\n" not in str(caught.value)


IMAGE = radsmith.Image(pixels=np.zeros((64, 64), np.float32))


def test_a_model_reads_its_weights_when_it_draws():
    model = Model()
    assert model.facts.name and "engine" not in vars(model)
