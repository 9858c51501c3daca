"""What is released of each image: its name, its record, its side of the split. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from radsmith.datasets.entry import split_of
from radsmith.images.provenance import Generation
from radsmith.language.vocabulary import default_vocabulary
from radsmith.release.sources import Candidate

WITHHELD = "withheld"
"""In a record, in place of a digest of pixels that are not in the bundle."""
LONGEST_STEM = 60
_KINDS = ("modality", "body_part", "view", "side", "sex", "age_group")
_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Item:
    """An image of the bundle. name: of its files, without extension.

    record: as it is released.  verdict, reads: of its review, "" and 0 without one.
    finding: what an edit changed, "" where nothing is known.
    """

    name: str
    split: str
    record: Generation
    candidate: Candidate
    verdict: str = ""
    reads: int = 0
    finding: str = ""

    @property
    def picture(self) -> str:
        """The PNG's path below `data/`."""
        return f"images/{self.split}/{self.name}.png"


def released_record(record: Generation, inside: frozenset[str]) -> Generation:
    """The record without what may tell of a person.

    inside: digests of images in the bundle; a digest of any other parent is withheld.  A prompt
    that was not understood whole may hold a name: its canonical sentence stands in its place.
    """
    parents = tuple(p if p in inside else WITHHELD for p in record.parents)
    whole = not record.not_understood
    return replace(
        record,
        prompt=record.prompt if whole else record.canonical_prompt,
        not_understood=() if whole else (f"{len(record.not_understood)} words withheld",),
        warnings=tuple(w for w in record.warnings if not w.startswith("not understood")),
        parents=parents,
        untouched_sha256="" if WITHHELD in parents else record.untouched_sha256,
    )


def name_of(record: Generation, digest: str) -> str:
    """A file name that says what is shown and nothing of where it came from."""
    slug = re.sub(r"[^a-z0-9]+", "-", record.canonical_prompt.lower()).strip("-")
    return f"{slug[:LONGEST_STEM].strip('-') or 'image'}-{digest[:_DIGITS]}"


def group_names(candidates: Sequence[Candidate], stored: Sequence[str]) -> list[str]:
    """For each image a name that it shares with those it must not be parted from.

    stored: `Image.digest` of each file's stored values. An edit stays with its parent and its
    siblings; images of one model, prompt and seed stay together whatever the other settings.
    """
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            key = leader[key]
        return key

    for candidate, own in zip(candidates, stored, strict=True):
        record = candidate.record
        draw = f"{record.model_digest} {record.canonical_prompt} {record.seed}"
        for other in (draw if record.operation == "generate" else own, *record.parents):
            one, two = sorted((find(own), find(other)))
            leader[two] = one
    return [find(own) for own in stored]


def splits_of(
    candidates: Sequence[Candidate], groups: Sequence[str], test_share: float
) -> list[str]:
    """train or test for each image: as its data set says, else by its group."""
    return [
        c.split or split_of(group, test_share) for c, group in zip(candidates, groups, strict=True)
    ]


def labels_of(record: Generation) -> dict[str, Any]:
    """What the image was asked to show, by kind; names of the vocabulary."""
    vocabulary = default_vocabulary()
    known = [c for c in record.concepts if c in vocabulary.concepts]
    said: dict[str, Any] = {
        kind: next((vocabulary[c].name for c in known if c.startswith(f"{kind}:")), "")
        for kind in _KINDS
    }
    said["findings"] = [vocabulary[c].name for c in known if c.startswith("finding:")]
    return said


def row_of(item: Item, sha256: str, group: str) -> dict[str, Any]:
    """The image's line in images.csv and metadata.jsonl, but for the file's own name."""
    record = item.record
    labels = labels_of(record)
    return {
        "split": item.split,
        "prompt": record.canonical_prompt,
        **labels,
        "width": record.width,
        "height": record.height,
        "operation": record.operation,
        "seed": record.seed,
        "model": record.model,
        "model_digest": record.model_digest,
        "created": record.created,
        "verdict": item.verdict,
        "reads": item.reads,
        "group": group,
        "sha256": sha256,
        "synthetic": True,
    }


def flat(row: Mapping[str, Any]) -> dict[str, str]:
    """A row for CSV: lists joined by semicolons."""
    return {k: ";".join(v) if isinstance(v, list) else str(v) for k, v in row.items()}


def doubles(digests: Iterable[str]) -> Iterator[int]:
    """Numbers of those that came before with the same digest."""
    seen: set[str] = set()
    for number, digest in enumerate(digests):
        if digest in seen:
            yield number
        seen.add(digest)
