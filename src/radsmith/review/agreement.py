"""How far readers agree, beyond chance: Cohen, Fleiss, Krippendorff and Gwet, with intervals.

Own code on numpy, because the usual packages are GPL or have no licence; every coefficient is
tested against published values. Ratings are a table (cases, readers) with NaN where a reader gave
none. What a missing rating does is each statistic's own:

- Krippendorff's alpha pairs the values that a case has, and leaves out cases with one
  (Krippendorff 2011, "Computing Krippendorff's alpha-reliability").
- Fleiss' kappa and Gwet's AC1 and AC2 take agreement from cases with two ratings or more, and the
  shares of the categories from all cases (Gwet 2014, "Handbook of Inter-Rater Reliability", ch. 2).
- Cohen's kappa of two readers takes the cases that both rated. For more readers it is Conger's
  kappa, which is Cohen's at two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.exact import t_quantile

Array = NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval", "ratio"]
LEVELS: tuple[Level, ...] = get_args(Level)
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """value: None where it is undefined, as when all ratings are the same.

    interval: of 95 %, None where there is none.  method: how both were computed, in words.
    """

    value: float | None
    interval: tuple[float, float] | None
    method: str

    @property
    def in_words(self) -> str:
        """Such as "0.72 (0.61 to 0.83)"."""
        if self.value is None:
            return "undefined"
        if self.interval is None:
            return f"{self.value:.3f} (no interval)"
        return f"{self.value:.3f} ({self.interval[0]:.3f} to {self.interval[1]:.3f})"

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        interval = None if self.interval is None else list(self.interval)
        return {"value": self.value, "interval": interval, "method": self.method}


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """values: (cases, readers), NaN where missing.  level: of measurement.

    Nominal categories are numbers here, too; which is which plays no part.
    Raises InvalidInput for fewer than two readers, no case that two rated, or ratio values below 0.
    """

    values: Array
    level: Level = "nominal"

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise InvalidInput(f"no level {self.level!r}: there are {', '.join(LEVELS)}")
        if self.values.ndim != 2 or self.values.shape[1] < 2:
            raise InvalidInput("agreement needs two readers or more")
        if not ((~np.isnan(self.values)).sum(1) >= 2).any():
            raise InvalidInput("no case was rated by two readers: agreement cannot be told")
        if self.level == "ratio" and np.nanmin(self.values) < 0:
            raise InvalidInput("a ratio level has no values below 0; take interval")

    @cached_property
    def categories(self) -> Array:
        """The values that occur, rising."""
        return np.unique(self.values[~np.isnan(self.values)])

    @cached_property
    def given(self) -> Array:
        """(cases, readers, categories): 1 where a reader gave that value."""
        return (self.values[..., None] == self.categories).astype(np.float64)

    @cached_property
    def counts(self) -> Array:
        """(cases, categories): readers of each value."""
        return np.asarray(self.given.sum(1))

    @cached_property
    def weights(self) -> Array:
        """(categories, categories), 1 for the same value: partial agreement at this level."""
        return weights_of(self.categories, self.level)


def weights_of(categories: Array, level: Level) -> Array:
    """Agreement weights: none between nominal values, quadratic (Fleiss and Cohen 1973) between
    ordinal and interval ones, by relative difference between ratio ones."""
    difference = categories[:, None] - categories[None, :]
    if level == "nominal" or len(categories) < 2:
        return np.eye(len(categories))
    if level == "ratio":
        total = categories[:, None] + categories[None, :]
        low, high = float(categories.min()), float(categories.max())
        relative = np.divide(difference, total, out=np.zeros_like(difference), where=total > 0)
        return np.asarray(1 - (relative / ((high - low) / (high + low))) ** 2)
    return np.asarray(1 - (difference / np.ptp(categories)) ** 2)


def krippendorff_alpha(ratings: Ratings) -> Coefficient:
    """Krippendorff's alpha at the ratings' level, with a jackknife interval over cases."""
    counts = ratings.counts[ratings.counts.sum(1) >= 2]
    pairs = np.einsum("uc,uk->uck", counts, counts)
    pairs -= np.einsum("uc,ck->uck", counts, np.eye(counts.shape[1]))
    pairs /= (counts.sum(1) - 1)[:, None, None]

    def alpha(coincidences: Array) -> float:
        totals = coincidences.sum(0)
        metric = _metric(ratings.categories, totals, ratings.level)
        expected = float((np.outer(totals, totals) * metric).sum())
        if expected <= 0:
            return math.nan
        return 1 - (totals.sum() - 1) * float((coincidences * metric).sum()) / expected

    whole = pairs.sum(0)
    value = alpha(whole)
    without = (alpha(whole - one) for one in pairs)
    return _coefficient(value, _jackknifed(value, without, len(pairs)), "jackknife over cases")


def _metric(categories: Array, totals: Array, level: Level) -> Array:
    """Squared differences (Krippendorff 2011, section "metric differences")."""
    if level == "nominal":
        return 1 - np.eye(len(categories))
    if level == "ordinal":
        ranks = np.cumsum(totals) - totals / 2
        return np.asarray((ranks[:, None] - ranks[None, :]) ** 2)
    difference = (categories[:, None] - categories[None, :]) ** 2
    if level == "interval":
        return np.asarray(difference)
    total = (categories[:, None] + categories[None, :]) ** 2
    return np.divide(difference, total, out=np.zeros_like(difference), where=total > 0)


def gwet_ac(ratings: Ratings, *, weighted: bool) -> Coefficient:
    """Gwet's AC1 or, weighted by the level, AC2; interval by his linearised variance."""
    weights = ratings.weights if weighted else np.eye(len(ratings.categories))
    q = len(weights)
    factor = float(weights.sum()) / max(1, q * (q - 1))

    def chance(shares: Array, of_case: Array) -> tuple[float, Array]:
        return factor * float((shares * (1 - shares)).sum()), factor * of_case @ (1 - shares)

    name = f"AC2, {_words(ratings.level)}" if weighted else "AC1"
    return _linearised(ratings, weights, chance, f"{name}; Gwet's variance, t interval")


