"""Scores of images by every check of the gate, and the gate of a study's verdicts, as a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.deidentification.burned_in import side_markers
from radsmith.editing.files import open_source
from radsmith.errors import InvalidInput, Unavailable
from radsmith.evaluation.features import pixel_space
from radsmith.evaluation.judge import Judge
from radsmith.files import read_bytes, write_atomically
from radsmith.language.prompt import Prompt
from radsmith.language.reading import read_prompt
from radsmith.review import checks
from radsmith.review.checks import CHECKS
from radsmith.review.design import Case
from radsmith.review.gate import Fitted, fit_check
from radsmith.review.gathering import Found, shown
from radsmith.review.study import Study
from radsmith.review.verdicts import Rule, State

Progress = Callable[[int, int], None]
FORMAT = 1
FRONTAL = frozenset(("view:pa", "view:ap"))


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is usual for a kind of image: histograms, gray levels at 32x32, judge's features."""

    histograms: NDArray[np.float64]
    levels: NDArray[np.float32]
    features: NDArray[np.float32]


def known_of(real: Sequence[Found], judge: Judge) -> dict[str, Known]:
    """By group, from real images."""
    groups: dict[str, list[NDArray[np.float32]]] = {}
    for found in real:
        groups.setdefault(found.group, []).append(shown(found.path)[0])
    return {
        group: Known(
            histograms=np.stack([checks.histogram(one) for one in images]),
            levels=pixel_space(images),
            features=judge.judge(images).features,
        )
        for group, images in groups.items()
    }


def score(found: Found, known: Mapping[str, Known], judge: Judge) -> dict[str, float]:
    """Every check of one image; what cannot be looked at is NaN."""
    scores = dict.fromkeys(CHECKS, float("nan")) | {"colour": 0.0}
    try:
        pixels, _ = shown(found.path)
    except InvalidInput as error:
        if "colour" not in str(error):
            raise
        return scores | {"colour": 1.0}
    scores |= {
        "blank": checks.blank(pixels),
        "bars": checks.bars(pixels),
        "clipped": checks.clipped(pixels),
        "hu_range": _hu_range(found.path),
    }
    judged = judge.judge([pixels])
    prompt = _prompt(found.prompt)
    if prompt is not None:
        scores["agreement"] = checks.disagreement(judged, prompt.concepts, prompt.absent)
        scores["side"] = checks.wrong_side(judged, prompt.side)
        scores["marker"] = _marker(pixels, prompt)
    usual = known.get(found.group)
    if usual is not None:
        scores["histogram"] = checks.histogram_distance(pixels, usual.histograms)
        scores["copy"] = checks.nearness(pixels, usual.levels, pixel_space)
        scores["unusual"] = checks.strangeness(judged.features[0], usual.features)
    return scores


def score_all(
    images: Sequence[Found], real: Sequence[Found], judge: Judge, progress: Progress
) -> dict[str, NDArray[np.float64]]:
    """Scores of images by check, each (n,)."""
    known = known_of(real, judge)
    rows = []
    for number, found in enumerate(images):
        rows.append(score(found, known, judge))
        progress(number + 1, len(images))
    return {check: np.array([row[check] for row in rows]) for check in CHECKS}


def found_of(study: Study, kinds: Sequence[str]) -> list[Found]:
    """The study's images of these kinds, as `gather` finds them."""
    every = (*study.cases, *study.references)
    return [found_case(study, case) for case in every if case.kind in kinds]


def found_case(study: Study, case: Case) -> Found:
    """One case, as `gather` finds it."""
    return Found(
        path=study.path_of(case),
        prompt=case.prompt,
        group=case.group,
        finding=case.finding,
        source=case.source,
    )


def fit_gate(
    study: Study,
    state: State,
    rule: Rule,
    judge: Judge,
    goal: float,
    progress: Progress,
) -> list[Fitted]:
    """Every check fitted and measured on the cases that experts decided."""
    cases = [c for c in study.cases if c.kind != "control"]
    outcomes = [state.outcome(case.id, rule) for case in cases]
    decided = [i for i, outcome in enumerate(outcomes) if outcome != "undecided"]
    images = [found_case(study, case) for case in cases]
    scores = score_all([images[i] for i in decided], found_of(study, ("control",)), judge, progress)
    defective = np.array([outcomes[i] == "reject" for i in decided], np.bool_)
    units = [cases[i].prompt or cases[i].id for i in decided]
    groups = [cases[i].group for i in decided]
    return [fit_check(check, scores[check], defective, units, groups, goal) for check in CHECKS]


def write_gate(path: Path, fitted: Sequence[Fitted], about: Mapping[str, Any]) -> None:
    """The gate as JSON, with what it was fitted on."""
    told = {"format": FORMAT, **about, "checks": [one.as_json() for one in fitted]}
    write_atomically(path, (json.dumps(told, indent=1) + "\n").encode())


def thresholds_of(path: Path) -> dict[str, float]:
    """The thresholds of a gate's file. Raises InvalidInput where it has none."""
    try:
        told = json.loads(read_bytes(path))
        found = {c["check"]: c["threshold"] for c in told["checks"] if c["threshold"] is not None}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"{path} is no gate: make one with `radsmith review gate`") from error
    if not found:
        raise InvalidInput(f"no check of {path} could be fitted: have more read, then fit it again")
    return found


def doubt(scores: Mapping[str, NDArray[np.float64]], thresholds: Mapping[str, float]) -> Any:
    """One score an image, 0 at the threshold of the check that is most against it.

    Each check's score is turned into ranks first, so that they can be compared.
    """
    parts = []
    for check, threshold in thresholds.items():
        given = scores[check]
        order = np.sort(given[~np.isnan(given)])
        if len(order):
            place = np.searchsorted(order, given) - np.searchsorted(order, threshold)
            parts.append(np.where(np.isnan(given), np.nan, place / len(order)))
    stacked = np.array(parts)
    seen = ~np.isnan(stacked).all(0)
    most = np.full(stacked.shape[1], np.nan)
    most[seen] = np.nanmax(stacked[:, seen], axis=0)
    return most


def _marker(pixels: NDArray[np.float32], prompt: Prompt) -> float:
    frontal = not FRONTAL.isdisjoint(prompt.concepts)
    if prompt.side is None and not frontal:
        return float("nan")
    try:
        markers = side_markers(pixels)
    except Unavailable:
        return float("nan")
    placed = [((box[0] + box[2]) / 2 / pixels.shape[1], word) for box, word in markers]
    return checks.wrong_marker(placed, prompt.side, frontal=frontal)


def _prompt(text: str) -> Prompt | None:
    try:
        return read_prompt(text).prompt if text else None
    except InvalidInput:
        return None


def _hu_range(path: Path) -> float:
    opened = open_source(path)
    origin = opened.origin
    if origin is None or origin.unit != "HU":
        return float("nan")
    values = opened.source.image.pixels.astype(np.float64)
    return checks.outside_hu(values * origin.slope + origin.intercept)
