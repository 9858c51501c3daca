"""Simulated readers of known quality: for demonstrations and tests, and named so everywhere.

What they know of a case is the key that organisers have; no picture is looked at. Nothing they say
is an expert's verdict: a study that has them says so in its key, its report and its list of
accepted images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from radsmith.errors import InvalidInput
from radsmith.review.design import Case, Read
from radsmith.review.desk import Desk

PREFIX = "simulated-"


@dataclass(frozen=True, kw_only=True)
class SimulatedReader:
    """sensitivity: share of defective images that are rejected.  false_alarms: of good ones.
    tells: chance to see whether an image is real; one half is guessing.
    """

    name: str
    sensitivity: float = 0.9
    false_alarms: float = 0.05
    tells: float = 0.6
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.name.startswith(PREFIX):
            raise InvalidInput(f"a simulated reader is named {PREFIX}…, got {self.name!r}")

    def answer(self, read: Read, case: Case, defective: bool) -> tuple[dict[str, Any], float]:
        """An answer to a read and the seconds it took; the same each time."""
        draw = np.random.default_rng([self.seed, int(read.id, 16)])
        seconds = float(draw.lognormal(1.8, 0.4))
        if read.phase == 2:
            real = case.kind == "control"
            right = draw.random() < self.tells
            guess = "real" if real == right else "synthetic"
            return {"guess": guess, "confidence": int(draw.integers(1, 4))}, seconds
        objects = draw.random() < (self.sensitivity if defective else self.false_alarms)
        if not objects:
            scores = {"realism": int(draw.integers(1, 3)), "anatomy": 2}
            return {"verdict": "accept", "scores": scores}, seconds
        x, y = draw.uniform(0.1, 0.5, 2)
        return {
            "verdict": "reject" if draw.random() < 0.85 else "unsure",
            "scores": {"realism": int(draw.integers(-2, 1)), "anatomy": int(draw.integers(-2, 2))},
            "artefacts": ["bone" if draw.random() < 0.5 else "texture"],
            "why": ["anatomy"],
            "marks": [{"shape": "box", "points": [[x, y], [x + 0.3, y + 0.3]]}],
        }, seconds


def simulate(desk: Desk, reader: SimulatedReader, defective: Mapping[str, bool]) -> int:
    """Have a simulated reader answer all that is left for it; how many that was.

    defective: case id to whether the image has a defect; others have none.
    Raises InvalidInput where the study does not name it as simulated.
    """
    if reader.name not in desk.study.simulated:
        raise InvalidInput(f"{desk.study.name} does not name {reader.name} as simulated")
    count = 0
    while left := desk.coming(reader.name, 1):
        read = left[0]
        case = desk.study.by_id[read.case]
        answer, seconds = reader.answer(read, case, defective.get(case.id, False))
        request = f"{reader.name}-{read.id}"[-64:]
        desk.answer(reader.name, read.id, answer, request=request, seconds=seconds)
        count += 1
    return count
