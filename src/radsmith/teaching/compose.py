"""From labelled images to questions: what can be asked of each, and what cannot and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np

from radsmith.images.image import Mask
from radsmith.review.design import shuffled, token
from radsmith.teaching.items import GRID, Item, Kind, on_grid, runs_of

NORMAL = "normal"
SIDES = ("patient's left", "patient's right")
SOURCES = ("real", "synthetic")
CHOICES = 4
"""Findings offered, at most."""
MOST_ORDERED = 4


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """An image and what is right to say of it.

    file: where it lies.  sha256: of its bytes.  group: its kind, such as "chest x-ray".  findings:
    by name, NORMAL for none; implied: names that are true of it as well, or that would be argued
    about.  side: "left", "right" or "".  severity: a rank, None where nobody graded it; grade: in
    words.  mask: (height, width), where the finding lies.  told: in words, for the answer.
    concepts: classes, by name.
    """

    file: str
    sha256: str
    synthetic: bool
    group: str = ""
    findings: tuple[str, ...] = ()
    implied: tuple[str, ...] = ()
    side: str = ""
    severity: float | None = None
    grade: str = ""
    mask: Mask | None = field(default=None, compare=False)
    told: str = ""
    concepts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two images of one seed, by their places: without and with a finding, where it was drawn."""

    without: int
    having: int
    finding: str


@dataclass(frozen=True, kw_only=True)
class Series:
    """One anatomy at rising severity. pictures: tokens; needs: as of an item."""

    title: str
    grades: tuple[str, ...]
    pictures: tuple[str, ...]
    needs: tuple[str, ...]
    concepts: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Series:
        """Read what `asdict` gave, by way of JSON."""
        parts: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**parts)


@dataclass(frozen=True, kw_only=True)
class Composed:
    """items: in the order in which they may be asked.  notes: what could not be asked, and why."""

    items: tuple[Item, ...]
    series: tuple[Series, ...]
    notes: tuple[str, ...]


class Tokens:
    """Names of pictures, and which of them are needed."""

    def __init__(self, salt: str) -> None:
        self._salt = salt
        self.used: dict[str, tuple[int, bool]] = {}

    def of(self, image: int, *, veiled: bool = False) -> str:
        """The token of an image's picture; veiled: as it is shown while its source is asked."""
        name = token(self._salt, "veiled" if veiled else "shown", str(image))
        self.used[name] = image, veiled
        return name

    def item(self, number: int) -> str:
        """The id of an item."""
        return token(self._salt, "item", str(number))


def compose(
    images: Sequence[Labelled],
    pairs: Sequence[Pair],
    series: Sequence[Sequence[int]],
    learned: Mapping[str, Sequence[str]],
    tokens: Tokens,
    kinds: Sequence[Kind],
    seed: int = 0,
) -> Composed:
    """All questions that the labels can answer.

    series: places of images of one seed, by rising severity.  learned: findings that a model
    learned of a group, the most frequent first; they are what else could be chosen.
    """
    making = _Making(images, tokens, seed)
    apart = {p.without for p in pairs} | {place for one in series for place in one}
    alone = [place for place in range(len(images)) if place not in apart]
    if "source" in kinds:
        making.sources([p for p in alone if p not in {x.having for x in pairs}])
    if "finding" in kinds:
        making.findings(alone, learned)
    if "side" in kinds:
        making.sides(alone)
    if "where" in kinds:
        making.places(alone)
    if "pair" in kinds:
        making.pairs(pairs)
    if "order" in kinds:
        making.orders(alone, series)
    return Composed(
        items=tuple(making.items),
        series=tuple(making.series(one) for one in series if len(one) > 1),
        notes=tuple(dict.fromkeys(making.notes)),
    )


