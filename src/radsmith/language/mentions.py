"""Findings while a row of words is read: where they stand, and what a cue among them reaches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from radsmith.language.words import Item

Status = Literal["present", "absent", "uncertain", "unlikely", "asked", "past"]
JOINING = ("and", "or", "nor")
THIN = ("filler", "article", "place", "verb")
"""Kinds of words that say nothing of their own."""
SENTENCE_ENDS = (".", ";", "\n", "?")
STANDING_FOR = (":", "|", "=", "\t")
"""Breaks between a finding and the answer to it."""


@dataclass
class Mention:
    """A finding where it is named: at this place of its row.

    not_sides: sides that were denied.  denied_by: the words before it that deny it.
    signed: a sign or an answer stands at it.
    """

    concept: str
    status: Status
    at: int
    side: str | None = None
    sites: tuple[str, ...] = ()
    severity: str | None = None
    not_sides: frozenset[str] = frozenset()
    signed: bool = False
    denied_by: str = ""


@dataclass
class State:
    """Where the reading of a row stands.

    at, start: the item that is read, and the first of its clause.  cue: the forward cue in force;
    said: its words; once: for the next finding alone; wide: over a list to the end of the sentence.
    group: mentions that a cue behind them would reach; clause: those of this clause.
    closed, complete: the next finding, or the next clause, begins a group of its own.
    """

    items: Sequence[Item]
    at: int = 0
    start: int = 0
    mentions: list[Mention] = field(default_factory=list)
    group: list[Mention] = field(default_factory=list)
    clause: list[Mention] = field(default_factory=list)
    pending: list[tuple[str, str]] = field(default_factory=list)
    loose: list[tuple[str, str, int]] = field(default_factory=list)
    denied: set[int] = field(default_factory=set)
    used: set[int] = field(default_factory=set)
    unused: list[str] = field(default_factory=list)
    brackets: list[str | None] = field(default_factory=list)
    cue: str | None = None
    said: str = ""
    once: bool = False
    wide: bool = False
    backward: bool = False
    closed: bool = False
    complete: bool = False
    joined: bool = False


def ahead(items: Sequence[Item], at: int) -> Iterator[tuple[int, Item]]:
    """Places and items after `at` to the end of the clause, or to "but" and the like."""
    depth = 0
    for place in range(at + 1, len(items)):
        kind = items[place].kind
        depth += (kind == "open") - (kind == "close")
        if kind in ("break", "turn", "except") or depth < 0:
            return
        if kind not in ("open", "close"):
            yield place, items[place]


def modify(state: State, mention: Mention, said: Sequence[tuple[str, str]]) -> None:
    """Give sides, sites, a severity; a second side makes both, a second severity is not used."""
    for concept, words in said:
        if concept.startswith("side:"):
            both = mention.side not in (None, concept)
            mention.side = "side:bilateral" if both else concept
        elif not concept.startswith("severity:"):
            mention.sites = (*mention.sites, concept)
        elif mention.severity in (None, concept):
            mention.severity = concept
        else:
            state.unused.append(words)


def reach(state: State, at: int) -> list[Mention]:
    """What a cue behind findings reaches: those of its clause, or of all a list that ends there."""
    words = {w for item in state.items[max(0, at - 2) : at + 1] for w in item.text.lower().split()}
    if state.clause and not (state.joined or words & {"are", "were", "have"}):
        return list(state.clause)
    return list(state.group) or list(state.clause)


def set_status(mentions: Sequence[Mention], status: Status) -> None:
    for mention in mentions:
        mention.status = status
