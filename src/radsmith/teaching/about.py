"""What must be told of a set before anybody learns from it. Pure."""

from __future__ import annotations

from typing import Any

from radsmith.teaching.items import Item
from radsmith.teaching.labels import EVIDENCE, NO_TRIAL
from radsmith.teaching.sets import TeachingSet


def about(opened: TeachingSet) -> dict[str, Any]:
    """JSON values: counts, warnings with their evidence, what could not be asked."""
    weak = [one for one in opened.classes if one.weak]
    return {
        "title": opened.title,
        "synthetic": opened.synthetic,
        "real": opened.real,
        "questions": len(opened.open_items),
        "closed": len(opened.items) - len(opened.open_items),
        "unread": opened.unread,
        "studies": list(opened.studies),
        "simulated_readers": list(opened.simulated),
        "no_trial": NO_TRIAL,
        "evidence": EVIDENCE if weak else "",
        "weak": [{"name": one.name, "warning": one.warning} for one in weak],
        "classes": [{"name": one.name, "images": one.images} for one in opened.classes],
        "notes": list(opened.notes),
        "series": len(opened.open_series),
    }


def weak_of(opened: TeachingSet, item: Item) -> list[str]:
    """Warnings of what an item teaches; told with its solution, as they would give it away."""
    return [one.warning for one in opened.classes if one.weak and one.name in item.concepts]
