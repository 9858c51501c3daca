"""A row of words to its findings: present, absent, in doubt; whose side, site and severity.

The one reader of denial, for prompts and reports alike. A cue before a finding reaches forwards
to the end of its clause, to "but" or "with", or over a list; one after it reaches back over the
findings of its clause, or of what stands before a colon. What goes on over a comma or an "and" is
for the caller to say: a prompt is written in clauses, a report in sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from radsmith.language.denial import deny
from radsmith.language.mentions import (
    JOINING,
    SENTENCE_ENDS,
    STANDING_FOR,
    THIN,
    Mention,
    State,
    Status,
    ahead,
    modify,
    reach,
    set_status,
)
from radsmith.language.prompt import NORMAL
from radsmith.language.vocabulary import ABSENT
from radsmith.language.words import Item

GoesOn = Callable[[Sequence[Item], int], bool]
"""Whether a cue in force goes on after the comma or "and" at this place of the row."""
Resolve = Callable[[str, int], str]
"""What a finding's id means at this place of the row."""


_FORWARD: dict[str, Status] = {
    "negation": "absent", "doubt": "uncertain", "asked": "asked", "unlikely": "unlikely",
    "history": "past", "comparison": "past",
}  # fmt: skip
_MODIFIERS = ("side", "site", "severity", "body_part")
_ANSWERS = ("denial", "gone", "excluded", "minus", "plus", "affirm", "negation")


@dataclass(frozen=True)
class Row:
    """What a row says. loose: modifiers that belong to no finding, with their words and place.

    denied: places of items that are no findings and are denied ("not a lateral view").
    unused: words of modifiers that were denied without their finding ("not severe"), and of second
    severities.
    """

    mentions: tuple[Mention, ...]
    loose: tuple[tuple[str, str, int], ...]
    denied: frozenset[int]
    unused: tuple[str, ...]


def read_row(items: Sequence[Item], goes_on: GoesOn, resolve: Resolve, main: str | None) -> Row:
    """Findings in order. main: the body part imaged, which is no site of a finding."""
    state = State(items)
    for at, item in enumerate(items):
        state.at = at
        if at in state.used:
            continue
        if state.cue == "comparison" and _is_study(item):
            state.cue = None
        if item.ids:
            _concepts(state, at, resolve, main)
        elif item.kind == "break":
            _break(state, at, goes_on)
        elif item.kind == "open":
            state.brackets.append(state.cue)
        elif item.kind == "close":
            state.cue = state.brackets.pop() if state.brackets else state.cue
        elif item.kind in JOINING:
            _join(state, at, goes_on)
        else:
            _cue(state, at)
    state.at = len(items)
    _flush(state)
    for mention in list(state.mentions):
        state.mentions += _settle_sides(mention)
    return Row(
        mentions=tuple(state.mentions),
        loose=tuple(state.loose),
        denied=frozenset(state.denied),
        unused=tuple(state.unused),
    )


def _is_study(item: Item) -> bool:
    """Whether a comparison is with another examination, so that what follows is said of this."""
    return item.text.lower() in _STUDIES or any(c.startswith("modality:") for c in item.ids)


_STUDIES = ("study", "exam", "examination", "scan", "image", "images", "studies", "imaging")


def _concepts(state: State, at: int, resolve: Resolve, main: str | None) -> None:
    item = state.items[at]
    for concept in item.ids:
        bare = concept.removeprefix(ABSENT)
        kind = bare.partition(":")[0]
        if kind == "finding":
            _add(state, at, resolve(bare, at), concept.startswith(ABSENT))
        elif kind in _MODIFIERS and concept != main:
            if state.backward and state.clause:
                modify(state, state.clause[-1], [(concept, item.text)])
            else:
                state.pending.append((concept, item.text))
                if kind == "site" and item.text.lower().startswith("bi"):
                    state.pending.append(("side:bilateral", item.text))  # bibasilar, biapical


def _add(state: State, at: int, concept: str, denied: bool) -> None:
    status: Status = "absent" if denied else _FORWARD.get(state.cue or "", "present")
    mention = Mention(concept, status, at, signed=state.once)
    mention.denied_by = state.said if status == "absent" and not denied else ""
    modify(state, mention, state.pending)
    graded = mention.severity or any(m.severity for m in state.group)
    if state.closed or (not state.clause and (state.complete or graded)):
        state.group, state.clause, state.complete = [], [], False
    state.closed = state.once
    state.cue, state.once = (None if state.once else state.cue), False
    state.pending, state.backward = [], False
    for kept in (state.mentions, state.group, state.clause):
        kept.append(mention)


