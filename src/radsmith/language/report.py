"""Radiology reports to concepts: what is present, absent or uncertain, where and how much.

A report is cut into sections and sentences; only the impression and the findings state anything.
Words become concepts by the longest match that prompts use (`words.items_of`); the cues of
`report_cues` decide the status. Knows no files: `images.report_files` reads text, XML and DICOM SR.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from radsmith.errors import InvalidInput
from radsmith.language.foreign import foreign_language
from radsmith.language.mentions import Mention
from radsmith.language.prompt import NORMAL, is_abnormal
from radsmith.language.report_cues import HEAD
from radsmith.language.report_sentences import read_sentence
from radsmith.language.vocabulary import default_vocabulary
from radsmith.language.words import items_of

Status = Literal["present", "absent", "uncertain"]
LONGEST_REPORT = 200_000
SEVERITIES = tuple(
    f"severity:{grade}" for grade in ("doubtful", "minimal", "mild", "moderate", "severe")
)
_STATING = ("impression", "findings", "recommendation")
_SENTENCE_END = re.compile(
    r"(?<=[.!?])[ \t]+(?=[\"(]?[A-Z0-9_\[])|\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)])\s)|(?<=[.!?:;])\n"
)
_NOT_AN_END = re.compile(
    r"(?:\b(?:dr|mr|mrs|ms|prof|approx|e\.g|i\.e|fig|no|vs|st)|\b[A-Z]|(?:^|\s)\d{1,2})\.$", re.I
)
_BULLET = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.)])\s+")
_GLUED_BULLET = re.compile(r"\s*-(?!ve\b)(?=(?P<first>[^\W\d_]))")
_NEW_LINE = re.compile(r"\s*[A-Z0-9+(\[\u2610-\u2612\u2713-\u2718]")
_TABLE_LINE = re.compile(r"\s*[A-Z][^\n:|=\t]{0,60}(?:[:|=\t]|\s[-\u2013]\s)")
_UNREAD = "this seems to be {}; only English is read, so no finding is taken from it"
SHORT_LINE, SHORT_SHARE = 50, 0.75
"""Lines up to this many letters, or this share of the longest, are not broken for width."""
_ANSWER = re.compile(
    r"(?:no|none|nil|absent|negative|(?:not|none) (?:seen|present|identified|visible)|yes|present)"
    r"\W*",
    re.I,
)
"""A mere answer to the sentence before it ("Pneumothorax? None.")."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What one sentence says of one finding.

    concept, side, sites, severity: ids of the vocabulary.  section: "impression", "findings" or
    "recommendation" (whose findings are uncertain at most).
    """

    concept: str
    status: Status
    side: str | None = None
    sites: tuple[str, ...] = ()
    severity: str | None = None
    section: str = "findings"
    sentence: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report as it was understood.

    sections: (name, text) in the order of the report; text before any head is "findings".
    statements: everything said, sentence by sentence.  findings: one per concept, the
    impression's word before the findings', present before uncertain before absent.
    language: another than English, of which nothing was read.  unknown: words of the sections that
    state something which were not understood, each once.  warnings: for people.
    """

    text: str
    modality: str | None
    body_part: str | None
    sections: tuple[tuple[str, str], ...]
    statements: tuple[Statement, ...]
    language: str = ""
    unknown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Statement, ...]:
        """One statement a concept, in order of first mention; `NORMAL` where nothing else is."""
        merged: dict[str, Statement] = {}
        for section in _STATING:
            here: dict[str, Statement] = {}
            for statement in self.statements:
                if statement.section == section:
                    known = here.get(statement.concept)
                    here[statement.concept] = _merged(known, statement) if known else statement
            merged = (
                here | merged
                if section == "impression"
                else merged
                | {
                    concept: s if concept not in merged else _with_places(merged[concept], s)
                    for concept, s in here.items()
                }
            )
        abnormal = any(s.status != "absent" and is_abnormal(s.concept) for s in merged.values())
        return tuple(s for s in merged.values() if s.concept != NORMAL or not abnormal)

    def labels(self) -> Mapping[str, float]:
        """Concept -> 1.0 (present), 0.0 (absent) or NaN (uncertain); what is implied, too.

        A concept that is not mentioned has no entry: silence is no negative.
        """
        vocabulary = default_vocabulary()
        value = {"present": 1.0, "absent": 0.0, "uncertain": math.nan}
        labels = {s.concept: value[s.status] for s in self.findings}
        for statement in self.findings:
            if statement.status == "present":
                for broader in vocabulary.implied((statement.concept,)):
                    if broader.startswith("finding:"):
                        labels[broader] = 1.0
        return labels


def read_report(text: str, modality: str | None = None, body_part: str | None = None) -> Report:
    """Read a report. modality, body_part: ids of the examination where known from elsewhere.

    Raises InvalidInput for empty text and for more than LONGEST_REPORT characters.
    """
    if not text.strip():
        raise InvalidInput("the report is empty: expected text with an impression or findings")
    if len(text) > LONGEST_REPORT:
        raise InvalidInput(f"the report has {len(text):,} characters; at most {LONGEST_REPORT:,}")
    sections = split_sections(text.replace("\r\n", "\n").replace("\r", "\n"))
    found = _examination(sections)
    modality, body_part = modality or found[0], body_part or found[1]
    if modality and body_part:
        body_part = default_vocabulary().resolve(body_part, [modality])
    stating = [(name, body) for name, body in sections if name in _STATING]
    report = Report(
        text=text,
        modality=modality,
        body_part=body_part,
        sections=tuple(sections),
        statements=(),
    )
    whole, foreign = _languages([body for _, body in stating or sections])
    if whole:
        return replace(report, language=whole, warnings=(_UNREAD.format(whole),))
    warnings = {
        f"“{sentence[:60]}” seems to be {language}, and was not read": None
        for sentence, language in foreign.items()
    }
    statements: list[Statement] = []
    unknown: dict[str, None] = {}
    context = [c for c in (body_part, modality) if c]
    for name, sentence in ((n, s) for n, body in stating for s in split_sentences(body)):
        if sentence not in foreign:
            mentions, items = read_sentence(sentence, context)
            statements += [_statement(mention, name, sentence) for mention in mentions]
            unknown |= {i.text: None for i in items if i.kind == "unknown"}
            warnings |= {i.note: None for i in items if i.note}
    return replace(
        report,
        statements=tuple(statements),
        unknown=tuple(unknown),
        warnings=tuple(warnings),
    )


