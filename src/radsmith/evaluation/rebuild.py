"""Erase and rebuild: parts of real images are erased, redrawn, and compared with what was there.

Classical methods that know nothing of anatomy are the yardstick: a model must beat them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.engine import Ask, Engine, Given
from radsmith.errors import InvalidInput
from radsmith.evaluation.features import Space
from radsmith.evaluation.real_set import RealSet, kind_name
from radsmith.images.image import Array, Mask
from radsmith.images.provenance import Settings

Baseline = Callable[[Array, Mask], Array]
"""Pixels in 0-1 (height, width) and the mask of what was erased, to the image completed."""
AROUND = 0.25
"""Margin of the compared crop around the erased box, of the box's sides."""
DRAWS = 2000
ELSEWHERE = 64
"""Places at which a real image is looked at for edges of its own."""


@dataclass(frozen=True, kw_only=True)
class RebuildOptions:
    """per_kind: images of a kind.  candidates: draws an image.  share: of each side, erased."""

    settings: Settings = field(default_factory=Settings)
    per_kind: int = 12
    candidates: int = 4
    share: tuple[float, float] = (0.25, 0.45)
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """One image: as it was, erased, the candidates, and the baselines' by name."""

    kind: str
    before: Array
    mask: Mask
    candidates: Sequence[Array]
    baselines: Mapping[str, Array]


def rebuild(
    engine: Engine,
    real: RealSet,
    baselines: Mapping[str, Baseline],
    spaces: Mapping[str, Space],
    options: RebuildOptions,
    progress: Callable[[str], None] = lambda kind: None,
) -> tuple[dict[str, Any], list[Rebuilt]]:
    """Erase a box of each chosen radiograph and rebuild it; figures for JSON, and the images.

    Every figure is a mean over the candidates; differences to a baseline are paired by image, with
    a 95 % bootstrap interval: below 0, the engine is nearer to what was there.
    Raises InvalidInput where there is no radiograph.
    """
    chosen = _chosen(real, options)
    if not chosen:
        raise InvalidInput("no radiograph to erase a part of: the data hold none")
    images = []
    for kind, i in chosen:
        progress(kind)
        images.append(_rebuilt(engine, real, i, kind, baselines, options))
    rows: list[dict[str, Any]] = []
    for item in images:
        row: dict[str, Any] = {"kind": item.kind, "engine": _figures(item, item.candidates, spaces)}
        row |= {n: _figures(item, [one], spaces) for n, one in item.baselines.items()}
        rows.append(row)
    return _report(rows, list(baselines), list(spaces), options), images


def _chosen(real: RealSet, options: RebuildOptions) -> list[tuple[str, int]]:
    """(kind, image number): per_kind radiographs of each part, of different patients if known."""
    rng = np.random.default_rng(options.seed)
    found: dict[str, list[int]] = {}
    seen: set[str] = set()
    for i in rng.permutation(len(real.concepts)).tolist():
        ids = real.concepts[i]
        part = next((c for c in ids if c.startswith("body_part:")), None)
        if "modality:x-ray" not in ids or part is None or real.patients[i] in seen:
            continue
        kind = kind_name(("modality:x-ray", part))
        if len(found.setdefault(kind, [])) < options.per_kind:
            found[kind].append(i)
            seen.add(real.patients[i])
    return [(kind, i) for kind in sorted(found) for i in found[kind]]


def _rebuilt(
    engine: Engine,
    real: RealSet,
    number: int,
    kind: str,
    baselines: Mapping[str, Baseline],
    options: RebuildOptions,
) -> Rebuilt:
    before = np.asarray(real.images[number], np.float32)
    rng = np.random.default_rng([options.seed, number])
    sides = [max(4, round(float(rng.uniform(*options.share)) * n)) for n in before.shape]
    mask = _box(before.shape, sides, rng)
    erased = np.where(mask, 0, before).astype(np.float32)
    concepts = tuple(c for c in real.concepts[number] if not c.startswith("style:"))
    given, ask = Given(pixels=erased, mask=mask), Ask(concepts=concepts, settings=options.settings)
    candidates = [
        engine.fill(given, replace(ask, seed=options.seed + k)).pixels
        for k in range(options.candidates)
    ]
    return Rebuilt(
        kind=kind,
        before=before,
        mask=mask,
        candidates=candidates,
        baselines={name: fill(erased, mask) for name, fill in baselines.items()},
    )


def _box(shape: Sequence[int], sides: Sequence[int], rng: np.random.Generator) -> Mask:
    """A box of these sides, its centre anywhere but at the border."""
    mask = np.zeros(shape, np.bool_)
    spans = []
    for length, size in zip(shape, sides, strict=True):
        first = round(float(rng.uniform(0.15, 0.85)) * length - size / 2)
        first = min(max(first, 2), length - size - 2)
        spans.append(slice(first, first + size))
    mask[tuple(spans)] = True
    return mask


