"""Files of several frames, in colour, with tables or pixels that are not square; masks as made."""

import io
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image as Picture
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi_lut, pixel_array
from pydicom.sequence import Sequence
from pydicom.uid import RLELossless

from radsmith import cli
from radsmith.editing.files import open_source, read_mask
from radsmith.editing.mask_reading import mask_in
from radsmith.editing.square_pixels import evenly
from radsmith.engines.engine import Given
from radsmith.errors import InvalidInput
from radsmith.images.dicom.grayscale import Grayscale
from radsmith.images.pictures import read_picture, read_record
from radsmith.server.store.settings import Limits
from radsmith.server.web.problem import Problem
from radsmith.server.web.uploads import Uploads
from tests.images.test_reading import image_set, items, lut

RNG = np.random.default_rng(5)
BOX = np.s_[10:30, 12:40]


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*args):
        monkeypatch.setattr(sys, "argv", ["radsmith", *map(str, args), "--steps", "1"])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        out = capsys.readouterr()
        return code, out.out.split(), out.err

    return call


def ultrasound(frames, photometric="RGB", syntax=None):
    """A cine in colour: (count, height, width, 3)."""
    dataset = image_set(frames[..., 0], Modality="US", FrameTime=40)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, photometric
    dataset.PlanarConfiguration, dataset.PixelData = 0, frames.tobytes()
    dataset.SOPInstanceUID = "1.2.3"
    if syntax:
        dataset.compress(syntax, frames)
    return dataset


def edited(run, tmp_path, dataset, *args, operation="inpaint"):
    """The object made of a data set by an edit, and what was said."""
    dataset.save_as(tmp_path / "in.dcm", enforce_file_format=False)
    where = () if operation == "outpaint" else ("--box", "12,10,28,20")
    code, out, err = run(operation, tmp_path / "in.dcm", *where, "-o", tmp_path / "out", *args)
    assert code == 0, err
    return pydicom.dcmread(out[0]), err, Path(out[0])


@pytest.mark.parametrize(("photometric", "syntax"), [("RGB", None), ("YBR_FULL", None),
                                                     ("RGB", RLELossless)])  # fmt: skip
def test_a_frame_of_a_colour_cine_is_edited_and_all_else_stays(run, tmp_path, photometric, syntax):
    frames = RNG.integers(0, 256, (3, 48, 64, 3), np.uint8)
    source = ultrasound(frames, photometric, syntax)
    after, err, path = edited(run, tmp_path, source, "--frame", 2, "--prompt", "ultrasound")
    made = pixel_array(after, raw=True)
    assert after.PhotometricInterpretation == photometric and made.shape == frames.shape
    np.testing.assert_array_equal(made[[0, 2]], frames[[0, 2]])
    outside = np.ones((48, 64), bool)
    outside[BOX] = False
    np.testing.assert_array_equal(made[1][outside], frames[1][outside])
    drawn = made[1][BOX]
    assert not np.array_equal(drawn, frames[1][BOX])
    if photometric == "RGB":
        assert np.ptp(drawn, axis=-1).max() == 0
    else:
        assert (drawn[..., 1:] == 128).all()
    assert after.SOPClassUID == "1.2.840.10008.5.1.4.1.1.3.1" and after.FrameTime == 40
    record = read_record(path)
    assert err.count("0.299 R + 0.587 G + 0.114 B") == 1 and "frame 2 of 3" in err
    assert any("0.299 R" in w for w in record.warnings)
    assert any("frame 2 of 3" in w for w in record.warnings)


def test_frames_keep_their_own_rescale_window_and_spacing(run, tmp_path):
    frames = RNG.integers(0, 4096, (2, 48, 64)).astype(np.int16)
    source = image_set(frames, Modality="CT", BitsStored=13, HighBit=12)
    groups = []
    for k in range(2):
        group = Dataset()
        group.PixelValueTransformationSequence = items(
            RescaleSlope=k + 1, RescaleIntercept=-1000, RescaleType="HU"
        )
        group.FrameVOILUTSequence = items(WindowCenter=500 + k, WindowWidth=2000)
        group.PixelMeasuresSequence = items(PixelSpacing=[0.5, 0.5])
        groups.append(group)
    source.PerFrameFunctionalGroupsSequence = Sequence(groups)
    after, _, _ = edited(run, tmp_path, source, "--frame", 1, "--prompt", "abdomen CT")
    made = after.pixel_array
    assert made.dtype == np.int16 and np.array_equal(made[1], frames[1])
    outside = np.ones((48, 64), bool)
    outside[BOX] = False
    assert np.array_equal(made[0][outside], frames[0][outside])
    assert not np.array_equal(made[0], frames[0])
    for k in range(2):
        old, new = Grayscale.of(source, k), Grayscale.of(after, k)
        assert (old.slope, old.intercept, old.window) == (new.slope, new.intercept, new.window)
    assert "PatientBirthDate" in after and not after.PatientBirthDate


