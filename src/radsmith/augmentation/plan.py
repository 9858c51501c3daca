"""What a data set lacks, class by class, and the images that make it up.

A class gets images whose labels are those of its own real images, in their own shares, so that what
goes together in it (age, sex, view, other findings) goes together as before. Knows no files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256

import numpy as np

from radsmith.augmentation.classes import LabelClass, Labelled, learned_images
from radsmith.engines.engine import Engine, ModelFacts
from radsmith.errors import InvalidInput
from radsmith.evaluation.copies import CopyGuard
from radsmith.evaluation.features import Images, Space
from radsmith.evaluation.judge import Judge
from radsmith.generation.plan import WEAK, make, plan
from radsmith.images.image import Image
from radsmith.images.provenance import Generation, Request, Settings
from radsmith.images.stored import Stored
from radsmith.language.prompt import Finding, prompt_of, render, settled
from radsmith.language.vocabulary import default_vocabulary

LABELS = (
    "modality", "body_part", "view", "technique", "findings", "sex", "age", "laterality",
    "age_group", "labels",
)  # fmt: skip
"""Columns that a synthetic row takes over from the real row whose labels it was made from."""
TRIES = 6
"""Images drawn for one place before it is left empty."""
AGREEMENT_PERCENTILE = 5.0
_JUDGED = 100


@dataclass(frozen=True, kw_only=True)
class Target:
    """How many images a class is to have: `count`, or this quantile of the classes' sizes."""

    count: int | None = None
    quantile: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Target:
        """ "200", "balance" (the largest class) or "balance:0.75" (a quantile)."""
        kind, _, share = text.strip().partition(":")
        try:
            if kind == "balance":
                found = cls(quantile=float(share) if share else 1.0)
            else:
                found = cls(count=int(text))
        except ValueError:
            found = cls(count=0)
        if (found.count is not None and found.count < 1) or not 0 <= found.quantile <= 1:
            raise InvalidInput(
                f"the target must be a number of images, balance, or balance:QUANTILE of the"
                f" classes' sizes (0-1), got {text!r}"
            )
        return found

    def goal(self, classes: Sequence[LabelClass]) -> tuple[int, str]:
        """Images a class, and why so many."""
        if self.count is not None:
            return self.count, "as asked"
        sizes = np.array([c.size for c in classes])
        goal = int(np.quantile(sizes, self.quantile, method="inverted_cdf"))
        name = next(c.name for c in classes if c.size == goal)
        of = "the largest" if self.quantile == 1 else f"quantile {self.quantile:g} of all"
        return goal, f"the size of “{name}”, {of} of {len(classes)} classes"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One image to be made.

    label: name of its class.  row: number of the real row whose labels it takes.  kind: modality
    and body part.  concepts: those of the class.  seeds: one after the other is tried.
    """

    number: int
    label: str
    row: int
    prompt: str
    kind: str
    concepts: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class AugmentPlan:
    """What will be made. skipped: class -> why it gets none.  warned: class -> warning -> images.

    expected: class -> images afterwards, if every item comes out.
    """

    goal: int
    why: str
    classes: Sequence[LabelClass]
    items: Sequence[Item]
    skipped: Mapping[str, str]
    warned: Mapping[str, Mapping[str, int]]
    expected: Mapping[str, int]


def plan_augmentation(
    data: Labelled,
    classes: Sequence[LabelClass],
    target: Target,
    facts: ModelFacts,
    seed: int,
    *,
    weak: bool = False,
) -> AugmentPlan:
    """Which images are made from which labels with which seeds; the same for any number of workers.

    Smallest classes come first; what is made for one counts for all classes it belongs to. Labels
    are taken in turn from a shuffled order of the class's real rows, so that each is taken as often
    as the others. weak: also of what the model saw in fewer than WEAK training images.
    """
    goal, why = target.goal(classes)
    count = {c.name: c.size for c in classes}
    of_row: dict[int, list[str]] = {}
    for c in classes:
        for row in c.real:
            of_row.setdefault(row, []).append(c.name)
    asked = _Asked(data, facts, weak)
    items: list[Item] = []
    skipped: dict[str, str] = {}
    warned: dict[str, dict[str, int]] = {}
    for label in sorted(classes, key=lambda c: (c.size, c.name)):
        if count[label.name] >= goal:
            continue
        rows, reason = asked.usable(label)
        if not rows:
            skipped[label.name] = reason
            continue
        warnings: Counter[str] = Counter()
        for place, row in enumerate(_in_turn(rows, f"{seed} {label.name}")):
            if count[label.name] >= goal:
                break
            text, told = asked.of(row)
            warnings.update(told)
            items.append(_item(len(items), label, row, text, f"{seed} {label.name} {place}", data))
            for name in of_row[row]:
                count[name] += 1
        warned[label.name] = dict(warnings.most_common())
    return AugmentPlan(
        goal=goal,
        why=why,
        classes=classes,
        items=items,
        skipped=skipped,
        warned=warned,
        expected=count,
    )


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What became of an item: its image, or none after TRIES.

    copies, disagreeing: images thrown away because they were near a real one, or because the judge
    did not recognise the class.  checked: whether there was a guard to compare with.
    """

    image: Image | None
    record: Generation | None
    copies: int
    disagreeing: int
    checked: bool


