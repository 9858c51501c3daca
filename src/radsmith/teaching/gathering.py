"""Images with labels, from folders and lists, for teaching."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from radsmith.editing.files import open_source
from radsmith.engines.engine import ModelFacts
from radsmith.errors import InvalidInput, NotFound, RadsmithError
from radsmith.files import read_bytes
from radsmith.images.image import Mask
from radsmith.images.pictures import read_image, read_record
from radsmith.images.provenance import Generation
from radsmith.review.gathering import Found, gather
from radsmith.review.ratings_files import read_rows
from radsmith.teaching.compose import Labelled, box_mask
from radsmith.teaching.labels import Class, words_of

COLUMNS = ("file", "prompt", "group", "finding", "source", "side", "severity", "box", "mask")
_GRADES = {"doubtful": 0.0, "minimal": 1.0, "mild": 2.0, "moderate": 3.0, "severe": 4.0}


def gather_labelled(
    place: Path, facts: ModelFacts | None, *, real: bool = False
) -> list[tuple[Labelled, tuple[Class, ...]]]:
    """The images of a folder, or of a CSV with the COLUMNS that it has, and their classes.

    side: left or right.  severity: a number or mild, moderate …  box: "x,y,width,height" in pixels.
    mask: a picture, white where the finding lies.  Without columns an image says what it shows by
    its record.  real: nothing here was made by a model.
    Raises NotFound; InvalidInput, naming the file, for what cannot be read, or where nothing says
    whether an image is real.
    """
    found = gather(place, "real" if real else "")
    rows: Sequence[dict[str, str]] = [{}] * len(found)
    if place.suffix.lower() == ".csv":
        rows = read_rows(place, ("file",))
        unknown = sorted({name for row in rows for name in row} - set(COLUMNS))
        if unknown:
            known = ", ".join(COLUMNS)
            raise InvalidInput(f"{place} has unknown columns {', '.join(unknown)}; known: {known}")
    return [_labelled(one, row, facts, real, place) for one, row in zip(found, rows, strict=True)]


def _labelled(
    found: Found, row: dict[str, str], facts: ModelFacts | None, real: bool, place: Path
) -> tuple[Labelled, tuple[Class, ...]]:
    record = _record(found.path)
    synthetic = record is not None and record.synthetic
    said = row.get("source", "").strip().lower()
    if synthetic and (real or said == "real"):
        raise InvalidInput(f"{found.path} is said to be real and its record says it was made")
    if not synthetic and not real and said not in ("real", "synthetic"):
        raise InvalidInput(
            f"nothing says whether {found.path} is real: name its folder with --real, or give a"
            " column `source` with real or synthetic"
        )
    synthetic = synthetic or said == "synthetic"
    known = facts if record and facts and record.model_digest == facts.digest else None
    words = words_of(found.prompt, known, synthetic=synthetic)
    finding = row.get("finding", "").strip()
    classes = words.classes
    if finding and synthetic and finding not in words.findings:
        classes = (Class(name=finding, images=None),)
    severity, grade = _severity(row, found.path, words.severity, words.grade)
    usual = words.side if not synthetic else _drawn_side(record, known, finding)
    image = Labelled(
        file=str(found.path),
        sha256=hashlib.sha256(read_bytes(found.path)).hexdigest(),
        synthetic=synthetic,
        group=found.group or words.group,
        findings=(finding,) if finding else words.findings,
        implied=words.implied,
        side=_side(row, found.path, usual),
        severity=severity,
        grade=grade,
        mask=_mask(row, found.path, place),
        told=found.prompt or finding,
        concepts=tuple(one.name for one in classes),
    )
    return image, classes


def _record(path: Path) -> Generation | None:
    try:
        return read_record(path)
    except RadsmithError:
        return None  # not made by radsmith


def _drawn_side(record: Generation | None, known: ModelFacts | None, finding: str) -> str:
    """The side of what a model drew: where it was drawn there by rule, for none ever learned where
    findings lie, and nothing else is asked."""
    if record is None or known is None or known.images is None:
        return ""
    if record.operation not in ("generate", "change"):
        return ""
    words = words_of(record.canonical_prompt, known, synthetic=True)
    return words.side if words.placed and finding in ("", *words.findings[:1]) else ""


def _side(row: dict[str, str], path: Path, usual: str) -> str:
    """usual: where the row names none."""
    side = row.get("side", "").strip().lower()
    if side not in ("", "left", "right"):
        raise InvalidInput(f"{path}: a side is left or right (of the patient), got {side[:40]!r}")
    return side or usual


def _severity(
    row: dict[str, str], path: Path, usual: float | None, grade: str
) -> tuple[float | None, str]:
    text = row.get("severity", "").strip().lower()
    if not text:
        return usual, grade
    if text in _GRADES:
        return _GRADES[text], text
    try:
        return float(text), f"grade {text}"
    except ValueError:
        known = ", ".join(_GRADES)
        raise InvalidInput(f"{path}: a severity is a number or {known}, got {text!r:.60}") from None


def _mask(row: dict[str, str], path: Path, place: Path) -> Mask | None:
    box, file = row.get("box", "").strip(), row.get("mask", "").strip()
    if not box and not file:
        return None
    shape = open_source(path).source.shape
    if box:
        try:
            x, y, wide, high = (float(part) for part in box.split(","))
        except ValueError:
            text = f"{path}: a box is x,y,width,height in pixels, got {box[:60]!r}"
            raise InvalidInput(text) from None
        return box_mask((x, y, wide, high), shape)
    mask_path = place.parent / file
    if not mask_path.is_file():
        raise NotFound(f"{path}: no such mask: {mask_path}")
    pixels = read_image(mask_path).pixels
    if pixels.shape != shape:
        raise InvalidInput(
            f"{mask_path} is {pixels.shape}, its image {shape}: give one of its size"
        )
    return pixels > (pixels.min() + pixels.max()) / 2
