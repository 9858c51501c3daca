"""The copy detector: its views, its loss, and that it learns to tell images apart."""

import json

import numpy as np
import pytest
import torch

from radsmith.datasets.corpus import Corpus
from radsmith.evaluation.audit.detector import SIDE
from radsmith.evaluation.audit.files import load_detector
from radsmith.images.letterbox import letterboxed
from radsmith.training.copy_detector import (
    FEATURES,
    DetectorNetwork,
    DetectorRecipe,
    Varied,
    contrastive_loss,
    export_detector,
    train_detector,
    tuned_on,
    views,
)


def small_corpus(count=80):
    rng = np.random.default_rng(0)
    low = rng.integers(40, 220, (count, 8, 8))
    pixels = np.zeros((count, 256, 256), np.uint8)
    pixels[:, 32:224] = low.repeat(24, 1).repeat(32, 2)
    kinds = [("modality:x-ray", "body_part:chest"), ("modality:x-ray", "body_part:knee")]
    return Corpus(
        pixels=pixels,
        frames=np.tile([256, 192], (count, 1)),
        concepts=[kinds[i % 2] for i in range(count)],
        sources=["made"] * count,
        patients=[f"p{i}" for i in range(count)],
        held_out=np.zeros(count, bool),
        synthetic=np.zeros(count, bool),
    )


def test_an_unchanged_view_is_what_the_detector_sees():
    corpus = small_corpus(4)
    rng = np.random.default_rng(0)
    seen = views(corpus.pixels, corpus.frames, rng, strength=0)[:, 0].numpy()
    for k in range(4):
        whole = corpus.pixels[k][32:224].astype(np.float32) / 255
        assert np.abs(seen[k] - letterboxed(whole, SIDE)).mean() < 0.02


def test_views_differ_and_keep_their_range():
    corpus = small_corpus(4)
    one = views(corpus.pixels, corpus.frames, np.random.default_rng(0))
    two = views(corpus.pixels, corpus.frames, np.random.default_rng(1))
    assert one.shape == (4, 1, SIDE, SIDE)
    assert float(one.min()) >= 0 and float(one.max()) <= 1
    assert float((one - two).abs().mean()) > 0.02


def test_the_loss_is_least_where_partners_meet():
    directions = torch.eye(4)
    met = contrastive_loss(directions, directions, 0.07)
    mixed = contrastive_loss(directions, directions.roll(1, 0), 0.07)
    alike = contrastive_loss(torch.ones(4, 4) / 2, torch.ones(4, 4) / 2, 0.07)
    assert met < 1e-4 < mixed
    assert float(alike) == pytest.approx(np.log(4), abs=1e-5)


def test_untouched_kinds_are_not_tuned_on():
    corpus = small_corpus()
    pools = tuned_on(corpus, ("knee x-ray",))
    assert [pool.tolist() for pool in pools] == [list(range(0, 80, 2))]


def test_it_learns_and_what_is_exported_is_what_was_learned(tmp_path):
    corpus = small_corpus()
    varied = Varied(index=np.zeros(0, np.int64), pixels=np.zeros((0, 256, 256), np.uint8))
    told = []
    recipe = DetectorRecipe(steps=50, pairs=12, varied=0, untouched=())
    network = train_detector(corpus, varied, recipe, told.append)
    assert "step 50" in told[-1]
    index = np.arange(0, 80, 2)
    rng = np.random.default_rng(5)
    with torch.no_grad():
        known = network(views(corpus.pixels[index], corpus.frames[index], rng, 0))
        asked = network(views(corpus.pixels[index], corpus.frames[index], rng, 0.5))
    assert ((asked @ known.T).argmax(1) == torch.arange(40)).float().mean() > 0.5
    sidecar = export_detector(network, tmp_path, {"recipe": {}})
    assert json.loads(sidecar.read_text())["side"] == SIDE
    detector = load_detector(sidecar)
    image = corpus.pixels[0][32:224].astype(np.float32) / 255
    direct = network(torch.from_numpy(letterboxed(image, SIDE))[None, None])[0].detach().numpy()
    assert detector([image])[0] == pytest.approx(direct, abs=5e-3)


def test_it_is_small():
    network = DetectorNetwork()
    assert sum(p.numel() for p in network.parameters()) < 1_000_000
    assert network(torch.zeros(2, 1, SIDE, SIDE)).shape == (2, FEATURES)
