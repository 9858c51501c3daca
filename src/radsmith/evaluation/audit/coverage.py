"""Which of the real classes and groups a synthetic set lacks, and where it is thinner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from radsmith.evaluation.audit.sets import Item
from radsmith.evaluation.audit.statistics import Share
from radsmith.language.vocabulary import default_vocabulary

LEAST_REAL = 20
"""A class of fewer real images says too little to be missed."""
_GROUPS = ("finding:", "severity:", "view:", "age_group:", "side:")


def coverage(synthetic: Sequence[Item], real: Sequence[Item]) -> dict[str, Any]:
    """Classes and groups of the kinds that the synthetic set holds: counts, shares, intervals.

    A class is lacking with no synthetic image and thin where the interval of its share lies
    wholly below that of the real share; sex counts where it is said of any synthetic image.
    unlabelled: synthetic images of which nothing is known.
    """
    kinds = Counter(item.kind for item in synthetic)
    rows = []
    for kind in kinds:
        ours, theirs = ([i for i in items if i.kind == kind] for items in (synthetic, real))
        one, two = (Counter(_classes(items)) for items in (ours, theirs))
        for name, count in sorted(two.items(), key=lambda pair: (-pair[1], pair[0])):
            unsaid = name.startswith("sex:") and not any(i.facts.get("sex") for i in ours)
            if count < LEAST_REAL or not ours or unsaid:
                continue
            made = Share(found=min(one[name], len(ours)), n=len(ours))
            true = Share(found=min(count, len(theirs)), n=len(theirs))
            thin = made.interval[1] < true.interval[0]
            rows.append(
                {
                    "kind": kind,
                    "class": name,
                    "synthetic": made.said(),
                    "real": true.said(),
                    "standing": "lacking" if not made.found else "thin" if thin else "there",
                }
            )
    missing = sorted(
        kind
        for kind, count in Counter(item.kind for item in real).items()
        if count >= LEAST_REAL and kind not in kinds
    )
    return {
        "classes": rows,
        "kinds_without_synthetic_images": missing,
        "unlabelled": sum(not item.concepts for item in synthetic),
    }


def _classes(items: Iterable[Item]) -> Iterable[str]:
    names = default_vocabulary()
    for item in items:
        told = {c for c in item.concepts if c.startswith(_GROUPS) and c in names.concepts}
        for concept in sorted(told):
            yield f"{concept.partition(':')[0].replace('_', ' ')}: {names[concept].name}"
        if item.facts.get("sex"):
            yield f"sex: {item.facts['sex']}"
