"""By how much the texture that a finished model draws is too weak or too strong, style by style.

Networks that were trained for few hours draw some styles smoother than they are and others with
more grain, alike in all their images; two gains a style put that right.  Training images alone
are looked at.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radsmith.datasets.corpus import Corpus, contents
from radsmith.engines.engine import Ask, Engine
from radsmith.evaluation.noise import BANDS, noise_figures
from radsmith.images.provenance import Settings

FEWEST = 60
"""Training images of a style that is measured."""
EACH = 16
MOST = 5.0
"""Decibels that a gain may be, up or down."""
_NARROWEST = 64
_FINER = {"detail": (BANDS[-2], BANDS[-1])}
"""The two halves of what a stage draws."""


def gains_of(engine: Engine, corpus: Corpus) -> dict[str, dict[str, list[float]]]:
    """Per finer stage and style, the gains (coarse, fine) that bring drawn images' mean spectrum to
    that of the training images they have their labels of.

    engine: the model as it draws without gains.
    """
    styles: dict[str, list[int]] = {}
    usable = ~(corpus.held_out | corpus.synthetic) & (corpus.frames.min(1) >= _NARROWEST)
    for i in np.flatnonzero(usable).tolist():
        for style in (c for c in corpus.concepts[i] if c.startswith("style:")):
            styles.setdefault(style, []).append(i)
    real = contents(corpus)
    found: dict[str, dict[str, list[float]]] = {stage: {} for stage in _FINER}
    for style, own in sorted(styles.items()):
        if len(own) < FEWEST:
            continue
        chosen = np.random.default_rng(0).choice(own, EACH, replace=False).tolist()
        drawn = []
        for seed, i in enumerate(chosen):
            width, height = (int(n) for n in corpus.frames[i])
            ask = Ask(
                concepts=corpus.concepts[i], seed=seed, settings=Settings(size=(width, height))
            )
            drawn.append(noise_figures(engine.generate(ask)))
        wanted = np.stack([noise_figures(real[i]) for i in chosen])
        for stage, bands in _FINER.items():
            at = [BANDS.index(band) for band in bands]
            found[stage][style] = amplitudes(wanted[:, at] - np.stack(drawn)[:, at])
    return found


def amplitudes(decibels: NDArray[np.float64]) -> list[float]:
    """Factors of amplitude from differences of power (n, bands), at most MOST each way."""
    middle = np.clip(np.median(decibels, 0), -MOST, MOST)
    return [round(float(g), 3) for g in 10 ** (middle / 20)]
