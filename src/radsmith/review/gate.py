"""The automatic gate: thresholds fitted on experts' verdicts, and measured on others of them.

A check gives every image a score that rises with suspicion. Its threshold is the largest at which
the exact lower bound of its sensitivity still meets the goal, on one half of the verdicts; what it
is worth is measured on the other half alone. Where fewer than LEAST verdicts exist, nothing is
claimed. No check here was trained on the judge that measures usefulness to be let off by it: scores
are compared with experts, never with another model.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.exact import clopper_pearson, lower_bound
from radsmith.review.design import Drawn

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
LEAST = 30
"""Verdicts below which a sensitivity or specificity is not measured."""
LEAST_RANDOM = 0.1
"""Share of reads that chance alone draws, whatever the gate thinks."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A share with its exact interval; None and a reason where it was not measured."""

    value: float | None
    interval: tuple[float, float] | None
    n: int
    why: str = ""

    @classmethod
    def of(cls, count: int, n: int) -> Measured:
        """Not measured below LEAST."""
        if n < LEAST:
            return cls(
                value=None, interval=None, n=n, why=f"not measured: {n} verdicts, {LEAST} needed"
            )
        return cls(value=count / n, interval=clopper_pearson(count, n), n=n)

    @property
    def in_words(self) -> str:
        """Such as "82 % (70–90 %, n 60)"."""
        if self.value is None or self.interval is None:
            return self.why
        low, high = (round(100 * bound) for bound in self.interval)
        return f"{round(100 * self.value)} % ({low}–{high} %, n {self.n})"


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A check after fitting. threshold: images at or above it are stopped; None: no threshold met
    the goal, and why.  by_group: sensitivity and specificity of each class.
    """

    check: str
    threshold: float | None
    why: str
    sensitivity: Measured
    specificity: Measured
    by_group: Mapping[str, tuple[Measured, Measured]]

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "check": self.check,
            "threshold": self.threshold,
            "why": self.why,
            "sensitivity": vars(self.sensitivity),
            "specificity": vars(self.specificity),
            "by_group": {
                group: {"sensitivity": vars(a), "specificity": vars(b)}
                for group, (a, b) in self.by_group.items()
            },
        }


def halves(units: Sequence[str]) -> Mask:
    """True for the half on which thresholds are fitted: all images of a unit (a patient, a prompt)
    on one side, by its name alone."""
    return np.array([hashlib.sha256(f"half {u}".encode()).digest()[0] % 2 == 0 for u in units])


def fit_check(
    check: str,
    scores: Array,
    defective: Mask,
    units: Sequence[str],
    groups: Sequence[str],
    goal: float = 0.8,
) -> Fitted:
    """Fit and measure one check.

    scores, defective: (n,), of images that experts judged; NaN where a check could not look.
    units: what must not lie on both sides.  goal: least sensitivity, by its lower bound of 95 %.
    Raises InvalidInput for arrays of different lengths.
    """
    if not len(scores) == len(defective) == len(units) == len(groups):
        raise InvalidInput("scores, verdicts, units and groups must be of the same images")
    looked = ~np.isnan(scores)
    fitting = halves(units)
    threshold, why = largest_threshold(scores[looked & fitting], defective[looked & fitting], goal)
    test = looked & ~fitting
    if threshold is None:
        nothing = Measured(value=None, interval=None, n=int(test.sum()), why=why)
        return Fitted(
            check=check,
            threshold=None,
            why=why,
            sensitivity=nothing,
            specificity=nothing,
            by_group={},
        )
    stopped = scores >= threshold
    kinds = np.array(groups)
    names = sorted({group for group in groups if group})
    pairs = {name: _measured(stopped, defective, test & (kinds == name)) for name in names}
    sensitivity, specificity = _measured(stopped, defective, test)
    return Fitted(
        check=check,
        threshold=threshold,
        why="",
        sensitivity=sensitivity,
        specificity=specificity,
        by_group=pairs,
    )


def _measured(stopped: Mask, defective: Mask, among: Mask) -> tuple[Measured, Measured]:
    bad, good = among & defective, among & ~defective
    return (
        Measured.of(int((stopped & bad).sum()), int(bad.sum())),
        Measured.of(int((~stopped & good).sum()), int(good.sum())),
    )


def largest_threshold(scores: Array, defective: Mask, goal: float) -> tuple[float | None, str]:
    """The largest threshold whose sensitivity meets the goal by its lower bound, or why none."""
    if not 0 < goal < 1:
        raise InvalidInput(f"a goal lies between 0 and 1, got {goal}")
    bad = np.sort(scores[defective])[::-1]
    if len(bad) < LEAST:
        return None, f"not measured: {len(bad)} defective images to fit on, {LEAST} needed"
    counts = range(1, len(bad) + 1)
    least = bisect_left(counts, goal, key=lambda count: lower_bound(count, len(bad)))
    if least == len(bad):
        return None, f"no threshold finds {goal:.0%} of {len(bad)} defective images surely enough"
    return float(bad[least]), ""


def choose_reads(
    scores: Array, threshold: float, n: int, seed: int, random_share: float = LEAST_RANDOM
) -> list[tuple[int, Drawn]]:
    """Which images to read: where the gate is unsure, and at least a tenth by chance alone.

    What chance drew is told as such, even where the gate would have chosen it too: only that part
    speaks for the lot. Raises InvalidInput for a share below LEAST_RANDOM or too many reads.
    """
    if not LEAST_RANDOM <= random_share <= 1:
        raise InvalidInput(
            f"at least {LEAST_RANDOM:.0%} of the reads are drawn at random, so that the bound on"
            f" the rest holds; got {random_share:.0%}"
        )
    if not 1 <= n <= len(scores):
        raise InvalidInput(f"cannot read {n} of {len(scores)} images")
    chance = max(1, int(np.ceil(n * random_share - 1e-9)))
    picked = np.random.default_rng([seed, 7]).permutation(len(scores))[:chance]
    drawn: dict[int, Drawn] = {int(i): "random" for i in picked}
    for i in unsure(scores, threshold):
        if len(drawn) == n:
            break
        drawn.setdefault(int(i), "unsure")
    return sorted(drawn.items())


def unsure(scores: Array, threshold: float) -> NDArray[np.int64]:
    """Images in the order of the gate's doubt: by rank, those nearest to the threshold first.

    What it could not look at comes before all.
    """
    ranks = np.argsort(np.argsort(np.nan_to_num(scores, nan=threshold), kind="stable"))
    place = np.searchsorted(np.sort(np.nan_to_num(scores, nan=threshold)), threshold)
    doubt = np.abs(ranks - place).astype(np.float64)
    doubt[np.isnan(scores)] = -1
    return np.argsort(doubt, kind="stable")


def corrected(
    strata: NDArray[np.int64], stopped: Mask, verified: Mask, defective: Mask, seed: int = 0
) -> dict[str, Measured]:
    """Sensitivity and specificity over the whole lot where experts saw mainly what was doubted.

    Begg and Greenes 1983: within each stratum and decision of the gate, what was verified speaks
    for what was not. strata: (n,), such that within one, reading was by chance or of all. Intervals
    by bootstrap of the verified ones. Not measured where a cell has none that was verified.
    """
    cells = 2 * strata + stopped
    estimate = _cells(cells, verified, defective)
    n = int(verified.sum())
    if estimate is None or n < LEAST:
        why = f"not measured: {n} verdicts, {LEAST} needed, and some of every kind"
        nothing = Measured(value=None, interval=None, n=n, why=why)
        return {"sensitivity": nothing, "specificity": nothing}
    draw = np.random.default_rng([seed, 8])
    tries: list[dict[int, float]] = [{} for _ in range(1000)]
    for cell, (rate, seen, _) in estimate.items():
        for one, count in zip(tries, draw.binomial(seen, rate, len(tries)), strict=True):
            one[cell] = count / seen
    sizes = {cell: size for cell, (_, _, size) in estimate.items()}
    value = _shares({cell: rate for cell, (rate, _, _) in estimate.items()}, sizes)
    ends = np.nanpercentile([_shares(one, sizes) for one in tries], (2.5, 97.5), axis=0)
    return {
        name: Measured(value=value[i], interval=(float(ends[0, i]), float(ends[1, i])), n=n)
        for i, name in enumerate(("sensitivity", "specificity"))
    }


def _cells(
    cells: NDArray[np.int64], verified: Mask, defective: Mask
) -> dict[int, tuple[float, int, int]] | None:
    """Of each cell its rate of defects, verified images and all images; None where one has none
    that was verified. Odd cells are those that the gate stops."""
    found = {}
    for cell in np.unique(cells):
        seen = verified & (cells == cell)
        if not seen.any():
            return None
        count, size = int(seen.sum()), int((cells == cell).sum())
        found[int(cell)] = float(defective[seen].mean()), count, size
    return found


def _shares(rates: Mapping[int, float], sizes: Mapping[int, int]) -> tuple[float, float]:
    """Sensitivity and specificity; odd cells are stopped."""
    bad = {c: rates[c] * sizes[c] for c in rates}
    good = {c: (1 - rates[c]) * sizes[c] for c in rates}
    all_bad, all_good = sum(bad.values()), sum(good.values())
    found = sum(v for c, v in bad.items() if c % 2) / all_bad if all_bad else np.nan
    passed = sum(v for c, v in good.items() if not c % 2) / all_good if all_good else np.nan
    return float(found), float(passed)
