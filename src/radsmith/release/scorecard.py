"""A scorecard after the SMD scorecard: seven criteria, each by measurements or not at all.

The criteria are those of Zamzmi et al., Commun Eng 2025;4:130 (doi 10.1038/s44172-025-00450-1),
research of FDA staff and no rule of anybody; agreement with it is not compliance with anything.
Coverage, constraint and consistency against real images follow the latent-space evaluation of the
US National Library of Medicine (2026), whose finding is that there is no universal score: so there
is no total here. Pure functions of features and counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.evaluation.metrics import kernel_distance
from radsmith.images.contact_sheet import Table

Array = NDArray[np.float64]
CRITERIA: Mapping[str, str] = {
    "congruence": "how the set's distribution agrees with that of real images",
    "coverage": "how much of the variety of real images is there",
    "constraint": "whether images keep to what anatomy and physics allow",
    "completeness": "whether everything that the task needs is there",
    "compliance": "whether formats and privacy rules are kept",
    "comprehension": "whether experts and machines can tell what is shown",
    "consistency": "whether the set contradicts itself",
}
THRESHOLDS = (0.05, 0.10, 0.15, 0.20, 0.25)
"""Cosine distances of the coverage curve."""
NO_REAL = "no real images were given to compare with (--real)"
_Z = 1.959964
_NEAR = 3
"""Of 64 bits, by which near copies differ (`datasets.entry.alike`)."""
_LEAST = 4


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure. interval: 95 %, None for a count of everything.  n: images it rests on.

    unmeasured: why there is no value; then value and n say nothing.
    """

    criterion: str
    name: str
    method: str
    value: float | None = None
    n: int = 0
    interval: tuple[float, float] | None = None
    unmeasured: str = ""


def share(criterion: str, name: str, method: str, hits: int, n: int, *, sample: bool) -> Measure:
    """A share of n images; sample: they stand for more than themselves, so it has an interval."""
    if not n:
        return Measure(criterion=criterion, name=name, method=method, unmeasured="no such images")
    return Measure(
        criterion=criterion,
        name=name,
        method=method,
        value=hits / n,
        n=n,
        interval=wilson(hits, n) if sample else None,
    )


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    p, z = hits / n, _Z
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def against_real(
    real: Array,
    made: Array,
    real_classes: Sequence[str],
    made_classes: Sequence[str],
    space: str,
    seed: int = 0,
) -> Iterator[Measure]:
    """Congruence, coverage, constraint and consistency from features (n, d) of one space."""
    rng = np.random.default_rng(seed)
    if min(len(real), len(made)) < _LEAST:
        yield from without_real(f"fewer than {_LEAST} real or made images")
        return
    distance = kernel_distance(real, made, rng)
    yield Measure(
        criterion="congruence",
        name="kernel distance to real images",
        method=f"squared MMD, cubic kernel (KID), {space} features; bootstrap over images",
        value=distance.estimate,
        n=len(made),
        interval=(distance.low, distance.high),
    )
    one, two = _directions(real), _directions(made)
    nearest = 1 - (one @ two.T).max(1)
    draws = [_area(nearest[pick]) for pick in rng.integers(0, len(nearest), (200, len(nearest)))]
    yield Measure(
        criterion="coverage",
        name="real images with a made one near them",
        method=f"share of real images within cosine distance t, area over t = {THRESHOLDS[0]} to "
        f"{THRESHOLDS[-1]}, {space} features; bootstrap over real images",
        value=_area(nearest),
        n=len(real),
        interval=_spread(draws),
    )
    yield from _classes(one, two, real_classes, made_classes, space, rng)


def without_real(why: str = NO_REAL) -> Iterator[Measure]:
    """The same measures, not measured."""
    names = {
        "congruence": "kernel distance to real images",
        "coverage": "real images with a made one near them",
        "constraint": "nearness to the real class",
        "consistency": "gap of nearness between classes",
    }
    for criterion, name in names.items():
        yield Measure(criterion=criterion, name=name, method="", unmeasured=why)


def doubles(digests: Sequence[str], alike: Sequence[str]) -> Iterator[Measure]:
    """Exact and near doubles within the set. alike: of `datasets.entry.alike`."""
    exact = len(digests) - len(set(digests))
    yield share(
        "consistency", "exact doubles", "SHA-256 of the pixels", exact, len(digests), sample=False
    )
    codes = np.array([int(a, 16) for a in alike], np.uint64)
    near = 0
    for number, code in enumerate(codes):
        before = codes[:number]
        near += bool(len(before)) and bool((np.bitwise_count(before ^ code) <= _NEAR).any())
    method = f"difference hash of 64 bits, at most {_NEAR} apart; a hint, not a proof"
    yield share("consistency", "near doubles", method, near, len(alike), sample=False)