class _Making:
    def __init__(self, images: Sequence[Labelled], tokens: Tokens, seed: int) -> None:
        self.images, self.tokens, self.seed = images, tokens, seed
        self.items: list[Item] = []
        self.notes: list[str] = []

    def _add(
        self,
        kind: Kind,
        question: str,
        places: Sequence[int],
        *,
        choices: Sequence[str] = (),
        answer: Sequence[str] = (),
        region: Sequence[int] = (),
        told: str = "",
    ) -> None:
        shown = [self.images[place] for place in places]
        veiled = kind == "source"
        self.items.append(
            Item(
                id=self.tokens.item(len(self.items)),
                kind=kind,
                question=question,
                pictures=tuple(self.tokens.of(p, veiled=veiled) for p in places),
                revealed=tuple(self.tokens.of(p) for p in places),
                choices=tuple(choices),
                answer=tuple(answer),
                region=tuple(region),
                told=told or shown[0].told,
                needs=tuple(dict.fromkeys(i.sha256 for i in shown if i.synthetic)),
                concepts=tuple(dict.fromkeys(c for i in shown for c in i.concepts)),
            )
        )

    def sources(self, places: Sequence[int]) -> None:
        """As many real as synthetic ones, in turn."""
        halves = [
            [p for p in places if self.images[p].synthetic == synthetic]
            for synthetic in (True, False)
        ]
        if not halves[0] or not halves[1]:
            missing = "synthetic" if halves[1] else "real"
            self.notes.append(f"“real or synthetic?” is not asked: there are no {missing} images")
            return
        most = min(map(len, halves))
        made, real = (
            shuffled(half, self.seed, "source", n)[:most] for n, half in enumerate(halves)
        )
        for place in (p for both in zip_longest(made, real) for p in both if p is not None):
            image = self.images[place]
            answer = SOURCES[image.synthetic]
            told = f"{answer.capitalize()}. {image.told}".strip()
            question = "Is this image real or synthetic?"
            self._add("source", question, [place], choices=SOURCES, answer=[answer], told=told)

    def findings(self, places: Sequence[int], learned: Mapping[str, Sequence[str]]) -> None:
        """One of several findings, the others from the set and from what the model learned."""
        for place in places:
            image = self.images[place]
            if not image.findings:
                if image.group:
                    self.notes.append(
                        f"which finding is not asked of “{image.told}”: no label names one"
                    )
                continue
            right = image.findings[0]
            within = [f for i in self.images if i.group == image.group for f in i.findings]
            others = dict.fromkeys([*within, NORMAL, *learned.get(image.group, ())])
            wrong = [o for o in others if o not in (*image.findings, *image.implied)]
            if not wrong:
                self.notes.append(
                    f"which finding is not asked of “{image.told}”: nothing to choose"
                )
                continue
            chosen = self._among(wrong, within, place)
            question = "Which of these does this image show?"
            choices = sorted([right, *chosen], key=str.lower)
            self._add("finding", question, [place], choices=choices, answer=[right])

    def _among(self, wrong: Sequence[str], within: Sequence[str], place: int) -> list[str]:
        """Wrong choices: those that the set teaches first, then the most frequent ones."""
        known = [w for w in wrong if w in within or w == NORMAL]
        rest = [w for w in wrong if w not in known][: 2 * CHOICES]
        drawn = shuffled(known, self.seed, "known", place)
        drawn += shuffled(rest, self.seed, "rest", place)
        return drawn[: CHOICES - 1]

    def sides(self, places: Sequence[int]) -> None:
        """Left or right of the patient."""
        for place in places:
            image = self.images[place]
            if image.side and image.findings:
                self._add(
                    "side",
                    f"On which side is the finding ({image.findings[0]})?",
                    [place],
                    choices=SIDES,
                    answer=[SIDES[image.side == "right"]],
                    region=() if image.mask is None else runs_of(on_grid(image.mask)),
                )

    def places(self, places: Sequence[int]) -> None:
        """Click it."""
        for place in places:
            image = self.images[place]
            if image.mask is not None and image.mask.any() and image.findings:
                region = runs_of(on_grid(image.mask))
                share = sum(region[1::2]) / GRID**2
                if share > 0.5:
                    self.notes.append(
                        f"where is not asked of “{image.told}”: the mask is {share:.0%} of it"
                    )
                    continue
                question = f"Where is it ({image.findings[0]})? Click or tap it."
                self._add("where", question, [place], region=region)

    def pairs(self, pairs: Sequence[Pair]) -> None:
        """Which of the two has it?"""
        for number, pair in enumerate(pairs):
            order = shuffled([pair.without, pair.having], self.seed, "pair", number)
            mask = self.images[pair.having].mask
            right = "AB"[order.index(pair.having)]
            self._add(
                "pair",
                f"One of these two shows {pair.finding}. Which one?",
                order,
                choices=("A", "B"),
                answer=[right],
                region=() if mask is None else runs_of(on_grid(mask)),
                told=f"{right}: {self.images[pair.having].told}",
            )

    def orders(self, places: Sequence[int], series: Sequence[Sequence[int]]) -> None:
        """From most to least severe, of one group and finding and each grade once."""
        graded: dict[tuple[str, str], dict[float, list[int]]] = {}
        for place in [*places, *(p for one in series for p in one)]:
            image = self.images[place]
            if image.severity is not None and image.findings and image.findings[0] != NORMAL:
                of = graded.setdefault((image.group, image.findings[0]), {})
                of.setdefault(image.severity, []).append(place)
        for (group, finding), by_grade in sorted(graded.items()):
            if len(by_grade) < 2:
                self.notes.append(
                    f"no order by severity of “{finding}” ({group}): one grade alone is there"
                )
                continue
            while sum(bool(left) for left in by_grade.values()) > 1:
                there = [grade for grade in sorted(by_grade, reverse=True) if by_grade[grade]]
                chosen = [by_grade[grade].pop() for grade in there[:MOST_ORDERED]]
                self._order(finding, chosen)

    def _order(self, finding: str, falling: Sequence[int]) -> None:
        mixed = shuffled(falling, self.seed, "order", *falling)
        if list(mixed) == list(falling):
            mixed = [*falling[1:], falling[0]]
        grades = ", ".join(self.images[place].grade for place in falling)
        self._add(
            "order",
            f"Order these from most to least severe ({finding}).",
            mixed,
            answer=[self.tokens.of(place) for place in falling],
            told=f"From most to least severe: {grades}.",
        )

    def series(self, places: Sequence[int]) -> Series:
        """The slider through one anatomy."""
        images = [self.images[place] for place in places]
        graded = next(image for image in reversed(images) if image.findings)
        return Series(
            title=f"{graded.findings[0]}, {graded.group}",
            grades=tuple(image.grade for image in images),
            pictures=tuple(self.tokens.of(place) for place in places),
            needs=tuple(dict.fromkeys(image.sha256 for image in images if image.synthetic)),
            concepts=tuple(dict.fromkeys(c for image in images for c in image.concepts)),
        )


def box_mask(box: Sequence[float], shape: tuple[int, int]) -> Mask:
    """A box x, y, width, height in pixels as a mask of (height, width)."""
    x, y, wide, high = box
    mask = np.zeros(shape, np.bool_)
    mask[max(0, round(y)) : max(0, round(y + high)), max(0, round(x)) : max(0, round(x + wide))] = 1
    return mask
