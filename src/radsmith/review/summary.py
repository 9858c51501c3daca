"""What a study has come to: agreement, realism, acceptance, pace; as JSON values.

Readers are few and named, so all figures speak of these readers ("fixed readers"), not of readers
at large.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from radsmith.errors import InvalidInput
from radsmith.evaluation.exact import clopper_pearson
from radsmith.review.agreement import Level, Ratings, all_coefficients, kappa_of_table
from radsmith.review.design import Case
from radsmith.review.sampling import Sensitivity, bound_by_reader, defect_bound, rest_bound
from radsmith.review.study import Study
from radsmith.review.verdicts import RULES, VERDICT_ORDER, Answered, Rule, State

LEAST = 30
"""Fewer answers than this are shown, but a share of them says little."""
Value = Callable[[Mapping[str, Any]], float | None]


def summary(study: Study, state: State, head: str, rule: Rule = "majority") -> dict[str, Any]:
    """Every figure of the report."""
    return {
        "study": study.name,
        "created": study.created,
        "log_head": head,
        "rubric": {
            "name": study.rubric.name,
            "version": study.rubric.version,
            "sha256": study.rubric.digest,
        },
        "readers": list(study.readers),
        "simulated_readers": list(study.simulated),
        "speaks_for": "these readers alone (fixed readers)",
        "cases": dict(Counter(case.kind for case in study.cases)),
        "design": vars(study.design),
        "progress": _progress(study, state),
        "outcomes": _outcomes(study, state),
        "agreement": _agreement(study, state),
        "same_reader": _same_reader(study, state),
        "realism": _realism(study, state),
        "scores": _scores(study, state),
        "diagnosis": _diagnosis(study, state),
        "artefacts": _artefacts(study, state),
        "acceptance": acceptance(study, state, rule),
        "pace_seconds": _pace(study, state),
    }


def _progress(study: Study, state: State) -> list[dict[str, Any]]:
    found = []
    for reader, reads in study.plan.items():
        for phase in range(1, study.design.phases + 1):
            of_phase = [read for read in reads if read.phase == phase]
            done = sum(read.id in state.answers for read in of_phase)
            found.append({"reader": reader, "phase": phase, "done": done, "of": len(of_phase)})
    return found


def _outcomes(study: Study, state: State) -> dict[str, dict[str, int]]:
    none = {"accept": 0, "reject": 0, "undecided": 0}
    found: dict[str, dict[str, int]] = {}
    for rule in RULES:
        found[rule] = none | Counter(state.outcome(case.id, rule) for case in study.synthetic)
    disputed = state.disputed(case.id for case in study.cases)
    found["to_settle"] = {"cases": len(disputed), "settled": len(state.adjudicated)}
    return found


def questions(study: Study) -> dict[str, tuple[Level, Value]]:
    """What readers can agree on: the verdict and each score."""

    def score(name: str) -> Value:
        return lambda answer: answer["scores"].get(name)

    found: dict[str, tuple[Level, Value]] = {
        "verdict": ("nominal", lambda answer: VERDICT_ORDER[answer["verdict"]])
    }
    return found | {item.id: ("ordinal", score(item.id)) for item in study.rubric.scores}


def _agreement(study: Study, state: State) -> dict[str, Any]:
    parts: dict[str, Sequence[Case]] = {"all": study.cases}
    for kind in ("synthetic", "control", "planted"):
        parts[kind] = [case for case in study.cases if case.kind == kind]
    groups = sorted({case.group for case in study.cases} - {""})
    if len(groups) > 1:
        parts |= {g: [case for case in study.cases if case.group == g] for g in groups}
    return {
        name: {
            part: found
            for part, cases in parts.items()
            if (found := between(state, study, cases, *q))
        }
        for name, q in questions(study).items()
    }


def between(
    state: State, study: Study, cases: Sequence[Case], level: Level, value: Value
) -> dict[str, Any] | None:
    """Agreement between readers on some cases; None where no two read any of them."""
    place = {reader: i for i, reader in enumerate(study.readers)}
    table = np.full((len(cases), len(place)), np.nan)
    for row, case in enumerate(cases):
        for answered in state.of_case(case.id):
            number = value(answered.answer)
            if number is not None:
                table[row, place[answered.read.reader]] = number
    table = table[:, (~np.isnan(table)).any(0)]
    try:
        ratings = Ratings(values=table, level=level)
    except InvalidInput:
        return None
    twice = int(((~np.isnan(table)).sum(1) >= 2).sum())
    found = {key: c.as_json() for key, c in all_coefficients(ratings).items()}
    return {"level": level, "cases": twice, "readers": table.shape[1], **found}


def _same_reader(study: Study, state: State) -> dict[str, Any]:
    """Each reader against himself, by the repeats."""
    found: dict[str, Any] = {}
    for name, (_, value) in questions(study).items():
        pairs: dict[str, list[tuple[float, float]]] = {}
        for reader, one, other in _repeated(study, state):
            first, second = value(one.answer), value(other.answer)
            if first is not None and second is not None:
                pairs.setdefault(reader, []).append((first, second))
        everyone = [pair for of_reader in pairs.values() for pair in of_reader]
        if everyone:
            found[name] = {"all": _agreeing(everyone)}
            found[name] |= {reader: _agreeing(p) for reader, p in pairs.items()}
    return found


def _repeated(study: Study, state: State) -> Iterable[tuple[str, Answered, Answered]]:
    for reader, reads in study.plan.items():
        first = {read.case: read for read in reads if read.phase == 1 and not read.repeat}
        for read in reads:
            if read.phase == 1 and read.repeat:
                one, other = (state.answers.get(r.id) for r in (first[read.case], read))
                if one and other:
                    yield reader, one, other


def _agreeing(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    values = sorted({v for pair in pairs for v in pair})
    table = np.zeros((len(values), len(values)))
    for first, second in pairs:
        table[values.index(first), values.index(second)] += 1
    same = sum(first == second for first, second in pairs)
    return {"same": share(same, len(pairs)), "cohen_kappa": kappa_of_table(table).as_json()}


def share(count: int, n: int) -> dict[str, Any]:
    """A share with its exact interval; None where nothing was counted."""
    if n == 0:
        return {"count": 0, "of": 0, "value": None, "interval": None}
    low, high = clopper_pearson(count, n)
    return {"count": count, "of": n, "value": count / n, "interval": [low, high]}


def _realism(study: Study, state: State) -> dict[str, Any]:
    """Whether readers could tell real from made, in the second phase."""
    told: list[tuple[Case, str, str]] = []
    for answered in state.answers.values():
        read = answered.read
        if read.phase == 2 and not read.repeat:
            case = study.by_id[read.case]
            truth = "real" if case.kind == "control" else "synthetic"
            told.append((case, read.reader, f"{truth} {answered.answer['guess']}"))

    def right(keep: Callable[[Case, str], bool]) -> dict[str, Any]:
        kept = [pair for case, reader, pair in told if keep(case, reader)]
        good = sum(pair in ("real real", "synthetic synthetic") for pair in kept)
        return share(good, len(kept))

    counts = Counter(pair for _, _, pair in told)
    names = ("real", "synthetic")
    table = np.array([[counts[f"{t} {g}"] for g in names] for t in names], float)
    kappa = kappa_of_table(table).as_json() if table.sum() else None
    return {
        "accuracy": right(lambda c, r: True),
        "real_called_real": right(lambda c, r: c.kind == "control"),
        "synthetic_called_synthetic": right(lambda c, r: c.kind != "control"),
        "kappa_with_truth": kappa,
        "by_reader": {who: right(_read_by(who)) for who in study.readers},
        "by_class": _by(told, lambda case: case.group, right),
        "by_source": _by(told, lambda case: case.source, right),
    }


def _by(
    told: Sequence[tuple[Case, str, str]],
    name: Callable[[Case], str],
    right: Callable[[Callable[[Case, str], bool]], dict[str, Any]],
) -> dict[str, Any]:
    names = sorted({name(case) for case, _, _ in told} - {""})
    return {one: right(_named(name, one)) for one in names}


def _read_by(reader: str) -> Callable[[Case, str], bool]:
    return lambda case, who: who == reader


def _named(name: Callable[[Case], str], wanted: str) -> Callable[[Case, str], bool]:
    return lambda case, who: name(case) == wanted


def _first_looks(study: Study, state: State) -> list[tuple[Case, Answered]]:
    return [
        (study.by_id[a.read.case], a)
        for a in state.answers.values()
        if a.read.phase == 1 and not a.read.repeat
    ]


def _scores(study: Study, state: State) -> dict[str, Any]:
    """Mean scores and accepted shares of each kind, with the readers' spread."""
    looks = _first_looks(study, state)
    found: dict[str, Any] = {}
    for kind in ("synthetic", "control", "planted"):
        of_kind = [a for case, a in looks if case.kind == kind]
        if of_kind:
            found[kind] = {
                "accepted": share(sum(_accepts(a) for a in of_kind), len(of_kind)),
                "accepted_by_reader": {
                    reader: share(
                        sum(_accepts(a) for a in of_kind if a.read.reader == reader),
                        sum(a.read.reader == reader for a in of_kind),
                    )
                    for reader in study.readers
                },
                "mean": {item.id: _mean(of_kind, item.id) for item in study.rubric.scores},
            }
    return found


