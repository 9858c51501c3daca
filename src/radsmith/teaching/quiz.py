"""A learner's way through a set: what comes next, how far, what was missed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from radsmith.review.design import shuffled
from radsmith.teaching.items import Item
from radsmith.teaching.statistics import Answers, ItemFigures, cronbach_alpha, item_figures


@dataclass(frozen=True, kw_only=True)
class Given:
    """An answer that was given and marked. learner: a name.  at: seconds since 1970.

    text: the answer in words.  seconds: taken for it, if known.
    """

    item: str
    learner: str
    correct: bool
    score: float
    at: float
    text: str = ""
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """first answers: how many, how many right, of how many questions."""

    answered: int
    right: int
    total: int


def order_for(learner: str, set_id: str, items: Sequence[Item]) -> list[Item]:
    """The order in which a learner is asked: another for each, the same every time.

    What asks whether an image is real comes first: an image is not seen with its mark before.
    """
    mixed = shuffled(items, set_id, learner)
    return sorted(mixed, key=lambda item: item.kind != "source")


def firsts(given: Iterable[Given]) -> list[Given]:
    """The first answer of each learner to each item, oldest first."""
    found: dict[tuple[str, str], Given] = {}
    for one in sorted(given, key=lambda answer: answer.at):
        found.setdefault((one.learner, one.item), one)
    return list(found.values())


def progress_of(learner: str, items: Sequence[Item], given: Iterable[Given]) -> Progress:
    """How far a learner is."""
    asked = {item.id for item in items}
    own = [one for one in firsts(given) if one.learner == learner and one.item in asked]
    return Progress(answered=len(own), right=sum(g.correct for g in own), total=len(items))


def coming(learner: str, set_id: str, items: Sequence[Item], given: Iterable[Given]) -> list[Item]:
    """What a learner has not answered, in order."""
    done = {one.item for one in given if one.learner == learner}
    return [item for item in order_for(learner, set_id, items) if item.id not in done]


@dataclass(frozen=True, kw_only=True)
class Class:
    """A class's results. learners: with their progress.  items: figures, one for each item."""

    learners: dict[str, Progress]
    items: list[ItemFigures]
    alpha: float | None


def class_of(items: Sequence[Item], given: Sequence[Given]) -> Class:
    """Results of everybody who answered, by first answers."""
    told = firsts(given)
    learners = sorted({one.learner for one in told})
    answers = matrix(items, learners, told)
    return Class(
        learners={name: progress_of(name, items, told) for name in learners},
        items=item_figures(answers),
        alpha=cronbach_alpha(answers),
    )


def matrix(items: Sequence[Item], learners: Sequence[str], told: Iterable[Given]) -> Answers:
    """First answers as (learners, items): 1 right, 0 wrong, NaN not answered."""
    row = {name: number for number, name in enumerate(learners)}
    column = {item.id: number for number, item in enumerate(items)}
    found: Answers = np.full((len(row), len(column)), np.nan)
    for one in told:
        if one.learner in row and one.item in column:
            found[row[one.learner], column[one.item]] = float(one.correct)
    return found
