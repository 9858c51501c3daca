"""Canaries: what is put in, what is reported of known truth, and one small run from end to end."""

import csv
import json
import tarfile
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner

from radsmith.cli import cli
from radsmith.errors import InvalidInput
from radsmith.evaluation.audit.files import read_canaries
from radsmith.evaluation.audit.sets import ImageSet, Item
from radsmith.training.canaries import (
    REPEATS,
    CanaryRequest,
    Candidate,
    chosen,
    guessed,
    report_of,
    run_canaries,
    write_canaries_set,
)
from tests.engines.tiny_pipelines import stable_diffusion
from tests.training.test_finetune import base, write_set

__all__ = ["base"]


def many(count, patients=None):
    items = [
        Item(
            name=f"i{n}",
            sha256=f"i{n}",
            kind="chest x-ray",
            patient=f"p{n % (patients or count)}",
            concepts=("modality:x-ray", "body_part:chest"),
        )
        for n in range(count)
    ]
    rng = np.random.default_rng(0)
    pixels = rng.random((count, 20, 16)).astype(np.float32)
    return ImageSet(items, pixels.__getitem__)


def request(tmp_path, **more):
    return CanaryRequest(dataset=tmp_path, folder=tmp_path, **({"each": 6} | more))


def test_half_of_the_candidates_are_put_in_as_often_as_they_say(tmp_path):
    images = many(80)
    candidates, fillers, strangers = chosen(images, request(tmp_path))
    assert Counter(c.repeats for c in candidates) == dict.fromkeys(REPEATS, 6)
    assert sum(c.wanted for c in candidates) == 9
    numbers = [c.index for c in candidates] + fillers + strangers
    assert len(set(numbers)) == len(numbers) == 80
    write_canaries_set(tmp_path / "data", images, candidates, fillers)
    with (tmp_path / "data/train.csv").open() as file:
        times = Counter(row["patient_id"] for row in csv.DictReader(file))
    for candidate in candidates:
        wanted = candidate.repeats if candidate.wanted else 0
        assert times.get(f"c{candidate.index}", 0) == wanted
    with tarfile.open(tmp_path / "data/train-000.tar") as tar:
        assert len(tar.getnames()) == sum(times.values())


def test_too_few_patients_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="canaries need 58"):
        chosen(many(80, patients=20), request(tmp_path))


def known(count):
    item = many(1).items[0]
    candidates = [
        Candidate(index=n, item=item, repeats=REPEATS[n % 3], wanted=n % 2 == 0)
        for n in range(count)
    ]
    return candidates, np.arange(count) % 2 == 0


def test_a_model_that_remembers_all_is_seen_through():
    """All of 60 told apart: exposure is the most there is; 15 + 15 guesses right bound epsilon."""
    candidates, put_in = known(60)
    report = report_of(candidates, put_in, put_in * 1.0, put_in * 9.0, np.zeros(200))
    for group in report["groups"]:
        assert group["extracted"]["found"] == group["n"] == 10
        assert group["exposure"] == group["most_exposure"] == round(np.log2(31), 4)
    assert report["epsilon"]["right"] == report["epsilon"]["guesses"] == 30
    # P[Bin(30, q) >= 30] = q^30 < 0.05, so q < 0.05^(1/30)
    q = 0.05 ** (1 / 30)
    assert report["epsilon"]["low"] == pytest.approx(np.log(q / (1 - q)), abs=1e-3)


def test_a_model_that_remembers_nothing_shows_nothing():
    candidates, put_in = known(300)
    rng = np.random.default_rng(0)
    report = report_of(
        candidates, put_in, rng.normal(size=300), rng.normal(size=300), rng.normal(size=1000)
    )
    for group in report["groups"]:
        assert group["exposure"] < 2.5  # 1 / ln 2 = 1.44 on average for uniform ranks
        assert group["extracted"]["estimate"] < 0.1
    assert report["epsilon"]["low"] < 0.3


def test_guesses_are_fixed_before_the_truth_is_seen():
    assert guessed(np.arange(40.0), np.arange(40) >= 20) == {
        "low": pytest.approx(1.3, abs=1.5),
        "canaries": 40,
        "guesses": 20,
        "right": 20,
    }
    assert guessed(np.arange(40.0), np.arange(40) < 20)["right"] == 0


@pytest.mark.filterwarnings("ignore")  # those of torch, diffusers and transformers
def test_canaries_in_a_pipeline(tmp_path):
    """A tiny Stable Diffusion, tuned for one step: every part is there, and nothing is extracted
    by a model that learned nothing."""
    stable_diffusion().save_pretrained(tmp_path / "base")
    data = write_set(tmp_path / "data", [{"body_part": "chest"} for _ in range(50)])
    asked = CanaryRequest(
        dataset=data,
        folder=tmp_path / "report",
        base=f"diffusers:{tmp_path / 'base'}",
        steps=1,
        each=3,
        draws=1,
        rank=2,
    )
    report = run_canaries(asked, lambda *said: None)
    assert report["base"] != report["tuned"]
    assert report["epsilon"]["canaries"] == 9
    assert sum(group["extracted"]["found"] for group in report["groups"]) <= 1


def test_canaries_end_to_end(tmp_path, base):
    """The command, on a tiny model: it tunes, draws, asks, and says what it found."""
    data = write_set(tmp_path / "data", [{"body_part": "chest"} for _ in range(56)])
    asked = ["audit", "--canaries", "--train", str(data), "-o", str(tmp_path / "report")]
    asked += ["--model", str(base), "--steps", "2", "--each", "4"]
    result = CliRunner().invoke(cli, asked, catch_exceptions=False)
    assert result.exit_code == 0
    report = read_canaries(tmp_path / "report")
    assert [g["repeats"] for g in report["groups"]] == list(REPEATS)
    assert report["base"] != report["tuned"]
    assert report["epsilon"]["canaries"] == 12
    assert "16 times" in result.output
    assert json.loads((tmp_path / "report/canaries.json").read_text()) == report
