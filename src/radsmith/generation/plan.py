"""From a prompt to an image with its provenance: plan once, make any number of images.

Knows no file format and no clock; `run` writes what is made here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from radsmith import __version__
from radsmith.engines.engine import Ask, Engine, ModelFacts
from radsmith.errors import InvalidInput
from radsmith.images.image import Image, Window
from radsmith.images.letterbox import SIDE
from radsmith.images.provenance import Generation, Request, Settings
from radsmith.language.contradiction import contradictions
from radsmith.language.foreign import only_english
from radsmith.language.places import by_hand, by_rule, can_place, on_sides, only_there, tells_site
from radsmith.language.prompt import USUAL_GRADE, Finding, Prompt, filled_in, in_context, render
from radsmith.language.reading import Reading, read_prompt
from radsmith.language.vocabulary import Vocabulary, default_vocabulary, speaking

LONGEST_STEM = 80
WEAK = 50
"""Concepts with fewer training images than this draw a warning."""
LIMBS = "parametric_limb"
"""The source of images that were made of shapes; other simulated ones are of CT volumes."""
_WINDOWS = {  # centre and width in HU
    "technique:soft-tissue-window": (40, 400),
    "technique:lung-window": (-600, 1500),
    "technique:bone-window": (500, 2000),
    "technique:brain-window": (40, 80),
    "technique:subdural-window": (75, 215),
    "technique:liver-window": (60, 160),
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A prompt as it will be drawn.

    concepts: ids the model is given.  not_understood: words left out.  warnings: for people.
    """

    text: str
    prompt: Prompt
    canonical: str
    concepts: tuple[str, ...]
    not_understood: tuple[str, ...]
    warnings: tuple[str, ...]

    def ask(self, seed: int, settings: Settings) -> Ask:
        """What an engine is asked for."""
        return Ask(
            concepts=self.concepts,
            absent=self.prompt.absent,
            prompt=self.prompt,
            seed=seed,
            settings=settings,
        )

    def to_fields(self) -> dict[str, Any]:
        """As JSON values, for a worker that is to draw what was planned."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Plan:
        """Read `to_fields`."""
        parts: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()
        }
        parts["prompt"] = Prompt.from_fields(fields["prompt"])
        return cls(**parts)

    @property
    def stem(self) -> str:
        """A file name of the canonical prompt, without extension."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.canonical.lower()).strip("-")
        if len(slug) <= LONGEST_STEM:
            return slug
        digest = hashlib.sha256(self.canonical.encode()).hexdigest()[:8]
        return f"{slug[: LONGEST_STEM - 9].strip('-')}-{digest}"


def plan(
    text: str,
    facts: ModelFacts,
    *,
    strict: bool = False,
    size: tuple[int, int] | None = None,
    vocabulary: Vocabulary | None = None,
) -> Plan:
    """Read a prompt and say what this model will make of it, at this (width, height).

    vocabulary: the words that are known, by default those in use.
    strict: words not understood, contradictions, concepts with fewer than WEAK training images and
    parts learned mostly of simulated ones raise InvalidInput instead of a warning. So do a prompt
    with nothing to draw and one in another language than English.
    """
    with speaking(vocabulary):
        return plan_of(read_prompt(text), facts, strict=strict, size=size)


def plan_of(
    reading: Reading,
    facts: ModelFacts,
    *,
    shown: Prompt | None = None,
    strict: bool = False,
    size: tuple[int, int] | None = None,
    adds: str | None = None,
    begun: bool = False,
) -> Plan:
    """As `plan`, of a prompt that was read.

    shown: what an image to be edited shows; it fills in the modality and body part that the
    prompt leaves open, and what the prompt says against it is a warning.  adds: of an edit, the
    finding that it puts into its mask, "" for none; None: nothing is edited.  begun: the edit
    begins from its pixels, which show what else there is.
    """
    text = reading.text
    if reading.language:
        raise InvalidInput(f"“{text[:80]}”: {only_english(reading.language)}")
    prompt = reading.prompt if shown is None else in_context(reading.prompt, shown)
    against = [] if shown is None else contradictions(reading.prompt, shown)
    prompt, notes = filled_in(prompt)
    concerns = [f"not understood: {unknown}" for unknown in reading.unknown]
    concerns += [*against, *reading.warnings, *_coverage(prompt, facts, adds if begun else None)]
    if strict and concerns:
        raise InvalidInput(f"strict mode refuses “{text}”: " + "; ".join(concerns))
    if not prompt.concepts:
        near = f" ({concerns[0]})" if concerns else ""
        raise InvalidInput(f"nothing to draw in “{text}”{near}: name a body part or modality")
    return Plan(
        text=text,
        prompt=prompt,
        canonical=render(prompt),
        concepts=_drawn(prompt, facts, adds),
        not_understood=tuple(u.word for u in reading.unknown),
        warnings=(
            *concerns,
            *notes,
            *(
                f"no grade of “{default_vocabulary()[f.concept].name}” was said; drawn as moderate"
                for f in _ungraded(prompt, facts, adds)
            ),
            *_by_rule(prompt, facts, adds, begun=begun),
            *facts.notes,
            *_beyond(size, prompt, facts),
        ),
    )


