"""How many images to read and what reads bound, in numbers and in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from radsmith.errors import InvalidInput
from radsmith.review.sampling import (
    Sensitivity,
    bound_by_reader,
    defect_bound,
    reads_needed,
    rest_bound,
)
from radsmith.review.sequential import Sequential, real_errors

LONGEST = 20_000
"""Reads of a sequential test whose errors are still computed: the time goes by their square."""


@dataclass(frozen=True, kw_only=True)
class SamplingPlan:
    """figures: by name, None where not asked for.  lines: the same for people."""

    figures: dict[str, Any]
    lines: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**self.figures, "in_words": list(self.lines)}


def sampling_plan(
    *,
    lot: int | None,
    rate: float,
    confidence: float,
    read: tuple[int, int] | None = None,
    planted: tuple[int, int] | None = None,
    good: float | None = None,
    most: int | None = None,
) -> SamplingPlan:
    """read: (defects, images read at random).  planted: (found, planted) of a reader.  good, most:
    for a sequential test of `good` against `rate`, cut off after `most` reads."""
    n = reads_needed(rate, confidence, lot)
    of = f" of {lot:,}" if lot else ""
    lines = [
        f"read {n:,}{of} at random; if none is defective, at most {rate:.2%} are,"
        f" with {confidence:.0%} confidence"
    ]
    figures: dict[str, Any] = {
        "lot": lot,
        "rate": rate,
        "confidence": confidence,
        "reads_without_a_defect": n,
    }
    if read is not None:
        more, said = _bounds(read, lot, confidence, planted)
        figures |= more
        lines += said
    if good is not None:
        more, said = _sequential(good, rate, most)
        figures |= more
        lines += said
    return SamplingPlan(figures=figures, lines=tuple(lines))


def _bounds(
    read: tuple[int, int], lot: int | None, confidence: float, planted: tuple[int, int] | None
) -> tuple[dict[str, Any], list[str]]:
    defects, n = read
    bound = defect_bound(defects, n, confidence, lot)
    figures: dict[str, Any] = {"defects": defects, "read": n, "upper_bound": bound}
    said = f"after {defects} of {n:,}: at most {bound:.2%} are defective"
    if lot:
        figures["rest_upper_bound"] = rest_bound(defects, n, lot, confidence)
        said += f", at most {figures['rest_upper_bound']:.2%} of what was not read"
    lines = [said + " (exact, one-sided; a reader who overlooks nothing)"]
    if planted is not None:
        found = Sensitivity.of(*planted, confidence)
        real = bound_by_reader(defects, n, lot, *planted, confidence)
        figures["reader_sensitivity"] = {"value": found.value, "lower_bound": found.low}
        figures["upper_bound_with_reader"] = real
        lines.append(
            f"the reader found {planted[0]} of {planted[1]} planted defects (at least"
            f" {found.low:.0%}), so at most {real:.2%} are defective"
        )
    return figures, lines


def _sequential(good: float, bad: float, most: int | None) -> tuple[dict[str, Any], list[str]]:
    test = Sequential(good=good, bad=bad, most=most)
    if most is None and 4 * test.earliest > LONGEST:
        raise InvalidInput(
            f"telling {good} from {bad} takes {test.earliest:,} reads or more, beyond what is"
            f" computed ({LONGEST:,} in all): let the good rate lie farther below, or tolerate more"
        )
    cut = test if most is not None else Sequential(good=good, bad=bad, most=4 * test.earliest)
    alpha, beta = real_errors(cut)
    figures = {
        "sequential": {
            "good": good,
            "bad": bad,
            "accept_line": [test.slope, -test.accept_at],
            "reject_line": [test.slope, test.reject_at],
            "earliest_accept": test.earliest,
            "most": cut.most,
            "alpha": alpha,
            "beta": beta,
            "expected_reads": [cut.operating(good).reads, cut.operating(bad).reads],
        }
    }
    line = (
        f"reading until decided: accept at the earliest after {test.earliest} without a defect,"
        f" stop after {cut.most}; a good lot ({good:.2%}) is rejected with {alpha:.1%}, a bad one"
        f" ({bad:.2%}) accepted with {beta:.1%}. No interval of a fixed sample holds after it."
    )
    return figures, [line]
