"""The judge's training on a handful of made-up images, and its file."""

import json

import numpy as np
import pytest
import torch

from radsmith.datasets.corpus import load_corpus
from radsmith.datasets.labels import concepts_of
from radsmith.errors import InvalidInput
from radsmith.evaluation.judge_files import load_judge
from radsmith.images.letterbox import letterboxed
from radsmith.training.encoder import export_imagenet_encoder
from radsmith.training.judge import (
    JudgeNetwork,
    JudgeRecipe,
    export_judge,
    groups_of,
    judges_half,
    loss_of,
    make_judge,
    targets,
)
from tests.training.test_training import make_data


def corpus_of(tmp_path, **changes):
    make_data(tmp_path)
    return load_corpus([tmp_path], tmp_path / "cache", concepts_of)


def test_a_judge_is_trained_exported_and_read(tmp_path, monkeypatch):
    make_data(tmp_path)
    (tmp_path / "test.csv").write_text((tmp_path / "train.csv").read_text())
    monkeypatch.setattr("radsmith.training.judge.FEWEST", 3)
    recipe = JudgeRecipe(samples=24, batch_size=8, average=0.5)
    sidecar = make_judge(tmp_path, tmp_path / "judge", tmp_path / "cache", recipe)
    judge = load_judge(sidecar)
    assert judge.groups["body_part"] == ["body_part:chest", "body_part:knee"]
    found = judge.judge([np.full((40, 30), level) for level in (0.2, 0.5, 0.9)])
    total = found.probability["body_part:chest"] + found.probability["body_part:knee"]
    assert np.allclose(total, 1, atol=1e-5) and found.features.shape == (3, 128)
    assert judge.facts["accuracy"]["n"] == 48
    again = make_judge(tmp_path, tmp_path / "judge", tmp_path / "cache", recipe)
    assert json.loads(again.read_text())["digest"] == judge.facts["digest"]


def test_the_exported_judge_answers_as_the_network_does(tmp_path):
    torch.manual_seed(0)
    network = JudgeNetwork(3, pretrained=False).eval()
    groups = {"body_part": ["body_part:chest", "body_part:knee"], "finding": ["finding:pneumonia"]}
    judge = load_judge(export_judge(network, groups, {}, tmp_path))
    image = np.random.default_rng(0).random((300, 200))
    with torch.no_grad():
        square = torch.from_numpy(letterboxed(image, judge.side))[None, None]
        scores = network(square)[0][0].numpy()
    found = judge.judge([image]).probability
    wanted = np.exp(scores[:2]) / np.exp(scores[:2]).sum()
    assert np.allclose([found[c][0] for c in groups["body_part"]], wanted, atol=0.01)
    assert np.isclose(found["finding:pneumonia"][0], 1 / (1 + np.exp(-scores[2])), atol=0.01)


def test_only_what_the_manifest_says_is_learned(tmp_path):
    corpus = corpus_of(tmp_path)
    corpus.concepts[0] = (*corpus.concepts[0], "finding:pneumonia")
    corpus.concepts[2] = (*corpus.concepts[2], "finding:normal")
    groups = {
        "modality": ["modality:x-ray"],
        "body_part": ["body_part:chest", "body_part:knee"],
        "view": [],
        "side": [],
        "age_group": [],
        "severity": [],
        "finding": ["finding:pneumonia"],
    }
    wanted, known = targets(corpus, groups)
    assert known[:, 1:3].all() and wanted[0, 1] == 1 and wanted[1, 2] == 1
    assert known[:, 3].nonzero().flatten().tolist() == [0, 2]  # silent images teach nothing
    right = 20 * (2 * wanted - 1)
    assert loss_of(right, wanted, known, groups) < 1e-6 < 1 < loss_of(-right, wanted, known, groups)


def test_the_judge_sees_half_of_the_patients(tmp_path):
    corpus = corpus_of(tmp_path)
    own = judges_half(corpus)
    assert 0.25 < own.mean() < 0.75
    assert np.array_equal(own, judges_half(corpus))
    assert groups_of(corpus)["body_part"] == ["body_part:chest", "body_part:knee"]


def test_an_imagenet_encoder_is_written_for_evaluation(tmp_path):
    from radsmith.evaluation.judge_files import load_spaces

    path = export_imagenet_encoder(tmp_path / "imagenet.onnx")
    space = load_spaces(str(path), None)["imagenet"]
    features = space([np.zeros((30, 30)), np.random.default_rng(0).random((60, 40))])
    assert features.shape == (2, 1280) and np.isfinite(features).all()
    assert features[1].std() > 0 and not np.allclose(*features)


def test_a_set_that_is_too_small_is_refused_before_any_work(tmp_path):
    make_data(tmp_path)
    rows = (tmp_path / "train.csv").read_text().splitlines(keepends=True)
    (tmp_path / "train.csv").write_text("".join(rows[:7]))
    with pytest.raises(InvalidInput, match="the judge needs 16 images"):
        make_judge(tmp_path, tmp_path / "judge", tmp_path / "cache", JudgeRecipe(samples=32))
