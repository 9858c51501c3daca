"""Names of known persons in text: in any order, case, alphabet and usual transliteration.

A name is looked for as it is written (exactly, up to accents, umlauts written out, hyphens,
apostrophes and joined syllables), with the endings of inflecting languages, and by how it sounds in
other letters. Only what is alike, not the same, gives way to common words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, permutations

from radsmith.deidentification.common_words import is_common
from radsmith.deidentification.endings import stems
from radsmith.deidentification.spelling import (
    CONSONANTAL,
    SPACELESS,
    Token,
    composed,
    consonants,
    folded,
    frames,
    key,
    skeleton,
    tokens,
    vowel_groups,
    with_sibilants_written_out,
    with_umlauts_written_out,
)

Romanise = Callable[[str], str]
_TITLE_WORDS = """
    dr prof md mr mrs ms miss phd jr sr ii iii iv dds rn herr frau mme mlle sir dipl ing med
"""
_PLACEHOLDER_WORDS = "anonymized anonymised anonymous anonym anon unknown noname nobody unbekannt"
_PARTICLE_WORDS = """
    van von der den de del della di da dos das do la le el al bin ibn ben bint abu ter ten zu zum
    zur y e af av st mc mac o d l
"""
_TITLES, _PLACEHOLDERS, _PARTICLES = (
    frozenset(said.split()) for said in (_TITLE_WORDS, _PLACEHOLDER_WORDS, _PARTICLE_WORDS)
)
_LIGHT = re.compile("[ \\t\\r\\n\u00a0\u3000\u200b'’‘ʼ´`._,;·・/^=-]{0,3}")
_APOSTROPHE = re.compile("['’‘ʼ´`]")
_ONE_LETTER_WORDS = frozenset("aeioyuàвикосуяі")
_MOST_JOINED = 5
ANY = -1
"""As a count of vowels: they are not known."""


@dataclass
class Names:
    """What names of one or more persons look like in text.

    exact: folded Latin words and joined words.  keys: the same by `spelling.key`.  sounds,
    frames: skeletons; consonants with counts of vowels.  native: words of other alphabets.
    pairs: (family, given) in spaceless scripts.  full: whole names joined, Latin, by key.
    """

    exact: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    sounds: set[str] = field(default_factory=set)
    frames: set[tuple[str, int]] = field(default_factory=set)
    initials: set[str] = field(default_factory=set)
    particles: set[str] = field(default_factory=set)
    native: set[str] = field(default_factory=set)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    full: set[str] = field(default_factory=set)
    families: set[str] = field(default_factory=set)


def names_of(values: Iterable[str], romanise: Romanise) -> Names:
    """Names of DICOM person names ("Doe^Jane=...") or of plain words ("Doe, Jane")."""
    names = Names()
    for value in values:
        for group in re.split(r"[=\\]", value):
            _add(names, _components(group), romanise)
    return names


def _components(group: str) -> list[str]:
    """Family, given and middle names; titles are left out."""
    if "^" in group:
        parts = group.split("^")
        told = [p for p in parts[3:] if not is_common(folded(p).strip(" ."))]
        return [c for c in (*parts[:3], *told) if c.strip() and not _placeholder(c)]
    parts = group.split(",") if "," in group else [group]
    words = [w for p in parts for w in re.split(r"[\s_]+", p)]
    return [w for w in words if w.strip() and not _placeholder(w)]


def _placeholder(words: str) -> bool:
    found = [t.word for t in tokens(folded(words))]
    return bool(found) and all(w in _PLACEHOLDERS | _TITLES for w in found)


def _add(names: Names, components: Sequence[str], romanise: Romanise) -> None:
    latin: list[str] = []
    spaceless: list[str] = []
    for component in components:
        found = tokens(folded(component))
        scripts = {t.script for t in found}
        if scripts & SPACELESS:
            spaceless.append("".join(t.word for t in found))
        elif scripts - {"latin"}:
            names.native |= {t.word for t in found if t.script != "latin"}
        if scripts == {"latin"}:
            latin.append(_add_latin(names, component))
        elif found:
            latin.append(_add_heard(names, component, scripts, romanise))
    if spaceless:
        names.pairs.add((spaceless[0], "".join(spaceless[1:])))
    if latin and latin[0]:
        names.families.add(latin[0])
    _add_joined(names, [word for word in latin if word])
    _add_initials(names, [_words(c) for c in components])


def _add_initials(names: Names, components: Sequence[Sequence[str]]) -> None:
    """Initials written together, beside a name ("Doe, JM") or with the family name ("JMDoe")."""
    given = "".join(word[0] for words in components[1:] for word in words)
    if not components or not given or not given.isascii():
        return
    family = "".join(components[0])
    names.particles |= {i for i in (given, family[:1] + given, given + family[:1]) if len(i) > 1}
    if len(family) > 2 and family.isascii():
        names.exact |= {i + family for i in (given, given[0])} | {
            family + i for i in (given, given[0])
        }


def _add_heard(names: Names, component: str, scripts: set[str], romanise: Romanise) -> str:
    """A component of another alphabet as Latin texts write it; the first way as one word."""
    written = composed(component).lower()
    ways = (written, folded(component), written.replace("ё", "йо"))
    said = [romanise(way) for way in ways]
    if scripts & SPACELESS:
        said = [way.lower() for way in said]
    if "cyrillic" in scripts:
        said += [way.replace("g", "h") for way in said]
    words = [_add_latin(names, way) for way in dict.fromkeys(said)]
    if scripts & CONSONANTAL:
        names.frames |= {(consonants(w), ANY) for way in said for w in _words(way)}
    return words[0]


def _words(text: str) -> list[str]:
    return [t.word for t in tokens(folded(text))]


def _add_latin(names: Names, component: str) -> str:
    """The words of one Latin component; the component as one folded word."""
    plain = _words(component)
    several = len(plain) > 1
    ways = [component, with_umlauts_written_out(component)]
    if several and plain[0] in ("al", "el"):
        ways += [" ".join((article, *plain[1:])) for article in ("al", "el")]
    for written in ways:
        words = [t.word for t in tokens(folded(written))]
        for word in words:
            names.initials.add(word[0])
            if len(word) == 1 or word in _TITLES:
                continue
            if several and word in _PARTICLES:
                names.particles.add(word)
            else:
                _add_word(names, word)
        if several:
            _add_word(names, "".join(words))
    heard = folded(with_sibilants_written_out(component))
    names.sounds |= {skeleton(t.word) for t in tokens(heard) if len(t.word) > 3}
    return "".join(plain)


def _add_word(names: Names, word: str) -> None:
    names.exact.add(word)
    if re.fullmatch("[ln]u|[ln]ue", word):
        names.exact |= {word[0] + "v", word[0] + "yu"}
    if len(word) > 3:
        names.keys.add(key(word))
        names.sounds.add(skeleton(word))
        names.frames.add((consonants(word), vowel_groups(word)))


def _add_joined(names: Names, words: Sequence[str]) -> None:
    for count in range(2, min(len(words), 3) + 1):
        for some in permutations(words[:4], count):
            joined = "".join(some)
            if len(joined) > 3:
                names.exact.add(joined)
                names.keys.add(key(joined))
    if len(words) > 1:
        names.full |= {key(words[0] + "".join(words[1:])), key("".join(words[1:]) + words[0])}


@dataclass(frozen=True, kw_only=True)
class Finder:
    """Finds names among the tokens of one folded text.

    own: whether the names are the patient's: then words that are the same are never protected.
    """

    names: Names
    own: bool
    romanise: Romanise

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Places (start, end) of names of alphabets with spaces in a folded text."""
        found = [t for t in tokens(text) if t.script not in SPACELESS]
        strength = [self._strength(t) for t in found]
        _strengthen_joined(self.names, text, found, strength)
        initials = [
            len(t.word) == 1
            and (t.word not in _ONE_LETTER_WORDS or text[t.end : t.end + 1] == ".")
            and (t.word in self.names.initials or self.romanise(t.word)[:1] in self.names.initials)
            for t in found
        ]
        _strengthen_beside(self.names, text, found, strength, initials, pairs=self.own)
        for token, strong in zip(found, strength, strict=True):
            if strong > 1:
                yield token.start, token.end

    def _strength(self, token: Token) -> int:
        """2: a name; 1: a name where it stands beside another; 0: none."""
        if token.script == "latin":
            return self._latin(token.word)
        word = token.word
        if word in self.names.native:
            return 2
        if any(stem in self.names.native for stem in stems(word, token.script)):
            return 2
        return self._heard(word, token.script)

    def _latin(self, word: str) -> int:
        names = self.names
        if word in names.exact or (len(word) > 3 and key(word) in names.keys):
            return 2 if self.own or not is_common(word) else 1
        if not self.own or len(word) < 4 or is_common(word):
            return 0
        if any(s in names.exact or key(s) in names.keys for s in stems(word, "latin")):
            return 2
        sound, frame = skeleton(word), consonants(word)
        if len(sound) > 3 and sound in names.sounds:
            return 2
        if len(frame) > 2 and (frame, ANY) in names.frames:
            return 2
        least = 2 if len(word) > 6 else 3
        return 2 if len(frame) > least and (frame, vowel_groups(word)) in names.frames else 0

    def _heard(self, word: str, script: str) -> int:
        """By how a word of another alphabet sounds in Latin letters."""
        if not self.own or len(word) < 2:
            return 0
        found = 0
        for stem in (word, *stems(word, script)):
            for said in _ways(stem, script, self.romanise):
                found = max(found, self._like(said, script))
        return found

    def _like(self, said: str, script: str) -> int:
        sound = skeleton(said)
        if said in self.names.exact or (len(sound) > 3 and sound in self.names.sounds):
            return 2
        if script in CONSONANTAL:
            alike = [w for w in self.names.exact if frames(w) & frames(said) - {""}]
            return max((2 if len(consonants(w)) > 2 else 1 for w in alike), default=0)
        if len(sound) > 2 and any(skeleton(w) == sound for w in self.names.exact):
            return 2 if len(said) > 3 else 1
        return 0


