"""What the European guidance asks of data said to hide people: singling out, linkability,
inference (Article 29 Working Party, opinion 05/2014); and whether a patient is recognised.

Each is an attack on people whose images were trained on beside the same attack on people whose
images were not: what the population tells of anyone is no leak. Plain functions of scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.evaluation.audit.sets import Item
from radsmith.evaluation.audit.statistics import Share, area, attack_risk

Numbers = NDArray[np.int64]
LEAST = 20
"""Queries without which nothing is said of recognising."""
SAID = ("sex", "age_group", "view")


def singling_out(
    synthetic: Sequence[Item], members: Sequence[Item], others: Sequence[Item]
) -> dict[str, Any]:
    """How often what a synthetic image is said to show fits one patient alone.

    members, others: of equal number; the first were trained on.
    """
    names = [name for name in SAID if any(item.facts.get(name) for item in synthetic)]
    told = sorted({_facts(item, names) for item in synthetic} - {()})
    shares = []
    for people in (members, others):
        patients: dict[tuple[str, ...], set[str]] = {}
        for item in people:
            patients.setdefault(_facts(item, names), set()).add(item.patient)
        count = Counter({facts: len(who) for facts, who in patients.items()})
        shares.append(Share(found=sum(count[facts] == 1 for facts in told), n=len(told)))
    return _beside(*shares) | {"of": "distinct descriptions of synthetic images"}


def _facts(item: Item, names: Sequence[str]) -> tuple[str, ...]:
    """What is said of an image, of the facts that synthetic images have; () where nothing is."""
    said = [f"{name}={item.facts[name]}" for name in names if item.facts.get(name)]
    said += sorted(c for c in item.concepts)
    return tuple(said)


def linkability(
    nearest: tuple[Numbers, Numbers], items: tuple[Sequence[Item], Sequence[Item]]
) -> dict[str, Any]:
    """How often two images of one patient lead to the same synthetic image.

    nearest: (n,) number of the synthetic image most like each of members' and of others' images.
    """
    shares = []
    for best, people in zip(nearest, items, strict=True):
        two = pairs_of(people)
        same = best[two[:, 0]] == best[two[:, 1]]
        shares.append(Share(found=int(same.sum()), n=len(two)))
    return _beside(*shares) | {"of": "pairs of images of one patient"}


def inference(
    nearest: tuple[Numbers, Numbers],
    items: tuple[Sequence[Item], Sequence[Item]],
    synthetic: Sequence[Item],
) -> dict[str, Any]:
    """How often the caption of the nearest synthetic image says a person's findings."""
    shares = []
    for best, people in zip(nearest, items, strict=True):
        true = [finding_of(item) for item in people]
        guess = [finding_of(synthetic[int(i)]) for i in best]
        known = [i for i, said in enumerate(true) if said]
        shares.append(Share(found=sum(guess[i] == true[i] for i in known), n=len(known)))
    return _beside(*shares) | {"of": "people whose findings are guessed"}


def _beside(attack: Share, control: Share) -> dict[str, Any]:
    return {
        "attack": attack.said(),
        "control": control.said(),
        **attack_risk(attack, control),
        "judged": bool(attack.n and control.n),
    }


def finding_of(item: Item) -> str:
    """The findings of an image as one word; "" where nothing is known."""
    return " ".join(sorted(c for c in item.concepts if c.startswith("finding:")))


def pairs_of(items: Sequence[Item]) -> NDArray[np.int64]:
    """(m, 2) numbers of two images of one patient, one pair each."""
    seen: dict[str, list[int]] = {}
    for i, item in enumerate(items):
        seen.setdefault(item.patient, []).append(i)
    return np.array([who[:2] for who in seen.values() if len(who) > 1], np.int64).reshape(-1, 2)


def recognised(
    alike: Callable[[Sequence[int], Sequence[int]], NDArray[np.float64]],
    nearest: Numbers,
    items: Sequence[Item],
    seed: int = 0,
) -> dict[str, Any] | None:
    """Is an image nearer to its nearest patient's other images than to those of other patients?

    alike: similarity (m,) of queries and training images of these numbers.  nearest: (n,) training
    image of each query.  The AUC, over queries whose nearest patient has several images, that one
    of these others is more alike than an image of another patient of the same source and kind.
    Real images of people who were not trained on lie near someone too: they are the control.
    None where fewer than 20 queries can be asked.
    """
    rng = np.random.default_rng([seed, 13])
    whose: dict[str, list[int]] = {}
    strata: dict[tuple[str, str], list[int]] = {}
    for i, item in enumerate(items):
        whose.setdefault(item.patient, []).append(i)
        strata.setdefault((item.source, item.kind), []).append(i)
    rows, own, strange = [], [], []
    for row, best in enumerate(nearest):
        item = items[int(best)]
        rest = [i for i in whose[item.patient] if i != best]
        peers = [i for i in strata[item.source, item.kind] if items[i].patient != item.patient]
        if rest and peers:
            rows.append(row)
            own.append(rest[int(rng.integers(len(rest)))])
            strange.append(peers[int(rng.integers(len(peers)))])
    if len(rows) < LEAST:
        return None
    value, low, high = area(alike(rows, own), alike(rows, strange))
    return {"n": len(rows), "auc": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
