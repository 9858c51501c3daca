"""What is to be told apart: findings of one kind of image, known to be there or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.audit.sets import UNNAMED, Item, kind_of
from radsmith.language.reading import read_prompt
from radsmith.language.vocabulary import default_vocabulary

LEAST_TRAIN, LEAST_TEST = 40, 15
"""Images with and without a finding that a task needs of either split."""
Labels = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class UtilityTask:
    """Findings of a kind of image, each there or not. findings: concept ids."""

    kind: str
    findings: tuple[str, ...]

    @property
    def name(self) -> str:
        """Such as "chest x-ray: pneumonia"."""
        names = default_vocabulary()
        return f"{self.kind}: {', '.join(names[c].name for c in self.findings)}"

    def labels(self, items: Sequence[Item]) -> Labels:
        """(n, findings): 1 there, 0 absent, NaN unknown.

        A finding is absent where the image is of the kind and some other finding, or that there is
        none, is said.
        """
        found = np.full((len(items), len(self.findings)), np.nan)
        for i, item in enumerate(items):
            told = {c for c in item.concepts if c.startswith("finding:")}
            if item.kind == self.kind and told:
                found[i] = [float(c in told) for c in self.findings]
        return found


def tasks_of(
    train: Sequence[Item], test: Sequence[Item], kind: str | None, findings: Sequence[str]
) -> list[UtilityTask]:
    """One task a kind of image, of all findings (or those named) with enough images.

    Raises InvalidInput where none has.
    """
    names = default_vocabulary()
    wanted = {finding_of(word) for word in findings}
    kinds = [kind] if kind else sorted({item.kind for item in train})
    tasks = []
    for one in kinds:
        told = {c for i in train if i.kind == one for c in i.concepts if c.startswith("finding:")}
        told = {c for c in told if c in names.concepts and c != "finding:normal"}
        able = []
        for concept in sorted(told & wanted if wanted else told):
            task = UtilityTask(kind=one, findings=(concept,))
            if _enough(task.labels(train), LEAST_TRAIN) and _enough(task.labels(test), LEAST_TEST):
                able.append(concept)
        if able:
            tasks.append(UtilityTask(kind=one, findings=tuple(able)))
    if not tasks:
        said = f" of “{kind}”" if kind else ""
        raise InvalidInput(
            f"no finding{said} has {LEAST_TRAIN} training and {LEAST_TEST} test images with it, and"
            " as many without: give a larger data set, or another --kind or --finding"
        )
    return tasks


def checked_kind(text: str) -> str:
    """A kind of image as `Item.kind` words it: "chest x-ray". Raises InvalidInput."""
    words = text.strip()
    name = kind_of(read_prompt(words).prompt.concepts) if words else UNNAMED
    if name == UNNAMED or words.lower() != name.lower():
        said = "such as “chest x-ray”" if name == UNNAMED else f"here “{name}”"
        raise InvalidInput(
            f"no kind of image “{text}”: --kind takes a body part and a modality alone, {said}"
        )
    return name


def _enough(labels: Labels, least: int) -> bool:
    return bool((labels == 1).sum() >= least and (labels == 0).sum() >= least)


def finding_of(word: str) -> str:
    """The concept id that a name stands for. Raises InvalidInput."""
    for concept in default_vocabulary().concepts.values():
        if concept.kind == "finding" and word.lower() in (concept.id, concept.name.lower()):
            return concept.id
    raise InvalidInput(f"no finding “{word}”: use the names of `radsmith vocabulary`")
