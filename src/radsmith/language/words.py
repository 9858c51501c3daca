"""Free text as a row of known words: concepts by longest match, words of grammar, ages.

Knows nothing of findings or prompts; `reading.py` makes sense of the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from radsmith.language.prompt import OLDEST
from radsmith.language.vocabulary import Vocabulary, fold_word, plain

# fmt: off
_CONTROL = {
    "negation": (
        "no", "without", "absence of", "absent", "negative for", "free of", "no evidence of", "not",
        "no sign of", "no signs of", "never", "lacks", "lacking", "neither", "excluding", "denies",
        "without evidence of", "without signs of", "no longer", "not any", "does not show",
        "no acute", "no obvious", "no definite", "no visible", "no focal", "resolution of",
        "no significant", "no radiographic evidence of", "without any", "no new", "not a",
        "cleared of", "no suspicion of", "rather than", "instead of",
    ),
    "denial": (
        "is absent", "are absent", "not seen", "not present", "not visible", "ruled out", "none",
        "is excluded", "not identified", "not detected", "is not seen", "are not seen", "negative",
        "has resolved", "resolved", "not found", "is not present", "are not present", "excluded",
        "not demonstrated", "is not visible", "not evident", "not there", "has been ruled out",
        "is ruled out", "not shown", "not appreciated", "unlikely", "was not seen",
    ),
    "doubt": (
        "possible", "possibly", "suspected", "probable", "probably", "suspicious for", "likely",
        "rule out", "suspicion of", "cannot exclude", "maybe", "perhaps", "concerning for",
        "suggestive of", "presumed", "may be", "might be", "could be",
    ),
    "turn": (
        "but", "however", "except", "except for", "although", "apart from", "yet", "with",
        "showing", "shows", "demonstrating", "revealing", "though", "other than", "there is",
        "instead", "demonstrates", "reveals", "having", "plus", "including", "because of",
    ),
    "and": ("and", "as well as", "together with", "along with", "also", "then"),
    "or": ("or", "nor"),
    "place": (
        "in", "of", "at", "within", "involving", "on", "over", "affecting", "near", "around",
        "along", "located", "localised", "extending",
    ),
    "filler": (
        "a", "an", "the", "is", "are", "was", "were", "be", "been", "this", "that", "these", "its",
        "image", "picture", "photo", "photograph", "scan", "view", "slice", "projection", "plane",
        "section", "study", "exam", "examination", "imaging", "series", "window", "appearance",
        "patient", "person", "human", "subject", "individual", "old", "aged", "age", "years",
        "showing", "show", "shown", "seen", "depicting", "depict", "demonstrate", "reveal",
        "from", "to", "by", "for", "as", "some", "any", "please", "draw", "make", "create",
        "generate", "give", "me", "i", "want", "need", "render", "typical", "example", "there",
        "evidence", "sign", "signs", "presence", "present", "finding", "findings", "diagnosis",
        "diagnosed", "consistent", "compatible", "known", "status", "his", "her", "their", "it",
        "has", "have", "who", "which", "whose", "due", "part", "region", "area", "level", "year",
        "medical", "radiology", "radiological", "radiologic", "diagnostic", "clinical", "one",
        "single", "taken", "obtained", "position", "positioned", "case", "typically", "visible",
        "type", "kind", "good", "high", "quality", "realistic", "photorealistic", "synthetic",
        "structure", "anatomy", "joint", "bone", "organ", "size", "sized", "impression", "tissue",
        "exclude", "weighted", "sequence", "protocol", "technique", "disease", "syndrome",
        "change", "sided", "side",
    ),
}
# fmt: on
Control = tuple[tuple[str, tuple[str, ...]], ...]
PROMPT_CONTROL: Control = tuple(_CONTROL.items())
_SPLIT = re.compile(r"[^\W_]+\*?|[,;:\n]|\.(?!\d)")
_REWRITES = (
    (re.compile(r"\bw/o\b", re.I), "without"),
    (re.compile(r"\br/o\b", re.I), "rule out"),
    (re.compile(r"\bw/", re.I), "with "),
    (re.compile(r"\b([a-z])\.([a-z])\.(?:([a-z])\.)?", re.I), r"\1\2\3 "),
    (re.compile(r"[&+]"), " and "),
    (re.compile(r"\b(\d+)\s*-?\s*(?:y/?o|y\.o\.|yrs?|years?)\b", re.I), r"\1 year"),
)
_UNITS = {"year": 1.0, "yr": 1.0, "yo": 1.0, "y": 1.0, "month": 1 / 12, "mo": 1 / 12}
_UNITS |= {"week": 1 / 52, "wk": 1 / 52, "day": 1 / 365}
_TRIMESTERS = ((14, "finding:first-trimester"), (28, "finding:second-trimester"))


@dataclass
class Item:
    """A run of words: `kind` is one of a `Control`, "concept", "age", "unknown" or "break"."""

    kind: str
    text: str
    ids: tuple[str, ...] = ()
    clause: int = 0
    years: int = 0


def items_of(
    text: str, vocabulary: Vocabulary, control: Control = PROMPT_CONTROL
) -> Iterator[Item]:
    """Words to items by longest match; clauses numbered. control: words of grammar by kind."""
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    words = list(_SPLIT.finditer(plain(text)))
    folded = [fold_word(w.group()) for w in words]
    lexicon, longest = _lexicon(vocabulary, control)
    at = clause = 0
    while at < len(words):
        if not words[at].group()[0].isalnum():
            clause += 1
            yield Item("break", words[at].group(), clause=clause)
            at += 1
            continue
        kind, ids, length = _longest(folded, at, lexicon, longest)
        if kind not in ("", "concept") and length > 1:
            after = _longest(folded, at + length - 1, lexicon, longest)
            shorter = lexicon.get(tuple(folded[at : at + length - 1]))
            if shorter and after[0] == "concept" and after[2] > 1:
                (kind, ids), length = shorter, length - 1  # no + acute respiratory distress …
        written = text[words[at].start() : words[at + length - 1].end()]
        age, used = _age(folded, at)
        if age is not None and not (kind == "concept" and length >= used):
            end = words[at + used - 1].end()
            yield replace(age, text=text[words[at].start() : end], clause=clause)
            at += used
            continue
        yield Item(kind or "unknown", written, ids, clause)
        at += length


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
def _lexicon(vocabulary: Vocabulary, control: Control) -> tuple[Lexicon, int]:
    """Folded words -> (kind of item, concept ids); and the longest entry. Concepts win."""
    known: Lexicon = {
        tuple(fold_word(word) for word in words.split()): (kind, ())
        for kind, entries in control
        for words in entries
    }
    known |= {words: ("concept", ids) for words, ids in vocabulary.meanings.items()}
    return known, max(map(len, known))


def _age(words: Sequence[str], at: int) -> tuple[Item | None, int]:
    """An age ("45 year old", "aged 45", "6 month old") or gestational age ("20 weeks")."""
    start = at
    if words[at] in ("age", "aged") and at + 1 < len(words):
        at += 1
    if not words[at].isdigit() or int(words[at]) > 1000:
        return None, 0
    number, at = int(words[at]), at + 1
    unit = words[at] if at < len(words) else ""
    named = start + 1 < at
    if unit not in _UNITS:
        return (_age_item(number), at - start) if named and number <= OLDEST else (None, 0)
    at += 1
    old = at < len(words) and words[at] == "old"
    if unit in ("week", "wk") and not (old or named):
        while at < len(words) and words[at] in ("gestation", "gestational", "age", "of"):
            at += 1
        trimester = next((t for end, t in _TRIMESTERS if number < end), "finding:third-trimester")
        return Item("concept", "", (trimester,)), at - start
    years = int(number * _UNITS[unit])
    if years > OLDEST:
        return None, 0
    return _age_item(years), at + old - start


def _age_item(years: int) -> Item:
    return Item("age", "", years=years)
