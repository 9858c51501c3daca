"""A model to draw and edit with: what the commands do, one call each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

import numpy as np
from numpy.typing import ArrayLike

from radsmith.api.picture import Picture, opened
from radsmith.clock import now
from radsmith.compute.tasks import in_order, over_tasks
from radsmith.editing.dicom import edited_whole
from radsmith.editing.files import Opened
from radsmith.editing.operations import Margins, Source, shares
from radsmith.editing.request import EditPlan, EditRequest, FindingChange, plan_edit
from radsmith.engines import choice as engines
from radsmith.engines.choice import Choice, named, settings_for
from radsmith.engines.engine import Engine, ModelFacts, check_size
from radsmith.errors import InvalidInput
from radsmith.generation.plan import Plan, make, plan
from radsmith.images.image import Image
from radsmith.images.provenance import Request, Settings
from radsmith.language.vocabulary import (
    Vocabulary,
    default_vocabulary,
    shipped_vocabulary,
    speaking,
)

Editable = Picture | Opened | Image
"""What can be edited: what a model made, what `radsmith.open` read, or pixels with their unit."""

Read = TypeVar("Read")


class Shared(TypedDict, total=False):
    """What every edit takes. prompt: what it shows, by default as the file says."""

    prompt: str
    seed: int
    settings: Settings
    strict: bool


class Placed(Shared, total=False):
    """What a change of a finding takes, too."""

    mask: ArrayLike
    strength: float


class Model:
    """A model. Its weights are read when they are first needed.

    Every image depends on prompt, seed, settings and model alone.  Where `settings` are left out,
    they are those that are usual for the model.  strict: raise InvalidInput for what is not
    understood, contradicts or was weakly learned, instead of a warning in the record.
    """

    def __init__(self, choice: Choice = None, engine: Engine | None = None) -> None:
        self._choice, self._given = choice, engine
        self._words = shipped_vocabulary()

    @cached_property
    def engine(self) -> Engine:
        """What draws."""
        return self._learning(engines.load_engine) if self._given is None else self._given

    @cached_property
    def facts(self) -> ModelFacts:
        """Name, digest, and what the model learned."""
        if self._given is not None or "engine" in vars(self):
            return self.engine.facts
        return self._learning(engines.load_facts)

    @property
    def vocabulary(self) -> Vocabulary:
        """The words that ship and those that this model brings: no other model's."""
        if "engine" not in vars(self):
            self.facts  # noqa: B018 - reading them tells its words
        return self._words

    def _learning(self, read: Callable[[Choice], Read]) -> Read:
        with speaking(self._words):
            found = read(self._choice)
            self._words = default_vocabulary()
        return found

    def settings(
        self,
        *,
        steps: int | None = None,
        guidance: float | None = None,
        sampler: str = Settings.sampler,
        size: tuple[int, int] | None = None,
    ) -> Settings:
        """Settings with this model's usual ones where none are named. size: (width, height)."""
        choice = None if self._given is not None else self._choice
        return settings_for(choice, steps, guidance, sampler, size)

    def plan(
        self, prompt: str, *, strict: bool = False, size: tuple[int, int] | None = None
    ) -> Plan:
        """How a prompt is read, and what the model knows of it; nothing is drawn.

        Raises InvalidInput for one with nothing to draw.
        """
        check_size(size, self.facts.sides)
        return plan(prompt, self.facts, strict=strict, size=size, vocabulary=self.vocabulary)

    def generate(
        self, prompt: str, *, seed: int = 0, settings: Settings | None = None, strict: bool = False
    ) -> Picture:
        """One image of a prompt, such as "chest x-ray, PA view, adult, normal"."""
        (picture,) = self.generate_many([prompt], seed=seed, settings=settings, strict=strict)
        return picture

    def generate_many(
        self,
        prompts: Iterable[str],
        *,
        n: int = 1,
        seed: int = 0,
        settings: Settings | None = None,
        workers: int = 1,
        strict: bool = False,
    ) -> Iterator[Picture]:
        """`n` images of every prompt, of the seeds from `seed` on: prompt by prompt, as they come.

        workers: processes; the pixels are the same whatever their number.  All prompts are read
        before the first is drawn.  In a program (not in a notebook), call it with several workers
        below `if __name__ == "__main__":`, as spawned processes import it.
        """
        if isinstance(prompts, str):
            raise InvalidInput("prompts are a list of texts: for one, use generate")
        if n < 1 or workers < 1:
            raise InvalidInput(f"n and workers must be at least 1, got {n} and {workers}")
        if workers > 1 and self._given is not None:
            raise InvalidInput("an engine that was given as an object draws in one process alone")
        asked = settings or self.settings()
        plans = [self.plan(text, strict=strict, size=asked.size) for text in prompts]
        requests = [
            (planned, Request(prompt=planned.text, seed=seed + k, settings=asked))
            for planned in plans
            for k in range(n)
        ]
        if workers == 1:
            return (self._drawn(planned, request) for planned, request in requests)
        return self.by_workers(requests, workers)

    def by_workers(
        self, asked: Sequence[tuple[Plan, Request]], workers: int, ray: str = ""
    ) -> Iterator[Picture]:
        """Pictures of what is planned, in order, by processes or by actors of a cluster (`ray`)."""
        tasks = [(number, planned, request) for number, (planned, request) in enumerate(asked)]
        draw = partial(_drawn_apart, self._choice)
        return in_order(over_tasks(draw, tasks, workers, ray=ray))

    def inpaint(
        self, source: Editable, *, mask: ArrayLike, strength: float = 1.0, **shared: Unpack[Shared]
    ) -> Picture:
        """A part drawn anew, all other pixels as they are, bit for bit.

        mask: (height, width), drawn where it is not 0.  strength: below 1 the masked pixels are a
        beginning.  shared: prompt, seed, settings and strict, of every edit.
        """
        return self._edited(source, "inpaint", shared, mask=mask, strength=strength)

    def outpaint(
        self,
        source: Editable,
        *,
        left: int = 0,
        right: int = 0,
        top: int = 0,
        bottom: int = 0,
        **shared: Unpack[Shared],
    ) -> Picture:
        """The image continued beyond its edges, by so many pixels. shared: as of `inpaint`."""
        margins = Margins(left=left, right=right, top=top, bottom=bottom)
        return self._edited(source, "outpaint", shared, margins=margins)

    def vary(
        self,
        source: Editable,
        *,
        strength: float = 0.5,
        mask: ArrayLike | None = None,
        **shared: Unpack[Shared],
    ) -> Picture:
        """Another version, or one of its masked part. strength: above 0 (hardly changed) to 1."""
        return self._edited(source, "vary", shared, mask=mask, strength=strength)

    def change(
        self,
        source: Editable,
        *,
        add: str | None = None,
        remove: str | None = None,
        severity: str | None = None,
        mask: ArrayLike | None = None,
        strength: float | None = None,
        **shared: Unpack[Shared],
    ) -> Picture:
        """A finding added ("effusion@right"), removed or graded: the other half of a matched pair.

        mask: where; by default the usual place of the finding.  severity: mild, moderate, severe.
        strength: how freely the region is redrawn, 0-1; None: as the finding needs it.
        """
        finding = FindingChange(add=add, remove=remove, severity=severity)
        return self._edited(source, "change", shared, finding=finding, mask=mask, strength=strength)

    def interpolate(
        self,
        source: Editable,
        other: Editable,
        *,
        n: int = 1,
        strength: float = 0.6,
        **shared: Unpack[Shared],
    ) -> list[Picture]:
        """`n` images on the way from one to the other; both must have one size."""
        to = opened(other).source
        request = self._request("interpolate", shared, other=to, strength=strength)
        edit = self.plan_edit(request, source)
        return [self.edit(edit.varied(share=share), source) for share in shares(n)]

    def extend(self, source: Editable, *, to: str = "body", **shared: Unpack[Shared]) -> Picture:
        """A radiograph of one region continued to more: "leg", "arm", "pelvis", "trunk", "body".

        What was drawn as something else than its name is a warning of the record; with strict it
        stays black.  `Picture.distance` tells how far each pixel is from a real one.
        """
        return self._edited(source, "extend", shared, target=to)

    def plan_edit(self, request: EditRequest, source: Editable) -> EditPlan:
        """How an edit is read, of this image; nothing is drawn."""
        with speaking(self.vocabulary):
            return plan_edit(request, opened(source).source, self.facts)

    def edit(
        self,
        edit: EditPlan,
        source: Editable,
        *,
        progress: Callable[[str], None] = lambda name: None,
    ) -> Picture:
        """The edited image. progress: told each part of "extend"."""
        given = opened(source)
        with speaking(self.vocabulary):
            made = edit.perform(given.source, self.engine, now(), progress)
        return Picture(
            source=replace(given.source, image=made.image, words=made.record.canonical_prompt),
            record=made.record,
            plan=edit.planned,
            edited=made,
            origin=given.origin,
            uids=given.uids,
            whole=edited_whole(made, given.whole) if given.whole is not None else None,
            vocabulary=self.vocabulary,
        )

    def _edited(self, source: Editable, operation: str, shared: Shared, **parts: Any) -> Picture:
        request = self._request(operation, shared, **parts)
        return self.edit(self.plan_edit(request, source), source)

    def _request(self, operation: str, shared: Shared, **parts: Any) -> EditRequest:
        if other := set(shared) - set(Shared.__annotations__):
            raise InvalidInput(
                f"{operation} takes no {', '.join(sorted(other))}: of every edit there are"
                f" {', '.join(Shared.__annotations__)}"
            )
        if parts.get("mask") is not None:
            parts["mask"] = np.asarray(parts["mask"]) != 0
        return EditRequest(
            operation=operation,
            prompt=shared.get("prompt", ""),
            seed=shared.get("seed", 0),
            settings=shared.get("settings") or self.settings(),
            strict=shared.get("strict", False),
            **parts,
        )

    def _drawn(self, planned: Plan, request: Request) -> Picture:
        with speaking(self.vocabulary):
            image, record = make(self.engine, planned, request, now())
        source = Source(image=image, bits=16, words=record.canonical_prompt)
        return Picture(source=source, record=record, plan=planned, vocabulary=self.vocabulary)


