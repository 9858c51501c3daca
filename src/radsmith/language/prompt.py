"""What is asked for, as concepts; and its canonical sentence.

`reading.py` turns free text into a `Prompt`; `render` turns it back:
read_prompt(render(p)).prompt == p.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from radsmith.errors import InvalidInput
from radsmith.language.vocabulary import default_vocabulary

NORMAL = "finding:normal"
NOT_ABNORMAL = frozenset(
    (NORMAL, "finding:first-trimester", "finding:second-trimester", "finding:third-trimester")
)
USUAL_GRADE = "severity:moderate"
"""That of a finding whose grade is not said, where a model learned no other than graded ones."""
OLDEST = 120
NEWBORN_DAYS = 28
WHOLE_YEARS = 3
"""From this age on months do not count."""


def is_abnormal(concept: str) -> bool:
    """Whether the id is of a finding that a normal image lacks."""
    return concept.startswith("finding:") and concept not in NOT_ABNORMAL


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """A finding that is present, or said to be absent. All members are concept ids or None.

    sites: where in the body part; ids of kind "site" or "body_part", sorted.
    """

    concept: str
    present: bool = True
    side: str | None = None
    sites: tuple[str, ...] = ()
    severity: str | None = None

    def __post_init__(self) -> None:
        _check_kind(self.concept, "finding")
        _check_kind(self.side, "side")
        _check_kind(self.severity, "severity")
        for site in self.sites:
            _check_kind(site, "site", "body_part")
        object.__setattr__(self, "sites", tuple(sorted(set(self.sites))))
        plain = self.present and not (self.side or self.sites or self.severity)
        if self.concept == NORMAL and not plain:
            raise InvalidInput("'normal' can be neither absent nor graded nor placed")


@dataclass(frozen=True, kw_only=True)
class Age:
    """An age as it is said. unit: "year", "month", "week" or "day"; number: of whole units."""

    number: int
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in _DAYS or not 0 <= self.days <= (OLDEST + 1) * _DAYS["year"]:
            raise InvalidInput(f"an age is 0-{OLDEST} years, got {self.number} {self.unit}s")

    @classmethod
    def of(cls, number: float, unit: str) -> Age:
        """Halves as whole smaller units where they are that, whole years from three on."""
        if unit == "year" and number * 12 == int(number * 12) != 12 * int(number):
            number, unit = number * 12, "month"
        if unit != "year" and number * _DAYS[unit] >= WHOLE_YEARS * _DAYS["year"]:
            number, unit = number * _DAYS[unit] / _DAYS["year"] + 1e-6, "year"
        return cls(number=int(number), unit=unit)

    @property
    def days(self) -> float:
        """About so many days."""
        return self.number * _DAYS[self.unit]

    @property
    def years(self) -> int:
        """Whole years."""
        return int(self.days / _DAYS["year"] + 1e-6)


_DAYS = {"year": 365.25, "month": 365.25 / 12, "week": 7.0, "day": 1.0}


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One image asked for, as concept ids; None or empty where the words are silent.

    side: of a paired body part; its findings then have none.  age_years: 0-120; the age group
    follows from it.  age: in months, weeks or days, where it is said so; age_years follows from it.
    Views, techniques and findings are kept sorted and without repeats.
    Raises InvalidInput for ids of the wrong kind and for combinations without one reading.
    """

    modality: str | None = None
    body_part: str | None = None
    side: str | None = None
    views: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    age_group: str | None = None
    age_years: int | None = None
    age: Age | None = None
    sex: str | None = None
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        _check_kind(self.modality, "modality")
        _check_kind(self.body_part, "body_part")
        _check_kind(self.side, "side")
        _check_kind(self.age_group, "age_group")
        _check_kind(self.sex, "sex")
        for view in self.views:
            _check_kind(view, "view")
        for technique in self.techniques:
            _check_kind(technique, "technique")
        object.__setattr__(self, "views", tuple(sorted(set(self.views))))
        object.__setattr__(self, "techniques", tuple(sorted(set(self.techniques))))
        ordered = sorted(self.findings, key=lambda f: (not f.present, f.concept))
        object.__setattr__(self, "findings", tuple(ordered))
        self._check_age()
        self._check_places()
        self._check_findings()

    def _check_age(self) -> None:
        if self.age is not None:
            object.__setattr__(self, "age_years", self.age.years)
            if self.age.unit == "year" or self.age.years >= WHOLE_YEARS:
                object.__setattr__(self, "age", None)
        if self.age_years is None:
            return
        if not 0 <= self.age_years <= OLDEST:
            raise InvalidInput(f"age must be 0-{OLDEST} years, got {self.age_years}")
        newborn = self.age is not None and self.age.days < NEWBORN_DAYS
        group = "age_group:newborn" if newborn else group_of_age(self.age_years)
        object.__setattr__(self, "age_group", group)

    def _check_places(self) -> None:
        paired = self.paired
        if self.side and not paired:
            raise InvalidInput(f"{self.body_part} has no side; give the finding's side instead")
        for finding in self.findings:
            if finding.side and paired:
                raise InvalidInput(f"give the side of {self.body_part}, not of {finding.concept}")
            parts = [s for s in finding.sites if s.startswith("body_part:")]
            if parts and (self.body_part is None or self.body_part in parts):
                raise InvalidInput(f"{finding.concept} at {parts} needs another body part shown")

    def _check_findings(self) -> None:
        names = [f.concept for f in self.findings]
        if len(set(names)) < len(names):
            raise InvalidInput("a finding may be named only once")
        present = {f.concept for f in self.findings if f.present}
        if NORMAL in present and not present <= NOT_ABNORMAL:
            raise InvalidInput("'normal' contradicts the other findings")
        vocabulary = default_vocabulary()
        context = [c for c in (self.body_part, self.modality) if c]
        parts = (self.body_part,) if self.body_part else ()
        for concept in (*parts, *names, *self.views, *self.techniques):
            meant = vocabulary.resolve(concept, context)
            if meant != concept:
                raise InvalidInput(f"with {' and '.join(context)}, {concept} means {meant}")

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Prompt:
        """Read what `dataclasses.asdict` gives, also where it went through JSON."""
        age = fields["age"]
        parts = dict(fields) | {"age": Age(**age) if age else None}
        parts["findings"] = tuple(Finding(**finding) for finding in fields["findings"])
        return cls(**parts)

    @property
    def paired(self) -> bool:
        """Whether the body part has a left and a right."""
        return self.body_part is not None and default_vocabulary()[self.body_part].paired

    @property
    def age_in_words(self) -> str:
        """Such as "45 years" or "6 months"; empty where no age is said."""
        if self.age is not None:
            return f"{self.age.number} {self.age.unit}{'' if self.age.number == 1 else 's'}"
        return "" if self.age_years is None else f"{self.age_years} years"

    @property
    def concepts(self) -> tuple[str, ...]:
        """Ids to draw, implied ones included; never one of an absent finding."""
        present = [f for f in self.findings if f.present]
        said = [self.modality, self.body_part, *self.views, *self.techniques]
        said += [f.concept for f in present]
        said += [f.severity for f in present]
        said += [self.age_group, self.sex, self.side]
        absent = {f.concept for f in self.findings if not f.present}
        found = default_vocabulary().implied(dict.fromkeys(c for c in said if c))
        return tuple(c for c in found if c not in absent)

    @property
    def absent(self) -> tuple[str, ...]:
        """Ids of findings said to be absent."""
        return tuple(f.concept for f in self.findings if not f.present)


