"""The whole audit, from sets of images to a report's figures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.audit.copies import (
    ALIGNED,
    LEAST_NEGATIVES,
    Look,
    Standard,
    Thresholds,
    false_alarms,
    verdict,
)
from radsmith.evaluation.audit.coverage import coverage
from radsmith.evaluation.audit.inferring import infer
from radsmith.evaluation.audit.looking import Search
from radsmith.evaluation.audit.planted import STRENGTHS, TRANSFORMS, plain, redrawn
from radsmith.evaluation.audit.request import AuditOptions, Parts, independent
from radsmith.evaluation.audit.search import Tell, peak_bytes
from radsmith.evaluation.audit.sets import ImageSet, Item, Role
from radsmith.evaluation.audit.statistics import Share, memorization_index, novelty

NOT_TESTED = (
    "attacks that nobody has published yet",
    "reconstruction of an image from the model's weights",
    "what can be learned by joining the images with other data about the same people",
    "copies of a part of an image, smaller than four fifths of a side",
    "copies turned by more than 10 degrees",
)
SHOWN = 12
SAME_PICTURE = 0.95
"""Correlation of the second look from which a held-out image is a training image once more: data
sets hold some twice, under two patients' numbers or none. They are counted and left out."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """report: figures for JSON.  pairs: (name, nearest, score, image, training image) shown."""

    report: dict[str, Any]
    pairs: Sequence[tuple[str, str, float, NDArray[np.floating], NDArray[np.floating]]]


def audit(parts: Parts, folder: Path, options: AuditOptions, tell: Tell) -> Audit:
    """Search, plant, infer, count; folder: for what a stopped audit goes on from.

    Raises InvalidInput where no space is left, or the held-out images set no threshold.
    """
    began = time.process_time()
    spaces, refused = independent(parts.spaces, parts.took_part)
    null_set, left_out = null_of(parts, options)
    if parts.fill is not None:
        sets: dict[Role, ImageSet] = {
            "train": parts.training,
            "synthetic": parts.synthetic,
            "held-out": null_set,
        }
        parts.fill(folder, sets, spaces, tell)
    search = Search.of(parts.training, spaces, folder, tell)
    synthetic, null = search.look(parts.synthetic), search.look(null_set)
    other = np.flatnonzero(null.scores[ALIGNED] < SAME_PICTURE).tolist()
    left_out["left_out_same_picture"] = len(null) - len(other)
    null, null_set = null.take(other), null_set.take(other)
    looked = time.process_time() - began
    over, figures = _judged(search, parts, options, (synthetic, null, null_set))
    report = {
        "model": parts.engine.facts.digest,
        "synthetic": _about(parts.synthetic),
        "training": _about(parts.training),
        "held_out": _about(null_set) | left_out,
        "spaces": [{"name": s.name, "digest": s.digest} for s in spaces],
        "spaces_left_out": refused,
        **figures,
        **infer(parts, search, synthetic, null_set, null, options, tell),
        "coverage": coverage(parts.synthetic.items, parts.training.items),
        "not_tested": list(NOT_TESTED),
        "options": vars(options),
    }
    pairs = _shown(parts, synthetic, over)
    report["nearest_pairs"] = [
        {"file": name, "nearest": nearest, "score": round(score, 3)}
        for name, nearest, score, _, _ in pairs
    ]
    compared = (len(synthetic) + len(null)) * len(parts.training)
    report["cost"] = _cost(time.process_time() - began, looked, compared)
    return Audit(report=report, pairs=pairs)


