"""Each check rises with what it is to find; the gate of a study, as a file."""

import json
import math

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from radsmith.errors import InvalidInput
from radsmith.evaluation.judge_files import load_judge
from radsmith.review import checks
from radsmith.review.gathering import Found, gather
from radsmith.review.scoring import doubt, fit_gate, score, score_all, thresholds_of, write_gate
from tests.review.conftest import ACCEPT, REJECT, pictures, say


@pytest.fixture(scope="module")
def judge():
    return load_judge()


def waves():
    y, x = np.mgrid[0:80, 0:64]
    return 0.5 + 0.4 * np.sin(x / 7 + 1) * np.cos(y / 9)


def test_checks_of_the_picture_itself():
    good = waves()
    dull, boxed, burnt = np.full((80, 64), 0.5), good.copy(), np.clip(good * 3, 0, 1)
    boxed[:20] = boxed[-20:] = 0
    assert checks.blank(dull) == 1 > 0.2 > checks.blank(good)
    assert checks.bars(boxed) == pytest.approx(0.5)
    assert checks.bars(good) == 0
    assert checks.bars(dull) == 1
    assert checks.clipped(burnt) > 0.3 > checks.clipped(good)
    assert checks.outside_hu(np.array([-2000.0, 0, 100, 5000])) == 0.5
    real = np.stack([checks.histogram(np.roll(good, i, 0)) for i in range(20)])
    assert checks.histogram_distance(good**3, real) > 0.05 > checks.histogram_distance(good, real)
    assert math.isnan(checks.histogram_distance(good, real[:3]))


def test_scores_of_files(tmp_path, judge):
    real = gather(pictures(tmp_path / "real", 24, 1))
    images = gather(pictures(tmp_path / "images", 2, 2))
    copied = tmp_path / "images" / "copy.png"
    copied.write_bytes(real[3].path.read_bytes())
    colour = tmp_path / "colour.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (70, 70, 3), np.uint8)).save(colour)
    told = [*images, Found(path=copied), Found(path=colour)]
    scores = score_all(told, real, judge, lambda done, total: None)
    assert np.nanargmax(scores["copy"]) == 2
    assert scores["colour"].tolist() == [0, 0, 0, 1]
    assert np.isnan(scores["blank"][3])
    assert np.isnan(scores["hu_range"]).all()
    one = score(Found(path=copied, prompt="chest x-ray, left side, no pneumothorax"), {}, judge)
    assert 0 <= one["agreement"] <= 1
    assert math.isnan(one["unusual"])


def test_the_gate_of_a_study_is_a_file_that_new_studies_take(make, ids, tmp_path, judge):
    desk = make(images=8, controls=4, readers=("ann",), reads=1)
    bad = {case.id for case in desk.study.synthetic[:3]}
    say(desk, "ann", {c.id: REJECT if c.id in bad else ACCEPT for c in desk.study.cases}, ids)
    fitted = fit_gate(desk.study, desk.state, "all", judge, 0.8, lambda done, total: None)
    assert [one.check for one in fitted] == list(checks.CHECKS)
    assert all(one.why.startswith("not measured: ") for one in fitted)  # far fewer than 30
    write_gate(tmp_path / "gate.json", fitted, {"study": "trial"})
    with pytest.raises(InvalidInput, match="have more read"):
        thresholds_of(tmp_path / "gate.json")
    told = json.loads((tmp_path / "gate.json").read_text())
    told["checks"][0]["threshold"] = 0.5
    (tmp_path / "gate.json").write_text(json.dumps(told))
    assert thresholds_of(tmp_path / "gate.json") == {"blank": 0.5}


def test_doubt_is_least_at_the_threshold():
    scores = {"a": np.linspace(0, 1, 11), "b": np.array([0.0] * 10 + [math.nan])}
    found = doubt(scores, {"a": 0.5, "b": 9.0})
    assert np.abs(found).argmin() == 5
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize(
    ("markers", "side", "frontal", "expected"),
    [
        ([(0.9, "left")], None, True, 0),
        ([(0.1, "left")], None, True, 1),
        ([(0.1, "right"), (0.9, "right")], None, True, 1),
        ([(0.1, "left")], "side:left", True, 0),
        ([(0.1, "left")], "side:right", False, 1),
        ([(0.1, "left")], None, False, math.nan),
        ([], None, True, math.nan),
    ],
)
def test_markers_contradict_the_limb_or_the_half_they_lie_on(markers, side, frontal, expected):
    found = checks.wrong_marker(markers, side, frontal=frontal)
    assert found == pytest.approx(expected, nan_ok=True)


def test_a_marker_burned_in_on_the_wrong_half_is_read(tmp_path, judge):
    pytest.importorskip("rapidocr")
    lit = np.tile(np.linspace(40, 120, 512), (512, 1)).astype(np.uint8)
    for name, at in (("right-half", 440), ("left-half", 40)):
        picture = Image.fromarray(lit)
        font = ImageFont.load_default(size=44)
        ImageDraw.Draw(picture).text((at, 30), "L", fill=235, font=font)
        picture.save(tmp_path / f"{name}.png")
    prompt = "chest x-ray, PA view, adult"
    found = {
        name: score(Found(path=tmp_path / f"{name}.png", prompt=prompt), {}, judge)["marker"]
        for name in ("right-half", "left-half")
    }
    assert found == {"right-half": 0, "left-half": 1}
