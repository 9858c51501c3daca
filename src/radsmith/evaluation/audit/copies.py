"""Copies among synthetic images: scores against a null, what planted copies show, the verdict.

The null is what held-out images of other patients show: some lie near a training image by chance.
A score is brought to the null's mean and spread within its kind of image, the second look decides,
and the threshold is what 1 % of the null passes. Plain functions of arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.audit.statistics import FEW, Share, at_least, threshold_at

Array = NDArray[np.float64]
ALIGNED = "aligned"
"""The name of the second look's score, beside those of the feature spaces."""
DETECTOR = "detector"
LEAST_PLANTED, LEAST_NEGATIVES = 59, 299
"""0 missed of 59 is 95 % found at 95 % confidence; 0 alarms of 299 is 1 % at most."""
LEAST_SENSITIVITY = 0.80
SURPRISE = 0.01
_LEAST_OF_KIND, _LEAST_FOR_SPREAD = 100, 20


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen of n images: score by space (n,), each the nearest training image's.

    nearest: (n,) its number, by the second look.  kinds: of the images.
    """

    scores: Mapping[str, Array]
    nearest: NDArray[np.int64]
    kinds: Sequence[str]

    def __len__(self) -> int:
        return len(self.nearest)

    def take(self, index: Sequence[int]) -> Look:
        """What was seen of these images."""
        rows = np.asarray(index, int)
        return Look(
            scores={name: values[rows] for name, values in self.scores.items()},
            nearest=self.nearest[rows],
            kinds=[self.kinds[i] for i in rows],
        )


@dataclass(frozen=True, kw_only=True)
class Standard:
    """Mean and spread of the null's scores, by kind and space; "" is all kinds together."""

    units: Mapping[str, Mapping[str, tuple[float, float]]]

    @classmethod
    def of(cls, null: Look) -> Standard:
        """From the null; a kind of fewer than 20 images has no units of its own."""
        if len(null) < _LEAST_FOR_SPREAD:
            raise InvalidInput(
                f"a null of {len(null)} held-out images sets no threshold: give at least"
                f" {_LEAST_FOR_SPREAD}, and {LEAST_NEGATIVES} for a verdict"
            )
        kinds = np.array(null.kinds)
        units = {}
        for kind in ("", *sorted(set(null.kinds))):
            rows = kinds == kind if kind else np.ones(len(kinds), bool)
            if rows.sum() >= _LEAST_FOR_SPREAD:
                units[kind] = {n: _unit(s[rows]) for n, s in null.scores.items()}
        return cls(units=units)

    def index(self, look: Look) -> dict[str, Array]:
        """The calibrated memorization index of each image in each space, see `statistics`."""
        found = {}
        for name, scores in look.scores.items():
            rows = [self.units.get(kind, self.units[""])[name] for kind in look.kinds]
            mean, spread = np.array(rows, np.float64).reshape(-1, 2).T
            found[name] = (scores - mean) / spread
        return found

    def joined(self, look: Look) -> Array:
        """The score that decides, 0 as held-out images are on average: (n,).

        That of the second look where there is one: measured, it alone told moved and redrawn
        copies of every kind; the spaces name its candidates and stand beside it.
        """
        index = self.index(look)
        if ALIGNED in index:
            return index[ALIGNED]
        return np.asarray(np.mean(list(index.values()), 0), np.float64)


