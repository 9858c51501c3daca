"""Acceptance sampling: how many to read, and what may be said of the rest. Exact, never "AQL".

An acceptance quality limit protects the producer over many lots; one release is a lot alone, so
what is given here is a bound on its own share of defects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from radsmith.errors import InvalidInput
from radsmith.evaluation.exact import (
    binomial_at_most,
    hypergeometric,
    hypergeometric_at_most,
    lower_bound,
    upper_bound,
)


def reads_needed(
    rate: float, confidence: float = 0.95, lot: int | None = None, sensitivity: float = 1.0
) -> int:
    """How many to read, all without a defect, to say "at most `rate` defective".

    lot: images in all; None for a lot without end.  sensitivity: of the reader, who overlooks the
    rest of the defects.  Raises InvalidInput where even reading all of the lot would not do.
    """
    _check_share("the tolerated rate", rate)
    _check_share("confidence", confidence)
    if not 0 < sensitivity <= 1:
        raise InvalidInput(f"a sensitivity lies above 0, at most 1; got {sensitivity}")
    endless = math.ceil(round(math.log(1 - confidence) / math.log1p(-rate * sensitivity), 9))
    if lot is None:
        return endless
    if lot < 1:
        raise InvalidInput(f"a lot holds at least 1 image, got {lot}")
    low, high = 0, lot
    if lot_bound(0, lot, lot, confidence, sensitivity) > rate:
        raise InvalidInput(
            f"even reading all {lot} cannot say “at most {rate:.2%}” with a reader who sees"
            f" {sensitivity:.0%} of the defects: tolerate more, or read twice"
        )
    while high - low > 1:
        middle = (low + high) // 2
        enough = lot_bound(0, middle, lot, confidence, sensitivity) <= rate
        low, high = (low, middle) if enough else (middle, high)
    return high


def defect_bound(
    defects: int,
    n: int,
    confidence: float = 0.95,
    lot: int | None = None,
    sensitivity: float = 1.0,
) -> float:
    """One-sided upper bound of the rate of defects after `defects` found in n read at random.

    With a lot, of the lot as it was drawn from; see `rest_bound` for what was not read.
    """
    if lot is None:
        _check_sensitivity(sensitivity)
        return min(1.0, upper_bound(defects, n, confidence) / sensitivity)
    return lot_bound(defects, n, lot, confidence, sensitivity)


def lot_bound(
    defects: int, n: int, lot: int, confidence: float = 0.95, sensitivity: float = 1.0
) -> float:
    """The largest share of defects in a lot that the sample does not rule out.

    Exact by the hypergeometric distribution where the reader sees all; where some are overlooked,
    each defect drawn is found with that probability.
    """
    return _most_defects(defects, n, lot, confidence, sensitivity) / lot


def rest_bound(
    defects: int, n: int, lot: int, confidence: float = 0.95, sensitivity: float = 1.0
) -> float:
    """Upper bound of the rate among what was not read; the defects found are taken out.

    0 where all was read by readers who overlook nothing. An overlooked defect stays with the rest.
    """
    most = _most_defects(defects, n, lot, confidence, sensitivity)
    rest = lot - n if sensitivity == 1 else lot - defects
    return 0.0 if rest == 0 else min(1.0, (most - defects) / rest)


def _most_defects(defects: int, n: int, lot: int, confidence: float, sensitivity: float) -> int:
    _check_sensitivity(sensitivity)
    _check_share("confidence", confidence)
    if not 0 <= defects <= n <= lot or n < 1:
        raise InvalidInput(f"{defects} defects of {n} read of a lot of {lot} cannot be")
    low, high = defects, lot + 1  # low is never ruled out, high always is

    while high - low > 1:
        middle = (low + high) // 2
        possible = _at_most(defects, lot, middle, n, sensitivity) > 1 - confidence
        low, high = (middle, high) if possible else (low, middle)
    return low


def _at_most(found: int, lot: int, defects: int, n: int, sensitivity: float) -> float:
    """P(at most `found` are found): drawn by the hypergeometric, each seen with `sensitivity`."""
    if sensitivity == 1:
        if n + defects - lot > found:
            return 0.0
        return hypergeometric_at_most(found, lot, defects, n)
    terms = (
        hypergeometric(k, lot, defects, n) * binomial_at_most(found, k, sensitivity)
        for k in _likely(lot, defects, n)
    )
    return math.fsum(terms)


def _likely(lot: int, defects: int, n: int) -> range:
    """Counts within nine standard deviations: the rest is nothing."""
    first, last = max(0, n - (lot - defects)), min(n, defects)
    mean = n * defects / lot
    spread = 9 * math.sqrt(mean * (1 - defects / lot)) + 9
    return range(max(first, math.floor(mean - spread)), min(last, math.ceil(mean + spread)) + 1)


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What a reader found of planted defects.

    value: the share.  low: its exact one-sided lower bound; bounds of a lot divide by it.
    """

    found: int
    planted: int
    value: float
    low: float

    @classmethod
    def of(cls, found: int, planted: int, confidence: float = 0.95) -> Sensitivity:
        """Raises InvalidInput where nothing was planted, or less than was found."""
        if not 0 <= found <= planted or planted < 1:
            raise InvalidInput(f"{found} of {planted} planted defects cannot have been found")
        low = lower_bound(found, planted, confidence)
        return cls(found=found, planted=planted, value=found / planted, low=low)


def bound_by_reader(
    defects: int, n: int, lot: int | None, found: int, planted: int, confidence: float = 0.95
) -> float:
    """Upper bound of the rate where the reader's sensitivity was measured on planted defects.

    Both the sample and the sensitivity are uncertain: each bound takes half of the error, so that
    both hold together (Bonferroni).
    """
    each = (1 + confidence) / 2
    low = Sensitivity.of(found, planted, each).low
    return 1.0 if low == 0 else defect_bound(defects, n, each, lot, low)


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise InvalidInput(f"{name} lies between 0 and 1, got {value}")


def _check_sensitivity(value: float) -> None:
    if not 0 < value <= 1:
        raise InvalidInput(f"a sensitivity lies above 0, at most 1; got {value}")
