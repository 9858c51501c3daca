"""Units of the plan to 8-bit pictures with what is known of them, without the patient's identity.

Only what is listed in `entry.COLUMNS` leaves this module: no attribute of a DICOM file
is copied, each is read, mapped to a known word or number, and dropped.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.datasets.corpus import read_manifest
from radsmith.datasets.dicom_pictures import pictures_of_dicom, squared
from radsmith.datasets.entry import (
    COLUMNS,
    WINDOWS,
    Entry,
    Facts,
    alike,
    ct_windows,
    fault,
    is_synthetic,
    spread,
    windowed,
)
from radsmith.datasets.labelling import labelled
from radsmith.datasets.listed import ListedRow
from radsmith.datasets.state import Unit
from radsmith.datasets.volumes import slices_of
from radsmith.deidentification.attributes import Policy
from radsmith.deidentification.burned_in import mask, text_in_frames
from radsmith.errors import InvalidInput, RadsmithError, reason_of
from radsmith.files import read_bytes
from radsmith.images.dicom.opening import open_dicom
from radsmith.images.lossy import lossy_record
from radsmith.images.marks import RECORD_KEY
from radsmith.images.picture_reading import gray_levels, opened
from radsmith.images.provenance import Generation
from radsmith.language.report import read_report, report_language

Row = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class UnitOptions:
    """How images are imported. Slugs and words; "" or empty where the files are to say.

    source: the name given to these images.  text: what becomes of burned-in text: "mask",
    "refuse", or "keep" (where it was looked at before).  windows: names of CT windows.
    slices: at most this many of a volume; 0: all.  labels: rows of a list by path, of which
    label_columns are named like findings.
    vocabulary: concepts of one's own, as TOML.
    """

    policy: Policy
    source: str
    modality: str = ""
    body_part: str = ""
    text: str = "mask"
    windows: tuple[str, ...] = ()
    keep_doubtful: bool = False
    slices: int = 8
    labels: Mapping[str, ListedRow] = field(default_factory=dict)
    label_columns: tuple[str, ...] = ()
    vocabulary: str = ""


@dataclass(frozen=True, kw_only=True)
class UnitImage:
    """An image for a shard, or the reason why there is none."""

    path: str
    entry: Entry | None = None
    pixels: NDArray[np.uint8] | None = None
    reason: str = ""


def pictures_of(unit: Unit, report: str, options: UnitOptions) -> Iterator[UnitImage]:
    """All images of a unit. Never raises for a bad file: its reason is part of the outcome."""
    try:
        if unit.kind == "shard":
            yield from _of_shard(Path(unit.path), options)
            return
        made = _of_volume if unit.kind == "volume" else _of_file
        yield from made(unit, report, options)
    except RadsmithError as error:
        if error.exit_code == 4:
            raise
        yield UnitImage(path=unit.path, reason=str(error))
    except (MemoryError, OSError, ValueError, ArithmeticError, LookupError, TypeError) as error:
        yield UnitImage(path=unit.path, reason=f"cannot be read: {reason_of(error)}")


def _of_file(unit: Unit, report: str, options: UnitOptions) -> Iterator[UnitImage]:
    data = read_bytes(Path(unit.path))
    if unit.path.lower().endswith((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")):
        yield from _of_picture(unit, data, report, options)
        return
    dataset = open_dicom(data)
    given = options.modality, options.body_part

    def clean(frames: NDArray[np.generic], white: bool) -> NDArray[np.generic]:
        return frames if options.text == "keep" else _cleaned(frames, options, white)

    findings = _row(unit, options)
    made = pictures_of_dicom(dataset, unit.indices, given, options.windows, clean)
    for index, facts, pixels in made:
        window = facts.technique.partition(";")[0] if facts.modality == "ct" else ""
        entry = _entry(unit, f"{unit.path}\0{index}\0{window}", pixels, facts, options)
        entry = replace(entry, synthetic=dataset.get("SyntheticData") == "YES")
        entry = labelled(_with_labels(entry, report), findings, options.label_columns)
        yield _checked(unit.path, entry, pixels, options)


def _of_volume(unit: Unit, report: str, options: UnitOptions) -> Iterator[UnitImage]:
    """NIfTI: slices along the axis of largest spacing, turned so that the patient's front is up."""
    if not options.modality:
        raise InvalidInput("a NIfTI file does not say its modality: give --modality ct or mri")
    view, spacing, slices = slices_of(Path(unit.path), options.slices)
    findings = _row(unit, options)
    ct = options.modality == "ct"
    names = ct_windows(options.body_part, options.windows) if ct else ("",)
    for index, plane in slices:
        if plane is None:
            reason = f"slice {index} holds values that are no numbers"
            yield UnitImage(path=unit.path, reason=reason)
            continue
        for name in names:
            shown = windowed(plane, WINDOWS[name]) if name else spread(plane)
            pixels, even = squared(shown, spacing[0] / spacing[1], spacing)
            facts = Facts(
                modality=options.modality,
                body_part=options.body_part,
                view=view,
                technique=name,
                spacing=even,
            )
            entry = _entry(unit, f"{unit.path}\0{index}\0{name}", pixels, facts, options)
            entry = labelled(_with_labels(entry, report), findings, options.label_columns)
            yield _checked(unit.path, entry, pixels, options)


