"""Concepts of radiology and the words people use for them.

The data lie in `vocabulary.toml`, part of the package like its code. A concept's id is
"kind:slug", such as "finding:pleural-effusion"; models are labelled with the same ids. Words are
compared folded: without case, accents, hyphens, plural s and British spelling.
"""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import Any

from radsmith.errors import InvalidInput

LEARNABLE = ("body_part", "view", "technique", "finding")
"""Kinds of concept that may be added to the vocabulary."""
ABSENT = "!"
"""Put before the id of a finding whose words say that it is absent ("normal heart size")."""

_WORD = re.compile(r"[^\W_]+\*?")
_BRITISH = (
    (re.compile(r"aem"), "em"),
    (re.compile(r"oe(?=d|s(?:o|t))"), "e"),
    (re.compile(r"foet"), "fet"),
    (re.compile(r"paed"), "ped"),
    (re.compile(r"our(?=s?$)"), "or"),
    (re.compile(r"fibre"), "fiber"),
    (re.compile(r"centre"), "center"),
    (re.compile(r"grey"), "gray"),
    (re.compile(r"isation"), "ization"),
    (re.compile(r"artefact"), "artifact"),
)
_KEEP_FINAL_S = ("ss", "us", "is")
_KEEP_OUR = frozenset(("four", "hour", "your", "our", "contour"))