def _cue(state: State, at: int) -> None:
    kind = state.items[at].kind
    if kind in ("negation", "denial", "excluded", "gone"):
        deny(state, at)
    elif kind in ("minus", "plus", "one", "perhaps"):
        _signed(state, at)
    elif kind in ("doubt", "asked", "exclude", "unlikely", "doubted"):
        _doubt(state, at)
    elif kind in ("history", "comparison"):
        state.cue, state.once = kind, False
    elif kind == "versus":
        for mention in state.clause[-1:]:
            mention.status = "uncertain"
        state.cue = "doubt"
    elif kind == "except" and not _something_to_except(state.items[:at]):
        state.cue, state.once = "negation", False
    elif kind in ("turn", "except"):
        _flush(state, turning=True)
        state.cue, state.clause, state.wide = None, [], False
        state.closed = True
    elif kind == "neutral":
        state.cue = None if state.cue == "negation" else state.cue
    elif kind == "affirm":
        state.closed = True
    elif kind == "verb":
        state.complete = True
    elif kind == "place":
        state.backward = bool(state.clause)


def _something_to_except(before: Sequence[Item]) -> bool:
    """Whether "except" follows what is normal, denied or unchanged, so that it affirms."""
    kinds = ("negation", "denial", "gone", "neutral", "opens", "change")
    return any(i.kind in kinds or NORMAL in i.ids for i in before)


def _signed(state: State, at: int) -> None:
    """A sign stands at the finding before it, or at that which follows."""
    kind = state.items[at].kind
    last = (state.clause or state.group)[-1:]
    following = state.items[at + 1 : at + 2]
    if state.items[at].text.lower() == "non" and following and not following[0].finds:
        return  # "non-specific"
    if kind == "one" or not last or last[0].signed:
        follows = next((i for _, i in ahead(state.items, at)), None)
        if kind in ("one", "minus") and follows is not None:
            state.cue, state.once = "negation", True
        elif kind == "one":  # "pneumothorax: non"
            set_status(reach(state, at), "absent")
        elif kind == "plus":
            state.cue, state.closed = None, True
        return
    reached = last if state.clause else reach(state, at)
    if kind == "minus":
        set_status(reached, "absent")
    elif kind == "perhaps":
        set_status(reached, "uncertain")
    for mention in reached:
        mention.signed = True
    state.closed = True


def _doubt(state: State, at: int) -> None:
    kind = state.items[at].kind
    finds = any(item.finds for _, item in ahead(state.items, at))
    status: Status = "uncertain"
    if kind == "unlikely":
        status = "unlikely"
    elif kind in ("asked", "exclude"):
        status = "asked"
    behind = kind in ("unlikely", "exclude", "doubt") and not finds
    if behind and not state.clause:
        clause = [i for i in state.items if i.clause == state.items[at].clause]
        behind = bool(state.group) and all(i.kind in (kind, "break", *THIN) for i in clause)
    if kind == "doubted" or behind:
        set_status(reach(state, at), status)
        state.closed = True
    elif state.cue != "negation":
        state.cue, state.once = "asked" if kind == "exclude" else kind, False


def _join(state: State, at: int, goes_on: GoesOn) -> None:
    """ "And" may begin a new statement; modifiers before it stay behind."""
    if state.pending and state.clause:
        _flush(state)
    state.backward = False
    state.joined = True
    if state.items[at].kind == "or" and state.cue is None:
        _doubt_alternatives(state, at)
    elif state.items[at].kind == "nor" and state.cue is None:
        state.cue, state.once = "negation", False
    elif state.cue and not goes_on(state.items, at):
        state.cue = None


def _doubt_alternatives(state: State, at: int) -> None:
    """ "thymoma or lymphoma": what is one of two is certain for neither."""
    follows = any(item.finds for _, item in ahead(state.items, at))
    before = state.items[at - 1] if at else None
    if not follows or before is None or before.kind in ("and", "turn", "place"):
        return
    for mention in state.clause[-1:]:
        mention.status = "uncertain" if mention.status == "present" else mention.status
    state.cue, state.once = "doubt", False


