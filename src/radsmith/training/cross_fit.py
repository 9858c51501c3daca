"""Priors that did not see the images they are used on, for training the base network.

A component has some eighty images and a covariance of 128 directions, so the posterior mean of an
image that was fitted is better than that of a new one (squared error in units of its own at
t = 0.3: 1.00 against 1.22), and a network that learns beside it learns to leave it alone. Here
each image is denoised by a prior that was fitted without its patient.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from radsmith.datasets.corpus import Corpus, balance
from radsmith.datasets.holdout import bucket
from radsmith.engines.default.prior import Prior
from radsmith.training.fit_prior import PriorSize, fit_prior, kind_of_image

FEWEST_PATIENTS = 20
"""Of a kind of image: with fewer, a prior without one of them does not know the kind."""
Fitted = tuple[Prior, int]
"""A prior, and the component of it that an image belongs to."""


def of_one(prior: Prior, component: Sequence[int] | NDArray[np.int64]) -> list[Fitted]:
    """The same prior for all images of these components."""
    return [(prior, int(k)) for k in component]


@dataclass(frozen=True, kw_only=True)
class CrossFit:
    """priors: one a fold, fitted without it.  fold: (n,) of each image, -1: of none.

    component: (n,) of each image in its fold's prior.
    """

    priors: Sequence[Prior]
    fold: NDArray[np.int64]
    component: NDArray[np.int64]

    def fitted(self, index: NDArray[np.int64], otherwise: Sequence[Fitted]) -> list[Fitted]:
        """For each image of `index` what its fold says, else what `otherwise` does."""
        return [
            (self.priors[self.fold[i]], int(self.component[i])) if self.fold[i] >= 0 else rest
            for i, rest in zip(index, otherwise, strict=True)
        ]


def folds_of(corpus: Corpus, count: int) -> NDArray[np.int64]:
    """The fold of each image, by patient: (n,). -1 where it is held out from all, made by a model,
    or of a kind of fewer than FEWEST_PATIENTS."""
    kinds = [kind_of_image(ids) for ids in corpus.concepts]
    patients: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for kind, patient in zip(kinds, corpus.patients, strict=True):
        patients[kind].add(patient)
    return np.array(
        [
            -1 if out or len(patients[kind]) < FEWEST_PATIENTS else bucket(f"fold {patient}", count)
            for kind, patient, out in zip(
                kinds, corpus.patients, corpus.held_out | corpus.synthetic, strict=True
            )
        ],
        np.int64,
    )


def cross_fit(corpus: Corpus, side: int, size: PriorSize, count: int, folder: Path) -> CrossFit:
    """Fit `count` priors, or read those that were fitted to as many images before."""
    asked = folds_of(corpus, count)
    priors: list[Prior] = []
    component, fold = np.full(len(corpus), -1, np.int64), np.full_like(asked, -1)
    for k in np.unique(asked[asked >= 0]):
        own = asked == k
        path = folder / f"cross-fit-{k}-of-{count}.safetensors"
        stored = load_file(path) if path.is_file() else {}
        if len(stored.get("labels", ())) != len(corpus):
            apart = replace(corpus, held_out=corpus.held_out | own)
            prior, labels = fit_prior(apart, balance(apart), side, size, 0)
            stored = {n: np.ascontiguousarray(a) for n, a in prior.arrays().items()}
            stored["labels"] = labels
            folder.mkdir(parents=True, exist_ok=True)
            save_file(stored, path)
        component[own] = stored.pop("labels")[own]
        fold[own] = len(priors)
        priors.append(Prior.from_arrays(stored).mended())
    return CrossFit(priors=priors, fold=fold, component=component)
