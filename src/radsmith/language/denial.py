"""Denial: of what follows, of what stands before, of a side or a view, and what only looks like it.

NegEx (Chapman et al. 2001) keeps lists of phrases for each; here a denying word is read with the
words between it and its finding: "not excluded" doubts, "no change in" affirms, "not on the right"
denies a side, "not a lateral view" a view.
"""

from __future__ import annotations

from collections.abc import Sequence

from radsmith.language.mentions import (
    JOINING,
    SENTENCE_ENDS,
    STANDING_FOR,
    THIN,
    State,
    ahead,
    modify,
    reach,
    set_status,
)
from radsmith.language.words import Item


def deny(state: State, at: int) -> None:
    """A denial: of what follows, of what stands before, of a side, of a view; or none at all."""
    kind = state.items[at].kind
    coming = list(ahead(state.items, at))
    if not coming and kind == "negation" and _shows(state.items[at + 1 : at + 2]):
        state.used.add(at + 1)  # "not showing"
        coming = list(ahead(state.items, at + 1))
    first = next((n for n, (_, item) in enumerate(coming) if item.finds), len(coming))
    if state.clause:  # "effusion is not seen and pneumonia is": the pneumonia is another matter
        joint = (n for n, (_, item) in enumerate(coming[:first]) if item.kind in JOINING)
        coming = coming[: next(joint, len(coming))]
    answer = _is_answer(state, at, coming[first:])
    finds = first < len(coming) and not answer
    if kind == "negation" and _turned(state, at, coming[:first], finds):
        return
    if _denies_modifiers(state, at, coming, finds) or _denies_others(state, at, coming):
        return
    if not finds and _denies_side_before(state):
        return
    if kind == "negation" and not finds and not _bare(state, at, coming):
        state.cue, state.once = "negation", False  # "without loosening"
        return
    heads = not state.clause and at + 1 < len(state.items) and state.items[at + 1].text == ":"
    standing = state.clause or state.group
    if finds and (kind == "negation" or (kind == "denial" and not state.clause)):
        state.cue, state.once, state.said = "negation", False, state.items[at].text.lower()
    elif standing and not heads and not (finds and not state.clause):
        for mention in reach(state, at):
            again = mention.denied_by.startswith(_LACKS) and kind == "negation"
            mention.status, mention.signed = "uncertain" if again else "absent", True
        state.closed = True
        state.used |= {place for place, item in coming if item.kind in ("doubt", "gone", "affirm")}
    elif kind != "gone":
        state.cue, state.once = "negation", False


def _shows(items: Sequence[Item]) -> bool:
    """Whether the next word only seems to turn from the denial before it."""
    return bool(items) and items[0].kind == "turn" and items[0].text.lower() in _SHOWING


_LACKS = ("absence", "lack", "resolution", "clearing", "removal")
"""Denials that may be denied: "absence of an effusion can not be confirmed"."""
_SHOWING = ("showing", "demonstrating", "revealing", "having", "including", "with", "there is")


def _bare(state: State, at: int, coming: Sequence[tuple[int, Item]]) -> bool:
    """Whether a negation has no object of its own, so that it denies what stands before."""
    return "not" in state.items[at].text.lower().split() or all(
        item.kind in (*THIN, "affirm", "gone", "place") or item.ids for _, item in coming
    )


def _is_answer(state: State, at: int, rest: Sequence[tuple[int, Item]]) -> bool:
    """ "Effusion: no Pneumothorax: yes": the next finding has an answer of its own."""
    if not (state.group and at and state.items[at - 1].text in STANDING_FOR):
        return False
    after = rest[0][0] + 1 if rest else len(state.items)
    return after < len(state.items) and state.items[after].text in STANDING_FOR


_BETWEEN = ("filler", "article", "verb", "unknown", "opens", "affirm", "doubt")


def _turned(state: State, at: int, before: Sequence[tuple[int, Item]], finds: bool) -> bool:
    """Whether words after "no" or "not" make it something else: "no change in", "not excluded",
    "not absent", "not displaced"."""
    for place, item in before:
        if item.kind == "change":
            if finds and not _leads_in(state.items[place + 1]):
                return False
            state.cue = None
        elif item.kind in ("excluded", "exclude"):
            state.used.add(place)
            if finds:
                state.cue, state.once = "doubt", False
            else:
                set_status(reach(state, at), "uncertain")
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


def _leads_in(item: Item) -> bool:
    return item.kind == "place" or item.text.lower().startswith("in ")


def _denies_modifiers(
    state: State, at: int, coming: Sequence[tuple[int, Item]], finds: bool
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
        elif item.kind not in (*THIN, "or"):
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
    for mention in reach(state, at) if seen else target[-1:]:
        mention.not_sides |= sides
        if seen:
            modify(state, mention, [pair for pair in said if pair[0] not in sides])
    return True


def _denies_side_before(state: State) -> bool:
    """ "effusion on the right, left none"."""
    sides = {concept for concept, _ in state.pending}
    if state.clause or not state.group or not sides or any(c[:5] != "side:" for c in sides):
        return False
    state.group[-1].not_sides |= sides
    state.pending = []
    return True


def _finds_later(items: Sequence[Item], at: int) -> bool:
    """Whether the sentence names a finding after a place."""
    for item in items[at + 1 :]:
        if item.finds:
            return True
        if item.kind == "break" and item.text in SENTENCE_ENDS:
            return False
    return False


_OTHERS = ("view", "technique", "modality", "body_part", "sex", "age_group")


def _denies_others(state: State, at: int, coming: Sequence[tuple[int, Item]]) -> bool:
    """ "not a lateral view", "contrast: none": something other than a finding."""
    kind = state.items[at].kind
    if state.clause or any(item.finds for _, item in coming):
        return False
    for place, item in coming:
        name = item.ids[0].partition(":")[0] if item.ids else ""
        part_of_list = name == "body_part" and _finds_later(state.items, at)
        if kind == "negation" and name in _OTHERS and not part_of_list:
            state.denied.add(place)
            return True
        if item.kind not in ("filler", "article"):
            break
    place = at - 1
    while place >= 0 and (
        state.items[place].kind in ("verb", "filler") or state.items[place].text in STANDING_FOR
    ):
        place -= 1
    behind = state.items[place] if place >= 0 else None
    if behind and behind.ids and behind.ids[0].startswith(("view:", "technique:")):
        state.denied.add(place)
        return True
    return False
