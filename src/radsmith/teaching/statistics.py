"""Figures of a class: how hard each item is and whether it tells good from weak learners.

Classical test theory (Crocker and Algina, Introduction to Classical and Modern Test Theory, 1986,
chapters 7 and 14). Only first answers count: a repeated item is no measurement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.exact import clopper_pearson

Answers = NDArray[np.float64]
"""(learners, items): 1 right, 0 wrong, NaN not answered."""
WEAK = 0.2
"""Discrimination below this deserves a look (Ebel, Essentials of Educational Measurement, 1965)."""


@dataclass(frozen=True, kw_only=True)
class ItemFigures:
    """answered: learners.  difficulty: share that was right, with its exact 95 % interval.

    discrimination: point-biserial correlation with the rest of the test, the item itself taken out;
    None with fewer than three learners, or where item or rest do not vary.  interval: 95 %, by
    Fisher's z, None below four learners.
    """

    answered: int
    right: int
    difficulty: float | None
    difficulty_interval: tuple[float, float] | None
    discrimination: float | None
    discrimination_interval: tuple[float, float] | None

    @property
    def remark(self) -> str:
        """What a teacher should look at; "" where nothing stands out."""
        if self.discrimination is None:
            return "too few answers" if self.answered < 3 else "nobody differs"
        if self.discrimination < 0:
            return "weak learners do better: is the answer right?"
        return "hardly tells learners apart" if self.discrimination < WEAK else ""


def item_figures(answers: Answers) -> list[ItemFigures]:
    """Figures of each item.

    The rest of a test is the share right of a learner's other answers: of who answered all items
    that ranks as the sum does. Raises InvalidInput for other values than 0, 1 and NaN.
    """
    known = np.isfinite(answers)
    if answers.ndim != 2 or not np.isin(answers[known], (0, 1)).all():
        raise InvalidInput("answers are learners by items: 1 right, 0 wrong, NaN not answered")
    counts, right = known.sum(axis=1), np.nansum(answers, axis=1)
    return [_figures(answers[:, item], counts, right) for item in range(answers.shape[1])]


def _figures(
    item: NDArray[np.float64], counts: NDArray[np.int64], right: NDArray[np.float64]
) -> ItemFigures:
    told = np.isfinite(item)
    answered, good = int(told.sum()), int(np.nansum(item))
    others = told & (counts > 1)
    rest = (right[others] - item[others]) / (counts[others] - 1)
    found = point_biserial(item[others], rest)
    return ItemFigures(
        answered=answered,
        right=good,
        difficulty=good / answered if answered else None,
        difficulty_interval=clopper_pearson(good, answered) if answered else None,
        discrimination=found,
        discrimination_interval=_fisher(found, int(others.sum())),
    )


def point_biserial(item: Sequence[float] | Answers, criterion: Answers) -> float | None:
    """Pearson's correlation of a 0/1 item with a criterion; None below 3 or without variance."""
    x, y = np.asarray(item, np.float64), np.asarray(criterion, np.float64)
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) < 1e-12:
        return None
    return float(np.corrcoef(x, y)[0, 1].clip(-1, 1))


def _fisher(r: float | None, n: int) -> tuple[float, float] | None:
    if r is None or n < 4 or abs(r) >= 1:
        return None
    z, half = math.atanh(r), 1.959963984540054 / math.sqrt(n - 3)
    return math.tanh(z - half), math.tanh(z + half)


def cronbach_alpha(answers: Answers) -> float | None:
    """Alpha (of 0/1 items: Kuder and Richardson's formula 20) of who answered all items.

    None for fewer than two such learners or items, or where their totals do not vary.
    """
    whole = answers[np.isfinite(answers).all(axis=1)]
    if whole.shape[0] < 2 or whole.shape[1] < 2:
        return None
    total = float(whole.sum(axis=1).var(ddof=1))
    if total == 0:
        return None
    items = whole.shape[1]
    return float(items / (items - 1) * (1 - whole.var(axis=0, ddof=1).sum() / total))
