"""What radsmith puts beside images is never taken for one."""

import json

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from radsmith.editing.files import open_source
from radsmith.errors import InvalidInput
from radsmith.evaluation.audit.sets import _of_folder
from radsmith.images.marks import SHEET_KEY, SHEET_NAME
from radsmith.images.pictures import lies_beside
from radsmith.review.gathering import gather


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a.png", "a-mask.png", "a-difference.png", "b-mask.png", SHEET_NAME):
        info = PngInfo()
        if name == SHEET_NAME:
            info.add_itxt(SHEET_KEY, json.dumps([]))
        picture = Pillow.fromarray(rng.integers(0, 255, (40, 40), np.uint8))
        picture.save(tmp_path / name, pnginfo=info)
    return tmp_path


def test_only_files_beside_an_image_that_is_there_are_passed_by(folder):
    found = {p.name: lies_beside(p) for p in folder.iterdir()}
    assert [name for name, beside in sorted(found.items()) if not beside] == ["a.png", "b-mask.png"]


def test_studies_and_audits_take_the_images_alone(folder):
    assert [found.path.name for found in gather(folder)] == ["a.png", "b-mask.png"]
    assert [item.name for item in _of_folder(folder).items] == ["a.png", "b-mask.png"]


def test_a_sheet_under_another_name_is_refused(folder):
    (folder / SHEET_NAME).rename(folder / "all.png")
    with pytest.raises(InvalidInput, match="a contact sheet: name the images themselves"):
        open_source(folder / "all.png")
