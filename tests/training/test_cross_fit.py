"""Priors fitted without the images they are used on."""

from __future__ import annotations

import numpy as np
import pytest

from radsmith.datasets.corpus import Corpus
from radsmith.datasets.holdout import held_out
from radsmith.training.choosing import Material
from radsmith.training.cross_fit import FEWEST_PATIENTS, cross_fit, folds_of
from radsmith.training.fit_prior import PriorSize, fit_prior
from radsmith.training.flow import base_inputs

SIDE, SIZE = 32, PriorSize(basis=48, rank=24)


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(200, 16, 16))
    images = np.tensordot(rng.normal(size=(240, 200)), patterns, 1)
    images = np.kron(images / images.std() * 30 + 128, np.ones((16, 16)))
    patients = [f"p{i // 2}" for i in range(220)] + [f"q{i % 3}" for i in range(20)]
    kind = ("modality:x-ray", "body_part:chest", "style:a")
    other = ("modality:ct", "body_part:head", "style:b")
    return Corpus(
        pixels=np.clip(images, 0, 255).astype(np.uint8),
        frames=np.full((240, 2), 256),
        concepts=[kind] * 220 + [other] * 20,
        sources=["a"] * 220 + ["b"] * 20,
        patients=patients,
        held_out=held_out(patients),
        synthetic=np.arange(240) == 7,
    )


def test_folds_are_of_whole_patients_and_leave_out_what_they_cannot_spare(corpus):
    fold = folds_of(corpus, 4)
    assert set(fold.tolist()) == {-1, 0, 1, 2, 3}
    by_patient = {}
    for patient, k in zip(corpus.patients, fold, strict=True):
        by_patient.setdefault(patient, set()).add(int(k))
    assert all(len(ks - {-1}) <= 1 for ks in by_patient.values())
    assert (fold[corpus.held_out] == -1).all() and fold[7] == -1
    assert len(set(corpus.patients[220:])) < FEWEST_PATIENTS and (fold[220:] == -1).all()


def test_a_prior_without_the_image_errs_as_it_does_on_a_new_one(corpus, tmp_path):
    apart = cross_fit(corpus, SIDE, SIZE, 8, tmp_path)
    prior, component = fit_prior(corpus, np.full(240, 1 / 240), SIDE, SIZE, 0)
    material = Material(corpus, {}, prior.mended(), component, apart)
    rng = np.random.default_rng(1)

    def loss(index, training):
        x_0 = corpus.pixels[index].reshape(-1, SIDE, 8, SIDE, 8).mean((2, 4)) / 127.5 - 1
        x_0 = x_0.astype(np.float32)
        noise = rng.standard_normal(x_0.shape, np.float32)
        t, free = np.full(len(index), 0.3, np.float32), np.ones_like(x_0)
        fitted = material.fitted(index, training=training)
        _, mean, error = base_inputs(fitted, 0.7 * x_0 + 0.3 * noise, t, x_0, free)
        return float((((x_0 - mean) / error[:, None, None]) ** 2).mean())

    seen = np.flatnonzero(apart.fold >= 0)
    new = np.flatnonzero(corpus.held_out[:220])
    assert loss(seen, False) < 0.8 * loss(seen, True)
    assert loss(seen, True) == pytest.approx(loss(new, True), rel=0.25)
    assert material.fitted(new, training=True)[0][0] is material.prior


def test_fitted_priors_are_read_back_until_there_are_more_images(corpus, tmp_path):
    first = cross_fit(corpus, SIDE, SIZE, 2, tmp_path)
    stamp = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    again = cross_fit(corpus, SIDE, SIZE, 2, tmp_path)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == stamp
    assert np.array_equal(first.component, again.component)
    assert np.allclose(first.priors[0].means, again.priors[0].means, atol=1e-2)
    cross_fit(corpus.after(20), SIDE, SIZE, 2, tmp_path)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} != stamp
