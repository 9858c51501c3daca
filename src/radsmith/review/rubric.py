"""What readers are asked, as data: TOML in, checked answers out."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from radsmith.errors import InvalidInput

VERDICTS = ("accept", "reject", "unsure")
GUESSES = ("real", "synthetic")
SHAPES = {"box": 2, "ellipse": 2, "freehand": 3}
"""Shapes of a mark and the least points of each: corners of the box around the first two."""
LOWEST, HIGHEST = -2, 2
MOST_MARKS, MOST_POINTS, LONGEST_NOTE = 20, 200, 2000


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something that may be scored or ticked."""

    id: str
    label: str
    question: str = ""
    low: str = ""
    high: str = ""
    needs_prompt: bool = False


@dataclass(frozen=True, kw_only=True)
class Rubric:
    """The questions of a study. accept: scores that a plain accept stands for.

    digest: SHA-256 of the TOML, which every rating carries.
    """

    name: str
    version: int
    scores: tuple[Item, ...]
    accept: Mapping[str, int]
    artefacts: tuple[Item, ...]
    reasons: tuple[Item, ...]
    guess: str
    confidence: tuple[str, ...]
    digest: str

    def checked(self, answer: Mapping[str, Any], phase: int) -> dict[str, Any]:
        """The answer in its one form, or InvalidInput saying what is wrong with it.

        Phase 1 asks for a verdict, scores, artefacts and marks; phase 2 for a guess alone.
        """
        known = {"guess", "confidence", "note"} if phase == 2 else _FIRST
        unknown = sorted(set(answer) - known)
        if unknown:
            raise InvalidInput(f"phase {phase} does not ask for {', '.join(unknown)}")
        note = answer.get("note") or ""
        if not isinstance(note, str) or len(note) > LONGEST_NOTE:
            raise InvalidInput(f"a note is text of at most {LONGEST_NOTE} characters")
        return self._guess(answer, note) if phase == 2 else self._verdict(answer, note)

    def _guess(self, answer: Mapping[str, Any], note: str) -> dict[str, Any]:
        guess, confidence = answer.get("guess"), answer.get("confidence")
        if guess not in GUESSES:
            raise InvalidInput(f"say real or synthetic; got {guess!r}")
        if confidence is not None and confidence not in range(1, len(self.confidence) + 1):
            raise InvalidInput(f"confidence is 1-{len(self.confidence)}, got {confidence!r}")
        return {"guess": guess, "confidence": confidence, "note": note}

    def _verdict(self, answer: Mapping[str, Any], note: str) -> dict[str, Any]:
        verdict = answer.get("verdict")
        if verdict not in VERDICTS:
            raise InvalidInput(f"a verdict is {', '.join(VERDICTS)}; got {verdict!r}")
        given = answer.get("scores") or {}
        if not isinstance(given, Mapping):
            raise InvalidInput("scores are pairs of a name and a number")
        _among("scores", list(given), self.scores)
        for name, score in given.items():
            if type(score) is not int or not LOWEST <= score <= HIGHEST:
                raise InvalidInput(f"{name} is scored {LOWEST} to +{HIGHEST}, got {score!r}")
        artefacts = _among("artefacts", answer.get("artefacts"), self.artefacts)
        why = _among("reasons", answer.get("why"), self.reasons)
        marks = [self._mark(mark) for mark in _listed("marks", answer.get("marks"))]
        if verdict != "accept" and not (artefacts or why or marks or note.strip()):
            raise InvalidInput(
                f"say why it is “{verdict}”: a reason, an artefact, a mark or a note"
            )
        diagnosis = answer.get("diagnosis") or ""
        if not isinstance(diagnosis, str) or len(diagnosis) > 200:
            raise InvalidInput("a diagnosis is text of at most 200 characters")
        return {
            "verdict": verdict,
            "scores": dict(given),
            "artefacts": artefacts,
            "why": why,
            "marks": marks,
            "diagnosis": diagnosis,
            "note": note,
        }

    def _mark(self, mark: Any) -> dict[str, Any]:
        """A region in fractions of the picture's side."""
        if not isinstance(mark, Mapping) or mark.get("shape") not in SHAPES:
            raise InvalidInput(f"a mark is a {', '.join(SHAPES)}, got {str(mark)[:80]}")
        shape, points = mark["shape"], _listed("points", mark.get("points"), MOST_POINTS)
        if len(points) < SHAPES[shape] or (shape != "freehand" and len(points) != 2):
            raise InvalidInput(f"a {shape} does not have {len(points)} points")
        for point in points:
            if not (isinstance(point, Sequence) and len(point) == 2 and all(map(_share, point))):
                raise InvalidInput(f"a mark's points are x, y in 0-1, got {str(point)[:80]}")
        artefact = mark.get("artefact") or ""
        _among("artefacts", [artefact] if artefact else [], self.artefacts)
        rounded = [[round(float(x), 5), round(float(y), 5)] for x, y in points]
        return {"shape": shape, "points": rounded, "artefact": artefact}


_FIRST = {"verdict", "scores", "artefacts", "why", "marks", "diagnosis", "note"}


def _share(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= 1


def _listed(name: str, value: Any, most: int = MOST_MARKS) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list | tuple) or len(value) > most:
        raise InvalidInput(f"{name} are a list of at most {most}")
    return list(value)


def _among(name: str, value: Any, items: Sequence[Item]) -> list[str]:
    known = {item.id for item in items}
    given = _listed(name, value, max(MOST_MARKS, len(known)))
    wrong = [str(v)[:40] for v in given if not isinstance(v, str) or v not in known]
    if wrong:
        raise InvalidInput(f"the rubric has no {name} {', '.join(wrong)}: {', '.join(known)}")
    return list(dict.fromkeys(given))


def read_rubric(text: str) -> Rubric:
    """A rubric from TOML. Raises InvalidInput naming what is missing or wrong."""
    try:
        data = tomllib.loads(text)
        accept = {str(k): int(v) for k, v in data.get("accept", {}).items()}
        guess = data.get("guess", {})
        rubric = Rubric(
            name=str(data["name"]),
            version=int(data["version"]),
            scores=_items(data["scores"]),
            accept=accept,
            artefacts=_items(data.get("artefacts", [])),
            reasons=_items(data.get("reasons", [])),
            guess=str(guess.get("question", "Is this image real, or made by a model?")),
            confidence=tuple(guess.get("confidence", ("a guess", "rather sure", "certain"))),
            digest=hashlib.sha256(text.encode()).hexdigest(),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(
            f"this is no rubric: {error}; it needs name, version and [[scores]] with id and label"
        ) from error
    for name, items in (("scores", rubric.scores), ("artefacts", rubric.artefacts)):
        if len({item.id for item in items}) != len(items):
            raise InvalidInput(f"the rubric names one of its {name} twice")
    rubric.checked({"verdict": "accept", "scores": accept}, 1)
    return rubric


def _items(entries: Any) -> tuple[Item, ...]:
    return tuple(Item(**entry) for entry in entries)


@cache
def default_rubric() -> str:
    """The shipped rubric's TOML."""
    return (files("radsmith.review") / "rubric.toml").read_text(encoding="utf-8")
