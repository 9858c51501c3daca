"""Answers for others: a table, and statements of the Experience API. Pure."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from typing import Any

from radsmith.teaching.items import Item
from radsmith.teaching.quiz import Class, Given, firsts

COLUMNS = ("set", "learner", "item", "kind", "question", "answer", "correct", "score", "seconds",
           "at", "first")  # fmt: skip
_INTERACTION = {"source": "choice", "finding": "choice", "side": "choice", "pair": "choice",
                "order": "sequencing", "where": "other"}  # fmt: skip
_SPACE = bytes.fromhex("6ba7b8119dad11d180b400c04fd430c8")
"""The name space of URLs: RFC 9562, section 6.6."""


def results_csv(
    name: str, items: Sequence[Item], given: Sequence[Given], times: Sequence[str]
) -> str:
    """Every answer, oldest first. times: of each, ISO 8601.  first: whether it counts."""
    known = {item.id: item for item in items}
    counting = {id(one) for one in firsts(given)}
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one, at in zip(given, times, strict=True):
        item = known.get(one.item)
        if item is not None:
            seconds = "" if one.seconds is None else f"{one.seconds:.1f}"
            cells = (name, one.learner, item.id, item.kind, item.question, one.text)
            score = (int(one.correct), f"{one.score:.3f}", seconds, at, int(id(one) in counting))
            writer.writerow([_plain(cell) for cell in (*cells, *score)])
    return stream.getvalue()


def items_csv(items: Sequence[Item], found: Class) -> str:
    """Figures of each item."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    names = ("item", "kind", "question", "answered", "right", "difficulty", "difficulty_low",
             "difficulty_high", "discrimination", "discrimination_low", "discrimination_high",
             "remark")  # fmt: skip
    writer.writerow(names)
    for item, one in zip(items, found.items, strict=True):
        shares = [one.difficulty, *(one.difficulty_interval or (None, None))]
        shares += [one.discrimination, *(one.discrimination_interval or (None, None))]
        told = ["" if value is None else f"{value:.4f}" for value in shares]
        cells = (item.id, item.kind, item.question, one.answered, one.right, *told, one.remark)
        writer.writerow([_plain(cell) for cell in cells])
    return stream.getvalue()


def _plain(cell: object) -> object:
    """Text that a table would take for a formula is told to be text."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@") else cell


def statements(
    set_id: str,
    title: str,
    items: Sequence[Item],
    given: Sequence[Given],
    times: Sequence[str],
    home: str,
) -> list[dict[str, Any]]:
    """Statements “answered” of the Experience API (IEEE 9274.1.1-2023), one an answer.

    home: address by which accounts and activities are named, such as https://teach.example.org.
    The id of a statement hangs on set, learner, item and time alone: sent twice, it is one.
    """
    known = {item.id: item for item in items}
    base = f"{home.rstrip('/')}/teach/{set_id}"
    return [
        _statement(base, home, title, known[one.item], one, at)
        for one, at in zip(given, times, strict=True)
        if one.item in known
    ]


def _statement(base: str, home: str, title: str, item: Item, one: Given, at: str) -> dict[str, Any]:
    definition: dict[str, Any] = {
        "name": {"en": item.question},
        "type": "http://adlnet.gov/expapi/activities/cmi.interaction",
        "interactionType": _INTERACTION[item.kind],
    }
    if _INTERACTION[item.kind] == "choice":
        definition["choices"] = [{"id": c, "description": {"en": c}} for c in item.choices]
        definition["correctResponsesPattern"] = list(item.answer)
    elif item.kind == "order":
        definition["choices"] = [{"id": p, "description": {"en": p}} for p in item.pictures]
        definition["correctResponsesPattern"] = ["[,]".join(item.answer)]
    result: dict[str, Any] = {
        "success": one.correct,
        "completion": True,
        "response": one.text,
        "score": {"scaled": round(one.score, 4)},
    }
    if one.seconds is not None:
        result["duration"] = f"PT{one.seconds:.2f}S"
    return {
        "id": uuid_of(f"{base} {one.learner} {item.id} {one.at:.6f}"),
        "actor": {"objectType": "Agent", "account": {"homePage": home, "name": one.learner}},
        "verb": {
            "id": "http://adlnet.gov/expapi/verbs/answered",
            "display": {"en": "answered"},
        },
        "object": {"objectType": "Activity", "id": f"{base}/{item.id}", "definition": definition},
        "result": result,
        "context": {
            "contextActivities": {
                "parent": [
                    {
                        "objectType": "Activity",
                        "id": base,
                        "definition": {
                            "name": {"en": title},
                            "type": "http://adlnet.gov/expapi/activities/assessment",
                        },
                    }
                ]
            }
        },
        "timestamp": at,
    }


def uuid_of(name: str) -> str:
    """A UUID of version 5 in the name space of URLs (RFC 9562, section 5.5)."""
    digest = bytearray(hashlib.sha1(_SPACE + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
