"""Endings that languages put to names: what may be left of a word when its ending is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from radsmith.deidentification.spelling import folded

# fmt: off
_GERMAN = "s es n en us"
_SLAVIC = (
    "a u em om ovi owi y i e o ou ove ovou owa owej iego iemu ego emu im ym ej ich ych ach ami"
)
_TURKISH = "in un nin nun dan den ta te ya ye"
_HUNGARIAN = "nak nek val vel t et ot hoz hez ban ben"
_FINNISH = "lla lta lle sta ssa"
_CYRILLIC = (
    "а о у ы и е ю я ь ой ей ом ем ым им ам ям ах ях ью ого его ому ему ии ая яя ую юю ою ею ами"
    " ями ов ев ові еві єм і ї є ія ію ин ина ино ини ът та то"
)
_GREEK = "σ ου ο ε η ησ α ασ ων οι ουσ ιου ιο ιε"
_ENDINGS = {
    "latin": f"{_GERMAN} {_SLAVIC} {_TURKISH} {_HUNGARIAN} {_FINNISH}".split(),
    "cyrillic": _CYRILLIC.split(),
    "greek": _GREEK.split(),
}
_DROPPED = {  # what ends a name as it stands in a header
    "latin": ("a", "o", "e", "y", "i", "us"),
    "cyrillic": ("а", "я", "и", "о", "е", "ь", "ии", "ая", "ыи"),
    "greek": ("οσ", "ησ", "ασ", "α", "η", "ο", "ου", "σ"),
}
# fmt: on
_PREFIXES = {
    "arabic": ("وال", "بال", "لل", "ال", "و", "ب", "ل", "ف", "ك"),
    "hebrew": (*"הובלמשכ", "ול", "וב", "וה", "ומ", "של", "שה"),
}
_LEAST = {"latin": 4, "cyrillic": 3, "greek": 3, "arabic": 2, "hebrew": 2}


@cache
def stems(word: str, script: str) -> tuple[str, ...]:
    """Forms in which a header may hold a word that stands inflected in a text, without itself.

    word: folded.  Words without inflection in that script give none.
    """
    return tuple(dict.fromkeys(s for s in _stems(word, script) if s != word))


def _stems(word: str, script: str) -> Iterator[str]:
    least = _LEAST.get(script, 99)
    for prefix in _PREFIXES.get(script, ()):
        if word.startswith(prefix) and len(word) - len(prefix) >= least:
            yield word[len(prefix) :]
            yield "ال" + word[len(prefix) :]
    for ending in map(folded, _ENDINGS.get(script, ())):
        bare = word.removesuffix(ending)
        if bare != word and len(bare) >= (3 if ending == "s" else least):
            yield bare
            for dropped in map(folded, _DROPPED[script]):
                yield bare + dropped
    if len(word) >= least:
        for dropped in map(folded, _DROPPED.get(script, ())):
            yield word + dropped