def gap(criterion: str, name: str, method: str, groups: Mapping[str, tuple[int, int]]) -> Measure:
    """Largest difference of a share between subgroups of 20 images or more: (hits, n) each."""
    kept = {g: (h, n) for g, (h, n) in groups.items() if n >= 20}
    if len(kept) < 2:
        return Measure(
            criterion=criterion,
            name=name,
            method=method,
            unmeasured="fewer than two subgroups of 20 images or more",
        )
    shares = {g: h / n for g, (h, n) in kept.items()}
    low, high = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    (a, n), (b, m) = kept[low], kept[high]
    value = shares[high] - shares[low]
    spread = _Z * math.sqrt(_variance(a, n) + _variance(b, m))
    return Measure(
        criterion=criterion,
        name=name,
        method=f"{method}; lowest {low}, highest {high}",
        value=value,
        n=sum(n for _, n in kept.values()),
        interval=(max(0.0, value - spread), min(1.0, value + spread)),
    )


def report(measures: Iterable[Measure], facts: Mapping[str, Any]) -> dict[str, Any]:
    """scorecard.json: facts of the set, then each criterion with its measures, none left out."""
    found = list(measures)
    return {
        "after": "SMD scorecard, Zamzmi et al. 2025, doi 10.1038/s44172-025-00450-1",
        "says": "Measurements, not a verdict. Not a statement of conformity with any regulation.",
        "set": dict(facts),
        "criteria": [
            {
                "criterion": name,
                "asks": asks,
                "measures": [asdict(m) for m in found if m.criterion == name]
                or [{"name": "", "unmeasured": "nothing here measures it"}],
            }
            for name, asks in CRITERIA.items()
        ],
    }


def tables(said: Mapping[str, Any]) -> list[Table]:
    """The scorecard for people, one table a criterion."""
    counts = Table(
        title="The set",
        columns=("what", "how many"),
        rows=[(k, v) for k, v in said["set"].items()],
        note=f"After the {said['after']}. {said['says']}",
    )
    return [counts] + [
        Table(
            title=f"{part['criterion'].capitalize()}: {part['asks']}",
            columns=("measure", "value", "95 % interval", "n", "method"),
            rows=[_line(m) for m in part["measures"]],
        )
        for part in said["criteria"]
    ]


def _line(measure: Mapping[str, Any]) -> tuple[str, ...]:
    if measure.get("unmeasured"):
        return measure["name"], "not measured", "", "", measure["unmeasured"]
    bounds = measure["interval"]
    shown = f"{bounds[0]:.3g} to {bounds[1]:.3g}" if bounds else "counted, all"
    return (
        measure["name"], f"{measure['value']:.3g}", shown, f"{measure['n']:,}", measure["method"]
    )  # fmt: skip


def _classes(
    real: Array,
    made: Array,
    real_classes: Sequence[str],
    made_classes: Sequence[str],
    space: str,
    rng: np.random.Generator,
) -> Iterator[Measure]:
    near: dict[str, Array] = {}
    for name in sorted(set(made_classes) & set(real_classes)):
        own = real[[i for i, c in enumerate(real_classes) if c == name]]
        mine = made[[i for i, c in enumerate(made_classes) if c == name]]
        if min(len(own), len(mine)) >= _LEAST:
            near[name] = mine @ _directions(own.mean(0, keepdims=True))[0]
    if not near:
        yield from (m for m in without_real("no class in common") if m.criterion[:4] == "cons")
        return
    every = np.concatenate(list(near.values()))
    picks = rng.integers(0, len(every), (200, len(every)))
    yield Measure(
        criterion="constraint",
        name="nearness to the real class",
        method=f"cosine to the mean of real images of the class, {space} features; bootstrap",
        value=float(every.mean()),
        n=len(every),
        interval=_spread([float(every[p].mean()) for p in picks]),
    )
    means = [float(v.mean()) for v in near.values()]
    yield Measure(
        criterion="consistency",
        name="gap of nearness between classes",
        method=f"largest minus least class mean of the cosine above, {len(near)} classes",
        value=max(means) - min(means),
        n=len(every),
    )


def _area(nearest: Array) -> float:
    """Area under the coverage curve, 0-1. nearest: cosine distance of each real image."""
    curve = [float((nearest < t).mean()) for t in THRESHOLDS]
    return float(np.trapezoid(curve, THRESHOLDS) / (THRESHOLDS[-1] - THRESHOLDS[0]))


def _directions(features: NDArray[np.floating]) -> Array:
    vectors = features.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


def _spread(draws: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _variance(hits: int, n: int) -> float:
    p = (hits + 1) / (n + 2)
    return p * (1 - p) / n
