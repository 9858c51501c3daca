"""Measures of a bundle: counted on every image, judged on a sample. Touches no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radsmith.datasets.entry import alike
from radsmith.evaluation.judge import Judge
from radsmith.evaluation.real_set import RealSet
from radsmith.images.image import Image, quantize
from radsmith.images.stored import Stored
from radsmith.release import scorecard
from radsmith.release.facts import Facts
from radsmith.release.items import WITHHELD, Item, labels_of
from radsmith.release.scorecard import Measure, share

MOST_JUDGED = 400
_SPACE = "judge"
_JUDGED = ("modality", "body_part")


@dataclass
class Seen:
    """What is gathered while images are written, one call of `add` each.

    hashes: of `datasets.entry.alike`.  sample: 8-bit pixels of at most MOST_JUDGED images, spread
    evenly over the set, with their items.
    """

    total: int
    digests: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    spaced: int = 0
    masks: int = 0
    dicom: int = 0
    signed: int = 0
    sample: list[tuple[Item, NDArray[np.uint8]]] = field(default_factory=list)

    def add(self, item: Item, image: Image) -> None:
        """Look at an image that is written; intensity in 0-1."""
        levels = quantize(image.pixels.astype(np.float64), 8).astype(np.uint8)
        number = len(self.digests)
        self.digests.append(Image(pixels=levels, unit="stored value").digest())
        self.hashes.append(alike(levels) if min(levels.shape) >= 10 else "0" * 16)
        self.spaced += image.spacing is not None
        if self.total <= MOST_JUDGED or number % (self.total // MOST_JUDGED) == 0:
            self.sample = [*self.sample, (item, levels)][:MOST_JUDGED]


def measured(facts: Facts, seen: Seen, judge: Judge | None, real: RealSet | None) -> list[Measure]:
    """Every measure of the scorecard, those that could not be taken included."""
    return [
        *_judged(seen, judge, real),
        *_reviewed(facts),
        *_complete(facts, seen),
        *_compliant(facts, seen),
        _understood(facts),
        *scorecard.doubles(seen.digests, seen.hashes),
    ]


def counts(facts: Facts) -> dict[str, int]:
    """The set in numbers; `verify` counts them again."""
    said = {"images": len(facts.items)}
    said |= {f"split {name}": n for name, n in sorted(facts.splits.items())}
    said["edited images"] = sum(bool(i.record.parents) for i in facts.items)
    for kind in ("modality", "body_part"):
        found = Counter(labels_of(i.record)[kind] or "not said" for i in facts.items)
        said |= {f"{kind.replace('_', ' ')} {name}": n for name, n in found.most_common()}
    return said


def _judged(seen: Seen, judge: Judge | None, real: RealSet | None) -> Iterator[Measure]:
    name, method = "images recognised as asked", "an independent judge's first answer"
    if judge is None or not seen.sample:
        yield Measure(
            criterion="constraint", name=name, method=method, unmeasured="the judge was not asked"
        )
        yield from scorecard.without_real()
        return
    said = judge.judge(Stored([levels / np.float32(255) for _, levels in seen.sample]))
    groups: dict[str, tuple[int, int]] = {}
    hits = n = 0
    best = {kind: said.best(kind) for kind in _JUDGED}
    for number, (item, _) in enumerate(seen.sample):
        asked = [c for c in item.record.concepts if c.partition(":")[0] in _JUDGED]
        known = [c for c in asked if judge.knows(c)]
        if not known or len(known) < len(asked):
            continue  # of what the judge never learned it can say nothing
        right = all(best[c.partition(":")[0]][number] == c for c in known)
        hits, n = hits + right, n + 1
        part = labels_of(item.record)["body_part"] or "not said"
        before = groups.get(part, (0, 0))
        groups[part] = before[0] + right, before[1] + 1
    method += f" for modality and body part, on {len(seen.sample)} images spread over the set"
    yield share("constraint", name, method, hits, n, sample=True)
    yield scorecard.gap("consistency", "gap of recognition between body parts", method, groups)
    if real is None:
        yield from scorecard.without_real()
        return
    step = max(1, len(real.images) // MOST_JUDGED)
    some = real.take(range(0, len(real.images), step)[:MOST_JUDGED])
    yield from scorecard.against_real(
        judge.judge(some.images).features.astype(np.float64),
        said.features.astype(np.float64),
        [_kind(ids) for ids in some.concepts],
        [_kind(item.record.concepts) for item, _ in seen.sample],
        _SPACE,
    )


def _kind(concepts: Sequence[str]) -> str:
    return " ".join(c for c in concepts if c.partition(":")[0] in _JUDGED)


def _reviewed(facts: Facts) -> Iterator[Measure]:
    name = "images that readers accepted, of those they decided"
    agreement = "agreement between readers"
    if facts.review is None:
        for criterion, what in (("constraint", name), ("comprehension", agreement)):
            yield Measure(criterion=criterion, name=what, method="", unmeasured="review was waived")
        return
    accepted = len(facts.review.accepted)
    decided = accepted + facts.review.rejected
    rule = f"rule “{facts.review.rule}”; {facts.review.undecided} undecided are left out"
    yield share("constraint", name, rule, accepted, decided, sample=True)
    why = "the verdicts that came with the review do not tell single readers apart"
    yield Measure(criterion="comprehension", name=agreement, method="", unmeasured=why)


def _complete(facts: Facts, seen: Seen) -> Iterator[Measure]:
    items = facts.items
    edits = [i for i in items if i.record.parents]
    has = {
        "with prompt, seed and model": sum(
            bool(i.record.canonical_prompt and i.record.model_digest) for i in items
        ),
        "with modality and body part": sum(
            all(labels_of(i.record)[kind] for kind in _JUDGED) for i in items
        ),
        "with a pixel spacing": seen.spaced,
        "with a reader's verdict": sum(bool(i.verdict) for i in items),
    }
    for name, hits in has.items():
        yield share("completeness", name, "counted in the records", hits, len(items), sample=False)
    yield share(
        "completeness",
        "edits with the mask of what was drawn",
        "counted",
        seen.masks,
        len(edits),
        sample=False,
    )


def _compliant(facts: Facts, seen: Seen) -> Iterator[Measure]:
    n = len(facts.items)
    name = "DICOM objects that keep the rules of a release"
    rules = "every attribute against a list of those allowed, when written"
    if "dicom" in facts.request.formats:
        yield share("compliance", name, rules, seen.dicom, n, sample=False)
    else:
        yield Measure(criterion="compliance", name=name, method="", unmeasured="no DICOM asked for")
    yield share(
        "compliance", "images with signed credentials", "C2PA", seen.signed, n, sample=False
    )
    yield share(
        "compliance",
        "images without pixels of a source outside the bundle",
        "counted in the records",
        sum(WITHHELD not in i.record.parents for i in facts.items),
        n,
        sample=False,
    )
    near = "images found near a training image"
    if facts.audit is None:
        why = "the privacy audit was waived"
        yield Measure(criterion="compliance", name=near, method="", unmeasured=why)
    else:
        method = f"audit.json: {facts.audit.rule}; those found were left out of the bundle"
        hits = len(facts.audit.copies)
        yield share("compliance", near, method, hits, facts.audit.images, sample=True)


def _understood(facts: Facts) -> Measure:
    whole = sum(not i.candidate.record.not_understood for i in facts.items)
    return share(
        "comprehension",
        "prompts understood whole",
        "every word is in radsmith's vocabulary",
        whole,
        len(facts.items),
        sample=False,
    )
