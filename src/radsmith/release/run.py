"""A release from files to files: the gates, the images, what describes them, bag and signature.

The bundle is made in a folder beside its place and moved there when it is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from radsmith.engines.model_files import SIDECAR, default_folder
from radsmith.errors import InvalidInput
from radsmith.evaluation.judge import Judge
from radsmith.evaluation.real_set import RealSet
from radsmith.files import prepare_folder, read_bytes
from radsmith.images.contact_sheet import contact_page
from radsmith.marks.keys import SigningKey
from radsmith.release import cards, catalogue, scorecard
from radsmith.release.bag import PAYLOAD, TAG_MANIFEST, close_bag, listed
from radsmith.release.choosing import Tell, choose
from radsmith.release.facts import Facts
from radsmith.release.items import WITHHELD
from radsmith.release.layout import (
    DESCRIPTION,
    FIRST_PAGE,
    PUBLIC_KEY,
    REVIEW_LOG,
    SCORECARD,
    SIGNATURE,
    TABLE,
)
from radsmith.release.measuring import counts, measured
from radsmith.release.request import ReleaseRequest
from radsmith.release.statement import RELEASE, sealed, statement
from radsmith.release.writing import Written, write_images

_FILES = ("file", "files", "nearest", "path", "paths", "folder", "unread")
"""Keys of an audit whose values name files of a source."""
_AUDITED = (
    "made", "model", "synthetic", "training", "held_out", "spaces", "verdict", "flagged",
    "false_alarms", "controls", "kinds", "copies", "not_tested",
)  # fmt: skip
"""Parts of an audit that leave."""


@dataclass(frozen=True, kw_only=True)
class Released:
    """A bundle that was made. said: the signed statement's predicate."""

    folder: Path
    facts: Facts
    said: Mapping[str, Any]
    stacks: int


def release(
    request: ReleaseRequest,
    key: SigningKey,
    made: str,
    tell: Tell,
    judge: Judge | None = None,
    real: RealSet | None = None,
) -> Released:
    """Make the bundle. made: ISO 8601 time.  real: images to measure against.

    Raises InvalidInput where a gate is shut, nothing is left or the folder is taken, and what
    reading and writing raise.
    """
    if request.out.exists() and (not request.out.is_dir() or any(request.out.iterdir())):
        raise InvalidInput(f"{request.out} is there; name a new folder with -o")
    prepare_folder(request.out.parent)
    chosen = choose(request, tell)
    facts = Facts(
        request=request,
        made=made,
        signer=key.public.signer,
        fingerprint=key.public.fingerprint,
        items=chosen.items,
        left_out=chosen.left_out,
        review=chosen.review,
        audit=chosen.audit,
    )
    work = request.out.with_name(f".{request.out.name[:64]}.{uuid4().hex}.part")
    try:
        data = work / PAYLOAD
        data.mkdir(parents=True)
        written = write_images(chosen.items, chosen.groups, request, key, data, tell)
        tell("measuring", 0, 1)
        said = _describe(facts, written, data, judge, real)
        tell("signing", 0, 1)
        _sign(facts, said, work, key)
        if request.out.exists():
            request.out.rmdir()
        os.replace(work, request.out)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return Released(folder=request.out, facts=facts, said=said, stacks=written.stacks)


