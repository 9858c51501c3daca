"""De-identifying folders of DICOM and reports, and saying what risk is left."""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import stat
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from radsmith.deidentification.attributes import Policy, Removed, deidentify, file_meta
from radsmith.deidentification.identity import Identity
from radsmith.deidentification.pixels import TextPolicy, clean_pixels
from radsmith.deidentification.scrub import scrub
from radsmith.deidentification.surroundings import Surroundings
from radsmith.errors import InvalidInput, RadsmithError
from radsmith.files import prepare_folder, read_bytes, unnamed, write_atomically
from radsmith.images.dicom.decoding import has_pixels
from radsmith.images.dicom.opening import damage_refused, open_dicom
from radsmith.images.dicom.signature import is_dicom
from radsmith.images.report_files import text_of

REPORT_NAME = "residual-risk.json"
_REPORTS = (".txt", ".xml", ".rpt")
_HEADS = frozenset(("HEAD", "BRAIN", "SKULL", "FACE", "NECK", "HEADNECK", "JAW", "ORBIT"))


@dataclass
class CleaningTally:
    """What a run did: counts, problems (path, reason) and risks (kind -> files)."""

    done: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str]] = field(default_factory=list)
    risks: Counter[str] = field(default_factory=Counter)
    cleaned: Counter[str] = field(default_factory=Counter)
    leftovers: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def leave_out(self, path: Path, reason: str) -> None:
        """Note a file that is not copied."""
        self.problems.append((str(path), reason))
        self.reasons[unnamed(reason, path).split(":")[0]] += 1


def read_secret(path: Path) -> bytes:
    """The secret in a file; made there, readable by the owner alone, where there is none.

    Raises InvalidInput where it is shorter than 16 bytes or others can read it.
    """
    try:
        if not path.exists():
            prepare_folder(path.parent)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_hex(32).encode())
    except (RadsmithError, OSError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(f"no secret can be kept in {path}: {said}") from error
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        raise InvalidInput(f"others can read the secret {path}: chmod 600 {path}")
    secret = read_bytes(path).strip()
    if len(secret) < 16:
        raise InvalidInput(f"the secret in {path} has {len(secret)} bytes; at least 16 are needed")
    return secret


def default_secret() -> Path:
    """Where the secret is kept unless named: $XDG_CONFIG_HOME/radsmith/secret."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "radsmith" / "secret"


def source_files(sources: Sequence[Path]) -> Iterator[Path]:
    """Every regular file below the sources, in a fixed order; links are not followed."""
    for source in sources:
        if source.is_dir():
            for folder, folders, names in os.walk(source):
                folders.sort()
                yield from (
                    Path(folder, n) for n in sorted(names) if not Path(folder, n).is_symlink()
                )
        else:
            yield source


def deidentify_files(
    sources: Sequence[Path], out: Path, policy: Policy, text: TextPolicy
) -> CleaningTally:
    """Write clean copies of all DICOM files and reports below `out`; go on past bad files.

    File names are pseudonyms: names of source files may hold names of people.
    """
    tally, around = CleaningTally(), Surroundings(tuple(sources))
    for path in source_files(sources):
        if out.resolve() in path.resolve().parents:
            continue
        try:
            _one(path, out, policy, text, tally, around)
        except RadsmithError as error:
            if error.exit_code not in (2, 3):
                raise
            tally.leave_out(path, str(error))
    write_atomically(out / REPORT_NAME, residual_risk(tally, policy, text))
    return tally


def _one(
    path: Path,
    out: Path,
    policy: Policy,
    text: TextPolicy,
    tally: CleaningTally,
    around: Surroundings,
) -> None:
    data = read_bytes(path)
    if is_dicom(data[:256]):
        clean, removed, texts = clean_dicom(data, policy, text, around.beside(path, data))
        folders = [policy.pseudonym("study", str(clean.get("StudyInstanceUID", ""))),
                   policy.pseudonym("series", str(clean.get("SeriesInstanceUID", "")))]  # fmt: skip
        name = policy.pseudonym("instance", str(clean.get("SOPInstanceUID", "")), 24)
        target = out.joinpath(str(clean.PatientID), *folders, f"{name}.dcm")
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, dicom_bytes_of(clean))
        tally.done["DICOM objects"] += 1
        _note(clean, removed, texts, tally)
    elif path.suffix.lower() in _REPORTS:
        said = text_of(data, path.name)
        words = scrub(said, around.identity_of(path, said))
        name = policy.pseudonym("report", str(path), 24)
        prepare_folder(out / "reports")
        write_atomically(out / "reports" / f"{name}.txt", words.encode())
        tally.done["reports"] += 1
        tally.risks["report text may hold names that no header, path or title tells"] += 1
    else:
        raise InvalidInput("neither DICOM nor a report (.txt, .xml); not copied")


def clean_dicom(
    data: bytes, policy: Policy, text: TextPolicy, more: Identity | None = None
) -> tuple[Dataset, Removed, int]:
    """A clean data set with decoded, looked-at pixels; what was removed; texts masked.

    more: what is known of the patient beside the object's own header.
    Raises InvalidInput for damaged files, what cannot be decoded, and, with "refuse", text found.
    """
    source = open_dicom(data)
    with damage_refused():
        clean, removed = deidentify(source, policy, more)
        if not clean.get("SOPInstanceUID"):
            clean.SOPInstanceUID = policy.new_uid(hashlib.sha256(data).hexdigest())
        masked = clean_pixels(source, clean, text)
        clean.file_meta = file_meta(clean)
    return clean, removed, masked


def dicom_bytes_of(dataset: Dataset) -> bytes:
    """A PS3.10 file. Raises InvalidInput where attributes cannot be written."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset.save_as(stream, enforce_file_format=True, implicit_vr=False, little_endian=True)
        except Exception as error:  # odd values of damaged files
            raise InvalidInput(f"cannot be written again as DICOM: {error}") from error
    return stream.getvalue()


def _note(clean: Dataset, removed: Removed, texts: int, tally: CleaningTally) -> None:
    tally.cleaned.update(removed.cleaned)
    tally.leftovers.update(removed.leftovers)
    if texts:
        tally.risks["burned-in text was found and masked; look at these images"] += 1
        tally.done["texts masked"] += texts
    elif has_pixels(clean):
        tally.risks["every frame looked at, no text found; small or faint text may be missed"] += 1
    part = str(clean.get("BodyPartExamined", "")).upper()
    if str(clean.get("Modality", "")) in ("CT", "MR") and (part in _HEADS or not part):
        tally.risks["slices that may hold a head: a face could be rendered from the series"] += 1


def residual_risk(tally: CleaningTally, policy: Policy, text: TextPolicy) -> bytes:
    """What was done and what risk is left, as JSON, without any path or value of the source."""
    report: dict[str, Any] = {
        "profile": "DICOM PS3.15 annex E, Basic Application Level Confidentiality Profile",
        "options": {
            "dates": "shifted by days a patient" if policy.shift_dates else "removed",
            "descriptors": "known words kept" if policy.clean_descriptors else "removed",
            "patient characteristics": "kept" if policy.keep_characteristics else "removed",
            "burned-in text": text,
        },
        "done": dict(tally.done),
        "not copied": dict(tally.reasons),
        "descriptors cleaned": dict(tally.cleaned),
        "held an identifying value, which was taken out": dict(tally.leftovers),
        "residual risks": dict(tally.risks)
        | {"whoever has the secret can test a guessed id against the pseudonyms": "always"},
    }
    return (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode()
