"""Images drawn for teaching: prompts, matched pairs and severities, as files with their record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from radsmith.api.model import Model
from radsmith.api.picture import Picture
from radsmith.errors import InvalidInput
from radsmith.files import prepare_folder, read_bytes
from radsmith.language.prompt import NORMAL as NORMAL_ID
from radsmith.language.prompt import render
from radsmith.language.reading import read_prompt
from radsmith.language.report import SEVERITIES
from radsmith.language.vocabulary import default_vocabulary, speaking
from radsmith.teaching.compose import Labelled, Pair
from radsmith.teaching.labels import Class, graded, learned_grades, words_of

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be drawn. prompts: with their seeds.  pairs: a prompt and a finding to add to it,
    "effusion@right", n times each.  severities: prompts whose finding is drawn at each grade."""

    prompts: Sequence[tuple[str, int]] = ()
    pairs: Sequence[tuple[str, str]] = ()
    severities: Sequence[str] = ()
    n: int = 1
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """images: with their labels.  series: places of images, by rising severity."""

    images: list[Labelled]
    classes: list[Class]
    pairs: list[Pair]
    series: list[list[int]]
    notes: list[str]


def draw(wish: Wish, model: Model, folder: Path, progress: Progress) -> Drawing:
    """Draw into a folder. Raises InvalidInput for a prompt with nothing to draw."""
    with speaking(model.vocabulary):
        return _Drawing(model, folder, wish.seed, progress).draw(wish)


class _Drawing:
    def __init__(self, model: Model, folder: Path, seed: int, progress: Progress) -> None:
        self.model, self.folder, self.seed, self._tell = (
            model,
            prepare_folder(folder),
            seed,
            progress,
        )
        self.made = Drawing(images=[], classes=[], pairs=[], series=[], notes=[])
        self.total = 0

    def draw(self, wish: Wish) -> Drawing:
        asked = [p for p, _ in (*wish.prompts, *wish.pairs)]
        for text in (*asked, *wish.severities):
            self.model.plan(text)  # all are read before the first is drawn
        told = [(text, graded(text, self.model.facts)) for text in wish.severities]
        self.made.notes.extend(why for _, why in told if why)
        series = [self._grades(text) for text, why in told if not why]
        self.total = len(wish.prompts) + 2 * len(wish.pairs) * wish.n
        self.total += sum(map(len, series))
        for text, seed in wish.prompts:
            self._keep(self.model.generate(text, seed=seed))
        for number, (text, finding) in enumerate(wish.pairs):
            for k in range(wish.n):
                self._pair(text, finding, self.seed + number * wish.n + k)
        for grades in series:
            pictures = [self.model.generate(grade, seed=self.seed) for grade in grades]
            self.made.series.append([self._keep(picture) for picture in pictures])
        return self.made

    def _grades(self, text: str) -> list[str]:
        """The prompt at each severity that was learned, rising."""
        prompt = read_prompt(text).prompt
        main = next(f for f in prompt.findings if f.present and f.concept != NORMAL_ID)
        rest = [f for f in prompt.findings if f is not main]
        return [
            render(replace(prompt, findings=(replace(main, severity=severity), *rest)))
            for severity in learned_grades(main.concept, self.model.facts)
        ]

    def _pair(self, text: str, finding: str, seed: int) -> None:
        before = self.model.generate(text, seed=seed)
        after = self.model.change(before, add=finding, seed=seed)
        without, having = self._keep(before), self._keep(after)
        plan = after.plan
        present = [f for f in plan.prompt.findings if f.present] if plan else []
        if not present or after.mask is None or not after.mask.any():
            raise InvalidInput(f"the pair {text!r} + {finding!r} changes nothing: name a finding")
        side = {"side:left": "left", "side:right": "right"}.get(present[0].side or "", "")
        name = default_vocabulary()[present[0].concept].name
        labelled = replace(self.made.images[having], mask=after.mask, side=side)
        self.made.images[having] = labelled
        self.made.pairs.append(Pair(without=without, having=having, finding=name))

    def _keep(self, picture: Picture) -> int:
        """Write an image and its labels; its place."""
        place = len(self.made.images)
        words = picture.record.canonical_prompt
        stem = picture.plan.stem if picture.plan else "image"
        path = picture.save(self.folder / f"{place:03}-{stem}.png")
        said = words_of(words, self.model.facts, synthetic=True)
        severity = said.severity
        if severity is not None and not self._learned(words, severity):
            severity = None
            self.made.notes.append(graded(words, self.model.facts))
        drawn = said.placed and self.model.facts.images is not None
        self.made.images.append(
            Labelled(
                file=str(path),
                sha256=hashlib.sha256(read_bytes(path)).hexdigest(),
                synthetic=True,
                group=said.group,
                findings=said.findings,
                implied=said.implied,
                side=said.side if drawn else "",
                severity=severity,
                grade=said.grade,
                told=words,
                concepts=tuple(one.name for one in said.classes),
            )
        )
        if said.side and picture.mask is None and not drawn:
            self.made.notes.append(
                f"which side is not asked of “{words}”: the model never learned where they lie; a"
                " matched pair (--pair) does"
            )
        self.made.classes.extend(said.classes)
        self._tell(place + 1, self.total)
        return place

    def _learned(self, words: str, severity: float) -> bool:
        prompt = read_prompt(words).prompt
        grade = SEVERITIES[int(severity)]
        main = [f for f in prompt.findings if f.severity == grade]
        return any(self.model.facts.count(f.concept, grade) for f in main)