@dataclass(frozen=True, kw_only=True)
class Checks:
    """What a drawn image must pass.

    guard: of a kind, None where copies cannot be told.  least: class -> lowest agreement with
    `judge`.  taken: keys of images that are there already.
    """

    guard: Callable[[str], CopyGuard | None]
    space: Space
    judge: Judge | None
    least: Mapping[str, float]
    taken: frozenset[str]


def draw_item(engine: Engine, item: Item, settings: Settings, checks: Checks) -> Drawn:
    """Draw with one seed after the other until an image passes."""
    planned = plan(item.prompt, engine.facts)
    guard = checks.guard(item.kind)
    least = checks.least.get(item.label, -np.inf)
    drawn = Drawn(image=None, record=None, copies=0, disagreeing=0, checked=guard is not None)
    for seed in item.seeds:
        request = Request(prompt=item.prompt, seed=seed, settings=settings)
        image, record = make(engine, planned, request, "")
        seen = Stored([image.pixels])
        if key_of(record) in checks.taken or (guard and guard.catches(seen[0], checks.space)):
            drawn = replace(drawn, copies=drawn.copies + 1)
        elif checks.judge and agreement(checks.judge, item.concepts, seen)[0] < least:
            drawn = replace(drawn, disagreeing=drawn.disagreeing + 1)
        else:
            return replace(drawn, image=image, record=record)
    return drawn


def key_of(record: Generation) -> str:
    """The manifest's key of a synthetic image: what was asked of which model, hashed."""
    said = (record.model_digest, record.canonical_prompt, record.concepts, record.seed,
            record.num_steps, record.guidance_scale, record.sampler)  # fmt: skip
    return f"synthetic-{sha256(repr(said).encode()).hexdigest()[:20]}"


def agreement(judge: Judge, concepts: Sequence[str], images: Images) -> np.ndarray:
    """(n,) mean log probability that the judge gives those of the concepts that it knows."""
    known = [c for c in concepts if judge.knows(c)]
    if not known:
        return np.zeros(len(images))
    said = judge.judge(images).probability
    return np.log(np.maximum(np.stack([said[c] for c in known]), 1e-6)).mean(0)


def least_agreement(judge: Judge, label: LabelClass, images: Images, seed: int) -> float:
    """What all but AGREEMENT_PERCENTILE % of the class's real images reach.

    images: of all rows, by number.
    """
    rng = np.random.default_rng([seed, 2])
    pick = rng.permutation(np.array(label.real))[:_JUDGED]
    real = agreement(judge, label.concepts, Stored(images[int(i)] for i in pick))
    return float(np.percentile(real, AGREEMENT_PERCENTILE))