def fleiss_kappa(ratings: Ratings, *, weighted: bool = False) -> Coefficient:
    """Fleiss' kappa for any number of readers; interval by Gwet's linearised variance."""
    weights = ratings.weights if weighted else np.eye(len(ratings.categories))

    def chance(shares: Array, of_case: Array) -> tuple[float, Array]:
        return float(shares @ weights @ shares), of_case @ (weights @ shares)

    return _linearised(ratings, weights, chance, "Fleiss; Gwet's variance, t interval")


Chance = Callable[[Array, Array], tuple[float, Array]]
"""Shares of the categories, in all and of each case, to agreement by chance, in all and of each."""


def _linearised(ratings: Ratings, weights: Array, chance: Chance, method: str) -> Coefficient:
    counts = ratings.counts[ratings.counts.sum(1) >= 1]
    readers = counts.sum(1)
    pairs = readers * (readers - 1)
    rated = readers >= 2
    agreed = (counts * (counts @ weights - 1)).sum(1)
    agreed = np.divide(agreed, pairs, out=np.zeros_like(agreed), where=rated)
    n, twice = len(counts), int(rated.sum())
    observed = float(agreed.sum()) / twice
    of_case = counts / readers[:, None]
    by_chance, chance_of_case = chance(of_case.mean(0), of_case)
    if len(weights) < 2 or 1 - by_chance < 1e-12:
        return _coefficient(math.nan, None, method)
    value = (observed - by_chance) / (1 - by_chance)
    parts = n / twice * (agreed - by_chance * rated) / (1 - by_chance)
    parts = parts - 2 * (1 - value) * (chance_of_case - by_chance) / (1 - by_chance)
    if n < 2:
        return _coefficient(value, None, method)
    error = math.sqrt(float(((parts - value) ** 2).sum()) / (n * (n - 1)))
    spread = t_quantile(0.975, n - 1) * error
    return _coefficient(value, (value - spread, value + spread), method)


def cohen_kappa(ratings: Ratings, *, weighted: bool = False) -> Coefficient:
    """Cohen's kappa of two readers (error after Fleiss, Cohen and Everitt 1969), Conger's of more.

    Conger's interval is a jackknife over cases.
    """
    weights = ratings.weights if weighted else np.eye(len(ratings.categories))
    if ratings.values.shape[1] == 2:
        both = ~np.isnan(ratings.values).any(1)
        table = np.einsum("ni,nj->ij", ratings.given[both, 0], ratings.given[both, 1])
        return kappa_of_table(table, weights)
    given = ratings.given[ratings.counts.sum(1) >= 2]
    counts = given.sum(1)
    readers = counts.sum(1)
    agreed = (counts * (counts @ weights - 1)).sum(1) / (readers * (readers - 1))
    alone = ratings.given[ratings.counts.sum(1) == 1].sum(0)
    n, total, of_reader = len(given), float(agreed.sum()), given.sum(0) + alone
    value = _conger(total / n, of_reader, weights)
    rest: Iterable[float] = ()
    if n > 1:
        parts = zip(agreed, given, strict=True)
        rest = (_conger((total - a) / (n - 1), of_reader - g, weights) for a, g in parts)
    method = "Conger's generalisation of Cohen's; jackknife over cases"
    return _coefficient(value, _jackknifed(value, rest, n), method)


