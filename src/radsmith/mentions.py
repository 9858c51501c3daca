"""A row of words to its findings: present, absent, in doubt; whose side, site and severity.

The one reader of denial, for prompts and reports alike. A cue before a finding reaches forwards
to the end of its clause, to "but" or "with", or over a list; one after it reaches back over the
findings of its clause, or of what stands before a colon. What goes on over a comma or an "and" is
for the caller to say: a prompt is written in clauses, a report in sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from radsmith.prompt import NORMAL
from radsmith.vocabulary import ABSENT
from radsmith.words import Item

Status = Literal["present", "absent", "uncertain", "unlikely", "asked", "past"]
GoesOn = Callable[[Sequence[Item], int], bool]
"""Whether a cue in force goes on after the comma or "and" at this place of the row."""
Resolve = Callable[[str, int], str]
"""What a finding's id means at this place of the row."""

_FORWARD: dict[str, Status] = {
    "negation": "absent", "doubt": "uncertain", "asked": "asked", "unlikely": "unlikely",
    "history": "past", "comparison": "past",
}  # fmt: skip
_MODIFIERS = ("side", "site", "severity", "body_part")
_JOINING = ("and", "or", "nor")
_THIN = ("filler", "article", "place", "verb")
_ANSWERS = ("denial", "gone", "excluded", "minus", "plus", "affirm", "negation")
_SENTENCE_ENDS = (".", ";", "\n", "?")
_STANDING_FOR = (":", "|", "=", "\t")


@dataclass
class Mention:
    """A finding where it is named: at this place of its row. not_sides: sides that were denied."""

    concept: str
    status: Status
    at: int
    side: str | None = None
    sites: tuple[str, ...] = ()
    severity: str | None = None
    not_sides: frozenset[str] = frozenset()
    signed: bool = False


@dataclass(frozen=True)
class Row:
    """What a row says. loose: modifiers that belong to no finding, with their words.

    denied: places of items that are no findings and are denied ("not a lateral view").
    unused: words of modifiers that were denied without their finding ("not severe"), and of second
    severities.
    """

    mentions: tuple[Mention, ...]
    loose: tuple[tuple[str, str], ...]
    denied: frozenset[int]
    unused: tuple[str, ...]