def kind_of(ids: Sequence[str]) -> str:
    """Modality and body part of an image, within which copies are looked for."""
    return " ".join(sorted(c for c in ids if c.startswith(("modality:", "body_part:"))))


class _Asked:
    """How the labels of a row are asked for; the same labels are read once."""

    def __init__(self, data: Labelled, facts: ModelFacts, weak: bool) -> None:
        self._data = data
        self._facts = facts
        self._weak = weak
        self._read = cache(self._reading)

    def of(self, row: int) -> tuple[str, tuple[str, ...]]:
        """The canonical sentence of a usable row, and what to know of it."""
        text, _, warnings = self._read(*self._labels(row))
        return text, warnings

    def usable(self, label: LabelClass) -> tuple[list[int], str]:
        """The class's rows that can be asked for; where there is none, why."""
        if not self._weak and label.learned is not None and label.learned < WEAK:
            return [], _unlearned(label.learned)
        rows, reason = [], "its images' other findings are too weakly learned"
        for row in label.real:
            text, drawn, warnings = self._read(*self._labels(row))
            if not text:
                reason = f"cannot be asked for: {warnings[0]}"
            elif not set(label.concepts) <= drawn:
                missing = ", ".join(sorted(set(label.concepts) - drawn))
                reason = f"cannot be asked for: read without {missing}"
            elif self._weak or self._learned(row):
                rows.append(row)
        return rows, reason

    def _learned(self, row: int) -> bool:
        """Whether nothing that the row's labels say to be seen is unknown to the model."""
        seen = ("modality:", "body_part:", "finding:")
        count = learned_images(
            [c for c in self._data.concepts[row] if c.startswith(seen)], self._facts
        )
        return count is None or count >= WEAK

    def _labels(self, row: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        text = self._data.rows[row].get("labels") or "{}"
        try:
            labels = json.loads(text)
            absent = tuple(sorted(c for c, value in labels.items() if value == 0))
        except (ValueError, AttributeError) as error:
            raise InvalidInput(
                f"image {self._data.rows[row].get('key')}: expected a JSON object in the column"
                f" labels, got {text[:80]!r}"
            ) from error
        return self._data.concepts[row], absent

    def _reading(
        self, ids: tuple[str, ...], absent: tuple[str, ...]
    ) -> tuple[str, frozenset[str], tuple[str, ...]]:
        """Sentence, what is drawn by it, and warnings; no sentence where there can be none."""
        known = default_vocabulary().concepts
        try:
            prompt = prompt_of([c for c in ids if c in known])
            named = {f.concept for f in prompt.findings}
            denied = [c for c in absent if c in known and c not in named]
            findings = [*prompt.findings, *(Finding(concept=c, present=False) for c in denied)]
            text = render(settled(vars(prompt) | {"findings": findings}))
            planned = plan(text, self._facts)
        except InvalidInput as error:
            return "", frozenset(), (str(error),)
        return text, frozenset(planned.prompt.concepts), planned.warnings


def _unlearned(count: int) -> str:
    return "never learned" if count == 0 else "too rarely learned"


def _in_turn(rows: Sequence[int], salt: str) -> Iterator[int]:
    """The rows in shuffled order, over and over, each round in an order of its own."""
    rng = np.random.default_rng(_number(salt))
    while True:
        yield from (rows[int(i)] for i in rng.permutation(len(rows)))


def _item(number: int, label: LabelClass, row: int, text: str, salt: str, data: Labelled) -> Item:
    return Item(
        number=number,
        label=label.name,
        row=row,
        prompt=text,
        kind=kind_of(data.concepts[row]),
        concepts=label.concepts,
        seeds=tuple(_number(f"{salt} {attempt}") for attempt in range(TRIES)),
    )


def _number(text: str) -> int:
    """A seed, 0 to 2^63-1, that depends on the text alone."""
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") >> 1