def make(engine: Engine, planned: Plan, request: Request, created: str) -> tuple[Image, Generation]:
    """One image and its record. created: ISO 8601 time."""
    pixels = engine.generate(planned.ask(request.seed, request.settings))
    longer = max(pixels.shape)
    window = next((w for c, w in _WINDOWS.items() if c in planned.concepts), None)
    ct = planned.prompt.modality == "modality:ct"
    side = field_of_view(planned.prompt)
    image = Image(
        pixels=pixels,
        spacing=(side / longer, side / longer) if side else None,
        window=Window(center=window[0], width=window[1]) if window and ct else None,
    )
    return image, record_of(engine, planned, request, image, "generate", created)


def record_of(
    engine: Engine,
    planned: Plan | None,
    request: Request,
    image: Image,
    operation: str,
    created: str,
) -> Generation:
    """The provenance of an image just made; planned: None where no prompt was given."""
    settings = request.settings
    width, height = image.size
    return Generation(
        radsmith_version=__version__,
        operation=operation,
        engine=engine.facts.engine,
        model=engine.facts.name,
        model_digest=engine.facts.digest,
        prompt=request.prompt,
        canonical_prompt=planned.canonical if planned else "",
        concepts=planned.concepts if planned else (),
        seed=request.seed,
        num_steps=settings.num_steps,
        guidance_scale=settings.guidance_scale,
        sampler=settings.sampler,
        width=width,
        height=height,
        created=created,
        pixels_sha256=image.digest(),
        not_understood=planned.not_understood if planned else (),
        warnings=planned.warnings if planned else (),
    )


def field_of_view(prompt: Prompt) -> float:
    """Nominal longer side in mm, 0 where the body part is not known; a child's is smaller."""
    if prompt.body_part is None:
        return 0.0
    whole = default_vocabulary()[prompt.body_part].field_of_view
    small = {"age_group:infant": 0.5, "age_group:newborn": 0.4, "age_group:child": 0.75}
    return whole * small.get(prompt.age_group or "", 1.0)


def _beyond(size: tuple[int, int] | None, prompt: Prompt, facts: ModelFacts) -> Iterator[str]:
    """What to know of images larger than any, or any of this kind, the model learned from."""
    side = facts.learned_side
    if size is None or side is None:
        return
    if max(size) > side:
        yield (
            f"the model learned from images of {side} pixels: its last stage draws what is finer at"
            f" {size[0]}x{size[1]}, and never saw such detail"
        )
    elif max(size) > SIDE and facts.large is not None:
        count = facts.large.get(f"{prompt.modality} {prompt.body_part}", 0)
        if count < WEAK:
            yield (
                f"{count or 'none'} of the images of this kind that the model learned from had so"
                f" many pixels: what is finer at {size[0]}x{size[1]} is drawn as in other kinds"
            )


def _drawn(prompt: Prompt, facts: ModelFacts, adds: str | None) -> tuple[str, ...]:
    """Concepts the model can use: a severity only where it was learned with the finding, and where
    none is said of one that was never learned without, `USUAL_GRADE`."""
    findings = [c for c in prompt.concepts if c.startswith("finding:")]
    kept = tuple(
        c
        for c in prompt.concepts
        if not c.startswith("severity:") or any(facts.count(f, c) != 0 for f in findings)
    )
    return (*kept, USUAL_GRADE) if _ungraded(prompt, facts, adds) else kept


def _ungraded(prompt: Prompt, facts: ModelFacts, adds: str | None) -> list[Finding]:
    """Findings without a severity that the model learned in grades alone; none where a severity of
    another is said, which the model could not tell apart.  adds: of an edit, the one it adds:
    others are there in their grade."""
    present = [f for f in prompt.findings if f.present]
    if facts.together is None or any(f.severity for f in present):
        return []
    grades = [c.id for c in default_vocabulary().concepts.values() if c.kind == "severity"]
    return [
        f
        for f in present
        if adds in (None, f.concept)
        and facts.count(f.concept, USUAL_GRADE)
        and sum(facts.count(f.concept, grade) or 0 for grade in grades)
        >= (facts.count(f.concept) or 0)
    ]


