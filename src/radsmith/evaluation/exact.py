"""Exact probabilities of counts, by the incomplete beta function; no library beside numpy's.

Numerical Recipes, 3rd edition, section 6.4 (continued fraction of the incomplete beta function).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from radsmith.errors import InvalidInput

_TINY = 1e-300
_STEPS = 20_000
_HALVINGS = 200


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), for a, b above 0 and x in 0-1."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(front + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Lentz's method."""
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, _STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + term * d
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = 1 + term / c
            c = c if abs(c) > _TINY else _TINY
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


@lru_cache(maxsize=4096)
def beta_quantile(probability: float, a: float, b: float) -> float:
    """Where the beta distribution of a, b has this much below it."""
    return _halved(lambda x: incomplete_beta(a, b, x) < probability, 0.0, 1.0)


def t_quantile(probability: float, degrees: float) -> float:
    """Where Student's distribution has this much (0.5-1) below it."""
    if not 0.5 <= probability < 1:
        raise InvalidInput(f"a probability of 0.5-1 is expected, got {probability}")
    x = beta_quantile(2 * (1 - probability), degrees / 2, 0.5)
    return math.sqrt(degrees * (1 - x) / x) if x > 0 else math.inf


def binomial_at_most(count: int, n: int, p: float) -> float:
    """P(X <= count) of n trials that each succeed with probability p."""
    if count >= n:
        return 1.0
    return 0.0 if count < 0 else 1 - incomplete_beta(count + 1, n - count, p)


def hypergeometric(count: int, lot: int, defects: int, n: int) -> float:
    """P(X = count) defects among n drawn of a lot that holds `defects`."""
    log = _log_choose(defects, count) + _log_choose(lot - defects, n - count)
    return math.exp(log - _log_choose(lot, n))


def hypergeometric_at_most(count: int, lot: int, defects: int, n: int) -> float:
    """P(X <= count) defects among n drawn of a lot that holds `defects`."""
    first, last = max(0, n - (lot - defects)), min(count, n, defects)
    terms = (hypergeometric(k, lot, defects, n) for k in range(first, last + 1))
    return min(1.0, math.fsum(terms))


def clopper_pearson(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of a share (Clopper and Pearson 1934).

    Raises InvalidInput for counts outside 0-n.
    """
    _check(count, n, confidence)
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else beta_quantile(tail, count, n - count + 1)
    high = 1.0 if count == n else beta_quantile(1 - tail, count + 1, n - count)
    return low, high


def upper_bound(count: int, n: int, confidence: float = 0.95) -> float:
    """The exact one-sided upper bound of a share."""
    _check(count, n, confidence)
    return 1.0 if count == n else beta_quantile(confidence, count + 1, n - count)


def lower_bound(count: int, n: int, confidence: float = 0.95) -> float:
    """The exact one-sided lower bound of a share."""
    return 1 - upper_bound(n - count, n, confidence)


def _check(count: int, n: int, confidence: float) -> None:
    if n < 1 or not 0 <= count <= n:
        raise InvalidInput(f"{count} of {n} is no share: count some, at least 1")
    if not 0 < confidence < 1:
        raise InvalidInput(f"confidence lies between 0 and 1, got {confidence}")


def _log_choose(n: int, k: int) -> float:
    if not 0 <= k <= n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _halved(below: Callable[[float], bool], low: float, high: float) -> float:
    """Where a rising function reaches what is asked, by bisection to the last bit."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2
