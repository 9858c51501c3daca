"""Statistics of a privacy audit, each with its source: plain functions of counts and scores.

Exact binomial intervals, ROC areas, rates at a few false alarms, and what they bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.exact import clopper_pearson
from radsmith.evaluation.metrics import auroc

Scores = NDArray[np.floating]
LEVEL = 0.95
FEW, FEWER = 0.01, 0.001
"""False-alarm rates at which an attack is reported; the second with LEAST_FOR_FEWER images."""
LEAST_FOR_FEWER = 1000
_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True)
class Share:
    """`found` of `n` with its exact 95 % interval; all 0-1, or NaN where n is 0."""

    found: int
    n: int

    @property
    def estimate(self) -> float:
        """found / n."""
        return self.found / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper and Pearson 1934, two-sided."""
        return binomial_interval(self.found, self.n)

    def said(self) -> dict[str, float | int | None]:
        """For JSON: found, n, estimate, low, high; None where n is 0."""
        if not self.n:
            return {"found": 0, "n": 0, "estimate": None, "low": None, "high": None}
        low, high = (round(v, 5) for v in self.interval)
        return {
            "found": self.found,
            "n": self.n,
            "estimate": round(self.estimate, 5),
            "low": low,
            "high": high,
        }


def binomial_interval(found: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Exact two-sided interval of a share. Raises InvalidInput unless 0 <= found <= n, n > 0."""
    if not 0 <= found <= n or n < 1:
        raise InvalidInput(f"a share needs 0 <= found <= n and n of 1 or more, got {found} of {n}")
    return clopper_pearson(found, n, level)


def at_least(found: int, n: int, p: float) -> float:
    """P[Bin(n, p) >= found]."""
    return 1.0 if found <= 0 else float(np.exp(_log_mass(n, p)[found:]).sum())


def _log_mass(n: int, p: float) -> NDArray[np.float64]:
    """Log probabilities of 0 ... n successes, 0 < p < 1."""
    up = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1, dtype=np.float64)))])
    k = np.arange(n + 1)
    return np.asarray(
        up[n] - up - up[::-1] + k * math.log(p) + (n - k) * math.log1p(-p), np.float64
    )


def area(positive: Scores, negative: Scores) -> tuple[float, float, float]:
    """ROC area with its 95 % interval (DeLong et al. 1988), on the logit scale.

    Where all of one side score higher the interval is that of the rule of three.
    """
    a, b = np.asarray(positive, np.float64), np.asarray(negative, np.float64)
    both = np.concatenate([a, b])
    value = auroc(both, np.arange(len(both)) < len(a))
    least = min(len(a), len(b))
    if value in (0.0, 1.0) or least < 2:
        edge = min(1.0, 3 / least)
        return value, max(0.0, value - edge), min(1.0, value + edge)
    ordered_a, ordered_b = np.sort(a), np.sort(b)
    of_a = _placement(ordered_b, a)
    of_b = 1 - _placement(ordered_a, b)
    variance = of_a.var(ddof=1) / len(a) + of_b.var(ddof=1) / len(b)
    odds, spread = math.log(value / (1 - value)), math.sqrt(variance) / (value * (1 - value))
    z = _NORMAL.inv_cdf(0.5 + LEVEL / 2)
    low, high = (1 / (1 + math.exp(-(odds + s * z * spread))) for s in (-1, 1))
    return value, low, high


def _placement(ordered: NDArray[np.float64], of: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the ordered values below each, ties half."""
    below, up_to = np.searchsorted(ordered, of, "left"), np.searchsorted(ordered, of, "right")
    return np.asarray((below + up_to) / 2 / len(ordered), np.float64)


def threshold_at(negative: Scores, rate: float) -> float:
    """The score that at most `rate` of the negatives pass. Needs 1 / rate of them or more."""
    if len(negative) * rate < 1:
        raise InvalidInput(f"a rate of {rate:g} needs {math.ceil(1 / rate)} negatives or more")
    ordered = np.sort(np.asarray(negative, np.float64))
    return float(ordered[len(ordered) - 1 - math.floor(len(ordered) * rate)])


def rate_at(positive: Scores, negative: Scores, rate: float) -> tuple[Share, Share]:
    """True and false positives above `threshold_at` of the negatives."""
    threshold = threshold_at(negative, rate)
    hits, alarms = (int((np.asarray(s) > threshold).sum()) for s in (positive, negative))
    return Share(found=hits, n=len(positive)), Share(found=alarms, n=len(negative))


def attack_figures(members: Scores, others: Scores) -> dict[str, object]:
    """AUC and rates at 1 % (with 1,000 or more a side at 0.1 %), with intervals, and mu.

    mu: lower bound of Gaussian differential privacy from the rates at 1 %, `gaussian_bound`.
    """
    value, low, high = area(members, others)
    figures: dict[str, object] = {
        "n_members": len(members),
        "n_others": len(others),
        "auc": {"estimate": round(value, 4), "low": round(low, 4), "high": round(high, 4)},
    }
    least = min(len(members), len(others))
    for rate in (FEW, FEWER):
        if (rate == FEWER and least < LEAST_FOR_FEWER) or least * rate < 1:
            figures[f"tpr_at_{rate:g}"] = None
            continue
        hits, alarms = rate_at(members, others, rate)
        figures[f"tpr_at_{rate:g}"] = hits.said() | {"false_alarms": alarms.said()}
        if rate == FEW:
            figures["mu"] = round(gaussian_bound(hits, alarms), 4)
    return figures


def gaussian_bound(hits: Share, alarms: Share) -> float:
    """Lower bound of mu: an attack on mu-GDP has TPR <= Phi(Phi^-1(FPR) + mu) (Dong et al. 2022).

    From the lower end of the true and the upper end of the false positives' intervals; 0 where
    these say nothing.
    """
    return max(0.0, gaussian_mu(hits.interval[0], alarms.interval[1]))


def gaussian_mu(tpr: float, fpr: float) -> float:
    """Phi^-1(TPR) - Phi^-1(FPR)."""
    if tpr <= 0 or fpr >= 1:
        return 0.0
    top = 1 - 1e-12
    return _NORMAL.inv_cdf(min(tpr, top)) - _NORMAL.inv_cdf(max(fpr, 1e-12))


def one_run_epsilon(m: int, r: int, v: int, delta: float = 0.0, p: float = 0.05) -> float:
    """Lower bound of epsilon from one run with m canaries, each in with probability 1/2.

    r: guesses made.  v: right ones.  Steinke, Nasr and Jagielski 2023 (2305.08846), theorem 5.2:
    epsilon-DP implies P[V >= v] <= P[Bin(r, q) >= v] + 2 m delta max_i P[v - i <= Bin < v] / i,
    q = 1 / (1 + e^-epsilon).  The largest epsilon that this rejects at level p; 0 where none.
    """
    if not 0 <= v <= r <= m or m < 1:
        raise InvalidInput(f"needs v <= r <= m, got v {v}, r {r}, m {m}")

    def chance(epsilon: float) -> float:
        mass = np.exp(_log_mass(r, min(1 / (1 + math.exp(-epsilon)), 1 - 1e-15))) if r else None
        if mass is None or v == 0:
            return 1.0
        beyond = float(mass[v:].sum())
        if delta:
            near = np.cumsum(mass[:v][::-1]) / np.arange(1, v + 1)
            beyond += 2 * m * delta * float(near.max())
        return beyond

    if chance(0.0) >= p:
        return 0.0
    low, high = 0.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) < p else (low, middle)
    return low