def _accepts(answered: Answered) -> bool:
    return bool(answered.answer["verdict"] == "accept")


def _mean(answers: Sequence[Answered], name: str) -> float | None:
    given = [a.answer["scores"][name] for a in answers if name in a.answer["scores"]]
    return sum(given) / len(given) if given else None


def _diagnosis(study: Study, state: State) -> dict[str, Any]:
    """How often what is right to see was named, on made and on real images."""
    found = {}
    for kind in ("synthetic", "control", "planted"):
        named = [
            case.finding.casefold() == a.answer["diagnosis"].strip().casefold()
            for case, a in _first_looks(study, state)
            if case.kind == kind and case.finding and a.answer["diagnosis"].strip()
        ]
        if named:
            found[kind] = share(sum(named), len(named))
    return found


def _artefacts(study: Study, state: State) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in ("synthetic", "control"):
        looks = [a for case, a in _first_looks(study, state) if case.kind == kind]
        ticked = Counter(name for a in looks for name in a.answer["artefacts"])
        found[kind] = {name: share(n, len(looks)) for name, n in ticked.most_common()}
    return found


def acceptance(study: Study, state: State, rule: Rule) -> dict[str, Any]:
    """What the cases drawn at random say of the lot, of those that all their readers have read.

    What is undecided counts as defective.

    Where defects were planted, the bound divides by what the readers found of them.
    """
    drawn = [case for case in study.synthetic if case.drawn == "random"]
    seen = [case for case in drawn if state.complete(case.id)]
    defects = sum(state.outcome(case.id, rule) != "accept" for case in seen)
    planted = [c for c in study.cases if c.kind == "planted" and state.complete(c.id)]
    caught = sum(state.outcome(case.id, rule) != "accept" for case in planted)
    found: dict[str, Any] = {
        "rule": rule,
        "lot": study.lot,
        "read_at_random": len(seen),
        "not_accepted": defects,
        "confidence": 0.95,
    }
    if seen:
        n, lot = len(seen), max(study.lot, len(seen))
        found["upper_bound"] = defect_bound(defects, n, lot=lot)
        found["rest_upper_bound"] = rest_bound(defects, n, lot)
    if planted:
        sensitivity = Sensitivity.of(caught, len(planted))
        found["planted"] = {"found": caught, "of": len(planted), "at_least": sensitivity.low}
        if seen:
            bound = bound_by_reader(defects, n, lot, caught, len(planted))
            found["upper_bound_with_sensitivity"] = bound
    return found


def _pace(study: Study, state: State) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {}
    for answered in state.answers.values():
        if answered.seconds is not None:
            seconds.setdefault(answered.read.reader, []).append(answered.seconds)
    return {reader: median(given) for reader, given in sorted(seconds.items())}
