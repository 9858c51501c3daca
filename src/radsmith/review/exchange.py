"""Ratings out to other programs and in from them: Parquet, Label Studio's JSON, CSV.

Label Studio: https://labelstud.io/guide/task_format. Marks are in percent of the original picture,
scores of -2 to +2 are ratings of 1 to 5. Which images are controls is not told.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from radsmith.errors import InvalidInput, Unavailable
from radsmith.files import read_bytes
from radsmith.review.blinding import on_original, on_square
from radsmith.review.design import Case
from radsmith.review.desk import Desk
from radsmith.review.gathering import shown
from radsmith.review.ratings_files import read_rows
from radsmith.review.report_page import RATING_COLUMNS, rating_rows
from radsmith.review.rubric import VERDICTS, Item, Rubric
from radsmith.review.study import Study
from radsmith.review.verdicts import Answered, State

_LABELS = {"box": "rectanglelabels", "ellipse": "ellipselabels", "freehand": "polygonlabels"}
_SHAPES = {label: shape for shape, label in _LABELS.items()}
_TOOLS = {"box": "RectangleLabels", "ellipse": "EllipseLabels", "freehand": "PolygonLabels"}
NO_ARTEFACT = "region"
"""Label of a mark that names no artefact."""


@dataclass(frozen=True, kw_only=True)
class Rating:
    """An answer made elsewhere. case: a case's id, or the name of its file."""

    case: str
    reader: str
    answer: dict[str, Any]
    where: str


def parquet_bytes(study: Study, state: State) -> bytes:
    """Every answer that stands as Parquet: text columns as in ratings.csv."""
    try:
        import pyarrow
        from pyarrow.parquet import write_table
    except ImportError as error:
        raise Unavailable(
            "Parquet needs pyarrow: install it with `pip install radsmith[import]`"
        ) from error
    rows = rating_rows(study, state)
    columns = {name: [row[name] for row in rows] for name in RATING_COLUMNS}
    stream = io.BytesIO()
    write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


def label_studio(study: Study, state: State) -> list[dict[str, Any]]:
    """Tasks with an annotation for each reader's first look, in Label Studio's form."""
    number = {reader: i + 1 for i, reader in enumerate(study.readers)}
    tasks = []
    for place, case in enumerate(sorted(study.cases, key=lambda case: case.id)):
        pixels, _ = shown(study.path_of(case))
        size = pixels.shape[0], pixels.shape[1]
        annotations = [
            {
                "id": number[a.read.reader] + 100 * place,
                "completed_by": number[a.read.reader],
                "reader": a.read.reader,
                "was_cancelled": False,
                "ground_truth": False,
                "created_at": a.at,
                "lead_time": a.seconds,
                "result": _results(study, a, size),
            }
            for a in state.of_case(case.id)
        ]
        data = {"image": case.file, "case": case.id, "prompt": case.prompt}
        tasks.append({"id": place + 1, "data": data, "annotations": annotations, "predictions": []})
    return tasks