@pytest.mark.parametrize(
    ("args", "told"),
    [((), "--frame 1 to 3"), (("--frame", 0), "no frame 0"), (("--frame", 4), "no frame 4")],
)
def test_the_frame_must_be_said_and_be_there(run, tmp_path, args, told):
    ultrasound(np.zeros((3, 20, 20, 3), np.uint8)).save_as(tmp_path / "in.dcm")
    code, _, err = run("inpaint", tmp_path / "in.dcm", "--box", "2,2,9,9", *args)
    assert code == 2 and told in err and len(err.strip().splitlines()) == 1


def test_a_colour_frame_that_is_continued_keeps_its_colour_alone(run, tmp_path):
    frames = RNG.integers(0, 256, (2, 48, 64, 3), np.uint8)
    after, err, _ = edited(run, tmp_path, ultrasound(frames), "--frame", 2, "--right", "16",
                           "--prompt", "ultrasound", operation="outpaint")  # fmt: skip
    made = after.pixel_array
    assert made.shape == (48, 80, 3) and "left out" in err
    assert np.array_equal(made[:, :64], frames[1]) and np.ptp(made[:, 64:], axis=-1).max() == 0


def test_an_image_shown_by_a_table_keeps_its_values_and_how_they_are_shown(run, tmp_path):
    stored = RNG.integers(0, 1024, (48, 64)).astype(np.uint16)
    entries = [int(65535 * (k / 1023) ** 0.5) for k in range(1024)]
    table = lut(entries, bits=16)
    source = image_set(stored, BitsStored=10, HighBit=9, VOILUTSequence=table)
    after, _, _ = edited(run, tmp_path, source, "--prompt", "knee x-ray")
    outside = np.ones(stored.shape, bool)
    outside[BOX] = False
    assert np.array_equal(after.pixel_array[outside], stored[outside])
    shown = apply_voi_lut(after.pixel_array, after).astype(int)
    assert np.abs(shown - np.array(entries)[after.pixel_array]).max() <= 1


def test_pixels_that_are_not_square_are_drawn_square_and_kept_as_they_are(run, tmp_path):
    seen = []

    def fill(given):
        seen.append(given)
        return np.where(given.mask, np.float32(1), given.pixels)

    y, x = np.mgrid[:30, :60]
    disc = ((y - 15) * 2) ** 2 + (x - 30) ** 2 < 400  # round where rows are twice as far apart
    mask = np.zeros((30, 60), bool)
    mask[5:9, 5:25] = True
    given = Given(pixels=disc.astype(np.float32), mask=mask)
    drawn = evenly(given, 2.0, fill)
    assert drawn.shape == (30, 60) and drawn[6:8, 6:24].min() > 0.9
    whole = seen[0].pixels[:, 10:50] > 0.5
    assert seen[0].pixels.shape == (60, 60) and abs(whole.any(0).sum() - whole.any(1).sum()) <= 2
    assert evenly(given, 1.0, fill).shape == (30, 60) and seen[1] is given
    stored = RNG.integers(0, 4096, (48, 64)).astype(np.uint16)
    source = image_set(stored, PixelSpacing=[0.4, 0.2])
    after, _, _ = edited(run, tmp_path, source, "--prompt", "knee x-ray")
    assert list(after.PixelSpacing) == [0.4, 0.2]
    outside = np.ones(stored.shape, bool)
    outside[BOX] = False
    assert np.array_equal(after.pixel_array[outside], stored[outside])


def test_padding_is_no_white_border_to_an_engine(tmp_path):
    stored = RNG.integers(100, 900, (48, 64)).astype(np.uint16)
    stored[:, :20] = 65535
    image_set(stored, PixelPaddingValue=65535).save_as(
        tmp_path / "a.dcm", enforce_file_format=False
    )
    from radsmith.editing.operations import Levels

    source = open_source(tmp_path / "a.dcm").source
    levels = Levels.of(source, np.ones(source.shape, bool))
    shown = levels.intensity(source.image.pixels)
    assert shown[:, :20].max() == 0 and shown[:, 20:].std() > 0.2 and levels.high < 1000


def test_white_as_zero_is_turned_in_an_edit(run, tmp_path):
    shown = (np.arange(48 * 64).reshape(48, 64) * 20).astype(np.uint16)
    Picture.fromarray(65535 - shown).save(tmp_path / "a.tif", tiffinfo={262: 0})
    code, out, err = run("inpaint", tmp_path / "a.tif", "--box", "12,10,28,20", "--prompt",
                         "knee x-ray", "-o", tmp_path / "out")  # fmt: skip
    assert code == 0, err
    after = read_picture(Path(out[0])).pixels
    outside = np.ones(shown.shape, bool)
    outside[BOX] = False
    assert np.array_equal(after[outside], shown[outside])


