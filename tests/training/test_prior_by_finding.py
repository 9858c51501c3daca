"""Components show what they were asked for: one finding, one side, where enough images have it."""

from dataclasses import replace

import numpy as np
import pytest

from radsmith.datasets.corpus import Corpus, balance
from radsmith.errors import InvalidInput
from radsmith.training.export import simulated_images
from radsmith.training.fit_prior import FEWEST_IMAGES, PriorSize, fit_prior

pytestmark = pytest.mark.torch
KNEE = ("modality:x-ray", "body_part:knee", "style:one")
SIDE = 16


def corpus_of(*groups, held_out=()):
    """Images of (count, concepts, gray) each."""
    rng = np.random.default_rng(0)
    concepts = [ids for count, ids, _ in groups for _ in range(count)]
    gray = np.concatenate([np.full(count, g) for count, _, g in groups])
    pixels = rng.normal(gray[:, None, None], 12, (len(gray), 256, 256)).clip(0, 255)
    out = np.array([i in held_out for i in range(len(gray))])
    return Corpus(
        pixels=pixels.astype(np.uint8), frames=np.full((len(gray), 2), 256), concepts=concepts,
        sources=["one"] * len(gray), patients=[str(i) for i in range(len(gray))],
        held_out=out, synthetic=np.zeros(len(gray), bool),
    )  # fmt: skip


def fitted(corpus):
    weight = np.full(len(corpus), 1 / len(corpus))
    return fit_prior(corpus, weight, SIDE, PriorSize(basis=8, rank=4), 0)


def test_healthy_and_ill_left_and_right_never_share_a_component():
    groups = [
        (50, (*KNEE, "finding:normal", "side:left"), 100),
        (50, (*KNEE, "finding:normal", "side:right"), 101),
        (50, (*KNEE, "finding:osteoarthritis", "severity:severe"), 102),
        (50, (*KNEE, "finding:osteoarthritis", "severity:mild"), 103),
    ]
    corpus = corpus_of(*groups)
    prior, component = fitted(corpus)
    shown = [{corpus.concepts[i] for i in np.flatnonzero(component == k)}
             for k in range(len(prior.means))]  # fmt: skip
    assert all(len(kinds) == 1 for kinds in shown)
    assert len(set(prior.group.tolist())) == 1  # how knees differ from each other is learned of all


def test_what_few_images_show_shares_with_the_rest_of_its_kind():
    corpus = corpus_of((70, (*KNEE, "finding:normal"), 100), (20, (*KNEE, "finding:fracture"), 110))
    _, component = fitted(corpus)
    sizes = np.bincount(component)
    assert sizes.min() >= FEWEST_IMAGES
    foot = ("modality:x-ray", "body_part:foot", "style:one")
    corpus = corpus_of((70, (*KNEE, "finding:normal"), 100), (3, foot, 180), (3, KNEE, 60))
    prior, component = fitted(corpus)
    assert len(set(component.tolist())) == len(prior.means)
    assert np.bincount(component).min() >= FEWEST_IMAGES  # no component is one person's


def test_a_modality_that_is_held_out_whole_is_refused():
    heart = ("modality:ultrasound", "body_part:heart", "style:two")
    corpus = corpus_of((70, KNEE, 100), (3, heart, 50), held_out=(70, 71, 72))
    with pytest.raises(InvalidInput, match="held out whole"):
        fitted(corpus)
    few = replace(corpus, held_out=np.zeros(len(corpus), bool))
    _, component = fitted(few)
    assert len(set(component[70:].tolist()) & set(component[:70].tolist())) == 0


def test_what_no_machine_took_is_counted_by_part_and_source_without_the_held_out():
    corpus = corpus_of(
        (4, KNEE, 100), (3, ("modality:x-ray", "body_part:femur"), 50), held_out=(4,)
    )
    corpus = replace(
        corpus,
        sources=[
            "one",
            "ct_projection",
            "ct_projection",
            "ct_projection",
            *["parametric_limb"] * 3,
        ],
        patients=["a", "v", "v", "w", "l1", "l2", "l2"],
    )
    assert simulated_images(corpus) == {
        "modality:x-ray body_part:femur": {"parametric_limb": [2, 1]},
        "modality:x-ray body_part:knee": {"ct_projection": [3, 2]},
    }


def test_what_is_favoured_is_drawn_so_many_times_as_often():
    foot = ("modality:x-ray", "body_part:foot", "style:one")
    corpus = corpus_of((9, KNEE, 100), (4, foot, 100), held_out=(0,))
    plain = balance(corpus)
    favoured = balance(corpus, favour={"body_part:foot": 3.0})
    feet = np.array([foot == ids for ids in corpus.concepts])
    odds = [own[feet].sum() / own[~feet].sum() for own in (plain, favoured)]
    assert odds[1] == pytest.approx(3 * odds[0])
    assert favoured.sum() == pytest.approx(1) and favoured[0] == 0
    for favour in ({"body_part:feet": 2.0}, {"body_part:foot": 0.0}, {"body_part:foot": np.nan}):
        with pytest.raises(InvalidInput, match="favour"):
            balance(corpus, favour=favour)
