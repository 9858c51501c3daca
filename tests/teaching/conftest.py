"""Sets of pictures made up by the tests."""

import csv

import numpy as np
import pytest
from PIL import Image

import radsmith
from radsmith.teaching.drawing import Wish
from radsmith.teaching.run import Recipe, make_set
from radsmith.teaching.sets import open_set, set_folder
from tests.review.conftest import ids, pictures

__all__ = ["ids"]
FINDINGS = ("normal", "effusion", "nodule", "pneumothorax")
GRADES = ("mild", "moderate", "severe")


def silent(done, total):
    """No progress is shown."""


def labelled(folder, made=8, real=4):
    """A list of labels: synthetic pictures with findings, sides, boxes, grades; real ones."""
    pictures(folder, made + real, 5)
    rows = []
    for number in range(made + real):
        finding = FINDINGS[number % 4]
        placed = finding != "normal"
        rows.append(
            {
                "file": f"{number:03}.png",
                "group": "chest x-ray",
                "finding": finding,
                "source": "synthetic" if number < made else "real",
                "side": ("left", "right")[number % 2] if placed and number < made else "",
                "box": "10,20,30,40" if placed and number < made else "",
                "severity": GRADES[number // 4 % 3] if finding == "nodule" else "",
            }
        )
    path = folder / "labels.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def new_set(data, name="lungs", unreviewed=True, images=None, **more):
    """A set in a server's folder, from labels."""
    images = images or labelled(data.with_name(f"{data.name}-{name}-images"))
    recipe = Recipe(title=name.title(), images=images, unreviewed=unreviewed, **more)
    return make_set(set_folder(data, name), recipe, radsmith.load_model(), silent)


def picture_of(opened, token):
    """The pixels of a picture: rows and columns."""
    levels = np.frombuffer(opened.levels(token), np.uint8)
    side = int(levels.size**0.5)
    return levels.reshape(side, side)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A set that the shipped model drew, unreviewed: prompts, a pair, two severities, one of which
    it did not learn."""
    folder = set_folder(tmp_path_factory.mktemp("drawn"), "drawn")
    wish = Wish(
        prompts=[("chest x-ray, left pneumothorax", 1), ("chest x-ray, left pleural effusion", 1)],
        pairs=[("chest x-ray, PA view, adult, normal", "pleural effusion@right")],
        severities=["knee x-ray, osteoarthritis", "chest x-ray, pneumonia"],
        seed=2,
    )
    recipe = Recipe(title="Drawn", wish=wish, unreviewed=True)
    make_set(folder, recipe, radsmith.load_model(), silent)
    return open_set(folder)


def spoiled(path):
    """Another image in the same place."""
    Image.new("L", (80, 96)).save(path)