def group_of_age(years: int) -> str:
    """infant below 2 years, child below 12, adolescent below 18, older adult from 65 on."""
    for limit, group in ((2, "infant"), (12, "child"), (18, "adolescent"), (65, "adult")):
        if years < limit:
            return f"age_group:{group}"
    return "age_group:older-adult"


def render(prompt: Prompt) -> str:
    """The canonical sentence; empty for an empty prompt."""
    head = _words((prompt.side, prompt.body_part, prompt.modality))
    clauses = [head, *(_words((c,)) for c in (*prompt.views, *prompt.techniques))]
    if prompt.age is not None:
        clauses.append(f"{prompt.age.number}-{prompt.age.unit}-old")
    elif prompt.age_years is not None:
        clauses.append(f"{prompt.age_years}-year-old")
    else:
        clauses.append(_words((prompt.age_group,)))
    clauses.append(_words((prompt.sex,)))
    clauses += [render_finding(finding) for finding in prompt.findings]
    return ", ".join(clause for clause in clauses if clause)


def render_finding(finding: Finding) -> str:
    """Such as "moderate right pleural effusion in the lower lobe" or "no pneumothorax"."""
    words = _words((finding.severity, finding.side, finding.concept))
    places = "".join(f" in the {_words((site,))}" for site in finding.sites)
    return ("" if finding.present else "no ") + words + places


