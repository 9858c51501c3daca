"""What a DICOM data set says of its image, in the manifest's words; never who the patient is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
from pydicom.dataset import Dataset

from radsmith.datasets.entry import OLDEST_SAID, Facts
from radsmith.errors import InvalidInput
from radsmith.images.dicom.geometry import attribute, spacing_of
from radsmith.images.dicom.signature import MODALITIES
from radsmith.language.vocabulary import default_vocabulary
from radsmith.language.words import items_of

_DESCRIPTORS = ("BodyPartExamined", "SeriesDescription", "StudyDescription", "ProtocolName")
_VIEWS = {"AP": "AP", "PA": "PA", "LL": "lateral", "RL": "lateral", "LATERAL": "lateral",
          "LAT": "lateral", "MLO": "MLO", "CC": "CC"}  # fmt: skip
_PLANES = ("sagittal", "coronal", "axial")
_SIDES = {"L": "left", "R": "right", "B": "bilateral"}


def dicom_facts(dataset: Dataset, modality: str, body_part: str, frame: int = 0) -> Facts:
    """Facts of a data set; modality and body part only where the file itself does not say.

    frame: from 0, of which spacing and plane are told.
    """
    said = MODALITIES.get(str(dataset.get("Modality", "")), modality)
    if not said:
        raise InvalidInput("the modality is not known")
    sex = str(dataset.get("PatientSex", "") or "")
    part = _body_part(dataset, said) or body_part
    side = dataset.get("ImageLaterality") or dataset.get("Laterality") or ""
    return Facts(
        modality=said,
        body_part=part,
        view=_view(dataset, said, frame),
        technique=_technique(dataset, said),
        sex=sex if sex in ("F", "M") else "",
        age=_age(dataset),
        laterality=_SIDES.get(str(side), ""),
        series=str(dataset.get("SeriesInstanceUID", "") or ""),
        spacing=spacing_of(dataset, frame),
    )


@cache
def _parts() -> dict[str, str]:
    """DICOM's Body Part Examined -> the vocabulary's name, the first of each."""
    found: dict[str, str] = {}
    for concept in default_vocabulary().concepts.values():
        if concept.kind == "body_part" and concept.dicom:
            found.setdefault(concept.dicom, concept.slug.replace("-", " "))
    return found


def _body_part(dataset: Dataset, modality: str) -> str:
    said = str(dataset.get("BodyPartExamined", "") or "").strip().upper()
    vocabulary = default_vocabulary()
    concept = ""
    if said in _parts():
        concept = f"body_part:{_parts()[said].replace(' ', '-')}"
    else:
        for words in _described(dataset):
            ids = [i for item in items_of(words, vocabulary) for i in item.ids]
            concept = next((i for i in ids if i.startswith("body_part:")), "")
            if concept:
                break
    if not concept:
        return "breast" if str(dataset.get("Modality", "")) == "MG" else ""
    resolved = vocabulary.resolve(concept, [f"modality:{modality}"])
    return resolved.partition(":")[2].replace("-", " ")


def _described(dataset: Dataset) -> Iterator[str]:
    for keyword in _DESCRIPTORS:
        words = str(dataset.get(keyword, "") or "").replace("_", " ")
        if words:
            yield re.sub(r"\b(\d+)(?=[A-Z])", r"\1 ", words)[:200]


def _technique(dataset: Dataset, modality: str) -> str:
    """Names of techniques that the descriptions name and that go with the modality."""
    vocabulary = default_vocabulary()
    names: dict[str, None] = {}
    for words in _described(dataset):
        for item in items_of(words, vocabulary):
            for concept in item.ids:
                known = vocabulary[concept.removeprefix("!")]
                if known.kind == "technique" and modality in (known.modalities or (modality,)):
                    names[known.name] = None
    if modality == "ct" and str(dataset.get("ContrastBolusAgent", "") or "").strip():
        names["contrast-enhanced"] = None
    return "; ".join(names)


def _view(dataset: Dataset, modality: str, frame: int) -> str:
    if modality == "x-ray":
        return _VIEWS.get(str(dataset.get("ViewPosition", "") or "").upper(), "")
    orientation = attribute(dataset, "PlaneOrientationSequence", "ImageOrientationPatient", frame)
    try:
        row, column = np.array([float(v) for v in orientation]).reshape(2, 3)
    except (TypeError, ValueError):
        return ""
    normal = np.abs(np.cross(row, column))
    return _PLANES[int(np.argmax(normal))] if normal.max() > 0.8 else "oblique"


def _age(dataset: Dataset) -> int | None:
    """Whole years, 90 at most."""
    text = str(dataset.get("PatientAge", "") or "")
    years: float | None = None
    if re.fullmatch(r"\d{3}[DWMY]", text):
        years = int(text[:3]) / {"D": 365.25, "W": 52.2, "M": 12, "Y": 1}[text[3]]
    else:
        dates = [str(dataset.get(k, "") or "")[:8] for k in ("PatientBirthDate", "StudyDate")]
        if all(re.fullmatch(r"\d{8}", d) for d in dates):
            years = (int(dates[1]) - int(dates[0])) / 10000
    return min(int(years), OLDEST_SAID) if years is not None and 0 <= years < 130 else None
