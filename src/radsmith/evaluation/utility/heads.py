"""Logistic regression on frozen features: exact, in closed steps, the same for every arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PENALTY = 3.0
"""Of squared weights, per finding; features have unit variance."""
_STEPS, _ENOUGH = 25, 1e-6


@dataclass(frozen=True, kw_only=True)
class Reduced:
    """Principal axes of real training features, to unit variance: what a head is given."""

    mean: Array
    axes: Array

    @classmethod
    def of(cls, features: NDArray[np.floating], dimensions: int = 96) -> Reduced:
        """From features (n, d)."""
        mean = features.mean(0, dtype=np.float64)
        _, spread, vectors = np.linalg.svd(features - mean, full_matrices=False)
        count = min(dimensions, int((spread > spread[0] * 1e-4).sum()), len(features) - 1)
        scale = spread[:count] / np.sqrt(len(features))
        return cls(mean=mean, axes=vectors[:count].T / scale)

    def apply(self, features: NDArray[np.floating]) -> Array:
        """(n, dimensions)."""
        return np.asarray((features - self.mean) @ self.axes, np.float64)


def fit(features: Array, labels: Array, start: Array | None = None) -> Array:
    """Weights (d + 1, findings) that minimise the log loss plus PENALTY |w - start|^2 / 2.

    features: (n, d).  labels: (n, findings), NaN unknown.  start: weights that were
    learned before (fine-tuning stays near them), zero where None.
    """
    table = np.concatenate([features, np.ones((len(features), 1))], 1)
    width = table.shape[1]
    towards = np.zeros((width, labels.shape[1])) if start is None else start
    found = towards.copy()
    pull = np.full(width, PENALTY)
    pull[-1] = 1e-3
    for column in range(labels.shape[1]):
        known = ~np.isnan(labels[:, column])
        x, y = table[known], labels[known, column]
        w = found[:, column].copy()
        for _ in range(_STEPS):
            chance = logistic(x @ w)
            slope = x.T @ (chance - y) + pull * (w - towards[:, column])
            curve = (x * np.maximum(chance * (1 - chance), 1e-5)[:, None]).T @ x
            move = np.linalg.solve(curve + np.diag(pull), slope)
            move *= min(1.0, 5 / max(float(np.abs(x @ move).max(initial=0)), 1e-9))
            w -= move
            if float(np.abs(move).max()) < _ENOUGH:
                break
        found[:, column] = w
    return found


def probability(features: Array, weights: Array) -> Array:
    """(n, findings) of features (n, d)."""
    return logistic(features @ weights[:-1] + weights[-1])


def logistic(value: Array) -> Array:
    """1 / (1 + exp(-value))."""
    return np.asarray(0.5 * (1 + np.tanh(value / 2)), np.float64)