def _ways(word: str, script: str, romanise: Romanise) -> Iterator[str]:
    """How a folded word of another alphabet may be told in Latin letters."""
    said = romanise(word).lower()
    yield said
    if script == "hebrew":
        yield said.replace("kh", "q")
    if script == "cyrillic":
        yield said.replace("g", "h")
        for n, letter in enumerate(word):
            if letter == "е":
                yield romanise(f"{word[:n]}йо{word[n + 1 :]}").lower()


def _strengthen_joined(
    names: Names, text: str, found: Sequence[Token], strength: list[int]
) -> None:
    """Syllables and halves of names: words beside each other that make one name together."""
    for first in range(len(found)):
        word = found[first].word
        for last in range(first + 1, min(first + _MOST_JOINED, len(found))):
            if not _LIGHT.fullmatch(text[found[last - 1].end : found[last].start]):
                break
            word += found[last].word
            solid = not text[found[first].end : found[last].start].strip("\u200b" + word)
            if (solid or len(word) > 3) and (word in names.exact or key(word) in names.keys):
                strength[first : last + 1] = [2] * (last + 1 - first)


def _strengthen_beside(
    names: Names,
    text: str,
    found: Sequence[Token],
    strength: list[int],
    initials: Sequence[bool],
    *,
    pairs: bool,
) -> None:
    """Initials, particles and doubtful words beside a name; endings after an apostrophe."""
    near = [bool(_LIGHT.fullmatch(text[a.end : b.start])) for a, b in pairwise(found)]
    for n in range(len(found) - 1 if pairs else 0):
        if near[n] and strength[n] == strength[n + 1] == 1 and found[n].word != found[n + 1].word:
            strength[n] = strength[n + 1] = 2
    for order in (range(len(found)), range(len(found) - 1, -1, -1)):
        for n in order:
            beside = (n > 0 and near[n - 1] and strength[n - 1] > 1) or (
                n < len(near) and near[n] and strength[n + 1] > 1
            )
            word = found[n].word
            told = strength[n] or initials[n] or word in names.particles
            if strength[n] < 2 and beside and told:
                strength[n] = 2
    for n in range(1, len(found)):
        gap = text[found[n - 1].end : found[n].start]
        if strength[n - 1] > 1 and len(found[n].word) < 5 and _APOSTROPHE.fullmatch(gap):
            strength[n] = 2
