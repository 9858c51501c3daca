"""A set from what it is to be made of: prompts, matched pairs, images with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from radsmith.api.model import Model
from radsmith.clock import now
from radsmith.errors import InvalidInput
from radsmith.review.accepted import accepted
from radsmith.teaching.compose import Labelled
from radsmith.teaching.drawing import Drawing, Progress, Wish, draw
from radsmith.teaching.gathering import gather_labelled
from radsmith.teaching.items import KINDS, Kind
from radsmith.teaching.labels import Class, learned_findings
from radsmith.teaching.sets import (
    IMAGES,
    NewSet,
    TeachingSet,
    accept,
    check_new,
    create_set,
    open_set,
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a set is made of. images: a folder that radsmith made, or a CSV of labels; real: the
    same of real images.  studies: reviews that accepted some of them, by `rule`.
    unreviewed: show what no expert accepted.
    """

    title: str
    wish: Wish = field(default_factory=Wish)
    images: Path | None = None
    real: Path | None = None
    kinds: Sequence[Kind] = KINDS
    studies: Sequence[Path] = ()
    rule: str = "majority"
    unreviewed: bool = False


def make_set(folder: Path, recipe: Recipe, model: Model, progress: Progress) -> TeachingSet:
    """Draw, gather and compose. Nothing is a set before all of it is there.

    Raises InvalidInput where the folder holds a set, or nothing can be asked.
    """
    check_new(folder)
    wish = recipe.wish
    if not (wish.prompts or wish.pairs or wish.severities or recipe.images or recipe.real):
        raise InvalidInput("say what it is made of: --prompt, --pair, --severity, --images, --real")
    for study in recipe.studies:
        accepted(study, recipe.rule)  # before anything is drawn
    images: list[Labelled] = []
    classes: list[Class] = []
    for place, real in ((recipe.images, False), (recipe.real, True)):
        if place is not None:
            for image, named in gather_labelled(place, model.facts, real=real):
                images.append(image)
                classes.extend(named)
    drawing = Drawing(images=[], classes=[], pairs=[], series=[], notes=[])
    if wish.prompts or wish.pairs or wish.severities:
        drawing = draw(wish, model, folder / IMAGES, progress)
    asked = NewSet(
        title=recipe.title,
        images=[*drawing.images, *images],
        classes=[*drawing.classes, *classes],
        pairs=drawing.pairs,
        series=drawing.series,
        learned=learned_findings(model.facts),
        notes=drawing.notes,
        kinds=recipe.kinds,
        unreviewed=recipe.unreviewed,
        seed=wish.seed,
    )
    create_set(folder, asked, now(), progress)
    for study in recipe.studies:
        accept(folder, study, recipe.rule)
    return open_set(folder)
