"""One sentence of a report: its findings with status, side, site and severity.

A cue before a finding reaches forwards to the end of its clause, to "but" or "with", or over a
list; one after it reaches back over the findings of the clauses before it that have no verb.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from radsmith.language.prompt import NORMAL
from radsmith.language.report_cues import ADJECTIVES, REPORT_CONTROL
from radsmith.language.vocabulary import ABSENT, Vocabulary, default_vocabulary
from radsmith.language.words import Item, items_of

_FORWARD = {"negation": "absent", "doubt": "uncertain", "hypothetical": "uncertain"}
_SILENT = ("history", "comparison")
_MODIFIERS = ("side", "site", "severity", "body_part")
_OPENING = ("verb", "turn", "opens", "article", "neutral", "negation", "doubt", *_SILENT)
_PREDICATE = re.compile(
    r"\b((?:[A-Za-z-]+ ){1,3})(?:is|are|was|were|appears?|remains?) "
    r"((?:not|no longer|mildly|moderately|severely|markedly|slightly|again) )?"
    rf"({'|'.join(ADJECTIVES)})\b",
    re.IGNORECASE,
)

_SIDE_INSIDE = re.compile(
    r"\b(blunting|elevation|enlargement|fracture|tear|rupture|thickening|stenosis|opacification)"
    r" of (?:the )?(left|right) ",
    re.IGNORECASE,
)
"""A side that would cut a name in two ("blunting of the left costophrenic angle")."""


@dataclass
class Mention:
    """A finding of a sentence while it is read."""

    concept: str
    status: Literal["present", "absent", "uncertain"]
    side: str | None = None
    sites: tuple[str, ...] = ()
    severity: str | None = None


@dataclass
class _State:
    """Where the reading of a sentence stands.

    cue: the forward cue in force.  group: mentions that a cue behind them would reach.
    pending: modifiers that wait for their finding.  complete: the clause had a verb or cue.
    """

    mentions: list[Mention] = field(default_factory=list)
    group: list[Mention] = field(default_factory=list)
    clause: list[Mention] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    cue: str | None = None
    backward: bool = False
    complete: bool = False


def read_sentence(sentence: str, context: Sequence[str]) -> list[Mention]:
    """Mentions of findings, in order. context: ids of the examined body part and modality."""
    vocabulary = default_vocabulary()
    items = list(items_of(_predicates(sentence, vocabulary), vocabulary, REPORT_CONTROL))
    state = _State()
    for at, item in enumerate(items):
        if item.kind == "break":
            _end_clause(state, item.text, items[at + 1 :])
        elif item.ids:
            _read_concepts(state, item, _context(items, item, context, vocabulary), vocabulary)
        else:
            _read_cue(state, item.kind, items[at + 1 :])
    _flush(state)
    return state.mentions


def _predicates(sentence: str, vocabulary: Vocabulary) -> str:
    """ "The heart is enlarged" as "enlarged heart" where that names a concept."""

    def turned(match: re.Match[str]) -> str:
        subject, degree, adjective = match.group(1).split(), match.group(2) or "", match.group(3)
        for start in range(len(subject)):
            noun = " ".join(subject[start:])
            if vocabulary.find(f"{adjective} {noun}"):
                word = degree.strip().lower()
                word = "no" if word in ("not", "no longer") else word
                return " ".join((*subject[:start], word, adjective, noun))
        return match.group()

    return _PREDICATE.sub(turned, _SIDE_INSIDE.sub(r"\2 \1 of the ", sentence))


def _context(
    items: Sequence[Item], item: Item, context: Sequence[str], vocabulary: Vocabulary
) -> list[str]:
    """Body parts of the item's clause, nearest first, then the examination's."""
    at = next(n for n, other in enumerate(items) if other is item)
    near = sorted(
        (abs(n - at), concept)
        for n, other in enumerate(items)
        if other.clause == item.clause
        for concept in other.ids
        if concept.startswith("body_part:")
    )
    return [concept for _, concept in near] + list(context)


def _read_concepts(
    state: _State, item: Item, context: Sequence[str], vocabulary: Vocabulary
) -> None:
    for concept in item.ids:
        bare = concept.removeprefix(ABSENT)
        kind = bare.partition(":")[0]
        if kind == "finding":
            _add(state, vocabulary.resolve(bare, context), concept.startswith(ABSENT))
        elif kind in _MODIFIERS:
            if state.backward and state.clause:
                _modify(state.clause[-1], concept)
            else:
                state.pending.append(concept)
                if kind == "site" and item.text.lower().startswith("bi"):
                    state.pending.append("side:bilateral")  # bibasilar, biapical


def _add(state: _State, concept: str, denied: bool) -> None:
    if state.cue in _SILENT:
        state.pending = []
        return
    status = "absent" if denied else _FORWARD.get(state.cue or "", "present")
    if concept == NORMAL and status != "present":
        return
    mention = Mention(concept, status)  # type: ignore[arg-type]
    for modifier in state.pending:
        _modify(mention, modifier)
    if state.complete and not state.clause:
        state.group, state.complete = [], False
    state.pending, state.backward = [], False
    for kept in (state.mentions, state.group, state.clause):
        kept.append(mention)


def _modify(mention: Mention, concept: str) -> None:
    """Give a side, site or severity; a second side makes both, a second severity is ignored."""
    if concept.startswith("side:"):
        both = mention.side not in (None, concept)
        mention.side = "side:bilateral" if both else concept
    elif concept.startswith("severity:"):
        mention.severity = mention.severity or concept
    else:
        mention.sites = (*mention.sites, concept)


def _read_cue(state: _State, kind: str, rest: Sequence[Item]) -> None:
    if kind == "denial" and state.group:
        for mention in state.group:
            mention.status = "absent"
    elif kind == "doubted" or (kind == "doubt" and state.clause and not _finding_ahead(rest)):
        for mention in state.group:
            mention.status = "uncertain"
    elif kind in ("negation", "denial"):
        state.cue = "negation"
    elif kind in ("doubt", "hypothetical"):
        if state.cue != "negation" or state.clause:
            state.cue = "doubt" if state.cue != "negation" else state.cue
    elif kind in _SILENT:
        state.cue = kind
    elif kind == "versus":
        for mention in state.clause[-1:]:
            mention.status = "uncertain"
        state.cue = "doubt"
    elif kind == "turn":
        _flush(state)
        state.cue, state.group, state.clause = None, [], []
    elif kind == "neutral":
        state.cue = None if state.cue == "negation" else state.cue
    elif kind in ("and", "or"):
        _join(state, kind, rest)
    elif kind == "place":
        state.backward = bool(state.clause)
    elif kind == "verb":
        state.complete = True


def _join(state: _State, kind: str, rest: Sequence[Item]) -> None:
    """ "And" ends a negation where a new statement begins; modifiers before it stay behind."""
    if state.pending and state.clause:
        _flush(state)
    state.backward = False
    if kind == "and" and state.cue and _begins_anew(rest):
        state.cue = None


def _end_clause(state: _State, mark: str, rest: Sequence[Item]) -> None:
    _flush(state)
    goes_on = mark == "," and not _begins_anew(rest)
    if not goes_on:
        state.cue = None
    if mark != ",":
        state.group, state.complete = [], False
    state.clause, state.backward = [], False


def _begins_anew(rest: Sequence[Item]) -> bool:
    """Whether the next clause states something of its own rather than going on with a list."""
    clause = []
    for item in rest:
        if item.kind == "break":
            break
        clause.append(item)
    for item in clause:
        if any(c.removeprefix(ABSENT).startswith("finding:") for c in item.ids):
            return False
        if item.kind in _OPENING or any(c.startswith("severity:") for c in item.ids):
            return True
    return not any(item.ids for item in clause)


def _finding_ahead(rest: Sequence[Item]) -> bool:
    for item in rest:
        if item.kind in ("break", "turn"):
            return False
        if any(c.removeprefix(ABSENT).startswith("finding:") for c in item.ids):
            return True
    return False


def _flush(state: _State) -> None:
    """Modifiers that found no finding after them go to the clause's last one, or nowhere."""
    if state.clause:
        for modifier in state.pending:
            _modify(state.clause[-1], modifier)
    state.pending = []