def report_language(text: str) -> str:
    """Another language than English in which a report is written; "" for English."""
    sections = split_sections(text)
    return _languages([b for n, b in sections if n in _STATING] or [b for _, b in sections])[0]


def _languages(bodies: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The language of half the sentences or more, and of each sentence that is not in English."""
    said = [sentence for body in bodies for sentence in split_sentences(body)]
    foreign = {sentence: foreign_language(sentence) for sentence in said}
    foreign = {sentence: language for sentence, language in foreign.items() if language}
    whole = foreign_language("\n".join(bodies)) if 2 * len(foreign) >= len(said) else ""
    return whole, foreign


def split_sections(text: str) -> list[tuple[str, str]]:
    """(section, text) in order; a text without heads is "findings", a title before one "exam"."""
    heads = list(HEAD.finditer(text))
    if not heads:
        return [("findings", text.strip())]
    sections = []
    title = text[: heads[0].start()].strip()
    if title:
        sections.append(("exam" if len(title) < 120 else "findings", title))
    ends = [h.start() for h in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends, strict=True):
        body = text[head.end() : end].strip()
        if body:
            sections.append((str(head.lastgroup), body))
    return sections


def split_sentences(text: str) -> list[str]:
    """Sentences and list items, without bullets; lines broken for width are joined."""
    text = _lines_apart(text)
    pieces, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        if not _NOT_AN_END.search(text[start : match.start()]):
            pieces.append(text[start : match.start()])
            start = match.end()
    pieces.append(text[start:])
    bare = [" ".join(_BULLET.sub("", piece).split()) for piece in pieces]
    sentences: list[str] = []
    for piece in bare:
        if sentences and _ANSWER.fullmatch(piece):
            sentences[-1] += f" {piece}"
        elif re.search(r"\w", piece):
            sentences.append(piece)
    return sentences


def _lines_apart(text: str) -> str:
    """The text with a blank line after each line that ends before the width, where the next
    begins like a statement of its own: lists without bullets, tables."""
    lines = text.split("\n")
    glued = [match for line in lines if (match := _GLUED_BULLET.match(line))]
    if "+" not in text and (len(glued) > 1 or any(match["first"].isupper() for match in glued)):
        lines = [_GLUED_BULLET.sub("- ", line) for line in lines]
    width = max(len(line.rstrip()) for line in lines)
    short = width if width <= SHORT_LINE else SHORT_SHARE * width
    parted = [lines[0]]
    for before, line in pairwise(lines):
        apart = len(before.rstrip()) <= short and _NEW_LINE.match(line)
        parted += ["", line] if apart or _TABLE_LINE.match(line) else [line]
    return "\n".join(parted)


def _statement(mention: Mention, section: str, sentence: str) -> Statement:
    status: Status = "present" if mention.status == "present" else "uncertain"
    if mention.status == "absent":
        status = "absent"
    elif section == "recommendation":
        status = "uncertain"
    return Statement(
        concept=mention.concept,
        status=status,
        side=mention.side,
        sites=tuple(sorted(set(mention.sites))),
        severity=mention.severity,
        section=section,
        sentence=sentence,
    )


def _examination(sections: Sequence[tuple[str, str]]) -> tuple[str | None, str | None]:
    """Modality and body part that the title, the technique or the indication name."""
    vocabulary = default_vocabulary()
    modality = part = None
    for wanted in ("exam", "technique", "comparison", "findings", "impression", "indication"):
        for name, body in sections:
            if name != wanted:
                continue
            ids = [i for item in items_of(body[:400], vocabulary) for i in item.ids]
            modality = modality or next((i for i in ids if i.startswith("modality:")), None)
            if wanted in ("exam", "technique") or modality is None:
                part = part or next((i for i in ids if i.startswith("body_part:")), None)
    return modality, part


_RANK = {"present": 2, "uncertain": 1, "absent": 0}


def _merged(one: Statement, two: Statement) -> Statement:
    """Two statements of one section: the stronger status, the places of those that share it."""
    if one.status == two.status:
        return _with_places(one, two)
    return max(one, two, key=lambda s: _RANK[s.status])


def _with_places(kept: Statement, other: Statement) -> Statement:
    """The kept statement, with what it leaves open filled in from one of the same status."""
    if kept.status != other.status:
        return kept
    return replace(
        kept,
        side=_side((kept.side, other.side)),
        sites=tuple(sorted({*kept.sites, *other.sites})),
        severity=max((kept.severity, other.severity), key=_grade),
    )


def _side(sides: Iterable[str | None]) -> str | None:
    known = {side for side in sides if side}
    return "side:bilateral" if len(known) > 1 else next(iter(known), None)


def _grade(severity: str | None) -> int:
    return SEVERITIES.index(severity) if severity else -1
