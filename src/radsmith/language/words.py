"""Free text as a row of known words: concepts by longest match, cues of grammar, quantities.

Knows nothing of findings or prompts; `rows.py` makes sense of the row.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache

from radsmith.language.cues import CONTROL
from radsmith.language.prompt import Age
from radsmith.language.quantities import Quantity, quantity_at
from radsmith.language.signs import NOT, NOT_NEXT, PERHAPS, YES, marked
from radsmith.language.vocabulary import ABSENT, Abbreviation, Vocabulary, fold_word, plain

_BREAKS = ",;:|=?\n\t."
_TOKEN = re.compile(r"[^\W_]+\*?|[,;:|=?\n\t]|\.(?!\d)|[^\s\w]")
_REWRITES = (
    (re.compile(r"\bw/?o(?:ut)?/|\bw/o(?:ut)?\b", re.I), "without "),
    (re.compile(r"\br/o\b", re.I), "rule out"),
    (re.compile(r"\be/o\b", re.I), "evidence of"),
    (re.compile(r"\bh/o\b", re.I), "history of"),
    (re.compile(r"\bs/p\b", re.I), "status post"),
    (re.compile(r"\bc/w\b", re.I), "consistent with"),
    (re.compile(r"\b[ai]/w\b", re.I), "with"),
    (re.compile(r"\bd/t\b", re.I), "due to"),
    (re.compile(r"\bw/", re.I), "with "),
    (re.compile(r"\b(?:ex[- ])?\d\d[- ]?weekers?\b", re.I), "preterm newborn"),
    (re.compile(r"\b(?:can['’]?t|cannot)\b", re.I), "can not"),
    (re.compile(r"\bwon['’]t\b", re.I), "will not"),
    (re.compile(r"\bain['’]t\b", re.I), "is not"),
    (
        re.compile(
            r"\b(do|does|did|is|are|was|were|has|have|had|could|would|should|need)n['’]?t\b", re.I
        ),
        r"\1 not",
    ),
    (re.compile(r"\b([a-z])\.([a-z])\.(?:([a-z])\.)?", re.I), r"\1\2\3 "),
    (re.compile(r"(?<!\d)\+|\+(?!\d)|&"), " and "),
)
_MARK_KINDS = {NOT_NEXT: "one", NOT: "minus", YES: "plus", PERHAPS: "perhaps"}
_BRACKETS = dict.fromkeys("([{", "open") | dict.fromkeys(")]}", "close")
_PREGNANCY = frozenset(
    f"body_part:{part}" for part in ("fetus", "fetal-head", "placenta", "uterus")
) | {"age_group:fetus", "finding:twin-pregnancy", "finding:placenta-previa"}
_NORMAL, _NO = "finding:normal", ("no", "not", "without", "nothing")
_OF_SOMETHING = frozenset(
    ("of", "for", "to", "suggest", "suggesting", "suggestive", "indicating", "indicative", "like",
     "such", "concerning", "consistent", "compatible", "suspicious")
)  # fmt: skip
"""Words after "no findings" that make it the denial of what follows."""
_BESIDE_ZERO = ("break", "open", "close", "minus", "plus")


@dataclass
class Item:
    """A run of words. kind: one of `cues.CONTROL`, "concept", "unknown", "break", "open", "close",
    a kind of `Quantity`, or a sign ("one", "minus", "plus", "perhaps").

    note: what to say of how it was read ("" for nothing).
    """

    kind: str
    text: str
    ids: tuple[str, ...] = ()
    clause: int = 0
    age: Age | None = None
    note: str = ""

    @property
    def finds(self) -> bool:
        """Whether it names a finding."""
        return any(c.removeprefix(ABSENT).startswith("finding:") for c in self.ids)


def items_of(text: str, vocabulary: Vocabulary, context: Sequence[str] = ()) -> list[Item]:
    """Words to items by longest match; clauses numbered.

    context: ids of what is known of the image besides the text.
    """
    items = list(_items(text, vocabulary))
    known = {c for item in items for c in item.ids} | set(context)
    items = [_in_context(item, known, vocabulary) for item in items]
    _read_numbers(items)
    return items


def _items(text: str, vocabulary: Vocabulary) -> Iterator[Item]:
    text = marked(text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    bare = plain(text)
    tokens = [token for token in _TOKEN.finditer(bare) if _tells(token.group())]
    folded = [fold_word(token.group()) for token in tokens]
    lexicon, longest = _lexicon(vocabulary)
    at = clause = 0
    while at < len(tokens):
        word = tokens[at].group()
        if not word[0].isalnum():
            clause += word in _BREAKS
            yield _sign(word, clause)
            at += 1
            continue
        kind, ids, length = _longest(folded, at, lexicon, longest)
        if kind not in ("", "concept") and length > 1:
            after = _longest(folded, at + length - 1, lexicon, longest)
            shorter = lexicon.get(tuple(folded[at : at + length - 1]))
            if shorter and after[0] == "concept" and after[2] > 1:
                (kind, ids), length = shorter, length - 1  # no + focal consolidation …
        if ids == (_NORMAL,) and folded[at] in _NO and _OF_SOMETHING & {*folded[at + length :][:1]}:
            kind, ids, length = _longest(folded[at : at + 1], 0, lexicon, 1)
        start, end = tokens[at].start(), tokens[at + length - 1].end()
        quantity = quantity_at(bare, start)
        if quantity is not None and not (kind == "concept" and end >= quantity.end):
            yield from _quantity(quantity, text[start : quantity.end], clause)
            at += sum(start <= token.start() < quantity.end for token in tokens)
            continue
        meant = "" if kind else _mistyped(folded[at])
        note = f"“{text[start:end]}” is read as “{meant}”" if meant else ""
        kind = kind or (lexicon[(meant,)][0] if meant else "unknown")
        yield Item(kind, text[start:end], ids, clause, note=note)
        at += length


def _tells(token: str) -> bool:
    """Whether it is a word, a mark, a break or bracket, or a picture; other signs say nothing."""
    if token[0].isalnum() or token in _MARK_KINDS or token in _BREAKS or token in _BRACKETS:
        return True
    return unicodedata.category(token) in ("So", "Co", "Cn")


def _sign(word: str, clause: int) -> Item:
    if word in _MARK_KINDS:
        return Item(_MARK_KINDS[word], "", clause=clause)
    if word in _BREAKS:
        return Item("break", word, clause=clause)
    return Item(_BRACKETS.get(word, "unknown"), word, clause=clause)


def _quantity(found: Quantity, written: str, clause: int) -> Iterator[Item]:
    if found.kind == "age":
        yield Item("age", written, clause=clause, age=found.age)
        if found.ids:  # 67F
            yield Item("concept", written, found.ids, clause)
    else:
        kind = "concept" if found.kind == "gestation" else found.kind
        yield Item(kind, written, found.ids, clause)


_DENYING = ("without", "absent", "negative", "resolved", "excluded")


@cache
def _mistyped(word: str) -> str:
    """The word of denial that a word nearly is ("wihtout"): it must not be passed over."""
    near = get_close_matches(word, _DENYING, 1, 0.84) if len(word) > 4 else []
    return near[0] if near else ""


Lexicon = dict[tuple[str, ...], tuple[str, tuple[str, ...]]]


def _longest(
    words: Sequence[str], at: int, lexicon: Lexicon, longest: int
) -> tuple[str, tuple[str, ...], int]:
    """Kind, concept ids and length of the longest entry that begins at a word; "" for none."""
    for length in range(min(longest, len(words) - at), 0, -1):
        kind, ids = lexicon.get(tuple(words[at : at + length]), ("", ()))
        if kind:
            return kind, ids, length
    return "", (), 1


@cache
def _lexicon(vocabulary: Vocabulary) -> tuple[Lexicon, int]:
    """Folded words -> (kind of item, concept ids); and the longest entry. Concepts win over cues,
    abbreviations of several meanings over both."""
    known: Lexicon = {
        tuple(fold_word(w) for w in words.replace("cannot", "can not").split()): (kind, ())
        for kind, entries in CONTROL
        for words in entries
    }
    known |= {words: ("concept", ids) for words, ids in vocabulary.meanings.items()}
    known |= {words: ("abbreviation", ()) for words in vocabulary.abbreviations}
    return known, max(map(len, known))


def _read_numbers(items: list[Item]) -> None:
    """ "pneumothorax 0" and "pneumothorax: 1" are signs; "0 fractures" denies what follows."""
    for at, item in enumerate(items):
        if item.kind != "unknown" or item.text not in ("0", "1"):
            continue
        back = next((i for i in reversed(items[:at]) if i.kind != "break"), None)
        glued = at > 0 and items[at - 1].kind == "break" and items[at - 1].text in ":=|\t,"
        ends = at + 1 == len(items) or items[at + 1].kind in _BESIDE_ZERO or items[at + 1].finds
        if back is not None and back.finds and ends and (glued or back is items[at - 1]):
            item.kind = "minus" if item.text == "0" else "plus"
        elif item.text == "0" and at + 1 < len(items) and items[at + 1].finds:
            item.kind = "one"


def _in_context(item: Item, known: set[str], vocabulary: Vocabulary) -> Item:
    """Abbreviations, and weeks without a word for what they count, by what stands beside them."""
    if item.kind == "weeks":
        other = any(c.startswith("body_part:") for c in known - _PREGNANCY) or any(
            f"modality:{m}" in known for m in ("x-ray", "ct", "mri")
        )
        if known & _PREGNANCY or not other:
            return item
        note = f"“{item.text}” may be an age or of a pregnancy: write “… weeks old” or “… weeks of"
        return replace(item, kind="time", ids=(), note=f"{note} gestation”")
    if item.kind != "abbreviation":
        return item
    meant = vocabulary.abbreviations[tuple(fold_word(w) for w in plain(item.text).split())]
    return _expanded(item, meant, known)


def _expanded(item: Item, meant: Abbreviation, known: set[str]) -> Item:
    """The first sense that fits what is known; a guess is said, with the other senses."""
    fits = [sense for sense in meant.senses if known & set(sense.near)]
    chosen = (fits or [sense for sense in meant.senses if not sense.near])[0]
    if chosen.means and fits:
        return replace(item, kind="concept", ids=chosen.means)
    names = dict.fromkeys(s.words for s in meant.senses if s.words != chosen.words)
    rest = " or ".join(f"“{name}”" for name in names)
    if not chosen.means:
        note = f"“{item.text}” may mean “{chosen.words}” or {rest}: write out which"
        return replace(item, kind="unknown", note=note)
    note = f"“{item.text}” is read as “{chosen.words}”: write {rest} where that is meant"
    return replace(item, kind="concept", ids=chosen.means, note=note)
