"""What a study's answers come to: the state of every read, and what each case is by rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from radsmith.errors import InvalidInput
from radsmith.review.design import Read
from radsmith.review.log import Event

Rule = Literal["all", "majority", "adjudicated"]
RULES: tuple[Rule, ...] = get_args(Rule)
Outcome = Literal["accept", "reject", "undecided"]
VERDICT_ORDER = {"reject": 0.0, "unsure": 1.0, "accept": 2.0}
APART = 2
"""Scores this far apart are a difference that somebody must settle."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The latest answer to a read. seconds: how long it took, as the page has it."""

    read: Read
    answer: Mapping[str, Any]
    seconds: float | None
    at: str
    by: str


@dataclass
class State:
    """The log replayed.

    reads: id to read, by the study's plan.  answers: of read ids.  adjudicated: of case ids, by
    whom and how.  history: read ids of a reader, in the order they were first answered.
    acknowledged: ids of requests.  stray: answers to reads that the plan does not have.
    """

    reads: Mapping[str, Read]
    answers: dict[str, Answered] = field(default_factory=dict)
    adjudicated: dict[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    history: dict[str, list[str]] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    stray: int = 0
    _by_case: dict[tuple[str, int], list[Read]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for read in self.reads.values():
            if not read.repeat:
                self._by_case.setdefault((read.case, read.phase), []).append(read)

    def copy(self) -> State:
        """Another state that is the same now."""
        return replace(
            self,
            answers=dict(self.answers),
            adjudicated=dict(self.adjudicated),
            history={reader: list(ids) for reader, ids in self.history.items()},
            acknowledged=set(self.acknowledged),
        )

    def apply(self, events: Iterable[Event]) -> None:
        """Take in events in the order of the log."""
        for event in events:
            if event.get("id"):
                self.acknowledged.add(event["id"])
            name = event["event"]
            if name == "answer":
                self._answer(event)
            elif name == "undo":
                self.answers.pop(event["read"], None)
                history = self.history.setdefault(event["reader"], [])
                if event["read"] in history:
                    history.remove(event["read"])
            elif name == "adjudication":
                self.adjudicated[event["case"]] = event["by"], event["answer"]

    def _answer(self, event: Event) -> None:
        read = self.reads.get(event["read"])
        if read is None:
            self.stray += 1
            return
        self.answers[read.id] = Answered(
            read=read,
            answer=event["answer"],
            seconds=event.get("seconds"),
            at=event["at"],
            by=event["by"],
        )
        history = self.history.setdefault(read.reader, [])
        if read.id not in history:
            history.append(read.id)

    def of_case(self, case: str, phase: int = 1) -> list[Answered]:
        """First looks at a case that were answered, by reader."""
        found = [self.answers[r.id] for r in self.planned(case, phase) if r.id in self.answers]
        return sorted(found, key=lambda answered: answered.read.reader)

    def planned(self, case: str, phase: int = 1) -> list[Read]:
        """First looks at a case that were planned."""
        return self._by_case.get((case, phase), [])

    def complete(self, case: str) -> bool:
        """Whether every planned reader has looked at a case."""
        return len(self.of_case(case)) == len(self.planned(case)) > 0

    def outcome(self, case: str, rule: Rule) -> Outcome:
        """What the case is by a rule; "undecided" where too little was said.

        all: every planned reader accepts; one reject is enough against it.
        majority: more than half of the planned readers.
        adjudicated: as the readers where they agree, else as the adjudicator.
        """
        answers, planned = self.of_case(case), len(self.planned(case))
        verdicts = [a.answer["verdict"] for a in answers]
        accepts, rejects = verdicts.count("accept"), verdicts.count("reject")
        if rule == "majority":
            if 2 * accepts > planned:
                return "accept"
            return "reject" if 2 * rejects > planned else "undecided"
        if rule == "all":
            if rejects:
                return "reject"
            return "accept" if planned and accepts == planned else "undecided"
        if rule != "adjudicated":
            raise InvalidInput(f"no rule {rule!r}: there are {', '.join(RULES)}")
        if case in self.adjudicated:
            verdict = self.adjudicated[case][1]["verdict"]
        elif len(answers) < planned or self.differences(case) or not planned:
            return "undecided"
        else:
            verdict = verdicts[0]
        return verdict if verdict != "unsure" else "undecided"

    def differences(self, case: str) -> list[str]:
        """On what the readers of a case differ, in words; [] where they do not, or one alone
        read it."""
        return differing([a.answer for a in self.of_case(case)])

    def disputed(self, cases: Iterable[str]) -> list[str]:
        """Cases that all planned readers read, on which they differ, and nobody has settled."""
        return [
            case
            for case in cases
            if case not in self.adjudicated
            and len(self.of_case(case)) == len(self.planned(case))
            and self.differences(case)
        ]


def differing(answers: Sequence[Mapping[str, Any]]) -> list[str]:
    """On what answers to one case differ: the verdict, a score by APART or more, marks that
    do not overlap."""
    if len(answers) < 2:
        return []
    found = []
    if len({answer["verdict"] for answer in answers}) > 1:
        found.append("verdict")
    for name in dict.fromkeys(name for answer in answers for name in answer["scores"]):
        scores = [a["scores"][name] for a in answers if name in a["scores"]]
        if max(scores) - min(scores) >= APART:
            found.append(name)
    marked = [answer["marks"] for answer in answers if answer["marks"]]
    if any(not _meet(one, other) for i, one in enumerate(marked) for other in marked[:i]):
        found.append("marks")
    return found


def _meet(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    return any(_overlap(bounds(a), bounds(b)) for a in one for b in other)


def bounds(mark: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """The box around a mark: left, top, right, bottom, in fractions of the picture's side."""
    across, down = zip(*mark["points"], strict=True)
    return min(across), min(down), max(across), max(down)


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across > 0 and down > 0