def _of_picture(unit: Unit, data: bytes, report: str, options: UnitOptions) -> Iterator[UnitImage]:
    """PNG, JPEG and the like, with their row of the list where there is one."""
    row = _row(unit, options)
    modality = row.get("modality") or options.modality
    if not modality:
        raise InvalidInput("no modality: give --modality, or a list with --labels")
    pixels = open_picture(data)
    if options.text != "keep":
        pixels = _cleaned(pixels[None], options, False)[0]
    facts = facts_of_row(row, modality, options.body_part)
    patient = row.get("patient_id") or unit.patient
    entry = _entry(replace(unit, patient=patient), unit.path, pixels, facts, options)
    report = row.get("report", "") or report
    language = report_language(report)
    if language:
        reason = f"its report is in {language}: only English is read, so it gives no labels"
        yield UnitImage(path=unit.path, reason=reason)
    entry = replace(_with_labels(entry, report), **_made_by(data))
    yield _checked(unit.path, labelled(entry, row, options.label_columns), pixels, options)


def _row(unit: Unit, options: UnitOptions) -> Row:
    """What the list says of a file, nothing where it has no row."""
    found = options.labels.get(unit.path)
    return found.cells if found else {}


def _made_by(data: bytes) -> dict[str, Any]:
    """What a picture that radsmith made says of its making; nothing for others."""
    with opened(data) as picture:
        text = str(picture.info.get(RECORD_KEY, "")) or lossy_record(data)
    if not text:
        return {}
    record = Generation.from_json(text)
    made = {"model_digest": record.model_digest, "seed": record.seed, "prompt": record.prompt}
    return made | {"synthetic": True}


def open_picture(data: bytes) -> NDArray[np.uint8]:
    """Gray 8-bit pixels of a picture file, upright; deeper ones are spread over the range."""
    pixels = gray_levels(data)
    plain = pixels.dtype == np.uint8
    return pixels.astype(np.uint8, copy=False) if plain else spread(pixels.astype(np.float32))


def facts_of_row(row: Row, modality: str, body_part: str) -> Facts:
    """What a row of a list says, in the manifest's own words."""
    age = row.get("age", "").strip()
    sizes = [float(v) for v in re.findall(r"[\d.]+", row.get("spacing", ""))]
    return Facts(
        modality=modality,
        body_part=row.get("body_part") or body_part,
        view=row.get("view", ""),
        technique=row.get("technique", ""),
        sex=row.get("sex", "")[:1].upper().replace("W", "F"),
        age=int(float(age)) if re.fullmatch(r"\d+(\.\d+)?", age) else None,
        laterality=row.get("laterality", ""),
        spacing=(sizes[0], sizes[-1]) if sizes and min(sizes) > 0 else None,
    )


def _of_shard(path: Path, options: UnitOptions) -> Iterator[UnitImage]:
    """Pictures of a tar shard, with the rows of the manifest beside it."""
    split = path.name.partition("-")[0]
    rows = {row["key"]: row for row in read_manifest(path.parent / f"{split}.csv")}
    rows = {key: row for key, row in rows.items() if row["shard"] == path.name}
    with tarfile.open(path) as tar:
        for member in tar:
            row = rows.get(Path(member.name).stem)
            stream = tar.extractfile(member) if row and member.isfile() else None
            if row is None or stream is None:
                continue
            name = f"{path}:{row['key']}"
            try:
                pixels = open_picture(stream.read())
                patient = row["patient_id"] or f"{row['source']}:{row['key']}"
                unit = Unit(path=name, kind="image", patient=patient, study="")
                facts = facts_of_row(row, row["modality"], row["body_part"])
                entry = _entry(unit, name, pixels, facts, options)
                seed = row.get("seed") or ""
                entry = replace(
                    entry,
                    source=row["source"] or options.source,
                    age_group=row.get("age_group", ""),
                    synthetic=is_synthetic(row),
                    model_digest=row.get("model_digest") or "",
                    seed=int(seed) if seed.isdecimal() else None,
                    prompt=row.get("prompt") or "",
                    review=row.get("review") or "",
                )
                more = [c for c in row if c not in COLUMNS]
                yield _checked(name, labelled(entry, row, more), pixels, options)
            except InvalidInput as error:
                yield UnitImage(path=name, reason=str(error))


def _cleaned(frames: NDArray[np.generic], options: UnitOptions, white: bool) -> NDArray[np.generic]:
    found = text_in_frames(frames)
    if found and options.text == "refuse":
        raise InvalidInput(f"burned-in text in {len(found)} places; refused as asked")
    return mask(frames, found, white) if found else frames


def _entry(
    unit: Unit, name: str, pixels: NDArray[np.uint8], facts: Facts, options: UnitOptions
) -> Entry:
    """The entry; key, patient, series and origin are keyed hashes."""
    policy = options.policy
    return Entry(
        key=policy.pseudonym("image", name, 20),
        width=pixels.shape[1],
        height=pixels.shape[0],
        patient_id=policy.pseudonym("patient", unit.patient),
        source=options.source,
        origin=policy.pseudonym("file", unit.path),
        **vars(facts) | {"series": policy.pseudonym("series", facts.series or unit.path)},
    )


def _with_labels(entry: Entry, report: str) -> Entry:
    """Labels 1, 0, NaN of the findings that a report names."""
    if not report.strip():
        return entry
    part = f"body_part:{entry.body_part.replace(' ', '-')}" if entry.body_part else None
    read = read_report(report, f"modality:{entry.modality}", part)
    present = [s for s in read.findings if s.status == "present"]
    severity = present[0].severity if len(present) == 1 else None
    return replace(entry, labels=dict(read.labels()), severity=severity)


def _checked(path: str, entry: Entry, pixels: NDArray[np.uint8], options: UnitOptions) -> UnitImage:
    reason = fault(pixels, entry.modality)
    if reason and not (options.keep_doubtful and reason.startswith("looks")):
        return UnitImage(path=path, reason=reason)
    digest = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
    entry = replace(entry, digest=digest[:32], alike=alike(pixels))
    return UnitImage(path=path, entry=entry, pixels=pixels)