def _describe(
    facts: Facts, written: Written, data: Path, judge: Judge | None, real: RealSet | None
) -> dict[str, Any]:
    """Everything of the payload that is not an image; returns the predicate."""
    request, numbers, limits = facts.request, counts(facts), cards.rai(facts)
    if "nifti" in request.formats:
        numbers["stacks"] = written.stacks
    card = scorecard.report(measured(facts, written.seen, judge, real), numbers)
    said = predicate(facts, numbers)
    text = request.licence_file.read_text("utf-8") if request.licence_file else ""
    title = f"Scorecard of {request.title}"
    table = hashlib.sha256((data / TABLE).read_bytes()).hexdigest()
    files = {
        SCORECARD: _json(card),
        "scorecard.html": contact_page(title, [], tables=scorecard.tables(card)).encode(),
        "README.md": cards.data_card(facts, numbers, limits).encode(),
        "model-card.md": cards.model_card(facts, _sidecars()).encode(),
        "CITATION.cff": cards.citation(facts).encode(),
        "LICENSE": cards.licence(facts, text).encode(),
        "croissant.json": _json(catalogue.croissant(facts, table, limits)),
        DESCRIPTION: _json(said),
    }
    if facts.audit is not None:
        parts = {k: v for k, v in facts.audit.said.items() if k in _AUDITED}
        files["privacy.json"] = _json(_audit_without_names(parts))
    if facts.review is not None:
        verdicts = {"study": facts.review.study, "rule": facts.review.rule}
        verdicts |= {"log_head": facts.review.log_head}
        verdicts |= {"accepted": str(len(facts.review.accepted))}
        verdicts |= {"rejected": str(facts.review.rejected)}
        files["review.json"] = _json(verdicts | {"undecided": str(facts.review.undecided)})
        if request.log and facts.review.log and not _names_a_source(facts, facts.review.log):
            files[REVIEW_LOG] = facts.review.log
    for name, content in files.items():
        (data / name).write_bytes(content)
    sizes = listed(data).files
    crate = catalogue.crate(facts, sizes)
    (data / "ro-crate-metadata.json").write_bytes(_json(crate))
    return said


def predicate(facts: Facts, numbers: Mapping[str, int]) -> dict[str, Any]:
    """What the signature vouches for beside the files' digests."""
    request, review, audit = facts.request, facts.review, facts.audit
    return {
        "title": request.title,
        "version": request.version,
        "made": facts.made,
        "signer": facts.signer,
        "counts": dict(numbers),
        "waived": list(facts.waived),
        "remarks": list(facts.remarks),
        "formats": ["png", *request.formats],
        "bits": request.bits,
        "marks": [
            m for m, on in (("C2PA", request.credentials), ("watermark", request.watermark)) if on
        ],
        "models": [{"name": n, "digest": d, "images": k} for (n, d), k in facts.models.items()],
        "review": None
        if review is None
        else {"study": review.study, "rule": review.rule, "log_head": review.log_head},
        "audit": None
        if audit is None
        else {"made": audit.made.isoformat(), "sentence": audit.sentence, "rule": audit.rule},
    }


def _sign(facts: Facts, said: Mapping[str, Any], work: Path, key: SigningKey) -> None:
    waived = "".join(f"- WAIVED: {text}\n" for text in facts.waived) or "- nothing was waived\n"
    waived += "".join(f"- NOTE: {text}\n" for text in facts.remarks)
    first = (
        f"# {facts.request.title}\n\n{len(facts.items):,} synthetic radiology images. Not for"
        f" diagnosis.\n\n{waived}\nStart at [data/README.md](data/README.md). Check the bundle"
        " offline with `radsmith verify` and the signer's fingerprint, told another way:\n\n"
        f"    {facts.fingerprint}  {facts.signer}\n"
    )
    tags = {FIRST_PAGE: first.encode(), PUBLIC_KEY: key.public.to_bytes()}
    digest = close_bag(work, cards.bag_info(facts), tags)
    envelope = sealed(statement(RELEASE, {TAG_MANIFEST: digest}, said), key)
    (work / SIGNATURE).write_bytes(envelope)


def _names_a_source(facts: Facts, log: bytes) -> bool:
    """Whether a review log names the file of an edit whose source stays outside the bundle."""
    edits = [i.candidate.path for i in facts.items if WITHHELD in i.record.parents]
    return any(path.stem.encode() in log for path in edits)


def _audit_without_names(said: object) -> object:
    """The audit as it was given, but for the names of files: how many there were."""
    if isinstance(said, Mapping):
        return {
            k: len(v) if k == "copies" and isinstance(v, list) else _audit_without_names(v)
            for k, v in said.items()
            if k not in _FILES
        }
    return [_audit_without_names(v) for v in said] if isinstance(said, list) else said


def _sidecars() -> dict[str, Mapping[str, Any]]:
    """The shipped model's own description by its digest."""
    said = json.loads(read_bytes(default_folder() / SIDECAR))
    return {str(said["digest"]): said}


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"
