"""Free text to a `Prompt`: what was understood, what was not, and what contradicts itself.

Known words are found by longest match. A clause ends at a comma, semicolon, full stop or colon;
clauses may come in any order. Within a clause, side, site and severity belong to the finding that
follows, or to the one before them after "in", "of", "at" or when none follows. A negation reaches
to the end of its clause, to "but" or "with", or over a list that closes with "or".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from radsmith.errors import InvalidInput
from radsmith.language.prompt import NORMAL, NOT_ABNORMAL, Finding, Prompt, settled
from radsmith.language.vocabulary import ABSENT, Vocabulary, default_vocabulary
from radsmith.language.words import Item, items_of

LONGEST_TEXT = 4000


@dataclass(frozen=True, kw_only=True)
class Span:
    """Words of the text and the concept ids they were read as; `ABSENT` marks an absent one."""

    text: str
    concepts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """A word that was not understood, with known forms that look like it."""

    word: str
    suggestions: tuple[str, ...]

    def __str__(self) -> str:
        near = f" (did you mean {' or '.join(self.suggestions)}?)" if self.suggestions else ""
        return f"“{self.word}”{near}"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A prompt as it was understood."""

    text: str
    prompt: Prompt
    spans: tuple[Span, ...]
    unknown: tuple[Unknown, ...]
    warnings: tuple[str, ...]


_MODIFIERS = ("side", "site", "severity")