def _coverage(prompt: Prompt, facts: ModelFacts, adds: str | None) -> Iterator[str]:
    """What the model never learned, saw too rarely, or cannot place; nothing where nobody knows.

    adds: of an edit that begins from its pixels, the one finding that a rule may draw there.
    """
    if facts.images is None or facts.together is None:
        return
    vocabulary = default_vocabulary()
    told: set[str] = set()
    learned: str | None = None
    present = [f for f in prompt.findings if f.present]
    said = [prompt.modality, prompt.body_part, *prompt.views, *prompt.techniques]
    said += [*(f.concept for f in present), prompt.age_group, prompt.sex]
    for concept in (c for c in said if c is not None):
        count = facts.images.get(concept, 0)
        name = vocabulary[concept].name
        kind = vocabulary[concept].kind
        broader = [b for b in vocabulary[concept].broader if vocabulary[b].kind == kind]
        broader = [b for b in broader if facts.images.get(b, 0) >= WEAK]
        if count == 0 and broader:
            yield f"“{name}” was never learned; drawn as {vocabulary[broader[0]].name}"
        elif count < WEAK:
            yield _weak(name, count)
        if count < WEAK:
            told.add(concept)
    if prompt.body_part and prompt.modality and not {prompt.body_part, prompt.modality} & told:
        count = facts.together.get(f"{prompt.modality} {prompt.body_part}", 0)
        if count >= WEAK:
            learned = prompt.modality
        else:
            part, modality = vocabulary[prompt.body_part], vocabulary[prompt.modality]
            yield _weak(f"{part.name} {modality.name}", count)
    yield from simulated_notes(prompt, facts)
    for finding in present:
        known = {prompt.body_part, finding.concept} & told or (
            adds in (None, finding.concept) and only_there(prompt, finding)
        )
        if prompt.body_part and not known:
            where = vocabulary[prompt.body_part].name
            among, ids = f"of the {where}", [prompt.body_part]
            if learned:
                among, ids = f"in {where} {vocabulary[learned].name}", [learned, *ids]
            count = facts.count(*ids, finding.concept) or 0
            if count < WEAK:
                yield _weak(f"{vocabulary[finding.concept].name} {among}", count)
    for finding in present:
        yield from _placed(prompt, finding, facts)


def simulated_notes(prompt: Prompt, facts: ModelFacts) -> Iterator[str]:
    """What no machine ever took of this modality and body part, where it is most of what was
    learned."""
    vocabulary, modality, part = default_vocabulary(), prompt.modality, prompt.body_part
    if modality is None or part is None:
        return
    sources = facts.simulated.get(f"{modality} {part}", {})
    count = facts.count(modality, part) or 0
    if 2 * sum(images for images, _ in sources.values()) <= count:
        return
    name = f"{vocabulary[part].name} {vocabulary[modality].name}"
    for source, (images, patients) in sources.items():
        if not images:
            continue
        if source == LIMBS:
            yield (
                f"“{name}”: {images} of {count} training images were made of shapes of sampled"
                " measures, not taken: a sketch of the anatomy, no evidence of it"
            )
        else:
            yield (
                f"“{name}”: {images} of {count} training images were projected from CT"
                f" {'volumes' if patients > 1 else 'volume'} of {patients}"
                f" {'people' if patients > 1 else 'person'}: expect the same anatomy again"
            )


def _placed(prompt: Prompt, finding: Finding, facts: ModelFacts) -> Iterator[str]:
    name = default_vocabulary()[finding.concept].name
    rule = by_rule(prompt, finding)
    there = can_place(prompt, finding) or len(on_sides(prompt, finding, rule, None)) > 1
    if (finding.side or finding.sites) and not there:
        yield f"the model does not place “{name}” here: where it lies is recorded, not drawn"
    elif finding.sites and rule and not tells_site(prompt, finding):
        yield f"“{name}” is drawn on its side; its site is recorded, not drawn"
    if finding.severity and not facts.count(finding.concept, finding.severity):
        yield f"the model does not grade “{name}”: its severity is recorded, not drawn"


def _by_rule(prompt: Prompt, facts: ModelFacts, adds: str | None, *, begun: bool) -> Iterator[str]:
    """Findings that are put in by hand, whatever was learned. adds, begun: as `plan_of` has it."""
    drawn = by_hand(prompt)
    if facts.images is None or drawn is None:
        return
    for finding in prompt.findings:
        rule, placed = by_rule(prompt, finding), can_place(prompt, finding)
        if rule is None or not (begun or rule.share):
            continue
        edited = adds is not None and finding.concept != adds
        if edited and (begun or not (placed or rule.alone)):
            continue
        where = "a usual place" if adds is None else "the place to be changed"
        yield (
            f"“{default_vocabulary()[finding.concept].name}” is drawn by rule, as {drawn.look} at"
            f" {'the place named' if placed else where}: not learned"
        )


def _weak(name: str, count: int) -> str:
    if count == 0:
        return f"“{name}” was never learned; expect something else"
    return f"“{name}”: {count} training images; expect poor results"
