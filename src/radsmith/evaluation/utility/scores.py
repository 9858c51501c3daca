"""How well a finding is told: AUROC, AUPRC, calibration, recall; intervals by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.evaluation.metrics import auroc

Array = NDArray[np.float64]
BINS = 10
DRAWS = 300
LEAST_GROUP = 20
"""Images of a subgroup, and 5 with and without the finding, below which nothing is said of it."""


def average_precision(scores: Array, positive: NDArray[np.bool_]) -> float:
    """Area under precision and recall: mean precision at each positive, ties as one step."""
    order = np.argsort(-scores, kind="stable")
    hits, values = positive[order].cumsum(), scores[order]
    last = np.r_[values[1:] != values[:-1], True]
    hits, count = hits[last], np.flatnonzero(last) + 1
    gained = np.diff(np.r_[0, hits])
    return float((gained * hits / count).sum() / max(int(positive.sum()), 1))


def calibration_error(chance: Array, positive: NDArray[np.bool_]) -> float:
    """Expected calibration error over BINS bins of equal width (Naeini et al. 2015)."""
    place = np.minimum((chance * BINS).astype(int), BINS - 1)
    total = 0.0
    for k in range(BINS):
        own = place == k
        if own.any():
            total += own.mean() * abs(float(chance[own].mean()) - float(positive[own].mean()))
    return total


def figures(chance: Array, positive: NDArray[np.bool_]) -> dict[str, float]:
    """All scores of one set of probabilities (n,); both classes must be there."""
    return {
        "auroc": auroc(chance, positive),
        "auprc": average_precision(chance, positive),
        "calibration_error": calibration_error(chance, positive),
        "brier": float(((chance - positive) ** 2).mean()),
        "recall": float((chance[positive] >= 0.5).mean()),
        "specificity": float((chance[~positive] < 0.5).mean()),
    }


def patient_draws(
    patients: Sequence[str], positive: NDArray[np.bool_], draws: int, seed: int
) -> list[NDArray[np.int64]]:
    """Bootstrap samples of image numbers: whole patients, drawn within those who have the finding
    and those who do not, so that each sample has both."""
    rng = np.random.default_rng([seed, 23])
    whose: dict[str, list[int]] = {}
    for i, patient in enumerate(patients):
        whose.setdefault(patient, []).append(i)
    groups: tuple[list[list[int]], list[list[int]]] = ([], [])
    for own in whose.values():
        groups[int(positive[own].any())].append(own)
    found = []
    for _ in range(draws):
        picked = [g[int(k)] for g in groups if g for k in rng.integers(0, len(g), len(g))]
        found.append(np.array([i for own in picked for i in own], np.int64))
    return found


def auroc_draws(
    chances: Sequence[Array], positive: NDArray[np.bool_], draws: Sequence[NDArray[np.int64]]
) -> Array:
    """AUROC, mean over seeds, of each bootstrap sample; (draws + 1,), the first of all images."""
    everyone = np.arange(len(positive))
    found = []
    for index in (everyone, *draws):
        true = positive[index]
        one_class = bool(true.all() or not true.any())
        value = np.nan if one_class else np.mean([auroc(c[index], true) for c in chances])
        found.append(float(value))
    return np.array(found)


def with_interval(draws: Array) -> dict[str, float]:
    """Estimate and 2.5th to 97.5th percentile of what `auroc_draws` gave, or of a difference."""
    low, high = np.nanquantile(draws[1:], (0.025, 0.975))
    return {
        "estimate": round(float(draws[0]), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


def by_group(
    chance: Array, positive: NDArray[np.bool_], groups: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """AUROC in each subgroup with enough images; groups: name -> value of each image."""
    rows = []
    for name, values in groups.items():
        table = np.array([v or "" for v in values], object)
        for value in sorted(set(values) - {"", None}):
            own = table == value
            true = positive[own]
            if own.sum() >= LEAST_GROUP and min(true.sum(), (~true).sum()) >= 5:
                score = round(auroc(chance[own], true), 4)
                rows.append({"group": f"{name}: {value}", "n": int(own.sum()), "auroc": score})
    return rows


def gaps(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Largest difference of AUROC between the subgroups of each name."""
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["group"].partition(":")[0], []).append(row["auroc"])
    return {n: round(max(v) - min(v), 4) for n, v in found.items() if len(v) > 1}