def load_model(where: str | Path | Engine | None = None) -> Model:
    """A model by name: None for the shipped one, a .radsmith file or model folder, or KIND:WHERE.

    Kinds are "diffusers:PATH_OR_ID", "openai:MODEL@BASE_URL", and those that other packages bring
    as entry points of the group `radsmith.engines`.  An engine that is there already is taken, too.
    Raises NotFound for a missing model, InvalidInput for one that cannot be used, Unavailable where
    an extra is not installed.
    """
    if where is None or isinstance(where, str | Path):
        model = Model(named(where))
        model.facts  # noqa: B018 - a missing model is told at once
        return model
    return Model(engine=where)


def generate(
    prompt: str, *, seed: int = 0, settings: Settings | None = None, strict: bool = False
) -> Picture:
    """One image of a prompt by the shipped model: `Model.generate`."""
    return _here(None).generate(prompt, seed=seed, settings=settings, strict=strict)


def inpaint(
    source: Editable, *, mask: ArrayLike, strength: float = 1.0, **shared: Unpack[Shared]
) -> Picture:
    """A part of an image drawn anew by the shipped model: `Model.inpaint`."""
    return _here(None).inpaint(source, mask=mask, strength=strength, **shared)


def change(
    source: Editable,
    *,
    add: str | None = None,
    remove: str | None = None,
    severity: str | None = None,
    **more: Unpack[Placed],
) -> Picture:
    """A finding added, removed or graded by the shipped model: `Model.change`."""
    return _here(None).change(source, add=add, remove=remove, severity=severity, **more)


def _drawn_apart(choice: Choice, task: tuple[int, Plan, Request]) -> tuple[int, Picture]:
    number, planned, request = task
    return number, _here(choice)._drawn(planned, request)


@cache
def _here(choice: Choice) -> Model:
    """The model of this process, read once."""
    return Model(choice)