def _unit(scores: Array) -> tuple[float, float]:
    return float(scores.mean()), max(float(scores.std()), 1e-6)


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Joined scores above which an image counts as a copy, by kind; "" for kinds with few."""

    by_kind: Mapping[str, float]

    @classmethod
    def of(cls, null: Look, standard: Standard) -> Thresholds:
        """What FEW of the null pass; of a kind alone with 100 of it or more."""
        scores, kinds = standard.joined(null), np.array(null.kinds)
        found = {"": _threshold(scores)}
        for kind in sorted(set(null.kinds)):
            if (kinds == kind).sum() >= _LEAST_OF_KIND:
                found[kind] = _threshold(scores[kinds == kind])
        return cls(by_kind=found)

    def over(self, scores: Array, kinds: Sequence[str]) -> Array:
        """How far each image is above its threshold, in spreads of the null."""
        return scores - np.array([self.by_kind.get(k, self.by_kind[""]) for k in kinds])


def _threshold(scores: Array) -> float:
    """At FEW, or the largest where there are too few to tell."""
    return threshold_at(scores, FEW) if len(scores) * FEW >= 1 else float(scores.max())


def false_alarms(null: Look, patients: Sequence[str]) -> dict[str, Share]:
    """How many held-out images count as copies when the other half, by patient, set the threshold.

    Keys are kinds; "" is all.
    """
    order = {p: k for k, p in enumerate(sorted(set(patients), key=_mixed))}
    side = np.array([order[p] % 2 for p in patients])
    alarms: dict[str, list[bool]] = {"": []}
    for half in (0, 1):
        one, two = (np.flatnonzero(side == s) for s in (half, 1 - half))
        if len(one) < _LEAST_FOR_SPREAD or not len(two):
            continue
        basis, asked = null.take(one.tolist()), null.take(two.tolist())
        standard = Standard.of(basis)
        over = Thresholds.of(basis, standard).over(standard.joined(asked), asked.kinds) > 0
        for kind, alarm in zip(asked.kinds, over, strict=True):
            alarms[""].append(bool(alarm))
            alarms.setdefault(kind, []).append(bool(alarm))
    return {kind: Share(found=sum(said), n=len(said)) for kind, said in alarms.items()}


def _mixed(patient: str) -> str:
    return sha256(f"null {patient}".encode()).hexdigest()


Status = Literal["copies", "none", "open"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """sentence: for people.  rule: how it came about.  status: copies, none or open."""

    status: Status
    sentence: str
    rule: str
    reasons: tuple[str, ...] = ()


RULE = (
    "An image counts as a copy when it lies nearer to a training image than 99 % of held-out images"
    " of other patients do. “Copies found” is said when more images count than false alarms explain"
    f" (p < {SURPRISE:g}), or when one is nearer than every held-out image and as near as half of"
    " the planted copies. “No copies found” is said only when neither holds, and the search finds"
    f" {LEAST_SENSITIVITY:.0%} or more (lower end of the 95 % interval) of {LEAST_PLANTED} or more"
    f" planted copies, transformed and redrawn by a model each, with {LEAST_NEGATIVES} or more"
    " held-out images. Else nothing is said either way."
)


def verdict(flagged: Share, certain: int, alarms: Share, planted: Mapping[str, Share]) -> Verdict:
    """The sentence that these counts allow, by RULE.

    flagged: images that count as copies.  certain: of them, those beyond every held-out image.
    planted: found of each group of planted copies that the rule asks for.
    """
    chance = max(FEW, alarms.estimate if alarms.n else FEW)
    excess = flagged.n > 0 and at_least(flagged.found, flagged.n, chance) < SURPRISE
    if excess or certain:
        said = (
            f"Copies found: {flagged.found} of {flagged.n} images lie as near to a training image"
            f" as copies do; about {chance * flagged.n:.0f} are expected by chance, and {certain}"
            " are nearer than any held-out image. Look at them before anything is given away."
        )
        return Verdict(status="copies", sentence=said, rule=RULE)
    reasons = _doubts(alarms, planted)
    if reasons:
        said = "No statement about copies: " + "; ".join(reasons) + "."
        return Verdict(status="open", sentence=said, rule=RULE, reasons=tuple(reasons))
    shown = ", ".join(
        f"{s.estimate:.0%} ({s.interval[0]:.0%}-{s.interval[1]:.0%}) of {s.n} {name} copies"
        for name, s in planted.items()
    )
    said = (
        f"No copies found among {flagged.n} images beyond chance ({flagged.found} near ones, about"
        f" {chance * flagged.n:.0f} expected). The same search found {shown}."
    )
    return Verdict(status="none", sentence=said, rule=RULE)


def _doubts(alarms: Share, planted: Mapping[str, Share]) -> list[str]:
    """Why “no copies found” may not be said."""
    found = []
    if alarms.n < LEAST_NEGATIVES:
        found.append(f"{alarms.n} held-out images are fewer than {LEAST_NEGATIVES}")
    if not planted:
        found.append("no copies were planted")
    for name, share in planted.items():
        if share.n < LEAST_PLANTED:
            found.append(f"{share.n} planted {name} copies are fewer than {LEAST_PLANTED}")
        elif share.interval[0] < LEAST_SENSITIVITY:
            found.append(
                f"the search finds {share.estimate:.0%} ({share.interval[0]:.0%}-"
                f"{share.interval[1]:.0%}) of planted {name} copies, less than"
                f" {LEAST_SENSITIVITY:.0%} for sure"
            )
    return found
