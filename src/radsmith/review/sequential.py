"""Reading until it is decided: Wald's sequential probability ratio test, truncated.

A. Wald, Sequential Analysis, 1947. A test cut off at some number of reads no longer has Wald's
errors, so they are computed here exactly, read by read. After such a test the interval of a sample
of fixed size does not hold: what is reported is the decision and its errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput

Array = NDArray[np.float64]
Decision = Literal["accept", "reject", "read on"]


@dataclass(frozen=True, kw_only=True)
class Sequential:
    """Tells a good lot (rate `good` or less) from a bad one (rate `bad` or more).

    alpha: risk of rejecting a good lot.  beta: of accepting a bad one; both as Wald has them.
    most: reads after which it is decided by which line is nearer; None: never cut off.
    """

    good: float
    bad: float
    alpha: float = 0.05
    beta: float = 0.10
    most: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.good < self.bad < 1:
            raise InvalidInput(
                f"a good rate must lie below a bad one, both in 0-1; got {self.good}, {self.bad}"
            )
        if not (0 < self.alpha < 0.5 and 0 < self.beta < 0.5):
            raise InvalidInput("risks of a wrong decision lie between 0 and one half")
        if self.most is not None and self.most < self.earliest:
            raise InvalidInput(
                f"no lot can be accepted before {self.earliest} reads; {self.most} are too few"
            )

    @cached_property
    def _ratio(self) -> float:
        good, bad = self.good, self.bad
        return math.log(bad * (1 - good) / (good * (1 - bad)))

    @cached_property
    def accept_at(self) -> float:
        """h0: accept where defects <= slope * n - h0."""
        return math.log((1 - self.alpha) / self.beta) / self._ratio

    @cached_property
    def reject_at(self) -> float:
        """h1: reject where defects >= slope * n + h1."""
        return math.log((1 - self.beta) / self.alpha) / self._ratio

    @cached_property
    def slope(self) -> float:
        """Defects a read along both lines."""
        return math.log((1 - self.good) / (1 - self.bad)) / self._ratio

    @property
    def earliest(self) -> int:
        """Reads without a defect after which a lot is accepted."""
        return math.ceil(self.accept_at / self.slope - 1e-9)

    def decide(self, defects: int, n: int) -> Decision:
        """What n reads with that many defects come to."""
        if defects <= self.slope * n - self.accept_at + 1e-12:
            return "accept"
        if defects >= self.slope * n + self.reject_at - 1e-12:
            return "reject"
        if self.most is None or n < self.most:
            return "read on"
        middle = self.slope * n + (self.reject_at - self.accept_at) / 2
        return "accept" if defects < middle else "reject"

    def follow(self, defective: Iterable[bool]) -> tuple[Decision, int]:
        """The decision on verdicts in the order they were read, and at which read it fell."""
        defects = n = 0
        for defect in defective:
            n += 1
            defects += defect
            decision = self.decide(defects, n)
            if decision != "read on":
                return decision, n
        return "read on", n

    def operating(self, rate: float) -> Operating:
        """The chance to accept a lot of this rate, and how many reads that takes, exactly.

        Raises InvalidInput for a test that is not cut off: give `most`.
        """
        if self.most is None:
            raise InvalidInput("a test without a largest number of reads has no exact errors")
        open_, accepted, reads = np.array([1.0]), 0.0, 0.0
        for n in range(1, self.most + 1):
            reads += float(open_.sum())
            open_ = np.append(open_ * (1 - rate), 0) + np.append(0, open_ * rate)
            for defects in np.flatnonzero(open_ > 0):
                decision = self.decide(int(defects), n)
                if decision != "read on":
                    accepted += open_[defects] if decision == "accept" else 0.0
                    open_[defects] = 0.0
        return Operating(rate=rate, accepted=float(accepted), reads=reads)


@dataclass(frozen=True, kw_only=True)
class Operating:
    """accepted: chance that a lot of this rate is accepted.  reads: expected number."""

    rate: float
    accepted: float
    reads: float


def real_errors(test: Sequential) -> tuple[float, float]:
    """Alpha and beta of a truncated test as they really are."""
    return 1 - test.operating(test.good).accepted, test.operating(test.bad).accepted