@dataclass(frozen=True, kw_only=True)
class Concept:
    """One entry of the vocabulary.

    code: (value, scheme, meaning) of SNOMED CT or DICOM.  dicom: Body Part Examined or View
    Position.  modality: usual one of a body part.  field_of_view: nominal longer side, mm.
    modalities, body_parts: slugs where it belongs (empty: anywhere).  broader: ids it implies.
    within: id of another concept -> id of what the words mean next to it.
    """

    id: str
    name: str
    forms: tuple[str, ...] = ()
    code: tuple[str, str, str] | None = None
    dicom: str = ""
    modality: str = ""
    field_of_view: float = 0.0
    paired: bool = False
    modalities: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    broader: tuple[str, ...] = ()
    absent_forms: tuple[str, ...] = ()
    within: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The part of the id before the colon."""
        return self.id.partition(":")[0]

    @property
    def slug(self) -> str:
        """The part of the id after the colon."""
        return self.id.partition(":")[2]


@dataclass(frozen=True, kw_only=True)
class Sense:
    """What an abbreviation means next to one of the ids `near`, or anywhere (empty).

    means: ids, none where it had better be asked.  words: the sense written out.
    """

    words: str
    means: tuple[str, ...] = ()
    near: tuple[str, ...] = ()


@dataclass(frozen=True)
class Abbreviation:
    """Letters with several senses; one of these goes anywhere."""

    senses: tuple[Sense, ...]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Concepts by id, in the order of the file, and phrases that mean several of them.

    abbreviations: folded letters -> senses between which the words beside them decide.
    """

    concepts: Mapping[str, Concept]
    phrases: Mapping[str, tuple[str, ...]]
    abbreviations: Mapping[tuple[str, ...], Abbreviation] = field(default_factory=dict)

    def __getitem__(self, concept_id: str) -> Concept:
        try:
            return self.concepts[concept_id]
        except KeyError:
            raise InvalidInput(f"no concept {concept_id!r} in the vocabulary") from None

    def __reduce__(self) -> tuple[Callable[..., Vocabulary], tuple[Any, ...]]:
        """To another process goes what it has not itself: no tables, and not what ships."""
        if self is shipped_vocabulary():
            return shipped_vocabulary, ()
        return Vocabulary, (self.concepts, self.phrases, self.abbreviations)

    @cached_property
    def meanings(self) -> Mapping[tuple[str, ...], tuple[str, ...]]:
        """Folded words -> concept ids, for every name, form and phrase."""
        table: dict[tuple[str, ...], tuple[str, ...]] = {}
        for words, ids in self.all_forms():
            table.setdefault(fold(words), ids)
        return table

    def all_forms(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Every surface form with the ids it stands for."""
        for concept in self.concepts.values():
            for words in (concept.name, *concept.forms):
                yield words, (concept.id,)
            for words in concept.absent_forms:
                yield words, (ABSENT + concept.id,)
        yield from self.phrases.items()

    def find(self, words: str) -> tuple[str, ...]:
        """Ids of the concepts that exactly these words name; empty if none."""
        return self.meanings.get(fold(words), ())

    def suggest(self, word: str, count: int = 3) -> tuple[str, ...]:
        """Known forms that look like `word`, best first."""
        found: list[str] = []
        for near in get_close_matches(" ".join(fold(word)), self._words, count, 0.72):
            found += self._words[near][:2]
        return tuple(dict.fromkeys(found))[:count]

    @cached_property
    def _words(self) -> Mapping[str, list[str]]:
        """Folded whole forms and their longer single words -> forms as written, short first."""
        table: dict[str, list[str]] = {}
        for words, _ in sorted(self.all_forms(), key=lambda item: len(item[0])):
            parts = fold(words)
            for key in (" ".join(parts), *(part for part in parts if len(part) > 4)):
                table.setdefault(key, []).append(words)
        return table

    def implied(self, ids: Iterable[str]) -> tuple[str, ...]:
        """The ids and everything they imply, each once, in order."""
        found: dict[str, None] = {}
        waiting = list(ids)
        while waiting:
            current = waiting.pop(0)
            found[current] = None
            waiting += [b for b in self[current].broader if b not in found]
        return tuple(found)

    def with_implied(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Each id with what it implies after it; one that is not in the vocabulary as it is."""
        whole: dict[str, None] = {}
        for i in ids:
            whole |= dict.fromkeys(self.implied((i,)) if i in self.concepts else (i,))
        return tuple(whole)

    def kin(self, ids: Iterable[str]) -> tuple[str, ...]:
        """The concepts that imply directly what the narrowest of the ids do, but for those and what
        implies them: of "benign breast mass" "malignant breast mass"."""
        given = [i for i in ids if i in self.concepts]
        wider = {b for i in given for b in self.implied(self[i].broader)}
        own = {i for i in given if i not in wider}
        families = {b for i in own for b in self[i].broader}
        return tuple(
            i
            for i, concept in self.concepts.items()
            if families & set(concept.broader) and not own & set(self.implied((i,)))
        )

    def resolve(self, concept_id: str, context: Iterable[str]) -> str:
        """What a concept means next to others: "effusion" of the chest is pleural."""
        within = self[concept_id].within
        return next((within[c] for c in context if c in within), concept_id)


def slug(text: str) -> str:
    """Lower case, words joined by hyphens, as in an id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def fold(words: str) -> tuple[str, ...]:
    """Words in the form in which they are compared."""
    return tuple(fold_word(match.group()) for match in _WORD.finditer(plain(words)))


def plain(text: str) -> str:
    """Lower case without accents or possessive 's; as long as the text wherever it can be."""
    decomposed = (unicodedata.normalize("NFKD", c) for c in text)
    bare = "".join((part[:1] if part else " ") or " " for part in decomposed)
    return re.sub(r"['’]s\b", "  ", bare.lower() if len(bare.lower()) == len(bare) else bare)


@lru_cache(maxsize=65536)
def fold_word(word: str) -> str:
    """One word without British spelling and plural."""
    for pattern, american in _BRITISH:
        if word not in _KEEP_OUR:
            word = pattern.sub(american, word)
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(_KEEP_FINAL_S):
        return word[:-1]
    return word


@cache
def shipped_vocabulary() -> Vocabulary:
    """The vocabulary that ships with the package."""
    return parse_vocabulary(
        (files("radsmith.language") / "vocabulary.toml").read_text(encoding="utf-8")
    )


class _InUse:
    """The vocabulary that words are read in: it may grow, none of its words changes its meaning."""

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        self.vocabulary = vocabulary


_in_use: ContextVar[_InUse] = ContextVar("vocabulary", default=_InUse())  # noqa: B039
"""That of the process, which commands use, but within `speaking`."""


def default_vocabulary() -> Vocabulary:
    """The one in use: what ships and what was learned since, or that of `speaking`."""
    return _in_use.get().vocabulary or shipped_vocabulary()


def use(vocabulary: Vocabulary) -> None:
    """Make it the one in use, as a command does with its model's."""
    _in_use.get().vocabulary = vocabulary


@contextmanager
def speaking(vocabulary: Vocabulary | None) -> Iterator[None]:
    """Read and write in this vocabulary within the block, and learn for the block alone.

    None: in the one that is in use.
    """
    if vocabulary is None:
        yield
        return
    before = _in_use.set(_InUse(vocabulary))
    try:
        yield
    finally:
        _in_use.reset(before)


def learn_concepts(text: str) -> tuple[Concept, ...]:
    """Add concepts (in the form of `vocabulary.toml`) to the vocabulary in use.

    Returns those of the text; as `grown` has it, learning twice changes nothing.
    """
    grown_one, fresh = grown(default_vocabulary(), text)
    use(grown_one)
    return fresh


def grown(vocabulary: Vocabulary, text: str) -> tuple[Vocabulary, tuple[Concept, ...]]:
    """A vocabulary with more concepts (in the form of `vocabulary.toml`), and those of the text.

    One that is known already stays as it is, so a word that ships keeps its meaning. Raises
    InvalidInput for a broken text, another kind than LEARNABLE, and for a concept learned before
    with other words.
    """
    fresh = parse_vocabulary(text, vocabulary).concepts
    wrong = [c.id for c in fresh.values() if c.kind not in LEARNABLE]
    if wrong:
        raise InvalidInput(f"cannot learn {wrong[0]}: a new concept is a {', a '.join(LEARNABLE)}")
    for known in (vocabulary.concepts[i] for i in fresh if i in vocabulary.concepts):
        own = known.id not in shipped_vocabulary().concepts
        if own and _toml_of(known) != _toml_of(fresh[known.id]):
            raise InvalidInput(
                f"{known.id} was learned with other words before: give one of the two another id"
            )
    new = {i: concept for i, concept in fresh.items() if i not in vocabulary.concepts}
    if new:
        concepts = {**vocabulary.concepts, **new}
        vocabulary = Vocabulary(concepts, vocabulary.phrases, vocabulary.abbreviations)
    return vocabulary, tuple(fresh.values())


def to_toml(concepts: Iterable[Concept]) -> str:
    """Concepts in the form that `learn_concepts` reads; `within` is not written."""
    return "\n".join(_toml_of(concept) for concept in concepts)


def _toml_of(concept: Concept) -> str:
    lines = [f"[{concept.kind}.{concept.slug}]"]
    for name in ("name", "forms", "code", "dicom", "modality", "field_of_view", "paired",
                 "modalities", "body_parts", "broader", "absent_forms"):  # fmt: skip
        value = getattr(concept, name)
        if value:
            value = list(value) if isinstance(value, tuple) else value
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def parse_vocabulary(text: str, known: Vocabulary | None = None) -> Vocabulary:
    """Read the TOML form. Raises InvalidInput for broken TOML and unknown keys or references.

    known: concepts that may be referred to besides those of the text.
    """
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"the vocabulary is not TOML: {error}") from error
    phrases, letters = tables.pop("phrase", []), tables.pop("abbreviation", [])
    try:
        concepts = {
            f"{kind}:{slug}": Concept(id=f"{kind}:{slug}", **_tuples(entry))
            for kind, entries in tables.items()
            for slug, entry in entries.items()
        }
        meanings = {words: tuple(p["means"]) for p in phrases for words in p["forms"]}
        short = {fold(a["form"]): _abbreviation(a["senses"]) for a in letters}
    except (TypeError, KeyError, AttributeError) as error:
        raise InvalidInput(f"a vocabulary entry is not as it should be: {error}") from error
    named = [b for c in concepts.values() for b in (*c.broader, *c.within, *c.within.values())]
    named += [m for ids in meanings.values() for m in ids]
    named += [i for a in short.values() for s in a.senses for i in (*s.means, *s.near)]
    unknown = set(named)
    unknown -= set(concepts) | set(known.concepts if known else ())
    if unknown:
        raise InvalidInput(f"the vocabulary refers to unknown concepts: {sorted(unknown)}")
    return Vocabulary(concepts, meanings, short)


def _abbreviation(senses: list[dict[str, Any]]) -> Abbreviation:
    found = tuple(Sense(**_tuples(sense)) for sense in senses)
    if all(sense.near for sense in found):
        raise KeyError("a sense that goes anywhere")
    return Abbreviation(found)


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