@dataclass
class _Found:
    """What pass two gathers."""

    findings: list[Finding] = field(default_factory=list)
    lone: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_prompt(text: str) -> Reading:
    """Read free text. Raises InvalidInput for empty or overlong text; never for unknown words."""
    if not text.strip():
        raise InvalidInput('the prompt is empty: say what to draw, such as "chest x-ray, normal"')
    if len(text) > LONGEST_TEXT:
        raise InvalidInput(f"the prompt has {len(text)} characters; at most {LONGEST_TEXT}")
    vocabulary = default_vocabulary()
    items = list(items_of(text, vocabulary))
    warnings: list[str] = []
    modality = _only(items, "modality", vocabulary, warnings)
    said = part = _main_part(items, vocabulary, modality)
    if part and modality:
        part = vocabulary.resolve(part, [modality])
    context = [c for c in (part, modality) if c]
    for item in items:
        item.ids = tuple(
            _resolved(i, context, vocabulary)
            if not i.startswith("body_part:")
            else (str(part) if i == said else i)
            for i in item.ids
        )
    found = _gather(items, part)
    warnings += found.warnings
    prompt = _settle(items, found, modality, part, vocabulary, warnings)
    warnings += _misfits(prompt, vocabulary)
    return Reading(
        text=text,
        prompt=prompt,
        spans=tuple(Span(text=i.text, concepts=i.ids) for i in items if i.ids or i.kind == "age"),
        unknown=tuple(
            Unknown(word=i.text, suggestions=vocabulary.suggest(i.text))
            for i in items
            if i.kind == "unknown"
        ),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _resolved(concept: str, context: Sequence[str], vocabulary: Vocabulary) -> str:
    mark = ABSENT if concept.startswith(ABSENT) else ""
    return mark + vocabulary.resolve(concept.removeprefix(ABSENT), context)


def _ids(items: Sequence[Item], kind: str) -> list[str]:
    return [i for item in items for i in item.ids if i.startswith(f"{kind}:")]


def _only(
    items: Sequence[Item], kind: str, vocabulary: Vocabulary, warnings: list[str]
) -> str | None:
    """The one concept of a kind; of several, the first in the vocabulary, with a warning."""
    ids = sorted(set(_ids(items, kind)), key=list(vocabulary.concepts).index)
    if kind == "age_group":  # "pediatric newborn": the more special one
        ids = [i for i in ids if not any(i in vocabulary[j].broader for j in ids)]
    if len(ids) > 1:
        names = ", ".join(vocabulary[i].name for i in ids[1:])
        warnings.append(
            f"one image has one {kind.replace('_', ' ')}: reading {vocabulary[ids[0]].name},"
            f" ignoring {names}"
        )
    return ids[0] if ids else None


def _main_part(items: Sequence[Item], vocabulary: Vocabulary, modality: str | None) -> str | None:
    """The body part that is imaged: in the modality's clause and nearest to it, else in a clause
    without finding, else the first in the vocabulary."""
    parts = set(_ids(items, "body_part"))
    if len(parts) <= 1:
        return next(iter(parts), None)
    order = list(vocabulary.concepts)
    of_finding = {i.clause for i in items if any("finding:" in c for c in i.ids)}
    ranked = []
    for at, item in enumerate(items):
        for part in _ids([item], "body_part"):
            gaps = [
                abs(at - other) + (0.5 if at > other else 0)
                for other, o in enumerate(items)
                if o.clause == item.clause and modality in o.ids
            ]
            ranked.append((min(gaps, default=99), item.clause in of_finding, order.index(part)))
    return order[min(ranked)[2]]


def _gather(items: Sequence[Item], main: str | None) -> _Found:
    """Pass two: findings with their modifiers and negation, clause by clause."""
    found = _Found()
    listed = _lists(items)
    negated = False
    for clause in range(max((i.clause for i in items), default=0) + 1):
        inside = [i for i in items if i.clause == clause and i.kind != "break"]
        negated = negated and clause in listed
        negated = _read_clause(inside, main, negated, found)
    return found


def _lists(items: Sequence[Item]) -> set[int]:
    """Clauses that go on with the list of the clause before: "no A, B or C"."""
    clauses: dict[int, list[Item]] = {}
    for item in items:
        clauses.setdefault(item.clause, []).append(item)
    listed: set[int] = set()
    run: list[int] = []
    for number in sorted(clauses):
        here = clauses[number]
        opens = here[0]
        words = [i for i in here if i.kind not in ("break", "filler")]
        kinds = {i.kind for i in words}
        plain_list = kinds <= {"concept", "or", "and", "place"} and all(
            c.startswith(("finding:", "site:", "side:")) for i in words for c in i.ids
        )
        if not (opens.kind == "break" and opens.text == "," and plain_list and words):
            run = []
            continue
        run.append(number)
        if "or" in kinds:
            listed |= set(run)
            run = []
    return listed


def _read_clause(items: Sequence[Item], main: str | None, negated: bool, found: _Found) -> bool:
    """Read one clause into `found`; whether a negation was still open at its end."""
    mine: list[Finding] = []
    pending: list[tuple[str, str]] = []
    backward = doubtful = False
    if found.findings and items and all(i.kind in ("denial", "filler") for i in items):
        if any(i.kind == "denial" for i in items):
            found.findings[-1] = _absent(found.findings[-1], found)
        return False
    for item in items:
        if item.kind == "negation" or (item.kind == "denial" and not mine):
            negated = True
        elif item.kind == "denial":
            mine = [_absent(f, found) for f in mine]
        elif item.kind in ("and", "or", "turn"):
            if pending and mine:
                mine[-1], pending = _modified(mine[-1], pending, found), []
            backward = False
            negated = negated and item.kind != "turn"
        elif item.kind == "place":
            backward = bool(mine)
        elif item.kind == "doubt":
            doubtful = True
        for concept in item.ids:
            kind = concept.removeprefix(ABSENT).partition(":")[0]
            if kind == "finding":
                mine.append(_finding(concept, negated, pending, found))
                pending, backward = [], False
            elif kind in _MODIFIERS or (kind == "body_part" and concept != main):
                pair = (concept, item.text)
                if backward and mine:
                    mine[-1] = _modified(mine[-1], [pair], found)
                else:
                    pending.append(pair)
            elif negated and all(f.present for f in mine):
                found.warnings.append(f"only findings can be negated; “{item.text}” was kept")
    if pending and mine:
        mine[-1], pending = _modified(mine[-1], pending, found), []
    if doubtful and mine:
        found.warnings.append("an uncertain finding is drawn as present: leave it out if unwanted")
    found.findings += mine
    found.lone += pending
    return negated


def _finding(
    concept: str, negated: bool, pending: Sequence[tuple[str, str]], found: _Found
) -> Finding:
    present = not negated and not concept.startswith(ABSENT)
    if concept == NORMAL and negated:
        present = True
    finding = Finding(concept=concept.removeprefix(ABSENT), present=present)
    return _modified(finding, pending, found)


def _absent(finding: Finding, found: _Found) -> Finding:
    if finding.concept == NORMAL:
        found.warnings.append("“normal” cannot be negated: say the finding instead")
        return finding
    return replace(finding, present=False)


def _modified(finding: Finding, pairs: Sequence[tuple[str, str]], found: _Found) -> Finding:
    """The finding with side, sites and severity; what does not fit is said."""
    for concept, words in pairs:
        if finding.concept == NORMAL:
            if not concept.startswith(("body_part:", "side:")):
                found.warnings.append(f"“{words}” does not go with normal; ignored")
            elif concept.startswith("side:"):
                found.lone.append((concept, words))
        elif concept.startswith("side:"):
            both = finding.side not in (None, concept)
            finding = replace(finding, side="side:bilateral" if both else concept)
        elif concept.startswith("severity:"):
            if finding.severity not in (None, concept):
                found.warnings.append(f"two severities for one finding; “{words}” ignored")
            else:
                finding = replace(finding, severity=concept)
        else:
            finding = replace(finding, sites=(*finding.sites, concept))
    return finding


def _settle(
    items: Sequence[Item],
    found: _Found,
    modality: str | None,
    part: str | None,
    vocabulary: Vocabulary,
    warnings: list[str],
) -> Prompt:
    """One consistent Prompt; every compromise is a warning."""
    paired = part is not None and vocabulary[part].paired
    findings = _merged(found.findings, vocabulary, warnings)
    side: set[str] = set()
    present = [n for n, f in enumerate(findings) if f.present and f.concept != NORMAL]
    for concept, words in found.lone:
        if concept.startswith("side:") and paired:
            side.add(concept)
        elif len(present) == 1:
            at = present[0]
            findings[at] = _modified(findings[at], [(concept, words)], found)
        elif concept.startswith("body_part:"):
            warnings.append(f"one image has one body part; “{words}” was ignored")
        else:
            warnings.append(f"“{words}” belongs to no one finding; put it next to its finding")
    ages = sorted({i.years for i in items if i.kind == "age"})
    if len(ages) > 1:
        warnings.append(f"several ages ({', '.join(map(str, ages))}); reading {ages[0]}")
    return settled(
        {
            "modality": modality,
            "body_part": part,
            "side": "side:bilateral" if len(side) > 1 else next(iter(side), None),
            "views": _ids(items, "view"),
            "techniques": _ids(items, "technique"),
            "age_group": _only(items, "age_group", vocabulary, warnings),
            "age_years": ages[0] if ages else None,
            "sex": _only(items, "sex", vocabulary, warnings),
            "findings": findings,
        }
    )


def _merged(
    findings: Sequence[Finding], vocabulary: Vocabulary, warnings: list[str]
) -> list[Finding]:
    """Each finding once; absence wins; "normal" yields to a finding."""
    merged: dict[str, Finding] = {}
    for finding in findings:
        other = merged.get(finding.concept)
        merged[finding.concept] = finding if other is None else _both(other, finding, warnings)
    absent = {c for c, f in merged.items() if not f.present}
    present = [c for c, f in merged.items() if f.present]
    for concept in present:
        denied = set(vocabulary.implied((concept,))) & absent - {concept}
        if denied:
            names = ", ".join(sorted(vocabulary[d].name for d in denied))
            warnings.append(f"“{vocabulary[concept].name}” contradicts “no {names}”; left out")
            del merged[concept]
    real = [c for c, f in merged.items() if f.present and c not in NOT_ABNORMAL]
    if NORMAL in merged and real:
        warnings.append(f"“normal” contradicts “{vocabulary[real[0]].name}”; “normal” left out")
        del merged[NORMAL]
    return list(merged.values())


def _both(one: Finding, two: Finding, warnings: list[str]) -> Finding:
    if one.present != two.present:
        name = default_vocabulary()[one.concept].name
        warnings.append(f"“{name}” is said to be both present and absent; read as absent")
        return one if not one.present else two
    sides = {s for s in (one.side, two.side) if s}
    return replace(
        one,
        side="side:bilateral" if len(sides) > 1 else next(iter(sides), None),
        sites=(*one.sites, *two.sites),
        severity=max((s for s in (one.severity, two.severity) if s), default=None),
    )


def _misfits(prompt: Prompt, vocabulary: Vocabulary) -> Iterator[str]:
    """Combinations that no scanner makes or no such body part has."""
    if prompt.modality:
        own = vocabulary[prompt.modality]
        for concept in (vocabulary[c] for c in (*prompt.views, *prompt.techniques)):
            if concept.modalities and own.slug not in concept.modalities:
                fits = " or ".join(vocabulary[f"modality:{m}"].name for m in concept.modalities)
                yield f"“{concept.name}” goes with {fits}, not with {own.name}"
    if prompt.body_part:
        part = vocabulary[prompt.body_part]
        for finding in prompt.findings:
            known = vocabulary[finding.concept]
            if finding.present and known.body_parts and part.slug not in known.body_parts:
                yield f"“{known.name}” is not a finding of the {part.name}"
    fetal = prompt.age_group == "age_group:fetus"
    if fetal and prompt.modality in ("modality:x-ray", "modality:ct"):
        yield f"a fetus is not imaged by {vocabulary[str(prompt.modality)].name}"
