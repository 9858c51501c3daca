"""Spaced repetition of what a learner missed, by FSRS (extra `teach`).

An item enters with its first wrong answer. Its card is reckoned anew from the answers each time,
without chance, so that nothing but the answers is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from radsmith.errors import Unavailable


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An answer of one learner. at: seconds since 1970."""

    item: str
    correct: bool
    at: float


@dataclass(frozen=True, kw_only=True)
class Due:
    """When an item is to be asked again. at: seconds since 1970.  lapses: wrong answers."""

    item: str
    at: float
    lapses: int


def due(answers: Iterable[Seen]) -> list[Due]:
    """The missed items of one learner and when each is due, soonest first.

    Raises Unavailable where the extra is not installed.
    """
    try:
        from fsrs import Card, Rating, Scheduler
    except ImportError as error:
        raise Unavailable(
            "repetition needs fsrs: install it with `pip install radsmith[teach]`"
        ) from error
    scheduler = Scheduler(enable_fuzzing=False)
    cards: dict[str, Card] = {}
    lapses: dict[str, int] = {}
    for seen in sorted(answers, key=lambda answer: answer.at):
        if seen.item not in cards and seen.correct:
            continue
        when = datetime.fromtimestamp(seen.at, UTC)
        card = cards.get(seen.item) or Card(card_id=len(cards) + 1, due=when)
        rating = Rating.Good if seen.correct else Rating.Again
        cards[seen.item], _ = scheduler.review_card(card, rating, when)
        lapses[seen.item] = lapses.get(seen.item, 0) + (not seen.correct)
    found = [Due(item=i, at=c.due.timestamp(), lapses=lapses[i]) for i, c in cards.items()]
    return sorted(found, key=lambda one: (one.at, one.item))
