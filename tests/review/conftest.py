"""Small studies of pictures made up by the tests."""

import itertools

import numpy as np
import pytest
from PIL import Image

from radsmith.review.design import Design
from radsmith.review.desk import Desk
from radsmith.review.gathering import gather
from radsmith.review.study import NewStudy, create_study

AT = "2026-01-01T00:00:00+00:00"


def pictures(folder, count, seed, size=(96, 80)):
    """PNG files that differ in what they show."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        y, x = np.mgrid[0 : size[0], 0 : size[1]]
        waves = np.sin(x / random.uniform(3, 20)) * np.cos(y / random.uniform(3, 20))
        levels = 128 + 90 * waves + random.normal(0, 8, size)
        Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture
def make(tmp_path):
    """Make a study; its desk, whose clock goes on by a millisecond a look."""
    number = itertools.count()

    def made(images=8, controls=0, planted=0, readers=("ann", "bob"), sample=None, **design):
        folder = tmp_path / f"study-{next(number)}"
        kinds = {}
        for kind, count, seed, size in (
            ("images", images, 1, (96, 80)),
            ("controls", controls, 2, (300, 280)),
            ("planted", planted, 3, (96, 80)),
        ):
            place = folder.with_name(f"{folder.name}-{kind}")
            source = "real" if kind == "controls" else ""
            kinds[kind] = gather(pictures(place, count, seed, size), source) if count else ()
        design = {"controls": 0.2 if controls else 0, "repeats": 0.0, "phases": 1} | design
        asked = NewStudy(
            name="trial", readers=readers, design=Design(**design), sample=sample, **kinds
        )
        study = create_study(folder, asked, AT, lambda done, total: None)
        tick = itertools.count()
        return Desk(study, clock=lambda: f"2026-01-01T00:00:{next(tick) / 1000:06.3f}+00:00")

    return made


@pytest.fixture
def ids():
    """Request ids, a new one each."""
    number = itertools.count()
    return lambda: f"request-{next(number):06}"


ACCEPT = {"verdict": "accept", "scores": {"realism": 2, "anatomy": 2}}
REJECT = {"verdict": "reject", "scores": {"realism": -2, "anatomy": -1}, "why": ["unreal"]}
UNSURE = {"verdict": "unsure", "scores": {}, "note": "cut off"}


def say(desk, reader, answers, ids):
    """Answer a reader's reads: case id to answer, or one answer for all."""
    while left := desk.coming(reader, 1):
        read = left[0]
        answer = answers if "verdict" in answers or "guess" in answers else answers[read.case]
        desk.answer(reader, read.id, answer, request=ids(), seconds=5)
