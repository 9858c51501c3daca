"""Verdicts as DICOM: Key Object Selection documents and TID 1500 reports with region marks.

By highdicom (extra `review`). A verdict can refer to what is DICOM alone; of other files it is said
that they are left out. Documents on synthetic images are marked as Synthetic Data as these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radsmith.errors import InvalidInput, Unavailable
from radsmith.files import prepare_folder, read_bytes, write_atomically
from radsmith.images.dicom.signature import PART_10
from radsmith.review.blinding import on_original
from radsmith.review.design import Case
from radsmith.review.study import Study
from radsmith.review.verdicts import Answered, Rule, State

TITLES = {
    "reject": ("113001", "Rejected for Quality Reasons"),
    "research": ("113009", "For Research"),
    "teaching": ("113004", "For Teaching"),
}
SCHEME = "99RADSMITH"
"""Coding scheme of the rubric's own terms."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """Files that were written, and cases that are not DICOM and so were left out."""

    files: tuple[Path, ...]
    left_out: int


def write_dicom_verdicts(
    folder: Path, study: Study, state: State, rule: Rule, accepted_for: str = "research"
) -> Written:
    """One KOS a study and title, one report a case and reader, in `folder`.

    accepted_for: "research" or "teaching", the title of accepted images.
    Raises Unavailable without highdicom, InvalidInput for another title.
    """
    _require()
    if accepted_for not in ("research", "teaching"):
        raise InvalidInput(f"accepted images are for research or teaching, got {accepted_for!r}")
    prepare_folder(folder)
    chosen: dict[tuple[str, str], list[Any]] = {}
    files, left_out = [], 0
    for case in study.synthetic:
        image = _image(study.path_of(case))
        if image is None:
            left_out += 1
            continue
        outcome = state.outcome(case.id, rule)
        if outcome != "undecided":
            title = "reject" if outcome == "reject" else accepted_for
            chosen.setdefault((title, str(image.StudyInstanceUID)), []).append(image)
        for answered in state.of_case(case.id):
            path = folder / f"report-{case.id}-{answered.read.id}.dcm"
            _save(_report(study, case, answered, image), image, path)
            files.append(path)
    for (title, uid), images in chosen.items():
        path = folder / f"{title}-{uid.rpartition('.')[2][:16]}.dcm"
        _save(_selection(study, title, images), images[0], path)
        files.append(path)
    return Written(files=tuple(files), left_out=left_out)


def _require() -> None:
    from importlib.util import find_spec

    if find_spec("highdicom") is None:
        raise Unavailable(
            "DICOM verdicts need highdicom: install it with `pip install radsmith[review]`"
        )


def _image(path: Path) -> Any:
    from pydicom import dcmread

    if read_bytes(path)[128:132] != PART_10:  # highdicom needs the file meta
        return None
    return dcmread(path)


def _save(document: Any, image: Any, path: Path) -> None:
    from io import BytesIO

    if image.get("SyntheticData"):
        document.SyntheticData = image.SyntheticData
    stream = BytesIO()
    document.save_as(stream, enforce_file_format=True)
    write_atomically(path, stream.getvalue())


def _code(value: str, meaning: str, scheme: str = SCHEME) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(value=value, scheme_designator=scheme, meaning=meaning[:64])


def _observer(study: Study, reader: str) -> Any:
    """A person; a simulated reader is a device."""
    from highdicom import UID
    from highdicom.sr import (
        DeviceObserverIdentifyingAttributes,
        ObserverContext,
        PersonObserverIdentifyingAttributes,
    )

    if reader in study.simulated:
        device = DeviceObserverIdentifyingAttributes(uid=UID(), name=reader)
        return ObserverContext(_code("121007", "Device", "DCM"), device)
    name = reader if "^" in reader else f"{reader}^"  # one component, as PS3.5 6.2.1.2 has it
    person = PersonObserverIdentifyingAttributes(name=name)
    return ObserverContext(_code("121006", "Person", "DCM"), person)