def filled_in(prompt: Prompt) -> tuple[Prompt, tuple[str, ...]]:
    """The prompt with modality and body part filled in from the rest, and notes that say so.

    Nothing is filled in where the rest does not tell.
    """
    vocabulary = default_vocabulary()
    notes = []
    present = [vocabulary[f.concept] for f in prompt.findings if f.present]
    if prompt.body_part is None:
        part = next((f.body_parts[0] for f in present if f.body_parts), None)
        if part:
            prompt = settled(vars(prompt) | {"body_part": f"body_part:{part}"})
            notes.append(f"no body part was named; taken to be: {part}")
    if prompt.modality is None:
        only = [vocabulary[c].modalities for c in (*prompt.techniques, *prompt.views)]
        usual = vocabulary[prompt.body_part].modality if prompt.body_part else ""
        modality = next((m[0] for m in only if len(m) == 1), usual)
        if modality:
            prompt = settled(vars(prompt) | {"modality": f"modality:{modality}"})
            notes.append(f"no modality was named; taken to be: {modality}")
    return prompt, tuple(notes)


def in_context(asked: Prompt, shown: Prompt) -> Prompt:
    """The prompt with the modality and body part of what is shown, where it names none."""
    if asked.modality is not None and asked.body_part is not None:
        return asked
    return settled(
        vars(asked)
        | {
            "modality": asked.modality or shown.modality,
            "body_part": asked.body_part or shown.body_part,
        }
    )


def settled(fields: Mapping[str, Any]) -> Prompt:
    """A Prompt from fields that need not agree yet.

    Every concept is read next to the body part and modality ("effusion" of a knee), a paired body
    part takes over its findings' sides, and of findings that become the same the first is kept.
    """
    vocabulary = default_vocabulary()
    part, modality = fields.get("body_part"), fields.get("modality")
    if part and modality:
        part = vocabulary.resolve(part, [modality])
    context = [str(c) for c in (part, modality) if c]
    paired = part is not None and vocabulary[part].paired
    sides = {s for s in (fields.get("side"), *(f.side for f in fields["findings"])) if s}
    findings: dict[str, Finding] = {}
    for finding in fields["findings"]:
        meant = vocabulary.resolve(finding.concept, context)
        kept = {"side": None} if paired else {}
        sites = tuple(site for site in finding.sites if site != part)
        findings.setdefault(meant, replace(finding, concept=meant, sites=sites, **kept))
    changed = dict(fields) | {
        "body_part": part,
        "side": _one_side(sides) if paired else None,
        "findings": tuple(findings.values()),
    }
    for key in ("views", "techniques"):
        changed[key] = tuple(vocabulary.resolve(c, context) for c in fields.get(key, ()))
    return Prompt(**changed)


def prompt_of(ids: Sequence[str]) -> Prompt:
    """The prompt that asks for an image with these labels (sources' styles are left out)."""

    def of(kind: str) -> list[str]:
        return [c for c in ids if c.startswith(f"{kind}:")]

    def first(kind: str) -> str | None:
        return next(iter(of(kind)), None)

    findings = of("finding")
    if not set(findings) <= NOT_ABNORMAL:
        findings = [c for c in findings if c != NORMAL]
    severity = first("severity")
    return settled(
        {
            "modality": first("modality"),
            "body_part": first("body_part"),
            "side": first("side"),
            "views": of("view"),
            "techniques": of("technique"),
            "age_group": first("age_group"),
            "sex": first("sex"),
            "findings": [
                Finding(concept=c, severity=severity if c != NORMAL and i == 0 else None)
                for i, c in enumerate(findings)
            ],
        }
    )


def in_words(
    concepts: Sequence[str], absent: Sequence[str], prompt: Prompt | None
) -> tuple[str, str]:
    """For models asked in words: what is to be seen and what is not, two sentences.

    By the prompt where there is one, which says more than its concepts (sites, whose side, age in
    years), else by the concepts, those that others imply left out.  Either may be empty.
    """
    if prompt is None:
        vocabulary = default_vocabulary()
        known = [c for c in dict.fromkeys(concepts) if c in vocabulary.concepts]
        implied = {i for c in known for i in vocabulary.implied([c])[1:]}
        prompt = prompt_of([c for c in known if c not in implied])
    shown = replace(prompt, findings=tuple(f for f in prompt.findings if f.present))
    return render(shown), ", ".join(_words((c,)) for c in dict.fromkeys((*prompt.absent, *absent)))


def _one_side(sides: set[str]) -> str | None:
    return sides.pop() if len(sides) == 1 else "side:bilateral" if sides else None


def _words(ids: Iterable[str | None]) -> str:
    vocabulary = default_vocabulary()
    return " ".join(vocabulary[i].name for i in ids if i)


def _check_kind(concept: str | None, *kinds: str) -> None:
    if concept is not None and default_vocabulary()[concept].kind not in kinds:
        raise InvalidInput(f"{concept} is not a {' or '.join(kinds)}")