def _judged(
    search: Search, parts: Parts, options: AuditOptions, looks: tuple[Look, Look, ImageSet]
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """How far each synthetic image is above its threshold, and what is said of copies.

    looks: of the synthetic images, of the null, and the null's images.
    """
    synthetic, null, null_set = looks
    standard = Standard.of(null)
    thresholds = Thresholds.of(null, standard)
    alarms = false_alarms(null, [item.patient for item in null_set.items])
    controls = _controls(search, parts, options, standard, thresholds)
    scores, chance = standard.joined(synthetic), standard.joined(null)
    over = thresholds.over(scores, synthetic.kinds)
    certain = _certain(scores, chance, controls["scores"])
    flagged = Share(found=int((over > 0).sum()), n=len(over))
    said = verdict(flagged, int((certain & (over > 0)).sum()), alarms[""], controls["asked"])
    return over, {
        "verdict": {
            "sentence": said.sentence,
            "rule": said.rule,
            "status": said.status,
            "reasons": list(said.reasons),
        },
        "flagged": flagged.said(),
        "false_alarms": {k or "all": v.said() for k, v in alarms.items()},
        "controls": controls["figures"],
        "kinds": _kinds(synthetic, over, alarms, controls["by_kind"]),
        "index": _index(scores, chance),
        "copies": _copies(parts, synthetic, standard, over, certain),
    }


def _cost(seconds: float, looked: float, pairs: int) -> dict[str, Any]:
    """Time of it all and of the search, for this many pairs of images."""
    return {
        "core_seconds": round(seconds, 1),
        "seconds_a_pair": looked / max(pairs, 1),
        "pairs": pairs,
        "peak_bytes_of_search": peak_bytes(),
        "growth": "features, and second looks, grow with the sum of the sets; products of features"
        " with training times synthetic images, 128 multiplications a pair, view and space",
    }


def null_of(parts: Parts, options: AuditOptions) -> tuple[ImageSet, dict[str, Any]]:
    """Held-out images of other patients, of the synthetic images' kinds where they are labelled.

    An image of which no patient is known may be of one who was trained on (data sets without
    numbers have neighbouring slices on both sides): it is taken only where the others are few.
    """
    known = {item.patient for item in parts.training.items}
    same = {item.sha256 for item in parts.training.items}
    wanted = Counter(item.kind for item in parts.synthetic.items)
    items = parts.held_out.items
    strangers = [i for i, it in enumerate(items) if it.patient not in known]
    fresh = [i for i in strangers if items[i].sha256 not in same]
    sure = [i for i in fresh if items[i].patient_known]
    unsure = len(fresh) - len(sure)
    if len(sure) >= LEAST_NEGATIVES:
        fresh = sure
    labelled = {items[i].kind for i in fresh} & set(wanted)
    rng = np.random.default_rng([options.seed, 3])
    chosen: list[int] = []
    for kind in sorted(labelled) or [""]:
        own = [i for i in fresh if not kind or items[i].kind == kind]
        most = max(300, wanted[kind] if kind else len(parts.synthetic))
        chosen += sorted(rng.permutation(own)[:most].tolist())
    chosen = sorted(rng.permutation(chosen)[: options.null].tolist())
    if not chosen:
        raise InvalidInput(
            "no held-out image is of a patient who was not trained on: give others with --held-out"
        )
    return parts.held_out.take(chosen), {
        "left_out_same_patient": len(items) - len(strangers),
        "left_out_same_file": len(strangers) - len(sure) - unsure,
        "left_out_unknown_patient": unsure if fresh is sure else 0,
        "of_unknown_patients": 0 if fresh is sure else unsure,
        "kinds_without_null": sorted(set(wanted) - labelled) if labelled else [],
    }


def _controls(
    search: Search,
    parts: Parts,
    options: AuditOptions,
    standard: Standard,
    thresholds: Thresholds,
) -> dict[str, Any]:
    """Plant copies of training images and count how many are found."""
    names, look = plant(search, parts, options)
    over = thresholds.over(standard.joined(look), look.kinds) > 0
    source = np.array([int(name.rpartition(" ")[2]) for name in names])
    change = [name.rpartition(" ")[0] for name in names]
    named = over & (look.nearest == source)
    figures = {}
    for group in dict.fromkeys(change):
        rows = np.array([c == group for c in change])
        found = Share(found=int(over[rows].sum()), n=int(rows.sum()))
        figures[group] = found.said() | {"rightly_named": int(named[rows].sum())}
    by_kind: dict[str, Share] = {}
    for kind in dict.fromkeys(look.kinds):
        rows = np.array(
            [k == kind and c != "plain" for k, c in zip(look.kinds, change, strict=True)]
        )
        by_kind[kind] = Share(found=int(over[rows].sum()), n=int(rows.sum()))
    asked = {}
    for group, members in (
        ("transformed", set(TRANSFORMS)),
        ("redrawn", {_strength(s) for s in STRENGTHS}),
    ):
        rows = np.array([c in members for c in change])
        asked[group] = Share(found=int(over[rows].sum()), n=int(rows.sum()))
        figures[group] = asked[group].said()
    return {
        "figures": figures,
        "asked": asked,
        "by_kind": by_kind,
        "scores": standard.joined(look)[np.array([c != "plain" for c in change])],
    }


def plant(search: Search, parts: Parts, options: AuditOptions) -> tuple[list[str], Look]:
    """Change of each planted copy with its training image's number, and what was seen of them."""
    rng = np.random.default_rng([options.seed, 5])
    kinds = {item.kind for item in parts.synthetic.items}
    pool = [i for i, it in enumerate(parts.training.items) if it.kind in kinds]
    pool = pool or list(range(len(parts.training)))
    images: list[NDArray[np.float32]] = []
    names, items = [], []
    changes = {"plain": plain} | TRANSFORMS
    groups = [*changes, *(_strength(s) for s in STRENGTHS)]
    for group in groups:
        for i in _spread_over_kinds(parts.training.items, pool, options.planted, rng):
            whole = parts.training[i]
            if group in changes:
                images.append(np.asarray(changes[group](whole, rng), np.float32))
            else:
                strength = float(group.rpartition(" ")[2])
                images.append(redrawn(whole, strength, parts.engine, int(rng.integers(2**31))))
            names.append(f"{group} {i}")
            items.append(replace(parts.training.items[i], sha256=f"{group} {i} {options.seed}"))
    return names, search.look(ImageSet(items, images.__getitem__))


def _strength(strength: float) -> str:
    return f"redrawn at {strength:g}"


def _spread_over_kinds(
    items: Sequence[Item], pool: Sequence[int], count: int, rng: np.random.Generator
) -> list[int]:
    """`count` of the pool, kinds in turn, so that small kinds are planted too."""
    left: dict[str, list[int]] = {}
    for i in rng.permutation(pool):
        left.setdefault(items[int(i)].kind, []).append(int(i))
    found: list[int] = []
    while len(found) < count and any(left.values()):
        for own in left.values():
            if own and len(found) < count:
                found.append(own.pop())
    return found


def _certain(
    scores: NDArray[np.float64], null: NDArray[np.float64], planted: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Nearer than every held-out image, and as near as half of the planted copies."""
    if not len(planted):
        return np.zeros(len(scores), bool)
    return np.asarray(scores > max(float(null.max()), float(np.median(planted))), bool)


def _copies(
    parts: Parts,
    look: Look,
    standard: Standard,
    over: NDArray[np.float64],
    certain: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    """Images over their threshold, the nearest first; score: spreads of the null above it."""
    index = standard.index(look)
    found = []
    for i in np.argsort(-over):
        if over[i] <= 0:
            break
        found.append(
            {
                "file": parts.synthetic.items[i].name,
                "nearest": parts.training.items[int(look.nearest[i])].name,
                "score": round(float(over[i]), 3),
                "certain": bool(certain[i]),
                "spaces": {name: round(float(values[i]), 2) for name, values in index.items()},
            }
        )
    return found


def _kinds(
    look: Look,
    over: NDArray[np.float64],
    alarms: Mapping[str, Share],
    planted: Mapping[str, Share],
) -> list[dict[str, Any]]:
    none = Share(found=0, n=0)
    rows = []
    for kind, count in Counter(look.kinds).most_common():
        own = np.array([k == kind for k in look.kinds])
        rows.append(
            {
                "kind": kind,
                "flagged": Share(found=int((over[own] > 0).sum()), n=count).said(),
                "false_alarms": alarms.get(kind, none).said(),
                "sensitivity": planted.get(kind, none).said(),
            }
        )
    return rows


def _index(scores: NDArray[np.float64], null: NDArray[np.float64]) -> dict[str, Any]:
    """The calibrated memorization index over all images, and its share beyond 2 and 3 spreads."""
    index = memorization_index(scores, null)
    quantiles = np.quantile(index, (0.05, 0.5, 0.95, 1))
    return {
        "mi": dict(zip(("q05", "q50", "q95", "most"), quantiles.round(3).tolist(), strict=True)),
        "oni_median": round(float(np.median(novelty(index))), 3),
        "beyond_3": Share(found=int((index > 3).sum()), n=len(index)).said(),
    }


def _about(images: ImageSet) -> dict[str, Any]:
    patients = {item.patient for item in images.items}
    return {
        "images": len(images),
        "digest": images.digest,
        "patients": len(patients),
        "unread": [{"file": name, "reason": reason} for name, reason in images.unread],
    }


def _shown(parts: Parts, look: Look, over: NDArray[np.float64]) -> list[Any]:
    return [
        (
            parts.synthetic.items[i].name,
            parts.training.items[int(look.nearest[i])].name,
            float(over[i]),
            parts.synthetic[int(i)],
            parts.training[int(look.nearest[i])],
        )
        for i in np.argsort(-over)[:SHOWN]
    ]