@pytest.mark.parametrize("name", ["examples_ybr_color.dcm", "SC_rgb_rle.dcm", "lut"])
def test_the_server_says_which_files_are_for_the_command(tmp_path, name):
    if name == "lut":
        path = tmp_path / "lut.dcm"
        table = lut(list(range(0, 1024, 2)))
        image_set(np.zeros((9, 9), np.uint16), VOILUTSequence=table).save_as(
            path, enforce_file_format=False
        )
    else:
        path = Path(get_testdata_file(name))
    uploads = Uploads(tmp_path / "uploads", Limits())
    with pytest.raises(Problem, match="the server edits one gray image; `radsmith inpaint`"):
        uploads.picture(path.read_bytes(), "image")


def picture(array, mode=None, palette=None):
    """A picture as PNG bytes."""
    image = Picture.fromarray(array) if mode is None else Picture.fromarray(array).convert(mode)
    if palette:
        image = Picture.frombytes("P", array.shape[::-1], array.tobytes())
        image.putpalette(palette)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def array_file(array):
    """An array as NPY bytes."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


HOLE = np.zeros((20, 30), bool)
HOLE[4:9, 6:14] = True
EIGHT = HOLE.astype(np.uint8)
GRAY = np.broadcast_to(np.linspace(30, 220, 30).astype(np.uint8), (20, 30))


def layers(red, green, blue, alpha=None):
    """Channels side by side, RGB or RGBA."""
    parts = (red, green, blue) if alpha is None else (red, green, blue, alpha)
    return np.dstack([np.broadcast_to(np.asarray(p, np.uint8), (20, 30)) for p in parts])


MASKS = {
    "white": (picture(EIGHT * 255), ""),
    "0 and 1": (picture(EIGHT), "values 0, 1"),
    "a label": (picture(EIGHT * 7), "values 0, 7"),
    "16 bits": (picture(EIGHT.astype(np.uint16) * 60000), ""),
    "16 bits of 1": (picture(EIGHT.astype(np.uint16)), "values 0, 1"),
    "1 bit": (picture(EIGHT * 255, "1"), ""),
    "red on black": (picture(layers(EIGHT * 255, 0, 0)), "#ff0000"),
    "red on white": (picture(layers(255, 255 - EIGHT * 255, 255 - EIGHT * 255)), "#ff0000"),
    "red on the image": (
        picture(np.where(HOLE[..., None], np.uint8([250, 10, 20]), np.dstack([GRAY] * 3))),
        "#fa0a14",
    ),
    "a palette": (picture(EIGHT, palette=[0, 0, 0, 255, 255, 255]), ""),
    "a palette of colours": (picture(EIGHT, palette=[0, 0, 0, 128, 0, 0]), "#800000"),
    "white on a transparent layer": (picture(layers(255, 255, 255, EIGHT * 255)), "--mask-as hole"),
    "black on a transparent layer": (picture(layers(0, 0, 0, EIGHT * 255)), "--mask-as hole"),
    "red on a transparent layer": (picture(layers(255, 0, 0, EIGHT * 255)), "--mask-as hole"),
    "a hole in the image": (
        picture(layers(GRAY, GRAY, GRAY, 255 - EIGHT * 255)), "--mask-as paint",
    ),
    "a hole in black": (picture(layers(0, 0, 0, 255 - EIGHT * 255)), "--mask-as paint"),
    "truths": (array_file(HOLE), ""),
    "an array of 1": (array_file(HOLE.astype(np.int64)), "values 0, 1"),
    "an array of 0-1": (array_file(HOLE.astype(np.float32)), ""),
    "an array of 255": (array_file(EIGHT * 255), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", list(MASKS))
def test_masks_are_read_as_they_are_painted(name):
    data, said = MASKS[name]
    mask, note = mask_in(data, "mask")
    np.testing.assert_array_equal(mask, HOLE)
    assert said in note and bool(said) == bool(note)


def test_a_mask_that_can_be_read_two_ways_is_read_as_is_said(tmp_path):
    data = MASKS["white on a transparent layer"][0]
    for mask_as, wanted in (("paint", HOLE), ("hole", ~HOLE)):
        mask, note = mask_in(data, "mask", mask_as)
        assert np.array_equal(mask, wanted) and not note
    (tmp_path / "m.png").write_bytes(data)
    uploads = Uploads(tmp_path / "uploads", Limits())
    assert np.array_equal(uploads.mask(data, HOLE.shape, "mask"), ~HOLE)  # OpenAI's way
    assert np.array_equal(read_mask(tmp_path / "m.png", HOLE.shape), HOLE)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (array_file(np.array([[np.nan, 1]])), "no numbers"),
        (array_file(np.zeros((2, 2, 3))), "of shape"),
        (array_file(np.array([[-1, 1]])), "negative"),
        (b"\x93NUMPY nonsense", "not a plain NPY"),
        (picture(layers(200, 10, 10)), "coloured everywhere"),
        (b"no picture", "not a readable picture"),
    ],
)
def test_what_is_no_mask_is_refused(data, told):
    with pytest.raises(InvalidInput, match=told):
        mask_in(data, "mask")
