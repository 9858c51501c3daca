"""What people write for an edit: margins, findings to add or remove, incomplete prompts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from radsmith.editing.operations import LARGEST_CANVAS, Margins, Source
from radsmith.engines.engine import ModelFacts
from radsmith.errors import InvalidInput
from radsmith.generation.plan import Plan, plan_of
from radsmith.language.foreign import only_english
from radsmith.language.prompt import NORMAL, Finding, Prompt, filled_in, in_context, render, settled
from radsmith.language.reading import read_prompt
from radsmith.language.vocabulary import default_vocabulary

_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(px|mm)?\s*")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A finding to change. text: the whole prompt; label: what the mask marks."""

    prompt: Prompt
    finding: Finding
    text: str
    label: str


def margins_of(source: Source, sides: tuple[str, str, str, str], canvas: str | None) -> Margins:
    """Margins from left, right, top, bottom ("40", "40px", "30mm"), or from "WIDTHxHEIGHT".

    Raises InvalidInput for other text, millimetres without a pixel spacing, a canvas too small.
    """
    height, width = source.shape
    if canvas is not None and any(side != "0" for side in sides):
        raise InvalidInput(f"give --canvas {canvas} or sides, not both")
    if canvas is None and all(side == "0" for side in sides):
        raise InvalidInput(
            "say how far: --left, --right, --top or --bottom in pixels or mm, or --canvas"
            " WIDTHxHEIGHT"
        )
    if canvas is not None:
        try:
            wide, high = (int(part) for part in canvas.lower().split("x"))
        except ValueError:
            raise InvalidInput(f"a canvas is WIDTHxHEIGHT in pixels, got {canvas!r}") from None
        if wide < width or high < height:
            raise InvalidInput(f"the canvas {canvas} is smaller than the image {width}x{height}")
        left, top = (wide - width) // 2, (high - height) // 2
        return Margins(left=left, right=wide - width - left, top=top, bottom=high - height - top)
    spacing = source.image.spacing
    found = []
    for number, text in enumerate(sides):
        match = _LENGTH.fullmatch(text)
        if match is None:
            raise InvalidInput(
                f"a margin is pixels or millimetres such as 40 or 30mm, got {text!r}"
            )
        length = float(match[1])
        if length > LARGEST_CANVAS:
            raise InvalidInput(f"a margin of {text[:40]} is larger than any canvas")
        if match[2] == "mm":
            if spacing is None:
                raise InvalidInput("the image has no pixel spacing: give margins in pixels")
            length /= spacing[1] if number < 2 else spacing[0]
        found.append(round(length))
    return Margins(left=found[0], right=found[1], top=found[2], bottom=found[3])


def edit_plan(
    prompt: str,
    words: str,
    facts: ModelFacts,
    *,
    strict: bool = False,
    adds: str = "",
    begun: bool = False,
) -> tuple[str, Plan | None]:
    """The prompt of an edit and its reading; None where neither prompt nor file says anything.

    words: what the file says it shows; it fills in modality and body part the prompt leaves open,
    and what the prompt says against it is a warning of the plan.  adds: concept of a finding that
    is put into the mask.  begun: the edit begins from its pixels.
    """
    text = prompt.strip() or words
    if not text:
        return "", None
    reading = read_prompt(text)
    shown = read_prompt(words).prompt if prompt.strip() and words else None
    planned = plan_of(reading, facts, shown=shown, strict=strict, adds=adds, begun=begun)
    if shown is not None and in_context(reading.prompt, shown) != reading.prompt:
        text = render(in_context(reading.prompt, shown))
    return text, planned


def understood(prompt: str) -> str:
    """The prompt of a change as it is. Raises InvalidInput where a word of it is not understood:
    of such a prompt only what was understood would go on."""
    reading = read_prompt(prompt) if prompt.strip() else None
    if reading is not None and reading.language:
        raise InvalidInput(f"“{prompt[:80]}”: {only_english(reading.language)}")
    if reading is not None and reading.unknown:
        near = "; ".join(map(str, reading.unknown))
        raise InvalidInput(f"not understood in “{prompt}”: {near}")
    return prompt.strip()


def changed_prompt(words: str, add: str | None, remove: str | None, severity: str | None) -> Wanted:
    """The prompt `words` with a finding added ("FINDING@SITE"), removed or graded.

    Raises InvalidInput where not one of add and remove is given, or the finding is not known.
    """
    if add is not None and remove is not None:
        raise InvalidInput("add or remove one finding at a time")
    shown = filled_in(read_prompt(words).prompt)[0] if words else Prompt()
    named = add if add is not None else remove
    if named is None:
        if severity is None:
            raise InvalidInput("say what to change: --add FINDING, --remove FINDING or --severity")
        if not any(f.present for f in shown.findings):
            raise InvalidInput(
                f"--severity {severity} grades a finding, and none is named: add --add FINDING, or"
                " say in --prompt what the image shows"
            )
        named = default_vocabulary()[next(f for f in shown.findings if f.present).concept].name
    if remove is not None and severity is not None:
        raise InvalidInput("a finding that is removed has no severity: drop one of the two")
    finding = _finding(named, severity, shown)
    context = [c for c in (shown.body_part, shown.modality) if c]
    meant = default_vocabulary().resolve(finding.concept, context)
    finding = replace(finding, concept=meant)
    same = next((f for f in shown.findings if f.concept == finding.concept and f.present), None)
    if same is not None:  # what is not said anew stays as the image has it
        finding = replace(
            same,
            side=finding.side or same.side,
            sites=finding.sites or same.sites,
            severity=finding.severity or same.severity,
        )
    kept = [f for f in shown.findings if f.concept not in (finding.concept, NORMAL)]
    if remove is not None:
        absent = Finding(concept=finding.concept, present=False)
        rest = [f for f in kept if f.present]
        kept += [absent] if rest else [Finding(concept=NORMAL), absent]
    else:
        kept.append(finding)
    prompt, _ = filled_in(settled(vars(shown) | {"findings": kept, "age_years": None, "age": None}))
    vocabulary = default_vocabulary()
    name = vocabulary[finding.concept].name
    return Wanted(prompt=prompt, finding=finding, text=render(prompt), label=name)


def _finding(named: str, severity: str | None, shown: Prompt) -> Finding:
    """The finding that words name on an image that shows `shown`: "in the right lung" is a place in
    a chest, and by itself the lung of a right side."""
    what, _, site = named.partition("@")
    if not what.strip():
        raise InvalidInput(f"“{named}” names no finding: give one, such as pneumonia")
    text = " ".join(p for p in (severity or "", what, f"in the {site}" if site else "") if p)
    if shown.body_part and shown.modality:
        text = f"{render(Prompt(body_part=shown.body_part, modality=shown.modality))}, {text}"
    reading = read_prompt(text)
    found = [f for f in reading.prompt.findings if f.concept != NORMAL]
    near = "; ".join(map(str, reading.unknown))
    if found and near:
        raise InvalidInput(f"not understood in “{named}”: {near}")
    if found and not found[0].present:
        raise InvalidInput(f"“{what}” denies a finding: name it alone, with --remove")
    if not found:
        raise InvalidInput(f"“{named}” is no finding radsmith knows{f' ({near})' if near else ''}")
    return found[0]