def kappa_of_table(table: Array, weights: Array | None = None) -> Coefficient:
    """Cohen's kappa of a square table of counts: rows the first reader, columns the second."""
    weights = np.eye(len(table)) if weights is None else weights
    n = float(table.sum())
    p = table / n
    rows, columns = p.sum(1), p.sum(0)
    observed, expected = float((p * weights).sum()), float(rows @ weights @ columns)
    method = "Cohen; error after Fleiss, Cohen and Everitt, normal interval"
    if 1 - expected < 1e-12:
        return _coefficient(math.nan, None, method)
    value = (observed - expected) / (1 - expected)
    mean = (weights @ columns)[:, None] + (weights.T @ rows)[None, :]
    inner = float((p * (weights - mean * (1 - value)) ** 2).sum())
    variance = (inner - (value - expected * (1 - value)) ** 2) / (n * (1 - expected) ** 2)
    spread = _Z * math.sqrt(max(0.0, variance))
    return _coefficient(value, (value - spread, value + spread), method)


def _conger(observed: float, of_reader: Array, weights: Array) -> float:
    """Conger's kappa (1980). of_reader: (readers, categories), how often each gave each."""
    of_reader = of_reader[of_reader.sum(1) > 0]
    of_reader = of_reader / of_reader.sum(1, keepdims=True)
    r, mean = len(of_reader), of_reader.mean(0)
    if r < 2:
        return math.nan
    covariance = (of_reader.T @ of_reader - r * np.outer(mean, mean)) / (r - 1)
    expected = float((weights * (np.outer(mean, mean) - covariance / r)).sum())
    return math.nan if 1 - expected < 1e-12 else (observed - expected) / (1 - expected)


def all_coefficients(ratings: Ratings) -> dict[str, Coefficient]:
    """Every coefficient by its key; the weighted ones at the ratings' level."""
    return {
        "krippendorff_alpha": krippendorff_alpha(ratings),
        "fleiss_kappa": fleiss_kappa(ratings),
        "cohen_kappa": cohen_kappa(ratings),
        "weighted_kappa": cohen_kappa(ratings, weighted=True),
        "gwet_ac1": gwet_ac(ratings, weighted=False),
        "gwet_ac2": gwet_ac(ratings, weighted=True),
    }


def table_of(rows: Sequence[tuple[str, str, str]], level: Level) -> Ratings:
    """Ratings from (case, reader, value) rows; an empty value is a missing one.

    Raises InvalidInput where a reader rated a case twice, or a value that must be a number is none.
    """
    cases = {case: i for i, case in enumerate(dict.fromkeys(case for case, _, _ in rows))}
    readers = {name: i for i, name in enumerate(dict.fromkeys(name for _, name, _ in rows))}
    names = {v: i for i, v in enumerate(sorted({v for _, _, v in rows if v}))}
    values = np.full((len(cases), len(readers)), np.nan)
    for case, reader, value in rows:
        at = cases[case], readers[reader]
        if not math.isnan(values[at]):
            raise InvalidInput(f"reader {reader} rated case {case} twice: keep one of the rows")
        if value:
            values[at] = names[value] if level == "nominal" else _number(value, case, level)
    return Ratings(values=values, level=level)


def _number(value: str, case: str, level: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInput(
            f"case {case}: {value!r} is no number, which the level {level} needs; mend it, or take"
            " --level nominal"
        )
    return number


def _jackknifed(value: float, without: Iterable[float], n: int) -> tuple[float, float] | None:
    """A t interval from the values without each case in turn (Efron and Stein 1981)."""
    left = np.array(list(without), np.float64)
    if n < 2 or math.isnan(value) or np.isnan(left).any():
        return None
    error = math.sqrt((n - 1) / n * float(((left - left.mean()) ** 2).sum()))
    spread = t_quantile(0.975, n - 1) * error
    return value - spread, value + spread


def _coefficient(value: float, interval: tuple[float, float] | None, method: str) -> Coefficient:
    """Intervals end at -1 and 1; one without width would claim what so few cases cannot."""
    if interval is not None and interval[1] - interval[0] < 1e-9:
        interval, method = None, f"{method}; no interval: the cases do not vary"
    if math.isnan(value):
        return Coefficient(value=None, interval=None, method=f"{method}; undefined: no variation")
    if interval is not None:
        interval = max(-1.0, interval[0]), min(1.0, interval[1])
    return Coefficient(value=value, interval=interval, method=method)


def _words(level: Level) -> str:
    return {"nominal": "no weights", "ratio": "ratio weights"}.get(level, "quadratic weights")
