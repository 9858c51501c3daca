"""Names of known persons in Chinese, Japanese, Korean and Thai text, where no space ends a word.

A family name of one character or syllable is a common word too (高 is high): it goes where it
stands alone, before a form of address or with the given name. So do short names in kana.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from radsmith.deidentification.person_names import Names, Romanise
from radsmith.deidentification.spelling import SPACELESS, key, korean_key, script_of, tokens

_ADDRESS = (
    "先生|女士|小姐|太太|同志|老师|患者|病人|医生|医师|某|氏|さん|さま|様|殿|君|くん|ちゃん|님|씨|군|양|환자"
    "|の患者|คุณ"
)
_BEFORE = ("患者", "病人", "환자", "姓名", "氏名", "성명", "名前", "คุณ", "นาย", "นาง")
_GAP = "[\\s\u3000・·\u200b]*"
_HAN_NAME = 6
_KANA_NAME = 12
_FAMILY_SAID = {"park": "pak", "lee": "i", "rhee": "i", "lim": "im", "rim": "im", "roh": "no",
                "noh": "no", "hur": "heo", "ryu": "yu", "yoo": "yu", "you": "yu", "moon": "mun",
                "kim": "gim", "choi": "choe"}  # fmt: skip


def spaceless_spans(names: Names, text: str, romanise: Romanise) -> Iterator[tuple[int, int]]:
    """Places (start, end) of the names in a folded text."""
    if not any(script_of(c) in SPACELESS for c in text):
        return
    for family, given in names.pairs:
        for pattern in _patterns(family, given):
            yield from (match.span() for match in re.finditer(pattern, text))
    sought = _Sought.of(names)
    for run in tokens(text):
        if run.script in ("han", "hangul", "kana"):
            yield from _heard(sought, run.word, run.start, run.script, text, romanise)


def _patterns(family: str, given: str) -> Iterator[str]:
    if given:
        for whole in (family + given, given + family):
            yield _spaced(whole)
        if len(family) == 1:
            yield rf"{_spaced(given)}{_GAP}{_spaced(family)}"
    for part in (family, given):
        if not part:
            continue
        kana = script_of(part[0]) == "kana"
        if len(part) >= (4 if kana else 2):
            yield _spaced(part)
        else:
            yield from _short(part)


def _short(part: str) -> Iterator[str]:
    """A short name where its surroundings say that it is one."""
    alone = r"[^\W\d_]"
    spaced = _spaced(part)
    yield rf"(?<!{alone}){spaced}(?=$|(?!{alone}).|{_GAP}(?:{_ADDRESS}))"
    yield rf"(?<=[一-鿿]){spaced}(?={_GAP}(?:さん|さま|様|氏|님|씨))"
    for before in _BEFORE:
        yield rf"(?<={before}){_GAP}{spaced}(?!{alone})"


def _spaced(word: str) -> str:
    return _GAP.join(map(re.escape, word))


@dataclass(frozen=True, kw_only=True)
class _Sought:
    """Whole names and family names in Latin letters, as they are compared with what is heard."""

    full: frozenset[str]
    families: frozenset[str]
    parts: frozenset[str]
    korean: frozenset[str]

    @classmethod
    def of(cls, names: Names) -> _Sought:
        korean = set()
        for family in names.families:
            for whole in names.full:
                given = whole.removeprefix(key(family))
                if given != whole:
                    for said in {family, _FAMILY_SAID.get(family, family)}:
                        korean |= {korean_key(said + given), korean_key(given + said)}
        return cls(
            full=frozenset(names.full),
            families=frozenset(key(f) for f in names.families),
            parts=frozenset(key(w) for w in names.exact if len(w) > 3),
            korean=frozenset(k for k in korean if len(re.sub("[aeiou]", "", k)) > 1),
        )


def _heard(
    sought: _Sought, run: str, start: int, script: str, text: str, romanise: Romanise
) -> Iterator[tuple[int, int]]:
    """Whole names by their sound; family names by their sound before a form of address."""
    said = [_letters(romanise(c)) for c in run]
    longest = _KANA_NAME if script == "kana" else _HAN_NAME
    for first in range(len(run)):
        for last in range(first + 1, min(first + longest, len(run)) + 1):
            place = (start + first, start + last)
            whole = _kana(run[first:last], romanise) if script == "kana" else "".join(
                said[first:last]
            )  # fmt: skip
            korean = script == "hangul" and korean_key(whole) in sought.korean
            addressed = bool(re.match(f"{_GAP}(?:{_ADDRESS})", text[place[1] :])) and (
                first == 0 or text[: place[0]].endswith(_BEFORE)
            )
            named = last - first > 1 and (key(whole) in sought.full or korean)
            if named or (addressed and key(whole) in sought.families):
                yield place
    if script == "kana":
        for last in range(2, len(run) + 1):
            ends = last == len(run) or re.match(_ADDRESS, run[last:])
            if ends and key(_kana(run[:last], romanise)) in sought.parts:
                yield start, start + last


def _kana(word: str, romanise: Romanise) -> str:
    return _letters(romanise(word)).replace("-", "")


def _letters(said: str) -> str:
    return "".join(c for c in said.lower() if c.isalpha() and c.isascii())