def edges_elsewhere(image: Array, mask: Mask, rng: np.random.Generator) -> float:
    """`edge_step` of an untouched image, averaged over boxes like the mask's at random places."""
    sides = [int(mask.any(1 - axis).sum()) for axis in (0, 1)]
    places = (_box(image.shape, sides, rng) for _ in range(ELSEWHERE))
    return float(np.mean([edge_step(image, place) for place in places]))


def _figures(item: Rebuilt, made: Sequence[Array], spaces: Mapping[str, Space]) -> dict[str, float]:
    rms = [float(np.sqrt(((m - item.before)[item.mask] ** 2).mean())) for m in made]
    found = {
        "rms": float(np.mean(rms)),
        "psnr": float(np.mean([-20 * np.log10(max(r, 1e-6)) for r in rms])),
        "edge": float(np.mean([edge_step(m, item.mask) for m in made])),
        "edge_real": edge_step(item.before, item.mask),
        "edge_random": edges_elsewhere(item.before, item.mask, np.random.default_rng(0)),
    }
    crop = _around(item.mask)
    for name, space in spaces.items():
        real, *others = space([item.before[crop], *(m[crop] for m in made)])
        found[name] = float(np.mean([np.linalg.norm(o - real) for o in others]))
    return found


def edge_step(image: Array, mask: Mask) -> float:
    """Mean absolute difference between neighbours on both sides of the mask's edge."""
    steps = []
    for axis in (0, 1):
        across = np.diff(mask.astype(np.int8), axis=axis) != 0
        steps.append(np.abs(np.diff(image.astype(np.float64), axis=axis))[across])
    return float(np.concatenate(steps).mean())


def _around(mask: Mask) -> tuple[slice, slice]:
    spans = []
    for axis in (1, 0):
        at = np.flatnonzero(mask.any(axis))
        more = round(AROUND * len(at))
        spans.append(slice(max(0, int(at[0]) - more), int(at[-1]) + 1 + more))
    return spans[0], spans[1]


def _report(
    rows: list[dict[str, Any]], baselines: list[str], spaces: list[str], options: RebuildOptions
) -> dict[str, Any]:
    measures = ["rms", "psnr", *spaces]
    report: dict[str, Any] = {
        "n": len(rows),
        "candidates": options.candidates,
        "kinds": {},
        "against": {},
        "edge": {},
    }
    groups = {k: [r for r in rows if r["kind"] == k] for k in sorted({r["kind"] for r in rows})}
    for kind, members in {"all": rows, **groups}.items():
        report["kinds"][kind] = {"n": len(members)} | {
            who: {m: _mean([r[who][m] for r in members]) for m in measures}
            for who in ("engine", *baselines)
        }
    for name in baselines:
        report["against"][name] = {
            m: _paired([r["engine"][m] - r[name][m] for r in rows], options.seed) for m in measures
        }
    for who in ("engine", *baselines):
        step, true, elsewhere = (
            np.array([r[who][name] for r in rows]) for name in ("edge", "edge_real", "edge_random")
        )
        report["edge"][who] = {
            "step": _mean(step.tolist()),
            "step_real": _mean(true.tolist()),
            "step_random": _mean(elsewhere.tolist()),
            "effect_size": _effect(step, true, options.seed),
            "effect_size_random": _effect(step, elsewhere, options.seed),
        }
    report["edge"]["real, for scale"] = {
        "effect_size_random": _effect(true, elsewhere, options.seed),
    }
    return report


def _effect(one: NDArray[np.float64], two: NDArray[np.float64], seed: int) -> dict[str, float]:
    """Difference of means over the pooled deviation (Cohen's d), 95 % bootstrap over images."""

    def size(pick: NDArray[np.int64]) -> NDArray[np.float64]:
        a, b = one[pick], two[pick]
        spread = np.sqrt((a.var(-1) + b.var(-1)) / 2)
        return np.asarray((a.mean(-1) - b.mean(-1)) / np.maximum(spread, 1e-9))

    rng = np.random.default_rng(seed)
    draws = size(rng.integers(0, len(one), (DRAWS, len(one))))
    low, high = np.percentile(draws, (2.5, 97.5))
    found = {"mean": size(np.arange(len(one))), "low": low, "high": high}
    return {name: round(float(value), 3) for name, value in found.items()}


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)


def _paired(differences: Sequence[float], seed: int) -> dict[str, float]:
    """Mean difference and its 95 % bootstrap interval over images."""
    values = np.asarray(differences)
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return {
        "mean": _mean(values.tolist()),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }
