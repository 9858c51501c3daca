"""Membership inference: can someone tell that an image was trained on?

Members and others are matched by source and kind, one image a patient, because a difference of
sources looks like a leak (published ones were split bias). So two controls stand beside every
figure: members against members, and others against others, split by patient, which must be near
0.5. Plain functions of scores; higher is more like a member.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.audit.sets import Item
from radsmith.evaluation.audit.statistics import Share, attack_figures

Array = NDArray[np.float64]
LEAST = 40
"""Matched images a side without which nothing is said."""


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Numbers of members and of others, as many of each stratum; strata: (n,), of both."""

    members: NDArray[np.int64]
    others: NDArray[np.int64]
    strata: tuple[str, ...]
    left_out: int


def matched(members: Sequence[Item], others: Sequence[Item], most: int, seed: int) -> Matched:
    """Pairs of one source and kind, one image a patient, no patient on both sides.

    most: pairs, at most.  left_out: images without a partner.
    """
    rng = np.random.default_rng([seed, 7])
    shared = {item.patient for item in members} & {item.patient for item in others}
    one, two = (_by_stratum(items, shared, rng) for items in (members, others))
    pairs: list[tuple[int, int, str]] = []
    for stratum in sorted(set(one) & set(two)):
        count = min(len(one[stratum]), len(two[stratum]))
        both = zip(one[stratum][:count], two[stratum][:count], strict=True)
        pairs += [(a, b, stratum) for a, b in both]
    kept = [pairs[i] for i in sorted(rng.permutation(len(pairs))[:most])]
    return Matched(
        members=np.array([a for a, _, _ in kept], np.int64),
        others=np.array([b for _, b, _ in kept], np.int64),
        strata=tuple(s for _, _, s in kept),
        left_out=len(members) + len(others) - 2 * len(pairs),
    )


def _by_stratum(
    items: Sequence[Item], shared: set[str], rng: np.random.Generator
) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    taken: set[str] = set()
    for i in rng.permutation(len(items)):
        item = items[int(i)]
        if item.patient not in shared | taken:
            taken.add(item.patient)
            found.setdefault(f"{item.source} · {item.kind}", []).append(int(i))
    return found


def attack(members: Array, others: Array, patients: tuple[Sequence[str], Sequence[str]]) -> Any:
    """Figures of one attack with its two controls, from scores of matched images.

    patients: of the members and of the others.  Raises InvalidInput for fewer than LEAST a side.
    """
    if min(len(members), len(others)) < LEAST:
        raise InvalidInput(
            f"{min(len(members), len(others))} matched images a side are too few for membership"
            f" inference: at least {LEAST} of the same sources and kinds are needed"
        )
    controls = {}
    for name, scores, whose in zip(
        ("members_against_members", "others_against_others"),
        (members, others),
        patients,
        strict=True,
    ):
        side = np.array([sha256(f"control {p}".encode()).digest()[0] % 2 for p in whose])
        halves = scores[side == 0], scores[side == 1]
        controls[name] = attack_figures(*halves) if min(map(len, halves)) > 1 else None
    return attack_figures(members, others) | {"controls": controls}


def leaks(figures: Mapping[str, Any]) -> bool:
    """Whether the interval of the AUC lies above 0.5 and above both controls' estimates."""
    controls = [c["auc"]["estimate"] for c in figures["controls"].values() if c]
    return float(figures["auc"]["low"]) > max([0.5, *controls])


def quantile_scores(
    losses: tuple[Array, Array], facts: tuple[Array, Array], rate: float, seed: int = 0
) -> dict[str, Any]:
    """Quantile regression (Tang et al. 2312.05140): member where loss < q(facts), no shadow models.

    losses: of members and of others.  facts: (n, d) of each, what the image is like.  q, the
    `rate` quantile of the loss of non-members, is fitted on half of the others by a bag of linear
    models; the other half shows the false alarms that the fit promises.
    """
    rng = np.random.default_rng([seed, 11])
    order = rng.permutation(len(losses[1]))
    fit, check = order[: len(order) // 2], order[len(order) // 2 :]
    mean, spread = facts[1][fit].mean(0), np.maximum(facts[1][fit].std(0), 1e-6)
    known = [(f - mean) / spread for f in facts]
    level = np.zeros((2, max(len(losses[0]), len(losses[1]))))
    bag = 5
    for _ in range(bag):
        part = rng.choice(fit, len(fit))
        weights = quantile_regression(known[1][part], losses[1][part], rate)
        for side in (0, 1):
            level[side, : len(known[side])] += _with_one(known[side]) @ weights / bag
    hits = losses[0] < level[0, : len(losses[0])]
    alarms = losses[1][check] < level[1, check]
    return {
        "rate": rate,
        "tpr": Share(found=int(hits.sum()), n=len(hits)).said(),
        "fpr": Share(found=int(alarms.sum()), n=len(alarms)).said(),
    }


def quantile_regression(facts: Array, losses: Array, rate: float, steps: int = 400) -> Array:
    """Weights (d + 1,) of the linear `rate` quantile, the last for a constant.

    Pinball loss (Koenker and Bassett 1978), smoothed and lowered step by step by reweighted least
    squares (Hunter and Lange 2000).
    """
    table = _with_one(facts)
    weights = np.zeros(table.shape[1])
    weights[-1] = np.quantile(losses, rate)
    scale = max(float(np.std(losses)), 1e-9)
    for step in range(steps):
        rest = losses - table @ weights
        each = 1 / (2 * (np.abs(rest) + scale * max(1e-4, 0.1 * 0.97**step)))
        left = (table * each[:, None]).T @ table + 1e-8 * np.eye(len(weights))
        right = table.T @ (each * losses + (rate - 0.5))
        new: Array = np.asarray(np.linalg.solve(left, right), np.float64)
        done = float(np.abs(new - weights).max()) < 1e-7 * scale
        weights = new
        if done and step > 100:
            break
    return weights


def _with_one(facts: Array) -> Array:
    return np.concatenate([facts, np.ones((len(facts), 1))], 1)


def appearance(image: NDArray[np.floating]) -> Array:
    """What an image is like, without what it shows: (6,) brightness, contrast, edges, shape."""
    height, width = image.shape
    gray = np.asarray(image, np.float64)
    edges = [np.abs(np.diff(gray, axis=a)).mean() for a in (0, 1)]
    return np.array(
        [
            gray.mean(),
            gray.std(),
            *np.log(np.maximum(edges, 1e-6)),
            width / height,
            (gray < 0.02).mean(),
        ]
    )
