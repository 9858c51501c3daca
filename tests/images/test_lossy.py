"""JPEG and WebP carry their record as PNG does; contact sheets those of their tiles."""

import io
import json

import numpy as np
import pytest
from PIL import Image as Picture

from radsmith.errors import InvalidInput
from radsmith.images.contact_sheet import Tile, contact_sheet
from radsmith.images.image import Image
from radsmith.images.lossy import lossy_bytes
from radsmith.images.pictures import read_record, read_sheet
from radsmith.images.provenance import Generation


def record(**changes):
    known = {
        "radsmith_version": "1", "operation": "generate", "engine": "onnx", "model": "m",
        "model_digest": "d", "prompt": "Brüche, 骨折", "canonical_prompt": "hand x-ray",
        "concepts": ("modality:x-ray",), "seed": 3, "num_steps": 8, "guidance_scale": 1.0,
        "width": 40, "height": 30, "created": "now", "pixels_sha256": "0",
    }  # fmt: skip
    return Generation(**known | changes)


def ramp():
    return np.linspace(0, 1, 40 * 30, dtype=np.float32).reshape(30, 40)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_the_record_comes_back_and_the_picture_is_near(tmp_path, kind):
    data = lossy_bytes(Image(pixels=ramp()), record(), kind)
    path = tmp_path / "image.bin"
    path.write_bytes(data)
    assert read_record(path) == record()
    with Picture.open(io.BytesIO(data)) as picture:
        assert picture.format == kind.upper() and b"trainedAlgorithmicMedia" in data
        shown = np.asarray(picture.convert("L"), float)
    assert np.abs(shown - ramp() * 255).max() < 8
    assert len(lossy_bytes(Image(pixels=ramp()), record(), kind, 5)) < len(data)


def test_stored_values_are_shown_over_their_range():
    deep = (ramp() * 65535).astype(np.uint16)
    data = lossy_bytes(Image(pixels=deep, unit="stored value"), record(), "jpeg")
    with Picture.open(io.BytesIO(data)) as picture:
        assert picture.mode == "L" and np.asarray(picture).max() > 250


def test_what_cannot_be_held_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="apply a window"):
        lossy_bytes(Image(pixels=ramp(), unit="HU"), record(), "jpeg")
    with pytest.raises(InvalidInput, match="16383 pixels a side"):
        lossy_bytes(Image(pixels=np.zeros((1, 16384), np.float32)), record(), "webp")
    Picture.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "bare.jpg")
    with pytest.raises(InvalidInput, match="no radsmith provenance"):
        read_record(tmp_path / "bare.jpg")


def test_a_contact_sheet_carries_the_records_of_its_tiles(tmp_path):
    tiles = [Tile(image=Image(pixels=ramp()), caption="before")]
    tiles += [Tile(image=Image(pixels=ramp()), caption="x", record=record(seed=n)) for n in (4, 5)]
    path = tmp_path / "sheet.png"
    path.write_bytes(contact_sheet(tiles, columns=2, title="sheet"))
    assert read_sheet(path) == [record(seed=4), record(seed=5)]
    with Picture.open(path) as picture:
        assert json.loads(picture.info["radsmith-sheet"])[0]["prompt"] == "Brüche, 骨折"
    Picture.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "bare.png")
    assert read_sheet(tmp_path / "bare.png") == []
