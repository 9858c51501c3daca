"""What a classifier is trained on: the arms of the comparison, each from the same real images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radsmith.evaluation.utility.heads import fit, probability

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
RATIOS = (0.5, 1.0, 2.0)
"""Synthetic images for each real one in the mixed arms."""
REAL, SYNTHETIC, PRETRAINED, AUGMENTED = (
    "real",
    "synthetic",
    "pretrained, then real",
    "real and augmented",
)


@dataclass(frozen=True, kw_only=True)
class Training:
    """Numbers of images to train on, of one pool: `first` before `main`, where there are any."""

    first: Numbers
    main: Numbers


Learner = Callable[[Training, int], Array]
"""(training, seed) -> probabilities (n, findings) of the test images."""


def arm_names(synthetic: int) -> list[str]:
    """All arms; without synthetic images those of real images alone."""
    mixed = [f"mixed 1:{ratio:g}" for ratio in RATIOS]
    return [REAL, AUGMENTED, *([SYNTHETIC, *mixed, PRETRAINED] if synthetic else [])]


def composed(
    name: str, real: Numbers, synthetic: Numbers, augmented: Numbers, rng: np.random.Generator
) -> Training:
    """The training of an arm. augmented: the same real images, changed; as many as real ones, so
    that it costs what the mixed arm of 1:1 costs."""
    none = np.zeros(0, np.int64)
    if name == REAL:
        return Training(first=none, main=real)
    if name == AUGMENTED:
        return Training(first=none, main=np.concatenate([real, augmented]))
    if name == SYNTHETIC:
        return Training(first=none, main=synthetic)
    if name == PRETRAINED:
        return Training(first=synthetic, main=real)
    count = round(float(name.partition(":")[2]) * len(real))
    part = rng.choice(synthetic, count, replace=count > len(synthetic))
    return Training(first=none, main=np.concatenate([real, part]))


def on_features(features: Array, labels: Array, test: Array) -> Learner:
    """Logistic regression on frozen features (n, d); labels (n, findings), NaN unknown."""

    def learn(training: Training, seed: int) -> Array:
        start = None
        if len(training.first):
            start = fit(features[training.first], labels[training.first])
        return probability(test, fit(features[training.main], labels[training.main], start))

    return learn
