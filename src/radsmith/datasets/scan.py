"""What a source file is, from its head alone: cheap enough for a million files.

Nothing is decoded here; what turns out unreadable later is listed later.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from radsmith.datasets.state import Found, FoundReport, beside, stem_of
from radsmith.deidentification.attributes import patient_key
from radsmith.errors import RadsmithError
from radsmith.images.dicom.opening import damage_refused, kind_of, open_head
from radsmith.images.dicom.signature import MODALITIES, is_dicom
from radsmith.images.report_files import linked_images, structured_text, text_of
from radsmith.language.report import report_language

_STORED_AS = {"CT": "CT ", "MR": "MR ", "US": "Ultrasound", "MG": "Mammography", "DX": "X-Ray"}
"""Words that the name of the SOP class must hold; Secondary Capture may hold anything."""
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
VOLUMES = (".nii", ".nii.gz")
_HEAD = 512


def scan_file(path: Path, only: str = "") -> tuple[Found, FoundReport | None]:
    """What a file is; and a report where it holds one.

    only: a modality slug; other modalities are left out.  Every failure becomes a reason.
    """
    name = path.name.lower()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if size == 0:
            return Found(path=str(path), reason="empty file"), None
        if is_dicom(head):
            return _dicom(path, only)
        if name.endswith(VOLUMES):
            return Found(path=str(path), kind="volume", patient=f"file:{path}"), None
        if name.endswith(PICTURES):
            return _picture(path, head), None
        if name.endswith((".txt", ".xml")):
            return _in_english(path, _report(path))
        if name.endswith((".csv", ".json", ".tar", ".md")):
            return Found(path=str(path), reason="-"), None
    except (RadsmithError, OSError) as error:
        return Found(path=str(path), reason=str(error)), None
    return Found(path=str(path), reason=f"no image: begins with {head[:8]!r}"), None


def shard_folders(source: Path) -> Iterator[Found]:
    """Tar shards of a corpus folder (train.csv, test.csv beside them), one entry each."""
    for split in ("train", "test"):
        if (source / f"{split}.csv").is_file():
            for tar in sorted(source.glob(f"{split}-*.tar")):
                yield Found(path=str(tar), kind="shard", patient=f"shard:{tar.name}")


def _report(path: Path) -> FoundReport:
    """A text or XML; it belongs to the image beside it, and to those that it names."""
    data = path.read_bytes()
    text = text_of(data, path.name)
    report, images = linked_images(data)
    return FoundReport(
        names=(
            f"beside:{beside(str(path))}",
            f"stem:{stem_of(str(path))}",
            *(f"image:{name}" for name in images),
        ),
        text=text,
        patient=f"report:{report or path}" if images else "",
        path=str(path),
    )


def _in_english(path: Path, report: FoundReport) -> tuple[Found, FoundReport]:
    """A report, but for the words of one in another language: no label is taken from these."""
    language = report_language(report.text)
    if not language:
        return Found(path=str(path), reason="-"), report
    reason = f"report in {language}: only English is read, so it gives no labels"
    return Found(path=str(path), reason=reason), replace(report, text="")


def _picture(path: Path, head: bytes) -> Found:
    known = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"RIFF", b"BM")
    if not head.startswith(known):
        return Found(path=str(path), reason=f"named like a picture, but begins with {head[:8]!r}")
    return Found(path=str(path), kind="image", patient=f"file:{path}")


def _dicom(path: Path, only: str) -> tuple[Found, FoundReport | None]:
    with damage_refused(), path.open("rb") as file:
        return _described(path, open_head(file), only)


def _described(path: Path, dataset: Dataset, only: str) -> tuple[Found, FoundReport | None]:
    said = str(dataset.get("Modality", "") or "").strip()
    stored = kind_of(dataset)
    study = str(dataset.get("StudyInstanceUID", "") or "")
    if said == "SR" or "SR" in stored.split():
        text = structured_text(dataset)
        if not text:
            return Found(path=str(path), reason="report without text"), None
        return _in_english(path, FoundReport(names=(f"study:{study}",), text=text))
    reason = _unfit(dataset, said, stored, only)
    frames = _whole(dataset.get("NumberOfFrames"))
    kind = "slice" if said in ("CT", "MR") else "image"
    if frames > 1:
        kind = "frames"
    found = Found(
        path=str(path),
        kind=kind,
        patient=patient_key(dataset) or f"file:{path}",
        study=study,
        series=str(dataset.get("SeriesInstanceUID", "") or path.parent),
        position=_position(dataset),
        count=frames,
        reason=reason,
    )
    return found, None


def _unfit(dataset: Dataset, said: str, stored: str, only: str) -> str:
    """Why an object is left out by what it says of itself; "" if it is not."""
    modality = MODALITIES.get(said)
    if not said and "SOPClassUID" not in dataset and "Rows" not in dataset:
        return "damaged or no DICOM: neither modality, SOP class nor rows"
    if modality is None:
        shown = "".join(c for c in said[:16] if c.isprintable())
        return f"modality {shown or 'not said'} ({stored or 'no SOP class'}) is not imported"
    if only and modality != only:
        return f"wrong modality: {modality}, asked for {only}"
    wanted = _STORED_AS.get(said, "")
    if wanted not in stored and "Secondary Capture" not in stored and stored:
        return f"mislabelled: modality {said[:16]}, stored as {stored[:64]}"
    if "LOCALIZER" in [str(v) for v in _listed(dataset.get("ImageType"))]:
        return "a localizer"
    return ""


def _position(dataset: Dataset) -> float:
    """Along the normal of the slice, in mm; else the instance number."""
    try:
        position = np.array([float(v) for v in dataset.ImagePositionPatient])
        row, column = np.array([float(v) for v in dataset.ImageOrientationPatient]).reshape(2, 3)
        along = float(position @ np.cross(row, column))
        return along if np.isfinite(along) else 0.0
    except (AttributeError, TypeError, ValueError):
        return float(_whole(dataset.get("InstanceNumber")))


def _whole(value: object) -> int:
    try:
        return max(1, min(int(str(value)), 10**6))
    except ValueError:
        return 1


def _listed(value: object) -> list[object]:
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]


def walk(sources: list[Path]) -> Iterator[Path]:
    """Regular files below the sources in a fixed order; links and hidden folders are passed by."""
    for source in sources:
        if source.is_file():
            yield source
        for folder, folders, names in os.walk(source):
            folders[:] = sorted(f for f in folders if not f.startswith("."))
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink() and not name.startswith("."):
                    yield path
