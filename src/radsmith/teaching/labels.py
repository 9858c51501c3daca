"""What a prompt and a model say of an image, in the words of questions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from radsmith.engines.engine import ModelFacts
from radsmith.errors import InvalidInput
from radsmith.generation.plan import WEAK
from radsmith.language.places import only_there
from radsmith.language.prompt import NORMAL as NORMAL_ID
from radsmith.language.prompt import Finding, Prompt
from radsmith.language.reading import read_prompt
from radsmith.language.report import SEVERITIES
from radsmith.language.vocabulary import default_vocabulary
from radsmith.teaching.compose import NORMAL

NO_TRIAL = "No trial of learning radiology from synthetic images exists yet."
EVIDENCE = (
    "Where a generator had seen few patients, learners improved on 6 of 25 images of a rare tumour"
    " after training on generated images, against 24 of 25 after lectures (eyelid photographs, 55"
    " learners, randomised: Scientific Reports 2024, doi 10.1038/s41598-024-80732-4)."
)
_LEFT, _RIGHT = "side:left", "side:right"


@dataclass(frozen=True, kw_only=True)
class Class:
    """What is taught, by name, and from how many training images it was learned; None: unknown."""

    name: str
    images: int | None

    @property
    def weak(self) -> bool:
        """Whether it deserves a warning: few images, or nobody knows how many."""
        return self.images is None or self.images < WEAK

    @property
    def warning(self) -> str:
        """One sentence; "" for a class of many images."""
        if not self.weak:
            return ""
        if self.images is None:
            return f"“{self.name}”: nobody knows from how many training images."
        return f"“{self.name}”: learned from {self.images} training images."


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a prompt says, as `compose.Labelled` has it; classes: of what a model drew.

    placed: whether a model of radsmith draws the finding on its side, by rule.
    """

    group: str = ""
    findings: tuple[str, ...] = ()
    implied: tuple[str, ...] = ()
    side: str = ""
    severity: float | None = None
    grade: str = ""
    classes: tuple[Class, ...] = ()
    placed: bool = False


def words_of(text: str, facts: ModelFacts | None, *, synthetic: bool) -> Words:
    """What an image's prompt says of it; nothing where it is not understood.

    facts: of the model that drew it, None where that is not known.
    """
    try:
        prompt = read_prompt(text).prompt if text else None
    except InvalidInput:
        prompt = None
    if prompt is None:
        return Words()
    vocabulary = default_vocabulary()
    present = [f for f in prompt.findings if f.present]
    main = present[0] if present else None
    side = {_LEFT: "left", _RIGHT: "right"}.get((main.side if main else None) or "", "")
    severity = main.severity if main else None
    return Words(
        group=group_of(prompt),
        findings=tuple(name_of(f) for f in present),
        implied=_argued([f.concept for f in present], prompt),
        side=side,
        severity=None if severity is None else float(SEVERITIES.index(severity)),
        grade=vocabulary[severity].name if severity else "",
        classes=tuple(_classes(prompt, present, facts)) if synthetic else (),
        placed=main is not None and only_there(prompt, main),
    )


def group_of(prompt: Prompt) -> str:
    """Such as "chest x-ray"."""
    vocabulary = default_vocabulary()
    return " ".join(vocabulary[c].name for c in (prompt.body_part, prompt.modality) if c)


def name_of(finding: Finding) -> str:
    """A finding's name; NORMAL for none."""
    return NORMAL if finding.concept == NORMAL_ID else default_vocabulary()[finding.concept].name


def _argued(concepts: Sequence[str], prompt: Prompt) -> tuple[str, ...]:
    """Names of findings that these imply, or that imply these."""
    vocabulary = default_vocabulary()
    implied = set(vocabulary.implied(concepts))
    wider = [c.id for c in vocabulary.concepts.values() if set(c.broader) & set(concepts)]
    absent = {f.concept for f in prompt.findings if not f.present}
    wider += [c for c in implied if c.startswith("finding:")]
    return tuple(sorted({vocabulary[c].name for c in {*wider} - absent - {NORMAL_ID}}))


def _classes(
    prompt: Prompt, present: Iterable[Finding], facts: ModelFacts | None
) -> Iterable[Class]:
    part = prompt.body_part
    for finding in present:
        name = name_of(finding)
        count = None if facts is None else facts.count(finding.concept)
        if part:
            name = f"{name} ({group_of(prompt)})"
            if facts is not None and count is not None:
                count = facts.count(*filter(None, (prompt.modality, part)), finding.concept)
        yield Class(name=name, images=count)
    if not prompt.findings:
        kinds = [c for c in (part, prompt.modality) if c]
        count = None if facts is None or not kinds else min(facts.count(c) or 0 for c in kinds)
        unknown = facts is None or facts.images is None
        yield Class(name=group_of(prompt), images=None if unknown else count)


def graded(text: str, facts: ModelFacts) -> str:
    """Why the model cannot draw this prompt's finding by severity; "" where it learned that."""
    prompt = read_prompt(text).prompt
    present = [f for f in prompt.findings if f.present and f.concept != NORMAL_ID]
    if not present:
        return f"“{text}” names no finding to be graded"
    finding = present[0]
    if facts.together is None:
        return f"nobody knows whether the model learned how severe “{name_of(finding)}” is"
    if len(learned_grades(finding.concept, facts)) < 2:
        return f"the model did not learn how severe “{name_of(finding)}” is: no slider, no order"
    return ""


def learned_grades(concept: str, facts: ModelFacts) -> list[str]:
    """The severities that were learned with a finding, rising."""
    return [s for s in SEVERITIES if facts.together and facts.together.get(f"{concept} {s}")]


def learned_findings(facts: ModelFacts) -> Mapping[str, Sequence[str]]:
    """Findings by group, such as "chest x-ray", the most frequent first, without devices' like.

    Empty where nobody knows what the model learned.
    """
    vocabulary = default_vocabulary()
    found: dict[str, list[tuple[int, str]]] = {}
    for key in facts.together or {}:
        part, _, concept = key.partition(" ")
        if part.startswith("body_part:") and concept.startswith("finding:"):
            name = NORMAL if concept == NORMAL_ID else vocabulary[concept].name
            for modality in (
                "modality:x-ray",
                "modality:ct",
                "modality:mri",
                "modality:ultrasound",
            ):
                count = facts.count(modality, part, concept) or 0
                if count >= WEAK:
                    group = f"{vocabulary[part].name} {vocabulary[modality].name}"
                    found.setdefault(group, []).append((count, name))
    return {group: [name for _, name in sorted(of, reverse=True)] for group, of in found.items()}