def _selection(study: Study, title: str, images: Sequence[Any]) -> Any:
    from highdicom import UID
    from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument

    value, meaning = TITLES[title]
    content = KeyObjectSelection(
        document_title=_code(value, meaning, "DCM"),
        referenced_objects=images,
        description=f"By {len(study.readers)} readers of the study {study.name}",
    )
    return KeyObjectSelectionDocument(
        evidence=images,
        content=content,
        series_instance_uid=UID(),
        series_number=1,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer="radsmith",
    )


def _report(study: Study, case: Case, answered: Answered, image: Any) -> Any:
    from highdicom import UID
    from highdicom.sr import (
        Comprehensive3DSR,
        MeasurementReport,
        MeasurementsAndQualitativeEvaluations,
        ObservationContext,
        TrackingIdentifier,
    )

    reader = _observer(study, answered.read.reader)
    simulated = answered.read.reader in study.simulated
    context = ObservationContext(
        observer_person_context=None if simulated else reader,
        observer_device_context=reader if simulated else None,
    )
    whole = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=UID(), identifier=f"case {case.id}"),
        qualitative_evaluations=_evaluations(study, answered),
    )
    marks = [_region(study, case, i, m, image) for i, m in enumerate(answered.answer["marks"])]
    report = MeasurementReport(
        observation_context=context,
        procedure_reported=_code("363679005", "Imaging procedure", "SCT"),
        imaging_measurements=[whole, *marks],
        referenced_images=[image],
    )
    return Comprehensive3DSR(
        evidence=[image],
        content=report,
        series_instance_uid=UID(),
        series_number=1,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer="radsmith",
        is_complete=True,
    )


def _evaluations(study: Study, answered: Answered) -> list[Any]:
    from highdicom.sr import QualitativeEvaluation

    answer = answered.answer
    said = [(_code("verdict", "Verdict"), _code(answer["verdict"], answer["verdict"].title()))]
    labels = {item.id: item.label for item in study.rubric.scores}
    for name, score in answer["scores"].items():
        value = f"{score:+d}" if score else "0"
        said.append((_code(name[:16], labels[name]), _code(f"score {value}", f"Score {value}")))
    artefacts = {item.id: item.label for item in study.rubric.artefacts}
    for name in answer["artefacts"]:
        said.append((_code("artefact", "Artefact"), _code(name[:16], artefacts[name])))
    return [QualitativeEvaluation(name=name, value=value) for name, value in said]


def _region(study: Study, case: Case, number: int, mark: Any, image: Any) -> Any:
    from highdicom import UID
    from highdicom.sr import (
        ImageRegion,
        PlanarROIMeasurementsAndQualitativeEvaluations,
        SourceImageForRegion,
        TrackingIdentifier,
    )

    kind, points = region_of(mark, (int(image.Rows), int(image.Columns)))
    source = SourceImageForRegion(
        referenced_sop_class_uid=image.SOPClassUID,
        referenced_sop_instance_uid=image.SOPInstanceUID,
    )
    labels = {item.id: item.label for item in study.rubric.artefacts}
    name = mark["artefact"] or "region"
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=UID(), identifier=f"case {case.id} mark {number + 1}"
        ),
        referenced_region=ImageRegion(graphic_type=kind, graphic_data=points, source_image=source),
        finding_type=_code(name[:16], labels.get(name, "Marked region")),
    )


def region_of(mark: Any, shape: tuple[int, int]) -> tuple[str, Any]:
    """Graphic type and points (n, 2) of a mark in pixels of the original (PS3.3 C.18.6.1.2)."""
    points = [on_original((x, y), shape) for x, y in mark["points"]]
    if mark["shape"] == "freehand":
        return "POLYLINE", np.array([*points, points[0]])
    (x0, y0), (x1, y1) = points
    if mark["shape"] == "box":
        return "POLYLINE", np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    across, down = [(x0, y), (x1, y)], [(x, y0), (x, y1)]
    wide = abs(x1 - x0) >= abs(y1 - y0)
    return "ELLIPSE", np.array([*across, *down] if wide else [*down, *across])
