"""The desk at which a study is read: what comes next, and answers taken in, each once.

One desk serves all readers of a study in one process; others (an import, say) may add to the same
log meanwhile. What returns is on the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from radsmith.errors import InvalidInput, NotFound
from radsmith.review.design import Read
from radsmith.review.log import Held, Log
from radsmith.review.study import Study
from radsmith.review.verdicts import State

LONGEST_READ_S = 600.0
"""A read that took longer was a pause."""
FATIGUE = 1.6
"""A pace this many times the reader's own, or a third of it, is worth a hint."""


def now() -> str:
    """ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Of one reader. phase: the one at work; done, total: reads of it.  pace: median seconds of the
    last ten reads, None before three.  hint: "" or a word on tiredness.  last: may be undone.
    """

    phase: int
    phases: int
    done: int
    total: int
    pace: float | None
    hint: str
    last: str | None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to read."""
        return self.phase == self.phases and self.done == self.total


class Desk:
    """A study being read."""

    def __init__(self, study: Study, clock: Callable[[], str] = now) -> None:
        self.study = study
        self._clock = clock
        self._log = Log(study.folder)
        self._lock = threading.Lock()
        self._phases = {
            reader: [[r for r in reads if r.phase == p + 1] for p in range(study.design.phases)]
            for reader, reads in study.plan.items()
        }
        self.state: State = study.fresh()
        self.state.apply(self._log.news())

    @property
    def head(self) -> str:
        """Hash of the log's head."""
        return self._log.head

    def snapshot(self) -> tuple[State, str]:
        """The state as it is now, which later answers leave alone, and the log's head."""
        with self._lock:
            self.state.apply(self._log.news())
            return self.state.copy(), self._log.head

    def refresh(self) -> None:
        """Take in what other processes added."""
        with self._lock:
            self.state.apply(self._log.news())

    def progress(self, reader: str) -> Progress:
        """How far a reader is. Raises NotFound for somebody who does not read here."""
        phase, reads = self._phase(reader)
        done = sum(read.id in self.state.answers for read in reads)
        seconds = self._seconds(reader)
        recent = seconds[-10:]
        history = self.state.history.get(reader, [])
        last = history[-1] if history and self.state.reads[history[-1]].phase == phase else None
        return Progress(
            phase=phase,
            phases=self.study.design.phases,
            done=done,
            total=len(reads),
            pace=median(recent) if len(recent) >= 3 else None,
            hint=_hint(seconds),
            last=last,
        )

    def coming(self, reader: str, most: int = 3) -> list[Read]:
        """The next reads of a reader, nearest first; none of the next phase before it begins."""
        _, reads = self._phase(reader)
        left = (read for read in reads if read.id not in self.state.answers)
        return [read for read, _ in zip(left, range(most), strict=False)]

    def read_of(self, reader: str, read_id: str) -> Read:
        """A reader's own read. Raises NotFound for anybody else's, as for none."""
        read = self.state.reads.get(read_id)
        if read is None or read.reader != reader:
            raise NotFound("this is none of your cases")
        return read

    def answer(
        self,
        reader: str,
        read_id: str,
        answer: Mapping[str, Any],
        *,
        request: str,
        seconds: float | None = None,
        by: str = "",
    ) -> None:
        """Take in an answer, once for each request id; a second one to the same read changes it.

        Raises NotFound, or InvalidInput where the answer is not as the rubric has it, or its phase
        is over or not begun.
        """
        read = self.read_of(reader, read_id)
        checked = self.study.rubric.checked(answer, read.phase)
        with self._held() as held:
            if request in self.state.acknowledged:
                return
            phase, _ = self._phase(reader)
            if read.phase != phase:
                raise InvalidInput("this phase is over: its answers stay as they are")
            event = self._event("answer", request, by or reader) | {
                "reader": reader,
                "read": read.id,
                "case": read.case,
                "phase": read.phase,
                "repeat": read.repeat,
                "answer": checked,
                "seconds": _seconds(seconds),
            }
            self.state.apply(held.add([event]))

    def undo(self, reader: str, *, request: str) -> tuple[Read, Mapping[str, Any]]:
        """Take back the reader's last answer of this phase; the read, the next again, and what was
        said of it."""
        with self._held() as held:
            if request in self.state.acknowledged:
                return self.coming(reader, 1)[0], {}
            last = self.progress(reader).last
            if last is None:
                raise InvalidInput("there is nothing to undo in this phase")
            read = self.state.reads[last]
            answer = self.state.answers[last].answer
            told = {"reader": reader, "read": read.id, "case": read.case}
            self.state.apply(held.add([self._event("undo", request, reader) | told]))
            return read, answer

    def disputed(self, adjudicator: str) -> list[str]:
        """Cases for an adjudicator to settle, none of which he read himself."""
        cases = [case.id for case in self.study.cases]
        return [
            case
            for case in self.state.disputed(cases)
            if adjudicator not in {a.read.reader for a in self.state.of_case(case)}
        ]

    def adjudicate(
        self, adjudicator: str, case: str, answer: Mapping[str, Any], *, request: str
    ) -> None:
        """Settle a case on which its readers differ. Raises NotFound or InvalidInput."""
        checked = self.study.rubric.checked(answer, 1)
        with self._held() as held:
            if request in self.state.acknowledged:
                return
            if case not in self.disputed(adjudicator):
                raise NotFound("this case is not yours to settle")
            told = {"case": case, "answer": checked}
            event = self._event("adjudication", request, adjudicator) | told
            self.state.apply(held.add([event]))

    def _event(self, name: str, request: str, by: str) -> dict[str, Any]:
        if not 8 <= len(request) <= 64:
            raise InvalidInput("a request needs an id of 8-64 characters, a new one each")
        rubric = self.study.rubric.digest
        return {"event": name, "id": request, "by": by, "at": self._clock(), "rubric": rubric}

    @contextmanager
    def _held(self) -> Iterator[Held]:
        with self._lock, self._log.held() as held:
            self.state.apply(held.news)
            yield held

    def _phase(self, reader: str) -> tuple[int, list[Read]]:
        """The first phase that is not all answered, or the last, and its reads."""
        if reader not in self._phases:
            raise NotFound("you are no reader of this study")
        for phase, of_phase in enumerate(self._phases[reader], start=1):
            if any(read.id not in self.state.answers for read in of_phase):
                return phase, of_phase
        return phase, of_phase

    def _seconds(self, reader: str) -> list[float]:
        ids = self.state.history.get(reader, [])[-60:]
        found = (self.state.answers[i].seconds for i in ids if i in self.state.answers)
        return [s for s in found if s is not None and s < LONGEST_READ_S]


def _seconds(given: float | None) -> float | None:
    return None if given is None or not 0 <= given <= 86_400 else round(float(given), 2)


def _hint(seconds: list[float]) -> str:
    """A word where the last reads differ much from the ones before."""
    before, recent = seconds[:-10], seconds[-10:]
    if len(before) < 20:
        return ""
    usual, pace = median(before), median(recent)
    if pace > FATIGUE * usual:
        return "You have become slower: a pause may help. Your place is kept."
    if pace < usual / 3:
        return "You have become much faster: is each image still looked at?"
    return ""
