"""Questions on images, and how an answer is marked.

Points are x, y in fractions of a picture's side; pictures are named by tokens that tell nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput

Kind = Literal["source", "finding", "side", "where", "order", "pair"]
KINDS: tuple[Kind, ...] = get_args(Kind)
GRID = 128
"""Cells a side of an answer's mask."""
NEAR = 3
"""Cells beside the mask in which a click still counts: a finger is no needle."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question.

    pictures: tokens, as shown before it is answered.  revealed: the same with their whole mark,
    shown with the answer.  choices: what may be chosen.  answer: the right choices or, of "order",
    the revealed pictures from most to least severe.  region: runs of a mask, see `runs_of`.
    told: words shown with the answer.  needs: SHA-256 of the image files that experts must have
    accepted.  concepts: what it teaches, by name.
    """

    id: str
    kind: Kind
    question: str
    pictures: tuple[str, ...]
    revealed: tuple[str, ...]
    choices: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    region: tuple[int, ...] = ()
    told: str = ""
    needs: tuple[str, ...] = ()
    concepts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidInput(f"an item is one of {', '.join(KINDS)}, got {self.kind!r}")
        if not self.pictures or len(self.pictures) != len(self.revealed):
            raise InvalidInput(f"item {self.id} needs pictures, and as many with their whole mark")
        if self.kind == "where":
            if not sum(self.region[1::2]):
                raise InvalidInput(f"item {self.id} asks where and its mask is empty")
        elif self.kind == "order":
            if sorted(self.answer) != sorted(self.pictures) or len(self.pictures) < 2:
                raise InvalidInput(f"item {self.id} must order its own pictures, two or more")
        elif not self.answer or not set(self.answer) < set(self.choices):
            raise InvalidInput(f"item {self.id} needs a right choice and a wrong one")

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Item:
        """Read `to_json`."""
        parts: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**parts)

    def asked(self) -> dict[str, Any]:
        """What a learner is told before the answer: nothing of it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "question": self.question,
            "pictures": list(self.pictures),
            "choices": list(self.choices),
        }

    def solution(self) -> dict[str, Any]:
        """What is told with the answer."""
        return {
            "answer": list(self.answer),
            "region": list(self.region),
            "told": self.told,
            "revealed": list(self.revealed),
        }


@dataclass(frozen=True, kw_only=True)
class Mark:
    """correct: wholly right.  score: 0-1; of "order" the share of pairs in their right order."""

    correct: bool
    score: float


def mark(item: Item, answer: Mapping[str, Any]) -> Mark:
    """Mark an answer: {"choice": one of the choices}, {"point": [x, y]} or {"order": pictures}.

    Raises InvalidInput for an answer that is none to this item.
    """
    if item.kind == "order":
        return _ordered(item, answer.get("order"))
    if item.kind == "where":
        right = _inside(item, answer.get("point"))
    else:
        choice = answer.get("choice")
        if choice not in item.choices:
            raise InvalidInput(f"choose one of {', '.join(item.choices)}, got {choice!r:.60}")
        right = choice in item.answer
    return Mark(correct=right, score=float(right))


def _ordered(item: Item, order: Any) -> Mark:
    if not isinstance(order, list) or sorted(map(str, order)) != sorted(item.pictures):
        raise InvalidInput("an order names each picture of the item once")
    place = {picture: number for number, picture in enumerate(order)}
    pairs = [
        place[first] < place[later]
        for number, first in enumerate(item.answer)
        for later in item.answer[number + 1 :]
    ]
    return Mark(correct=all(pairs), score=sum(pairs) / len(pairs))


def _inside(item: Item, point: Any) -> bool:
    whole = isinstance(point, list) and len(point) == 2
    if not whole or not all(isinstance(v, int | float) and 0 <= v <= 1 for v in point):
        raise InvalidInput("a point is x, y in fractions of the picture's side, 0-1")
    x, y = (min(GRID - 1, int(value * GRID)) for value in point)
    grid = mask_of(item.region)
    near = grid[max(0, y - NEAR) : y + NEAR + 1, max(0, x - NEAR) : x + NEAR + 1]
    return bool(near.any())


def runs_of(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """A mask (GRID, GRID) as lengths of runs, row by row: first False, then True, in turn."""
    if mask.shape != (GRID, GRID):
        raise InvalidInput(f"an answer's mask is {GRID}x{GRID}, got {mask.shape}")
    flat = np.concatenate([[False], mask.ravel(), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    ends = np.concatenate([[0], edges, [mask.size]])
    runs = np.diff(ends)
    return tuple(int(run) for run in runs[: len(runs) - (runs[-1] == 0)])


def mask_of(runs: Sequence[int]) -> NDArray[np.bool_]:
    """`runs_of` backwards."""
    values = np.arange(len(runs)) % 2 == 1
    flat = np.repeat(values, runs)
    if flat.size != GRID * GRID:
        raise InvalidInput(f"the runs of a mask cover {flat.size} of {GRID * GRID} cells")
    return flat.reshape(GRID, GRID)


def on_grid(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask (height, width) of an image on the grid of its square picture, bars beside it.

    A cell is True where the mask is True at its middle, or anywhere in it for a small mask.
    """
    height, width = mask.shape
    longest = max(mask.shape)
    found = np.zeros((GRID, GRID), np.bool_)
    rows, columns = np.nonzero(mask)
    y = (rows + 0.5) / longest + (1 - height / longest) / 2
    x = (columns + 0.5) / longest + (1 - width / longest) / 2
    found[(y * GRID).astype(int), (x * GRID).astype(int)] = True
    if longest < GRID:  # cells between the pixels of a small image
        middle = (np.arange(GRID) + 0.5) / GRID
        row = np.floor((middle - (1 - height / longest) / 2) * longest).astype(int)
        column = np.floor((middle - (1 - width / longest) / 2) * longest).astype(int)
        inside = ((row >= 0) & (row < height))[:, None] & ((column >= 0) & (column < width))[None]
        found = inside & mask[row.clip(0, height - 1)][:, column.clip(0, width - 1)]
    return found
