"""The audit's files: the detector, what took part in making a set, the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from radsmith.engines.model_files import default_folder
from radsmith.errors import InvalidInput, NotFound
from radsmith.evaluation.audit.detector import NAME, CopyDetector
from radsmith.evaluation.audit.page import audit_page
from radsmith.evaluation.audit.run import Audit
from radsmith.evaluation.audit.search import AuditSpace
from radsmith.evaluation.audit.sets import ImageSet
from radsmith.evaluation.features import judge_space, pixel_space
from radsmith.evaluation.judge_files import load_encoder, load_judge
from radsmith.evaluation.texture import texture_space
from radsmith.files import prepare_folder, read_bytes, write_atomically

REPORT, PAGE, WORK = "audit.json", "index.html", ".work"
CANARIES = "canaries.json"
AUGMENTED = "augment.json"
PIXELS = "pixels-1"
FILTERED = "it filtered the images"


def load_detector(path: Path | None = None) -> CopyDetector:
    """The detector whose sidecar is `path` (default: the shipped one), its digest checked."""
    path = path or default_folder() / f"{NAME}.json"
    if not path.is_file():
        raise NotFound(f"no copy detector {path}: reinstall radsmith")
    model = read_bytes(path.with_suffix(".onnx"))
    try:
        config: dict[str, Any] = json.loads(read_bytes(path))
        digest = config["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path} is not a detector's sidecar: it needs a digest") from error
    if hashlib.sha256(model).hexdigest() != digest:
        raise InvalidInput(
            f"the detector beside {path} was changed (SHA-256 differs); reinstall it"
        )
    return CopyDetector(model, config)


def load_audit_spaces(names: str) -> list[AuditSpace]:
    """Feature spaces from names and paths, such as "detector,pixels,judge,texture,FILE.onnx".

    Raises InvalidInput for an unknown name, NotFound for a missing file.
    """
    found = []
    for name in dict.fromkeys(part.strip() for part in names.split(",")):
        if name == "detector":
            detector = load_detector()
            digest, whitened = str(detector.facts["digest"]), False
            space = AuditSpace(name=name, space=detector, digest=digest, whitened=whitened)
        elif name == "pixels":
            space = AuditSpace(name=name, space=pixel_space, digest=PIXELS)
        elif name == "texture":
            space = AuditSpace(name=name, space=texture_space, digest="texture-1")
        elif name == "judge":
            judge = load_judge()
            digest = str(judge.facts["digest"])
            space = AuditSpace(name=name, space=judge_space(judge), digest=digest)
        elif name.endswith(".onnx"):
            stem, encode = load_encoder(Path(name).expanduser())
            digest = hashlib.sha256(read_bytes(Path(name).expanduser())).hexdigest()
            space = AuditSpace(name=stem, space=encode, digest=digest)
        else:
            raise InvalidInput(
                f"no feature space “{name}”: there are detector, pixels, judge, texture, and paths"
                " to .onnx files"
            )
        found.append(space)
    return found


def took_part(where: Path, synthetic: ImageSet, models: Sequence[str] = ()) -> dict[str, str]:
    """Digests of the networks, or names of formulas, that made or filtered these images.

    By the data set's augment.json, where there is one, and `models` named besides.
    """
    found = dict.fromkeys(models, "it made the images")
    for item in synthetic.items:
        if item.facts.get("model_digest"):
            found[item.facts["model_digest"]] = "it made the images"
    path = where / AUGMENTED
    if path.is_file():
        try:
            summary = json.loads(read_bytes(path))
            if summary.get("settings", {}).get("judge"):
                found[summary["settings"]["judge"]] = FILTERED
            if "copies are told apart" in summary:
                found[PIXELS] = FILTERED
        except (ValueError, AttributeError, RecursionError) as error:
            raise InvalidInput(f"{path} is not what radsmith augment writes: {error}") from error
    return found


def write_audit(folder: Path, found: Audit, made: str) -> Path:
    """audit.json and index.html in `folder`; returns the page. made: ISO 8601 time."""
    prepare_folder(folder)
    report = {"made": made} | found.report
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / REPORT, text.encode())
    write_atomically(folder / PAGE, audit_page(report, found.pairs).encode())
    return folder / PAGE


def write_canaries(folder: Path, report: dict[str, Any]) -> Path:
    """canaries.json in `folder`, for the next audit into the same folder to quote."""
    path = prepare_folder(folder) / CANARIES
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    write_atomically(path, text.encode())
    return path


def read_canaries(folder: Path) -> dict[str, Any] | None:
    """What `write_canaries` left in the folder; None where no canaries were run."""
    path = folder / CANARIES
    if not path.is_file():
        return None
    try:
        return dict(json.loads(read_bytes(path)))
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON: run radsmith audit --canaries again") from error
