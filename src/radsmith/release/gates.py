"""The two gates before a release: accepted by readers, and audited for privacy.

Both are read from files, so that a bundle can be made where the review or the audit was not.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from radsmith.errors import InvalidInput, NotFound
from radsmith.files import read_bytes
from radsmith.release.layout import REVIEW_LOG
from radsmith.review.accepted import accepted

AUDIT = "audit.json"
_START = "0" * 64
_ACCEPTING = ("accept", "accepted", "yes")


@dataclass(frozen=True, kw_only=True)
class Review:
    """What readers decided. accepted: SHA-256 of a file to its verdict and reads.

    log: the lines of the hash-chained review log, "" where none lay there.  simulated: readers that
    are programs.  folder: where the accepted images of a study lie, None where that is not told.
    """

    rule: str
    study: str
    log_head: str
    accepted: Mapping[str, Mapping[str, Any]]
    rejected: int
    undecided: int
    log: bytes = b""
    simulated: tuple[str, ...] = ()
    folder: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Audit:
    """A privacy audit. copies: names of images found near a training image.

    status: copies, none, or open where nothing can be said; "" where the audit has none.
    """

    made: datetime
    digest: str
    images: int
    copies: frozenset[str]
    sentence: str
    rule: str
    said: Mapping[str, Any]
    status: str = ""


def is_study(source: Path) -> bool:
    """Whether a folder is a review study: its log lies there."""
    return (source / REVIEW_LOG).is_file()


def read_review(source: Path, accepted: Path | None, rule: str) -> Review:
    """The verdicts: of a JSON file, else of the study that the source is.

    Raises InvalidInput where the file is not of the right shape or its log's chain is broken, and
    Unavailable where a study is given and this radsmith has no review room.
    """
    if accepted is not None:
        return _from_file(accepted)
    if not is_study(source):
        raise InvalidInput(
            f"nobody accepted the images of {source}: release a review study, give its verdicts"
            " with --accepted FILE.json, or waive review by name with --without-review"
        )
    return _from_study(source, rule)


def read_audit(folder: Path) -> Audit:
    """The audit in a report folder (or its audit.json). Raises NotFound, InvalidInput."""
    path = folder / AUDIT if folder.is_dir() else folder
    said = _json(path)
    try:
        synthetic = said["synthetic"]
        return Audit(
            made=_time(said["made"]),
            digest=str(synthetic["digest"]),
            images=int(synthetic["images"]),
            copies=frozenset(Path(str(copy["file"])).name for copy in said["copies"]),
            sentence=str(said["verdict"]["sentence"]),
            rule=str(said["verdict"]["rule"]),
            said=said,
            status=str(said["verdict"].get("status", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{path} is not a radsmith audit: {error}; run it again") from error


def check_audit(audit: Audit, sets: Iterable[Iterable[str]], newest: datetime) -> None:
    """Raise InvalidInput where the audit is of other images, or older than the newest of them.

    sets: SHA-256 of the files it may be of: all of the source, or those accepted.
    """
    if audit.digest not in {digest_of(files) for files in sets}:
        raise InvalidInput(
            f"the audit is of {audit.images} other images; audit these, or waive it by name with"
            " --without-audit"
        )
    if audit.made < newest:
        raise InvalidInput(
            f"the audit of {audit.made:%Y-%m-%d %H:%M} is older than the newest image"
            f" ({newest:%Y-%m-%d %H:%M}); audit again"
        )


def digest_of(files: Iterable[str]) -> str:
    """SHA-256 over sorted SHA-256s joined by newlines: names a set of files."""
    return hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest()


def broken_link(log: bytes) -> str:
    """Where the lines of a hash-chained log do not follow each other; "" where they do.

    Each line is JSON with, as "previous", the hash of the line before (64 zeros for the first) and
    its own "hash", the SHA-256 of the rest with sorted keys and no spaces.
    """
    before = _START
    for number, line in enumerate(log.splitlines(), start=1):
        try:
            entry = json.loads(line)
            own, previous = str(entry["hash"]), str(entry["previous"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return f"line {number} is not an entry of a review log"
        if previous != before:
            return f"line {number} does not follow the line before it"
        if hash_of(entry) != own:
            return f"line {number} was changed"
        before = own
    return ""


def hash_of(entry: Mapping[str, Any]) -> str:
    """The hash of a line of the review log."""
    told = {key: value for key, value in entry.items() if key != "hash"}
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _from_file(path: Path) -> Review:
    said = _json(path)
    beside = path.with_name(REVIEW_LOG)
    log = read_bytes(beside) if beside.is_file() else b""
    try:
        images = {str(image["sha256"]): dict(image) for image in said["images"]}
        review = Review(
            rule=str(said["rule"]),
            study=str(said["study"]),
            log_head=str(said["log_head"]),
            accepted={k: v for k, v in images.items() if _accepts(v.get("verdict"))},
            rejected=int(said.get("rejected", 0)),
            undecided=int(said.get("undecided", 0)),
            log=log,
            simulated=tuple(str(name) for name in said.get("simulated_readers", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"{path} is not a list of verdicts: {error}; export it again") from error
    _check_log(review, path)
    return review


def _from_study(source: Path, rule: str) -> Review:
    told = accepted(source, rule)
    folders = [image.path.resolve().parent for image in told.images]
    review = Review(
        rule=told.rule,
        study=told.study,
        log_head=told.log_head,
        accepted={
            image.sha256: {"file": image.path.name, "verdict": image.verdict, "reads": image.reads}
            for image in told.images
        },
        rejected=told.rejected,
        undecided=told.undecided,
        log=read_bytes(source / REVIEW_LOG),
        simulated=told.simulated,
        folder=Path(os.path.commonpath(folders)) if folders else None,
    )
    _check_log(review, source / REVIEW_LOG)
    return review


def _check_log(review: Review, path: Path) -> None:
    if not review.log:
        return
    last = review.log.splitlines()[-1]
    broken = broken_link(review.log)
    if not broken and review.log_head not in (json.loads(last)["hash"], ""):
        broken = "its last line is not the head that the verdicts name"
    if broken:
        raise InvalidInput(f"the review log beside {path} does not hold: {broken}")


def _accepts(verdict: Any) -> bool:
    return str(verdict).lower() in _ACCEPTING


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise NotFound(f"no such file: {path}")
    try:
        return dict(json.loads(read_bytes(path)))
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON: {error}") from error


def _time(text: Any) -> datetime:
    time = datetime.fromisoformat(str(text))
    return time if time.tzinfo else time.replace(tzinfo=UTC)