def _results(study: Study, answered: Answered, size: tuple[int, int]) -> list[dict[str, Any]]:
    answer, height, width = answered.answer, size[0], size[1]
    whole = {"to_name": "image", "original_width": width, "original_height": height}

    def result(name: str, kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
        told = {"from_name": name, "type": kind, "value": dict(value), **whole}
        return {"id": f"{answered.read.id[:8]}{len(found):02}", **told}

    found: list[dict[str, Any]] = []
    found.append(result("verdict", "choices", {"choices": [answer["verdict"]]}))
    for name, score in answer["scores"].items():
        found.append(result(name, "rating", {"rating": score + 3}))
    for name in ("artefacts", "why"):
        if answer[name]:
            found.append(result(name, "choices", {"choices": answer[name]}))
    for name in ("note", "diagnosis"):
        if answer[name]:
            found.append(result(name, "textarea", {"text": [answer[name]]}))
    for mark in answer["marks"]:
        kind = _LABELS[mark["shape"]]
        value = _percent(mark, size) | {kind: [mark["artefact"] or NO_ARTEFACT]}
        found.append(result(mark["shape"], kind, value))
    return found


def labelling_config(rubric: Rubric) -> str:
    """The rubric as Label Studio's labelling configuration, which its project needs to show and to
    check such tasks (https://labelstud.io/tags)."""
    view = Element("View")
    SubElement(view, "Image", name="image", value="$image")
    SubElement(view, "Text", name="prompt", value="$prompt")

    def ask(tag: str, name: str, **more: str) -> Element:
        return SubElement(view, tag, {"name": name, "toName": "image", **more})

    def options(parent: Element, tag: str, items: Iterable[Item]) -> None:
        for item in items:
            SubElement(parent, tag, value=item.id, hint=item.label)

    verdict = ask("Choices", "verdict", choice="single", required="true")
    for name in VERDICTS:
        SubElement(verdict, "Choice", value=name)
    for score in rubric.scores:
        SubElement(view, "Header", value=score.question or score.label)
        ask("Rating", score.id, maxRating="5")
    options(ask("Choices", "artefacts", choice="multiple"), "Choice", rubric.artefacts)
    options(ask("Choices", "why", choice="multiple"), "Choice", rubric.reasons)
    for shape, tag in _TOOLS.items():
        tool = ask(tag, shape)
        options(tool, "Label", rubric.artefacts)
        SubElement(tool, "Label", value=NO_ARTEFACT)
    for name in ("note", "diagnosis"):
        ask("TextArea", name, placeholder=name)
    indent(view)
    return tostring(view, encoding="unicode") + "\n"


def _percent(mark: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    points = [on_original((x, y), size) for x, y in mark["points"]]
    points = [(100 * x / size[1], 100 * y / size[0]) for x, y in points]
    if mark["shape"] == "freehand":
        return {"points": [list(point) for point in points]}
    (x0, y0), (x1, y1) = points
    left, top, width, height = min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)
    if mark["shape"] == "box":
        return {"x": left, "y": top, "width": width, "height": height, "rotation": 0}
    middle = {"x": left + width / 2, "y": top + height / 2}
    return middle | {"radiusX": width / 2, "radiusY": height / 2, "rotation": 0}


def read_label_studio(path: Path) -> list[Rating]:
    """Ratings from Label Studio's JSON, by `data.case` or the image's file name.

    The reader is the annotation's `reader`, else `completed_by`. Raises InvalidInput.
    """
    try:
        tasks = json.loads(read_bytes(path))
        return [
            Rating(
                case=str(task["data"].get("case") or Path(str(task["data"]["image"])).name),
                reader=str(annotation.get("reader") or _user(annotation["completed_by"])),
                answer=_answer(annotation["result"]),
                where=f"task {task['id']}",
            )
            for task in tasks
            for annotation in task["annotations"]
            if not annotation.get("was_cancelled")
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, IndexError) as error:
        raise InvalidInput(
            f"{path} is not Label Studio's JSON: {error!r}; export it as JSON, not as JSON-MIN"
        ) from error


def _user(completed_by: Any) -> Any:
    return completed_by.get("email") if isinstance(completed_by, dict) else completed_by


def _answer(results: list[dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {"scores": {}, "artefacts": [], "why": [], "marks": []}
    for result in results:
        name, kind, value = result["from_name"], result["type"], result["value"]
        if kind == "choices":
            answer[name] = value["choices"][0] if name == "verdict" else value["choices"]
        elif kind == "rating":
            answer["scores"][name] = int(value["rating"]) - 3
        elif kind == "textarea":
            answer[name] = "\n".join(value["text"])
        elif kind in _SHAPES:
            size = result["original_height"], result["original_width"]
            answer["marks"].append(_mark(_SHAPES[kind], value, value[kind][0], size))
    return answer


def _mark(
    shape: str, value: Mapping[str, Any], label: str, size: tuple[int, int]
) -> dict[str, Any]:
    if shape == "freehand":
        corners = [(x, y) for x, y in value["points"]]
    elif shape == "box":
        x, y = value["x"], value["y"]
        corners = [(x, y), (x + value["width"], y + value["height"])]
    else:
        x, y, rx, ry = value["x"], value["y"], value["radiusX"], value["radiusY"]
        corners = [(x - rx, y - ry), (x + rx, y + ry)]
    points = [on_square((x * size[1] / 100, y * size[0] / 100), size) for x, y in corners]
    kept = [[min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)] for x, y in points]
    return {"shape": shape, "points": kept, "artefact": "" if label == NO_ARTEFACT else label}


def read_rating_table(path: Path, scores: tuple[str, ...]) -> list[Rating]:
    """Ratings from a CSV of case, reader, verdict; more columns: names of scores, why, artefacts
    (parted by semicolons), note, diagnosis. Raises InvalidInput naming the line."""
    found = []
    for line, row in enumerate(read_rows(path, ("case", "reader", "verdict")), start=2):
        answer: dict[str, Any] = {"verdict": row["verdict"].strip(), "scores": {}}
        for name in scores:
            if row.get(name, "").strip():
                answer["scores"][name] = _whole(row[name], f"{path}, line {line}")
        for name in ("why", "artefacts"):
            parts = [part.strip() for part in row.get(name, "").split(";")]
            answer[name] = [part for part in parts if part]
        answer |= {name: row.get(name, "") for name in ("note", "diagnosis")}
        where = f"line {line}"
        case, reader = row["case"].strip(), row["reader"].strip()
        found.append(Rating(case=case, reader=reader, answer=answer, where=where))
    return found


def _whole(text: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(f"{where}: {text!r} is no score of -2 to +2") from None


def import_ratings(desk: Desk, ratings: list[Rating], source: str) -> int:
    """Take ratings made elsewhere into the study's log, all or none; how many they were.

    Each must be of a case that the study planned for its reader. Raises InvalidInput naming the
    first that is not, or that the rubric does not take.
    """
    study = desk.study
    of_name = {Path(case.file).name: case for case in study.cases}
    planned = {(r.reader, r.case): r for reads in study.plan.values() for r in reads if _first(r)}
    reads = []
    for rating in ratings:
        case: Case | None = study.by_id.get(rating.case) or of_name.get(rating.case)
        read = planned.get((rating.reader, case.id)) if case else None
        if case is None or read is None:
            raise InvalidInput(
                f"{source}, {rating.where}: {rating.reader!r} is not to read {rating.case!r} in"
                " this study; a case is named by its id or its file"
            )
        try:
            study.rubric.checked(rating.answer, 1)
        except InvalidInput as error:
            raise InvalidInput(f"{source}, {rating.where}: {error}") from error
        reads.append(read)
    for rating, read in zip(ratings, reads, strict=True):
        request = f"import-{read.id}-{len(ratings)}"
        by = f"import of {source}"
        desk.answer(rating.reader, read.id, rating.answer, request=request, by=by)
    return len(reads)


def _first(read: Any) -> bool:
    return read.phase == 1 and not read.repeat
