"""An edit as it is asked for, by command, page, route or program alike.

`EditRequest` is what people ask, `plan_edit` reads and plans it once, and `EditPlan.perform` is the
one place that says which operation is which function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from radsmith.editing.body_map import ellipse_of
from radsmith.editing.extend import extend
from radsmith.editing.operations import (
    Edited,
    Margins,
    Source,
    Task,
    between,
    change,
    inpaint,
    outpaint,
    vary,
)
from radsmith.editing.source import Levels
from radsmith.editing.wording import changed_prompt, edit_plan, understood
from radsmith.engines.engine import Engine, ModelFacts
from radsmith.errors import InvalidInput
from radsmith.generation.plan import Plan
from radsmith.images.image import Mask
from radsmith.images.lungs import find_lungs
from radsmith.images.provenance import Request, Settings
from radsmith.language.places import by_rule, in_ct, rule_of, shows_lungs
from radsmith.language.prompt import Prompt

OPERATIONS: Final = ("inpaint", "outpaint", "vary", "change", "interpolate", "extend")
STRENGTH: Final = {"vary": 0.5, "change": 0.85, "interpolate": 0.6}
"""How freely pixels are redrawn where nothing is said; the other operations draw anew."""

NO_LUNGS = (
    "no lungs were found in the picture: the region is where the finding usually lies; give a mask"
    " or box where that is elsewhere"
)


@dataclass(frozen=True, kw_only=True)
class FindingChange:
    """A finding to add ("FINDING@SITE"), to remove, or to grade as mild, moderate or severe."""

    add: str | None = None
    remove: str | None = None
    severity: str | None = None


@dataclass(frozen=True, kw_only=True)
class EditRequest:
    """One image to be made of another.

    operation: of OPERATIONS.  prompt: what it is to show; without one as its file says.
    strict: refuse what was weakly learned or not understood; of "extend", leave it black.
    mask: (height, width), True = drawn; None for all of it or, of "change", for the usual place of
    the finding.  strength: above 0 to 1, None for the operation's own.  margins: of "outpaint".
    finding: of "change".  target: of "extend".  other, share: of "interpolate", the image to go to
    and how far, 0-1.  label: of "change", the finding's name, and adds: its concept
    where it is added; notes: how its place was found; which `worded` fills in.
    """

    operation: str
    prompt: str = ""
    seed: int = 0
    settings: Settings = field(default_factory=Settings)
    strict: bool = False
    mask: Mask | None = None
    strength: float | None = None
    margins: Margins | None = None
    finding: FindingChange | None = None
    target: str = "body"
    other: Source | None = None
    share: float = 0.5
    label: str = ""
    adds: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise InvalidInput(f"an edit is one of {', '.join(OPERATIONS)}, got {self.operation!r}")
        if self.operation == "outpaint" and self.margins is None:
            raise InvalidInput("to outpaint, say by how many pixels on which sides")
        if self.operation == "interpolate" and self.other is None:
            raise InvalidInput("to interpolate, give the image to go to")

    @property
    def freely(self) -> float:
        """How freely pixels are redrawn: as asked, or as this operation usually does."""
        return STRENGTH.get(self.operation, 1.0) if self.strength is None else self.strength

    def worded(self, source: Source) -> EditRequest:
        """With the whole prompt, place and label of a finding that is changed.

        Raises InvalidInput for a finding that is not known or a prompt that is not understood.
        """
        if self.finding is None:
            return self
        words = understood(self.prompt) or source.words
        finding = self.finding
        wanted = changed_prompt(words, finding.add, finding.remove, finding.severity)
        mask, notes = self.mask, self.notes
        if mask is None:
            removed, lungs = finding.add is None, None  # one that is graded lies anywhere, too
            if shows_lungs(wanted.prompt):
                levels = Levels.of(source, np.ones(source.shape, np.bool_))
                picture = levels.intensity(source.image.pixels)
                lungs = find_lungs(picture, ct=in_ct(wanted.prompt))
                of_lungs = rule_of(wanted.prompt, replace(wanted.finding, present=True))
                notes += (NO_LUNGS,) if of_lungs and not lungs else ()
            mask = ellipse_of(
                wanted.prompt, wanted.finding, source.shape, removed=removed, lungs=lungs
            )
        adds = wanted.finding.concept if finding.add is not None else ""
        return replace(
            self,
            prompt=wanted.text,
            mask=mask,
            label=wanted.label,
            adds=adds,
            notes=notes,
            finding=None,
        )


@dataclass(frozen=True, kw_only=True)
class EditPlan:
    """An edit that is read and planned. request: its prompt is the one that is recorded.

    planned: None where neither prompt nor file says anything: the image goes by its pixels.
    """

    request: EditRequest
    planned: Plan | None

    def varied(self, *, seed: int | None = None, share: float | None = None) -> EditPlan:
        """The same edit drawn with another seed, or at another share of the way."""
        asked = self.request
        return replace(
            self,
            request=replace(
                asked,
                seed=asked.seed if seed is None else seed,
                share=asked.share if share is None else share,
            ),
        )

    def perform(
        self,
        source: Source,
        engine: Engine,
        created: str,
        progress: Callable[[str], None] = lambda name: None,
    ) -> Edited:
        """The edited image. created: ISO 8601 time; progress: told each part of "extend".

        Raises InvalidInput for a mask of another size, a strength outside 0-1, too large a canvas.
        """
        asked = self.request
        task = Task(
            engine=engine,
            planned=self.planned,
            request=Request(prompt=asked.prompt, seed=asked.seed, settings=asked.settings),
            created=created,
            adds=asked.adds,
        )
        strength = asked.freely
        if asked.margins is not None and asked.operation == "outpaint":
            return outpaint(source, asked.margins, task)
        if asked.other is not None and asked.operation == "interpolate":
            return between(source, asked.other, asked.share, task, strength)
        if asked.operation == "extend":
            shown = self.planned.prompt if self.planned else Prompt()
            return extend(source, shown, asked.target, task, strict=asked.strict, progress=progress)
        mask = np.ones(source.shape, np.bool_) if asked.mask is None else asked.mask
        if asked.operation == "vary":
            return vary(source, strength, task, mask)
        return (change if asked.operation == "change" else inpaint)(source, mask, task, strength)


def plan_edit(request: EditRequest, source: Source, facts: ModelFacts) -> EditPlan:
    """The edit as this model will make it, of this image.

    Raises InvalidInput as `generation.plan.plan` does, and as `EditRequest.worded`.
    """
    asked = request.worded(source)
    strict = asked.strict and asked.operation != "extend"
    text, planned = edit_plan(
        asked.prompt,
        source.words,
        facts,
        strict=strict,
        adds=asked.adds,
        begun=asked.freely < 1,
    )
    strength = asked.strength
    if planned is not None:
        planned = replace(planned, warnings=(*planned.warnings, *asked.notes))
        if strength is None and facts.images is not None:  # else nothing is drawn by rule
            added = (f for f in planned.prompt.findings if f.concept == asked.adds)
            rules = (by_rule(planned.prompt, finding) for finding in added)
            strength = next((rule.strength for rule in rules if rule), None)
    return EditPlan(request=replace(asked, prompt=text, strength=strength), planned=planned)