def exposure(rank: int, candidates: int) -> float:
    """log2 |R| - log2 rank in bits (Carlini et al. 2019, definition 2); rank 1 is the likeliest."""
    if not 1 <= rank <= candidates:
        raise InvalidInput(f"a rank lies in 1-{candidates}, got {rank}")
    return math.log2(candidates) - math.log2(rank)


def memorization_index(scores: Scores, null: Scores) -> NDArray[np.float64]:
    """MI = (s - mean of the null) / spread of the null, an image (2602.13066)."""
    null = np.asarray(null, np.float64)
    if len(null) < 2:
        raise InvalidInput("a null of 2 images or more is needed")
    return np.asarray((np.asarray(scores, np.float64) - null.mean()) / max(null.std(), 1e-9))


def novelty(index: NDArray[np.float64]) -> NDArray[np.float64]:
    """ONI = -tanh MI (2602.13066): -1 a copy, 0 as real images of other patients are."""
    return np.asarray(-np.tanh(index), np.float64)


def attack_risk(attack: Share, control: Share) -> dict[str, float]:
    """(attack - control) / (1 - control) of Wilson-centred rates (Giomi et al. 2211.10459, 3.3).

    control: the same attack on people whose images were not trained on.  0 is no risk beyond what
    the population tells; low and high are the 95 % interval.
    """
    (a, da), (c, dc) = (_wilson(s.found, s.n) for s in (attack, control))
    if c >= 1:
        return {"risk": 0.0, "low": 0.0, "high": 1.0}
    risk = (a - c) / (1 - c)
    spread = math.hypot(da / (1 - c), dc * (a - 1) / (1 - c) ** 2)
    return {
        "risk": round(max(0.0, risk), 4),
        "low": round(max(0.0, risk - spread), 4),
        "high": round(min(1.0, max(0.0, risk + spread)), 4),
    }


def _wilson(found: int, n: int) -> tuple[float, float]:
    """Centre and half-width of Wilson's interval (Wilson 1927)."""
    z2 = _NORMAL.inv_cdf(0.5 + LEVEL / 2) ** 2
    if n < 1:
        return 0.5, 0.5
    half = math.sqrt(z2) * math.sqrt(found * (n - found) / n + z2 / 4) / (n + z2)
    return (found + z2 / 2) / (n + z2), half
