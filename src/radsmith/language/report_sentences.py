"""One sentence of a report: its findings with status, side, site and severity.

`rows` reads it; here is what is peculiar to sentences: statements turned into names, and where
a list or a statement of its own begins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from radsmith.language.mentions import Mention
from radsmith.language.prompt import NORMAL
from radsmith.language.report_cues import ADJECTIVES
from radsmith.language.rows import Row, read_row
from radsmith.language.vocabulary import Vocabulary, default_vocabulary
from radsmith.language.words import Item, items_of

_OPENING = (
    "verb", "turn", "opens", "article", "neutral", "negation", "doubt", "history", "comparison",
)  # fmt: skip
_IS = r"(?: (?:is|are|was|were|appears?|remains?) |\s?: )"
_NOT = r"(?:not|no longer|none|mildly|moderately|severely|markedly|slightly|again)"
_PREDICATE = re.compile(
    rf"(?<![\w!-])([A-Za-z-]+(?: [A-Za-z-]+){{0,2}}?)(?:{_IS}({_NOT} )?| (not ))"
    rf"({'|'.join(ADJECTIVES)})\b",
    re.IGNORECASE,
)
_PLACES = r"left|right|medial|lateral|proximal|distal|upper|lower|anterior|posterior"
_OF = re.compile(
    rf"\b([a-z]+) of (?:the |both )?((?:(?:{_PLACES}) )*)([a-z-]+(?: [a-z-]+){{0,2}})\b",
    re.IGNORECASE,
)
_PARTING = frozenset(("without", "with", "no", "not", "nor", "and", "or", "but", "of", "in"))
"""Words between an adjective and a noun that is not its own."""
_CLEAR = ("clear", "free", "absence", "lack")
_BEFORE = re.compile(
    rf"\b({'|'.join(ADJECTIVES)}) ((?:[a-z-]+ ){{1,2}})([a-z-]+(?: [a-z-]+)?)\b", re.IGNORECASE
)
_GENERAL = ("finding:lesion", "finding:mass")
_BOTH_SIDES = ("bibas", "bilateral", "biapic")


def read_sentence(sentence: str, context: Sequence[str]) -> tuple[list[Mention], list[Item]]:
    """Mentions of findings, in order, and the row of words they were read from.

    context: ids of the examined body part and modality.  What is of the past or "normal" but for
    something is left out.
    """
    vocabulary = default_vocabulary()
    items = items_of(_predicates(sentence, vocabulary), vocabulary, context)

    def resolve(concept: str, at: int) -> str:
        return vocabulary.resolve(concept, _context(items, at, context))

    row = read_row(items, _goes_on, resolve, None)
    _place(row, items)
    said: dict[tuple[str, str], Mention] = {}
    for mention in _named(row.mentions):
        if mention.status == "past" or (mention.concept == NORMAL and mention.status != "present"):
            continue
        if mention.status == "absent":
            mention.severity = None  # "no large effusion" grades nothing
        if mention.severity == "severity:doubtful":
            mention.severity = None
            mention.status = "uncertain" if mention.status == "present" else mention.status
        if items[mention.at].text.lower().startswith(_BOTH_SIDES):
            mention.side = mention.side or "side:bilateral"
        same = said.setdefault((mention.concept, mention.status), mention)
        same.side = same.side or mention.side
        same.severity = same.severity or mention.severity
    return list(said.values()), items


def _place(row: Row, items: Sequence[Item]) -> None:
    """Give modifiers without a finding to the one that they describe: "nodule, right upper lobe";
    "loss of sliding on the left, pneumothorax possible"."""
    for concept, _, start in row.loose:
        clause = [i for i in items if i.clause == items[start].clause and i.kind != "break"]
        bare = all(i.ids or i.kind in ("filler", "article", "place") for i in clause)
        words = {i.kind for i in clause} | {i.text.lower() for i in clause}
        if words & {"clear", "normal", "negation", "denial"} or any(
            NORMAL in i.ids for i in clause
        ):
            continue
        before = [m for m in row.mentions if m.at < start]
        after = [m for m in row.mentions if m.at > start]
        for mention in before[-1:] if bare else after[:1]:
            if concept.startswith("side:") and mention.side is None:
                mention.side = concept
            elif concept.startswith("severity:") and bare and mention.severity is None:
                mention.severity = concept


def _named(mentions: Sequence[Mention]) -> list[Mention]:
    """Without the general words for what the sentence then names ("lesion, a teratoma")."""
    kept = []
    for n, mention in enumerate(mentions):
        named = next((m for m in mentions[n + 1 :] if m.status == "present"), None)
        if mention.concept in _GENERAL and mention.status == "present" and named is not None:
            named.side = named.side or mention.side
        else:
            kept.append(mention)
    return kept


def _predicates(sentence: str, vocabulary: Vocabulary) -> str:
    """The sentence with names put together that its grammar takes apart, where they are known:
    "the heart is enlarged", "heart: enlarged" as "enlarged heart"; "tear of the left meniscus" as
    "left meniscus tear"; "enlarged axillary lymph nodes" as "axillary enlarged lymph nodes"."""

    def turned(match: re.Match[str]) -> str:
        subject, adjective = match[1].split(), match[4]
        degree = match[2] or match[3] or ""
        for start in range(len(subject)):
            noun = " ".join(subject[start:])
            if vocabulary.find(f"{adjective} {noun}"):
                word = degree.strip().lower()
                word = "no" if word in ("not", "no longer", "none") else word
                words = [*sentence[: match.start()].split()[-3:], *subject]
                longer = (vocabulary.find(" ".join(words[n:])) for n in range(len(words) - 1))
                of_it = [c for found in longer for c in found or () if c.startswith("finding:")]
                before = (*subject, ",") if of_it else subject[:start]  # "cirrhotic liver"
                return " ".join((*before, word, adjective, noun))
        return match.group()

    def owned(match: re.Match[str]) -> str:
        head, places, owner = match[1], match[2], match[3].split()
        earlier = sentence[: match.start()].split()
        for length in range(len(owner), 0, -1):
            name = " ".join(owner[:length])
            longer = (
                " ".join((*earlier[-n:], head, *rest))
                for n in range(1, 1 + min(3, len(earlier)))
                for rest in ((), ("of", name), ("of the", name))
            )
            if any(map(vocabulary.find, (f"{head} of the {places}{name}", *longer))):
                return match.group()  # "dermoid cyst of the ovary"
            known = next(filter(vocabulary.find, (f"{name} {head}", f"{head} of the {name}")), "")
            if known and vocabulary.find(known)[0].startswith("finding:") and head not in _CLEAR:
                return f"{places}{known} {' '.join(owner[length:])}".rstrip()
        return match.group()

    def before(match: re.Match[str]) -> str:
        adjective, between, noun = match.groups()
        whole = f"{adjective} {between}{noun}"
        if _PARTING & set(between.lower().split()):
            return whole  # "cirrhotic liver without change"
        for length in (2, 1):
            name = " ".join(noun.split()[:length])
            known = vocabulary.find(f"{adjective} {name}")
            if known and not vocabulary.find(f"{adjective} {between}{name}"):
                return f"{between}{adjective} {noun}"
        return whole

    sentence = _PREDICATE.sub(turned, sentence)
    sentence = _OF.sub(owned, sentence)
    return _BEFORE.sub(before, sentence)


def _context(items: Sequence[Item], at: int, context: Sequence[str]) -> list[str]:
    """Body parts of the item's clause, nearest first, then the examination's."""
    near = sorted(
        (abs(n - at), concept)
        for n, other in enumerate(items)
        if other.clause == items[at].clause
        for concept in other.ids
        if concept.startswith("body_part:")
    )
    return [concept for _, concept in near] + list(context)


def _goes_on(items: Sequence[Item], at: int) -> bool:
    """A list goes on over commas and "and" until a statement of its own begins."""
    if items[at].kind in ("or", "nor"):
        return True
    clause = []
    for item in items[at + 1 :]:
        if item.kind == "break":
            break
        clause.append(item)
    for item in clause:
        if item.finds:
            return True
        if item.kind in _OPENING or any(c.startswith("severity:") for c in item.ids):
            return False
    return any(item.ids for item in clause)