@dataclass
class _State:
    """Where the reading of a row stands.

    at, start: the item that is read, and the first of its clause.  cue: the forward cue in force;
    once: for the next finding alone; wide: over a list to the end of the sentence.
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
    loose: list[tuple[str, str]] = field(default_factory=list)
    denied: set[int] = field(default_factory=set)
    used: set[int] = field(default_factory=set)
    unused: list[str] = field(default_factory=list)
    brackets: list[str | None] = field(default_factory=list)
    cue: str | None = None
    once: bool = False
    wide: bool = False
    backward: bool = False
    closed: bool = False
    complete: bool = False
    joined: bool = False


def read_row(items: Sequence[Item], goes_on: GoesOn, resolve: Resolve, main: str | None) -> Row:
    """Findings in order. main: the body part imaged, which is no site of a finding."""
    state = _State(items)
    for at, item in enumerate(items):
        state.at = at
        if at in state.used:
            continue
        if item.ids:
            _concepts(state, at, resolve, main)
        elif item.kind == "break":
            _break(state, at, goes_on)
        elif item.kind == "open":
            state.brackets.append(state.cue)
        elif item.kind == "close":
            state.cue = state.brackets.pop() if state.brackets else state.cue
        elif item.kind in _JOINING:
            _join(state, at, goes_on)
        else:
            _cue(state, at)
    state.at = len(items)
    _flush(state)
    for mention in state.mentions:
        _settle_sides(mention)
    return Row(
        mentions=tuple(state.mentions),
        loose=tuple(state.loose),
        denied=frozenset(state.denied),
        unused=tuple(state.unused),
    )


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


def _concepts(state: _State, at: int, resolve: Resolve, main: str | None) -> None:
    item = state.items[at]
    for concept in item.ids:
        bare = concept.removeprefix(ABSENT)
        kind = bare.partition(":")[0]
        if kind == "finding":
            _add(state, at, resolve(bare, at), concept.startswith(ABSENT))
        elif kind in _MODIFIERS and concept != main:
            if state.backward and state.clause:
                _modify(state, state.clause[-1], [(concept, item.text)])
            else:
                state.pending.append((concept, item.text))
                if kind == "site" and item.text.lower().startswith("bi"):
                    state.pending.append(("side:bilateral", item.text))  # bibasilar, biapical


def _add(state: _State, at: int, concept: str, denied: bool) -> None:
    status: Status = "absent" if denied else _FORWARD.get(state.cue or "", "present")
    mention = Mention(concept, status, at, signed=state.once)
    _modify(state, mention, state.pending)
    graded = mention.severity or any(m.severity for m in state.group)
    if state.closed or (not state.clause and (state.complete or graded)):
        state.group, state.clause, state.complete = [], [], False
    state.closed = state.once
    state.cue, state.once = (None if state.once else state.cue), False
    state.pending, state.backward = [], False
    for kept in (state.mentions, state.group, state.clause):
        kept.append(mention)


def _modify(state: _State, mention: Mention, said: Sequence[tuple[str, str]]) -> None:
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


def _cue(state: _State, at: int) -> None:
    kind = state.items[at].kind
    if kind in ("negation", "denial", "excluded", "gone"):
        _deny(state, at)
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


def _deny(state: _State, at: int) -> None:
    """A denial: of what follows, of what stands before, of a side, of a view; or none at all."""
    kind = state.items[at].kind
    coming = list(ahead(state.items, at))
    if not coming and kind == "negation" and _shows(state.items[at + 1 : at + 2]):
        state.used.add(at + 1)  # "not showing"
        coming = list(ahead(state.items, at + 1))
    first = next((n for n, (_, item) in enumerate(coming) if item.finds), len(coming))
    if state.clause:  # "effusion is not seen and pneumonia is": the pneumonia is another matter
        joint = (n for n, (_, item) in enumerate(coming[:first]) if item.kind in _JOINING)
        coming = coming[: next(joint, len(coming))]
    answer = _is_answer(state, at, coming[first:])
    finds = first < len(coming) and not answer
    if kind == "negation" and _turned(state, at, coming[:first], finds):
        return
    if _denies_modifiers(state, at, coming, finds) or _denies_others(state, at, coming):
        return
    if kind == "negation" and not finds and not _bare(state, at, coming):
        state.cue, state.once = "negation", False  # "without loosening"
        return
    heads = not state.clause and at + 1 < len(state.items) and state.items[at + 1].text == ":"
    standing = state.clause or state.group
    if finds and (kind == "negation" or (kind == "denial" and not state.clause)):
        state.cue, state.once = "negation", False
    elif standing and not heads and not (finds and not state.clause):
        for mention in _reach(state, at):
            mention.status, mention.signed = "absent", True
        state.closed = True
        state.used |= {place for place, item in coming if item.kind in ("doubt", "gone", "affirm")}
    elif kind != "gone":
        state.cue, state.once = "negation", False


def _shows(items: Sequence[Item]) -> bool:
    """Whether the next word only seems to turn from the denial before it."""
    return bool(items) and items[0].kind == "turn" and items[0].text.lower() in _SHOWING


_SHOWING = ("showing", "demonstrating", "revealing", "having", "including", "with", "there is")


def _bare(state: _State, at: int, coming: Sequence[tuple[int, Item]]) -> bool:
    """Whether a negation has no object of its own, so that it denies what stands before."""
    return "not" in state.items[at].text.lower().split() or all(
        item.kind in (*_THIN, "affirm", "gone", "place") or item.ids for _, item in coming
    )


def _is_answer(state: _State, at: int, rest: Sequence[tuple[int, Item]]) -> bool:
    """ "Effusion: no Pneumothorax: yes": the next finding has an answer of its own."""
    if not (state.group and at and state.items[at - 1].text in _STANDING_FOR):
        return False
    after = rest[0][0] + 1 if rest else len(state.items)
    return after < len(state.items) and state.items[after].text in _STANDING_FOR


_BETWEEN = ("filler", "article", "verb", "unknown", "opens", "affirm", "doubt")


def _turned(state: _State, at: int, before: Sequence[tuple[int, Item]], finds: bool) -> bool:
    """Whether words after "no" or "not" make it something else: "no change in", "not excluded",
    "not absent", "not displaced"."""
    for place, item in before:
        if item.kind == "change":
            after = state.items[place + 1]
            if finds and not (after.kind == "place" or after.text.lower().startswith("in ")):
                return False
            state.cue = None
        elif item.kind in ("excluded", "exclude"):
            state.used.add(place)
            if finds:
                state.cue, state.once = "doubt", False
            else:
                _set(_reach(state, at), "uncertain")
                state.closed = True
        elif item.kind in ("negation", "denial", "gone") and state.items[at].text != "neither":
            state.used.add(place)
            state.cue = None
        elif item.kind == "neutral" or (item.kind == "quality" and not finds and state.group):
            pass
        elif item.kind in _BETWEEN or item.ids:
            continue
        else:
            return False
        return True
    return False


def _denies_modifiers(
    state: _State, at: int, coming: Sequence[tuple[int, Item]], finds: bool
) -> bool:
    """ "not on the right", "not severe", "none on the left": what stands before is denied there,
    or is not so. finds: a finding follows, to which the words belong."""
    places, seen = [], state.items[at].kind != "negation"
    for place, item in coming:
        kinds = {c.partition(":")[0] for c in item.ids}
        if kinds and kinds <= {"side", "site", "severity"}:
            places.append(place)
        elif item.kind == "verb" and not places:
            seen = True
        elif item.kind not in (*_THIN, "or"):
            break
    said = [(c, state.items[p].text) for p in places for c in state.items[p].ids]
    sides = frozenset(c for c, _ in said if c.startswith("side:"))
    target = state.clause or state.group
    beside = any(c.startswith("side:") for c, _ in state.pending)
    plainly = state.items[at].text.lower() == "not"
    if not said or (finds and not (plainly and sides and beside)) or (seen and not sides):
        return False
    if not (seen or plainly) and _finds_later(state.items, at):
        return False  # "no left, right or bilateral effusion"
    if seen and not target:
        return False
    state.used |= set(places)
    if not seen:
        state.unused += [words for c, words in said if not (target and c in sides)]
    for mention in _reach(state, at) if seen else target[-1:]:
        mention.not_sides |= sides
        if seen:
            _modify(state, mention, [pair for pair in said if pair[0] not in sides])
    return True


def _finds_later(items: Sequence[Item], at: int) -> bool:
    """Whether the sentence names a finding after a place."""
    for item in items[at + 1 :]:
        if item.finds:
            return True
        if item.kind == "break" and item.text in _SENTENCE_ENDS:
            return False
    return False


_OTHERS = ("view", "technique", "modality", "body_part", "sex", "age_group")


def _denies_others(state: _State, at: int, coming: Sequence[tuple[int, Item]]) -> bool:
    """ "not a lateral view", "contrast: none": something other than a finding."""
    kind = state.items[at].kind
    if state.clause or any(item.finds for _, item in coming):
        return False
    for place, item in coming:
        if kind == "negation" and item.ids and item.ids[0].partition(":")[0] in _OTHERS:
            state.denied.add(place)
            return True
        if item.kind not in ("filler", "article"):
            break
    place = at - 1
    while place >= 0 and (
        state.items[place].kind in ("verb", "filler") or state.items[place].text in _STANDING_FOR
    ):
        place -= 1
    behind = state.items[place] if place >= 0 else None
    if behind and behind.ids and behind.ids[0].startswith(("view:", "technique:")):
        state.denied.add(place)
        return True
    return False


def _reach(state: _State, at: int) -> list[Mention]:
    """What a cue behind findings reaches: those of its clause, or of all a list that ends there."""
    words = {w for item in state.items[max(0, at - 2) : at + 1] for w in item.text.lower().split()}
    if state.clause and not (state.joined or words & {"are", "were", "have"}):
        return list(state.clause)
    return list(state.group) or list(state.clause)


def _signed(state: _State, at: int) -> None:
    """A sign stands at the finding before it, or at that which follows."""
    kind = state.items[at].kind
    last = (state.clause or state.group)[-1:]
    if kind == "one" or not last or last[0].signed:
        follows = next((i for _, i in ahead(state.items, at)), None)
        if kind in ("one", "minus") and follows is not None:
            state.cue, state.once = "negation", True
        elif kind == "one":  # "pneumothorax: non"
            _set(_reach(state, at), "absent")
        elif kind == "plus":
            state.cue, state.closed = None, True
        return
    reached = last if state.clause else _reach(state, at)
    if kind == "minus":
        _set(reached, "absent")
    elif kind == "perhaps":
        _set(reached, "uncertain")
    for mention in reached:
        mention.signed = True
    state.closed = True


def _doubt(state: _State, at: int) -> None:
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
        behind = bool(state.group) and all(i.kind in (kind, "break", *_THIN) for i in clause)
    if kind == "doubted" or behind:
        _set(_reach(state, at), status)
        state.closed = True
    elif state.cue != "negation":
        state.cue, state.once = "asked" if kind == "exclude" else kind, False


def _set(mentions: Sequence[Mention], status: Status) -> None:
    for mention in mentions:
        mention.status = status


def _join(state: _State, at: int, goes_on: GoesOn) -> None:
    """ "And" may begin a new statement; modifiers before it stay behind."""
    if state.pending and state.clause:
        _flush(state)
    state.backward = False
    state.joined = True
    if state.items[at].kind == "nor" and state.cue is None:
        state.cue, state.once = "negation", False
    elif state.cue and not goes_on(state.items, at):
        state.cue = None


def _break(state: _State, at: int, goes_on: GoesOn) -> None:
    mark = state.items[at].text
    before = state.items[at - 1].kind if at else ""
    after = state.items[at + 1].text.lower() if at + 1 < len(state.items) else ""
    if not (mark == "," and after == "not"):
        _flush(state)
    if before == "break" and mark != ".":
        return
    if mark == ":" and state.cue == "negation" and before in (*_ANSWERS, *_THIN):
        state.wide = True
        return
    answered = _only_answer(state.items, at)
    if mark == "?" and not answered:
        _set(state.clause, "uncertain")
    if mark == ",":
        state.cue = state.cue if state.wide or goes_on(state.items, at) else None
    else:
        state.cue, state.wide = None, False
    if mark in _SENTENCE_ENDS or not (mark == "," or state.clause):
        state.group = list(state.clause) if answered else []
    state.joined = state.joined and mark in _STANDING_FOR
    state.clause, state.backward, state.start = [], False, at + 1


def _only_answer(items: Sequence[Item], at: int) -> bool:
    """Whether the clause after a break is a mere yes or no to what stands before it."""
    coming = [item for _, item in ahead(items, at)]
    return any(i.kind in _ANSWERS for i in coming) and all(
        i.kind in (*_ANSWERS, *_THIN, "unknown") and not i.ids for i in coming
    )


def _flush(state: _State, *, turning: bool = False) -> None:
    """Modifiers that found no finding after them go to the clause's last one, or to one that was
    denied on the other side, or are left over."""
    last = (state.clause or state.group)[-1:]
    if not state.clause and last and not turning and _other_side(state, last[0]):
        last = [replace(last[0], status="present", side=None, severity=None)]
        state.mentions.append(last[0])
        state.clause = last
    elsewhere = last and last[0].not_sides and any(c.startswith("side:") for c, _ in state.pending)
    if state.clause or elsewhere:
        _modify(state, last[0], state.pending)
    elif turning and state.cue is None:
        return  # "right but not left effusion"
    elif not turning:
        state.loose += state.pending
    state.pending = []


def _other_side(state: _State, denied: Mention) -> bool:
    """ "no effusion on the right, small on the left": a clause of nothing but another side."""
    sides = {c for c, _ in state.pending if c.startswith("side:")}
    words = state.items[state.start : state.at]
    return (
        denied.status == "absent"
        and denied.side is not None
        and bool(sides)
        and denied.side not in sides
        and all(i.kind in (*_THIN, "break", "affirm") or i.ids for i in words)
        and sum(bool(i.ids) for i in words) == len(state.pending)
    )


def _settle_sides(mention: Mention) -> None:
    """Denied on one side and said on the other: there. Denied where it was said: absent."""
    if not mention.not_sides or mention.status != "present":
        return
    if mention.side == "side:bilateral" and len(mention.not_sides) == 1:
        other = {"side:left": "side:right", "side:right": "side:left"}
        mention.side = other.get(next(iter(mention.not_sides)))
    if mention.side is None or mention.side in mention.not_sides:
        sides = mention.not_sides | ({mention.side} if mention.side else set())
        mention.side = next(iter(sides)) if len(sides) == 1 else "side:bilateral"
        mention.status = "absent"