def _break(state: State, at: int, goes_on: GoesOn) -> None:
    mark = state.items[at].text
    before = state.items[at - 1].kind if at else ""
    after = state.items[at + 1].text.lower() if at + 1 < len(state.items) else ""
    if not (mark == "," and after == "not"):
        _flush(state)
    if before == "break" and mark != ".":
        return
    if mark == ":" and state.cue == "negation" and before in (*_ANSWERS, *THIN):
        state.wide = True
        return
    answered = _only_answer(state.items, at)
    if mark == "?" and not answered:
        set_status(state.clause, "uncertain")
    if mark == "," and state.cue != "comparison":
        state.cue = state.cue if state.wide or goes_on(state.items, at) else None
    else:
        state.cue, state.wide = None, False
    if mark in SENTENCE_ENDS or not (mark == "," or state.clause):
        state.group = list(state.clause) if answered else []
    state.joined = state.joined and mark in STANDING_FOR
    state.clause, state.backward, state.start = [], False, at + 1


def _only_answer(items: Sequence[Item], at: int) -> bool:
    """Whether the clause after a break is a mere yes or no to what stands before it."""
    coming = [item for _, item in ahead(items, at)]
    return any(i.kind in _ANSWERS for i in coming) and all(
        i.kind in (*_ANSWERS, *THIN, "unknown")
        or all(c.startswith(("side:", "site:")) for c in i.ids)
        for i in coming
        if i.ids or i.kind != "concept"
    )


def _flush(state: State, *, turning: bool = False) -> None:
    """Modifiers that found no finding after them go to the clause's last one, or to one that was
    denied on the other side, or are left over."""
    last = (state.clause or state.group)[-1:]
    if not state.clause and last and not turning and _other_side(state, last[0]):
        last = [replace(last[0], status="present", side=None, severity=None)]
        state.mentions.append(last[0])
        state.clause = last
    sided = any(c.startswith("side:") for c, _ in state.pending)
    elsewhere = last and ((last[0].not_sides and sided) or _is_answered(state))
    if state.clause or elsewhere:
        modify(state, last[0], state.pending)
    elif turning and state.cue is None:
        return  # "right but not left effusion"
    elif not turning:
        state.loose += [(*pair, state.start) for pair in state.pending]
    state.pending = []


def _is_answered(state: State) -> bool:
    """ "effusion: small, left": a clause of nothing but modifiers after a colon."""
    words = state.items[state.start : state.at]
    mark = state.items[state.start - 1] if state.start else None
    return (
        mark is not None
        and mark.text in STANDING_FOR
        and all(i.kind in (*THIN, "affirm") or i.ids for i in words)
        and sum(bool(i.ids) for i in words) == len(state.pending)
    )


def _other_side(state: State, denied: Mention) -> bool:
    """ "no effusion on the right, small on the left": a clause of nothing but another side."""
    sides = {c for c, _ in state.pending if c.startswith("side:")}
    words = state.items[state.start : state.at]
    return (
        denied.status == "absent"
        and denied.side is not None
        and bool(sides)
        and denied.side not in sides
        and all(i.kind in (*THIN, "break", "affirm") or i.ids for i in words)
        and sum(bool(i.ids) for i in words) == len(state.pending)
    )


def _settle_sides(mention: Mention) -> list[Mention]:
    """Denied on one side and said on the other: there, and absent here. Denied where it was said:
    absent."""
    if not mention.not_sides or mention.status != "present":
        return []
    if mention.side == "side:bilateral" and len(mention.not_sides) == 1:
        other = {"side:left": "side:right", "side:right": "side:left"}
        mention.side = other.get(next(iter(mention.not_sides)))
    if mention.side is None or mention.side in mention.not_sides:
        sides = mention.not_sides | ({mention.side} if mention.side else set())
        mention.side = next(iter(sides)) if len(sides) == 1 else "side:bilateral"
        mention.status = "absent"
        return []
    denied = next(iter(mention.not_sides)) if len(mention.not_sides) == 1 else "side:bilateral"
    return [replace(mention, status="absent", side=denied, sites=(), severity=None)]
