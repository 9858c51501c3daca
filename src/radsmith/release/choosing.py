"""Which images leave: accepted, audited, without a stranger's pixels, each once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from radsmith.errors import InvalidInput, RadsmithError
from radsmith.images.colour import in_colour
from radsmith.release.gates import Audit, Review, check_audit, read_audit, read_review
from radsmith.release.items import (
    Item,
    doubles,
    group_names,
    name_of,
    released_record,
    splits_of,
)
from radsmith.release.renditions import shown
from radsmith.release.request import ReleaseRequest
from radsmith.release.sources import Candidate, check_folder, finding_of, gather

Tell = Callable[[str, int, int], None]
"""What is being done, how many are done, of how many."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Items in the order of their names, the group of each, and what was left out and why."""

    items: Sequence[Item]
    groups: Sequence[str]
    left_out: Counter[str]
    review: Review | None
    audit: Audit | None


def choose(request: ReleaseRequest, tell: Tell) -> Chosen:
    """Pass the gates. Raises InvalidInput where a gate is shut, or nothing is left."""
    check_folder(request.source)
    review = None
    if not request.without_review:
        review = read_review(request.source, request.accepted, request.rule)
    gathered = gather((review and review.folder) or request.source)
    left_out, kept = gathered.left_out, list(gathered.images)
    if review is not None:
        kept = [c for c in kept if c.sha256 in review.accepted]
        left_out["without an accepting verdict"] += len(gathered.images) - len(kept)
        missing = len(review.accepted) - len({c.sha256 for c in kept})
        left_out["accepted, but not there or changed since"] += missing
    _some(kept, left_out)
    audit = None
    if not request.without_audit:
        if request.audit is None:
            raise InvalidInput(
                "these images were not audited for privacy: give the report with --audit FOLDER, or"
                " waive it by name with --without-audit"
            )
        audit = read_audit(request.audit)
        sets = [[c.audited for c in some] for some in (gathered.images, kept)]
        check_audit(audit, sets, max(_created(c) for c in kept))
        clean = [c for c in kept if not {c.path.name, c.path.stem} & audit.copies]
        left_out["near a training image, by the audit"] += len(kept) - len(clean)
        kept = clean
    kept, stored = _readable(kept, left_out, tell)
    if not request.source_pixels:
        kept, stored = _own(kept, stored, left_out)
    _some(kept, left_out)
    items, groups = _items(request, kept, stored, review)
    return Chosen(items=items, groups=groups, left_out=+left_out, review=review, audit=audit)


def _items(
    request: ReleaseRequest, kept: list[Candidate], stored: list[str], review: Review | None
) -> tuple[list[Item], list[str]]:
    groups = group_names(kept, stored)
    splits = splits_of(kept, groups, request.test_share)
    inside, verdicts = frozenset(stored), review.accepted if review else {}
    found = []
    for candidate, digest, group, split in zip(kept, stored, groups, splits, strict=True):
        record = released_record(candidate.record, inside)
        verdict = verdicts.get(candidate.sha256, {})
        item = Item(
            name=name_of(record, digest),
            split=split,
            record=record,
            candidate=candidate,
            verdict=str(verdict.get("verdict", "")),
            reads=_reads(verdict.get("reads", 0)),
            finding=finding_of(candidate.pair),
        )
        found.append((item, hashlib.sha256(group.encode()).hexdigest()[:16]))
    found.sort(key=lambda pair: pair[0].name)
    return [item for item, _ in found], [group for _, group in found]


def _readable(
    candidates: list[Candidate], left_out: Counter[str], tell: Tell
) -> tuple[list[Candidate], list[str]]:
    """Those that can be read, each picture once, with the digest of its stored values."""
    kept, stored = [], []
    for number, candidate in enumerate(candidates):
        tell("reading", number, len(candidates))
        try:
            seen = shown(candidate)
        except RadsmithError:
            left_out["not readable as one gray image"] += 1
            continue
        whole = seen.opened.whole if seen.opened is not None else None
        if whole is not None and whole.space and in_colour(whole.frames, whole.space):
            left_out["in colour, which a release does not keep"] += 1
            continue
        stored.append(seen.stored)
        kept.append(candidate)
    again = set(doubles(stored))
    left_out["the same pixels as another"] += len(again)
    first = [n for n in range(len(kept)) if n not in again]
    return [kept[n] for n in first], [stored[n] for n in first]


def _own(
    kept: list[Candidate], stored: list[str], left_out: Counter[str]
) -> tuple[list[Candidate], list[str]]:
    """Without edits of images that do not leave too: they hold pixels of their source."""
    while True:
        inside = set(stored)
        fine = [n for n, c in enumerate(kept) if inside.issuperset(c.record.parents)]
        if len(fine) == len(kept):
            return kept, stored
        left_out["edits with pixels of an image outside the release"] += len(kept) - len(fine)
        kept, stored = [kept[n] for n in fine], [stored[n] for n in fine]


def _some(kept: Sequence[Candidate], left_out: Counter[str]) -> None:
    if not kept:
        why = "; ".join(f"{n} {reason}" for reason, n in (+left_out).most_common())
        raise InvalidInput(f"no image is left to release: {why}")


def _created(candidate: Candidate) -> datetime:
    try:
        time = datetime.fromisoformat(candidate.record.created)
    except ValueError as error:
        raise InvalidInput(f"the record of {candidate.path} has no time: {error}") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _reads(value: object) -> int:
    """Reads as a number: of a list, how many."""
    if isinstance(value, list | tuple):
        return len(value)
    return int(value) if isinstance(value, int | float) else 0
