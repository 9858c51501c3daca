"""Free text to a `Prompt`: what was understood, what was not, and what contradicts itself.

`words` finds the known words and `rows` reads findings, denial, sides, sites and severities from
them; here is what makes one prompt of it. A clause ends at a comma, semicolon, colon, full stop or
dash; clauses may come in any order. What is denied, asked or past is not drawn; what could be meant
otherwise is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from radsmith.errors import InvalidInput
from radsmith.language.contradiction import misfits
from radsmith.language.foreign import foreign_language, only_english
from radsmith.language.mentions import Mention
from radsmith.language.prompt import NORMAL, Finding, Prompt, is_abnormal, settled
from radsmith.language.rows import Row, read_row
from radsmith.language.vocabulary import ABSENT, Vocabulary, default_vocabulary, speaking
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
    """A prompt as it was understood. language: another than English, of which nothing was read."""

    text: str
    prompt: Prompt = field(default_factory=Prompt)
    spans: tuple[Span, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    warnings: tuple[str, ...] = ()
    language: str = ""


_DENIED_AS = {"technique:contrast-enhanced": "technique:non-contrast"}


_HEADS = ("body_part:brain", "body_part:head")
_OF_HEADS = {"frontal": "site:frontal-lobe"}
"""Words that by themselves name a part of the brain there, and a view elsewhere."""


def read_prompt(text: str, vocabulary: Vocabulary | None = None) -> Reading:
    """Read free text in this vocabulary, by default the one in use; unknown words are no error.

    Other languages are not read, a warning says so.  Raises InvalidInput for no text or too much.
    """
    with speaking(vocabulary):
        return _read(text, default_vocabulary())


def _read(text: str, vocabulary: Vocabulary) -> Reading:
    if not text.strip():
        raise InvalidInput('the prompt is empty: say what to draw, such as "chest x-ray, normal"')
    if len(text) > LONGEST_TEXT:
        raise InvalidInput(f"the prompt has {len(text)} characters; at most {LONGEST_TEXT}")
    items = items_of(text, vocabulary)
    language = foreign_language(text)
    if language:
        return Reading(text=text, language=language, warnings=(only_english(language),))
    warnings = _leave_out_denied(items)
    modality = _only(items, "modality", vocabulary, warnings)
    said = part = _main_part(items, vocabulary, modality)
    if part and modality:
        part = vocabulary.resolve(part, [modality])
    context = [c for c in (part, modality) if c]
    for item in items:
        word = item.text.strip().casefold()
        if part in _HEADS and item.ids and word in _OF_HEADS:
            item.ids = (_OF_HEADS[word],)
        item.ids = tuple(
            _resolved(i, context, vocabulary)
            if not i.startswith("body_part:")
            else (str(part) if i == said else i)
            for i in item.ids
        )
    row = read_row(items, list_goes_on, lambda concept, _: concept, part)
    findings, lone = _findings(row, vocabulary, warnings)
    warnings += _ambiguous(items, row.mentions, vocabulary)
    prompt = _settle(items, findings, lone, modality, part, vocabulary, warnings)
    warnings += [*misfits(prompt, vocabulary), *_notes(items, row)]
    return Reading(
        text=text,
        prompt=prompt,
        spans=tuple(Span(text=i.text, concepts=i.ids) for i in items if i.ids or i.kind == "age"),
        unknown=tuple(
            Unknown(word=i.text, suggestions=() if i.note else vocabulary.suggest(i.text))
            for i in items
            if i.kind == "unknown"
        ),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def list_goes_on(items: Sequence[Item], at: int) -> bool:
    """Whether a denial goes on: over "and" and "or"; over a comma only where a bare list follows
    that closes with one of these, or that makes up its sentence ("CXR. No A, B, C.")."""
    if items[at].kind != "break":
        return True
    for place in range(at, len(items)):
        if items[place].kind == "break":
            if items[place].text != ",":
                return _whole_sentence(items, at)
            closing = _bare_clause(items, place)
            if closing is None:
                return False
            if closing:
                return True
    return _whole_sentence(items, at)


def _bare_clause(items: Sequence[Item], at: int) -> bool | None:
    """Whether the clause after a comma closes a list with "and" or "or"; None where it is none.

    Before "or" the list may hold any words, before "and" bare findings only: "no A, mild B and C"
    begins with a denial that does not go on.
    """
    clause = []
    for item in items[at + 1 :]:
        if item.kind == "break":
            break
        clause.append(item)
    words = [i for i in clause if i.kind not in ("filler", "article")]
    kinds = {i.kind for i in words}
    parts = {c.removeprefix(ABSENT).partition(":")[0] for i in words for c in i.ids}
    if kinds <= {"concept", "or", "nor", "place", "opens", "unknown"} and kinds & {"or", "nor"}:
        return True if parts <= {"finding", "site", "side", "severity", "body_part"} else None
    plain = kinds <= {"concept", "and", "place"} and parts <= {"finding", "site", "side"}
    return "and" in kinds if plain and words else None


def _whole_sentence(items: Sequence[Item], at: int) -> bool:
    """Whether the sentence around a comma begins with a denial and has neighbours, so that its
    commas part a list and not the clauses of the prompt."""
    ends = [n for n, i in enumerate(items) if i.kind == "break" and i.text in ".;:\n"]
    start = max((n for n in ends if n < at), default=-1)
    first = next((i for i in items[start + 1 :] if i.kind not in ("filler", "article")), None)
    return bool(ends) and first is not None and first.kind in ("negation", "denial")


def _leave_out_denied(items: Sequence[Item]) -> list[str]:
    """Take away what is no finding and denied ("not a lateral view"); what is to be said of it."""
    row = read_row(items, list_goes_on, lambda concept, _: concept, None)
    warnings = []
    for place in sorted(row.denied):
        item = items[place]
        alone = len({c for i in items for c in i.ids if c.startswith("body_part:")}) < 2
        if item.ids[0].startswith("body_part:") and alone:
            continue
        instead = tuple(_DENIED_AS[c] for c in item.ids if c in _DENIED_AS)
        if not instead:
            warnings.append(f"“{item.text}” is denied and left out")
        item.ids = instead
    return warnings


def _findings(
    row: Row, vocabulary: Vocabulary, warnings: list[str]
) -> tuple[list[Finding], list[tuple[str, str]]]:
    """Findings to draw or to leave away, and modifiers that belong to none."""
    findings, lone = [], [(concept, words) for concept, words, _ in row.loose]
    for mention in row.mentions:
        name = vocabulary[mention.concept].name
        if mention.status == "asked":
            warnings.append(f"“{name}” is asked about, not stated, and left out")
        elif mention.status == "past":
            warnings.append(f"“{name}” is history or comparison, and left out")
        elif mention.concept == NORMAL:
            if mention.status in ("absent", "unlikely"):
                warnings.append("“normal” is denied and left out: say the finding instead")
                continue
            findings.append(Finding(concept=NORMAL))
            lone += [(mention.side, vocabulary[mention.side].name)] if mention.side else []
            amiss = [c for c in (*mention.sites, mention.severity) if c]
            amiss = [vocabulary[c].name for c in amiss if not c.startswith("body_part:")]
            warnings += [f"“{words}” does not go with normal; ignored" for words in amiss]
        else:
            findings.append(_finding(mention))
        if mention.status == "uncertain":
            warnings.append("an uncertain finding is drawn as present: leave it out if unwanted")
    return findings, lone


def _finding(mention: Mention) -> Finding:
    return Finding(
        concept=mention.concept,
        present=mention.status not in ("absent", "unlikely"),
        side=mention.side,
        sites=mention.sites,
        severity=mention.severity,
    )


def _ambiguous(
    items: Sequence[Item], mentions: Sequence[Mention], vocabulary: Vocabulary
) -> Iterator[str]:
    """What could be meant the other way: "no A, B" and "no A and severe B"."""
    after: list[str] = []
    for one, two in pairwise(mentions):
        name = vocabulary[two.concept].name
        between = items[one.at + 1 : two.at]
        breaks = "".join(i.text for i in between if i.kind == "break")
        bare = breaks == "," and all(i.kind in ("break", "article", "filler") for i in between)
        if two.status == "present" and bare and (after or one.status == "absent"):
            after.append(name)
        joined = not breaks and any(i.kind == "and" for i in between)
        if two.status == one.status == "absent" and two.severity and joined:
            yield f"“{name}” after “no … and” is read as denied: write “but” if it is there"
    if after:
        yield (
            f"“{', '.join(after)}” after “no …,” is read as present: write “no … or"
            f" {' or '.join(after)}” to deny it"
        )


def _notes(items: Sequence[Item], row: Row) -> Iterator[str]:
    """What was guessed, and what is understood but cannot be drawn."""
    yield from (item.note for item in items if item.note)
    numbers = [f"“{i.text}”" for i in items if i.kind in ("size", "time") and not i.note]
    if numbers:
        yield f"sizes, settings and times are not drawn: {', '.join(numbers)}"
    for words in row.unused:
        yield f"“{words}” is denied, or one of two severities for one finding; ignored"


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


def _settle(
    items: Sequence[Item],
    found: Sequence[Finding],
    lone: Sequence[tuple[str, str]],
    modality: str | None,
    part: str | None,
    vocabulary: Vocabulary,
    warnings: list[str],
) -> Prompt:
    """One consistent Prompt; every compromise is a warning."""
    paired = part is not None and vocabulary[part].paired
    findings = _merged(found, vocabulary, warnings)
    side: set[str] = set()
    present = [n for n, f in enumerate(findings) if f.present and f.concept != NORMAL]
    if paired and (lone or any(findings[n].side for n in present)):
        findings = [f if f.present else replace(f, side=None) for f in findings]
    for concept, words in lone:
        if concept.startswith("side:") and paired:
            side.add(concept)
        elif len(present) == 1:
            at = present[0]
            findings[at] = _modified(findings[at], concept, words, warnings)
        elif concept.startswith("body_part:"):
            warnings.append(f"one image has one body part; “{words}” was ignored")
        else:
            warnings.append(f"“{words}” belongs to no one finding; put it next to its finding")
    ages = sorted({i.age for i in items if i.age is not None}, key=lambda age: age.days)
    if len(ages) > 1:
        said = ", ".join(i.text for i in items if i.age is not None)
        warnings.append(f"several ages ({said}); the lowest is read")
    return settled(
        {
            "modality": modality,
            "body_part": part,
            "side": "side:bilateral" if len(side) > 1 else next(iter(side), None),
            "views": _ids(items, "view"),
            "techniques": _ids(items, "technique"),
            "age_group": _only(items, "age_group", vocabulary, warnings),
            "age_years": ages[0].years if ages else None,
            "age": ages[0] if ages else None,
            "sex": _only(items, "sex", vocabulary, warnings),
            "findings": findings,
        }
    )


def _modified(finding: Finding, concept: str, words: str, warnings: list[str]) -> Finding:
    """The one finding that is shown, with a modifier that stood elsewhere."""
    if concept.startswith("side:"):
        both = finding.side not in (None, concept)
        return replace(finding, side="side:bilateral" if both else concept)
    if not concept.startswith("severity:"):
        return replace(finding, sites=(*finding.sites, concept))
    if finding.severity not in (None, concept):
        warnings.append(f"two severities for one finding; “{words}” ignored")
        return finding
    return replace(finding, severity=concept)


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
    real = [c for c, f in merged.items() if f.present and is_abnormal(c)]
    if NORMAL in merged and real:
        warnings.append(f"“normal” contradicts “{vocabulary[real[0]].name}”; “normal” left out")
        del merged[NORMAL]
    return list(merged.values())


def _both(one: Finding, two: Finding, warnings: list[str]) -> Finding:
    if one.present != two.present and {one.side, two.side} == {"side:left", "side:right"}:
        return one if one.present else two  # on the left, none on the right
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
