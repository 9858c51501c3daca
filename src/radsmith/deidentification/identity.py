"""Who and where a record is of: what is known to identify, and where a text says it.

Names in `person_names` and `spaceless_names`; here numbers, dates, institutions, and all together.
Common words of radiology never identify an institution; its name as a whole does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from radsmith.deidentification.common_words import is_common
from radsmith.deidentification.person_names import Finder, Names, Romanise, names_of
from radsmith.deidentification.spaceless_names import spaceless_spans
from radsmith.deidentification.spelling import (
    SPACELESS,
    composed,
    fold,
    folded,
    script_of,
    tokens,
    with_umlauts_written_out,
)

_DIGIT_GAP = "[ \\t.,/_-]?"
_UNITS = (
    r"mm|cm|m|ml|l|cc|hu|kv|kvp|ma|mas|m\u200b?gy|ms|s|hz|k\u200b?hz|m\u200b?hz|%|°|deg|kg|g|mg"
)
_UNIT = rf"(?!\d)(?![ \t]?(?:{_UNITS})\b)"
_ID_SAID = r"(?:patient|pat|id|mrn|nr|no|number|case|fall|pid|#)[ \t.:#-]{1,3}"
_SEPARATOR = "[ \\t./,_年月년월-]{1,3}"
_MONTHS = (
    "jan|ene|gen|oca|sty|янв|січ", "feb|fev|lut|sub|фев|лют", "mar|mrz|maa|мар|бер",
    "apr|avr|abr|kwi|nis|апр|кві", "may|mai|mag|mei|maj|мая|тра", "jun|juin|giu|cze|haz|июн|чер",
    "jul|juil|lug|lip|tem|июл|лип", "aug|aou|ago|sie|agu|авг|сер", "sep|set|wrz|eyl|сен|вер",
    "oct|okt|ott|out|paz|eki|окт|жов", "nov|lis|kas|ноя|лис", "dec|dez|dic|gru|ara|дек|гру",
)  # fmt: skip
_PLACE_GAP = re.compile(r"[^\w\n]{0,3}")
_NEGATION_WORDS = "no not non nor none kein keine nicht sin ni nao nie ne ei ikke"
_NEGATIONS = frozenset(_NEGATION_WORDS.split())
_HOSPITALS = re.compile(
    "(?:大学|医学院|附属|附屬|第一|第二|人民|中心|総合|總|市立|県立|国立|国際|医科|综合|病院|医院|醫院|医療センター"
    "|センター|診療所|クリニック|诊所|대학교|병원|의원|의료원|센터)+"
)
_BETWEEN = re.compile("[ \t_'’‘·・^\u3000-]{0,2}|,[ \t]?")
GONE = "[...]"
"""Stands where a name was that is a word of negation too: without it the sentence would turn."""


def plain(text: str) -> str:
    """The least romanisation: letters that are Latin but for their accents."""
    return folded(text)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What identifies: values as a header holds them.

    names: the patient's own ("Doe^Jane=山田^太郎").  others: of other persons.  numbers: of the
    patient, visits, orders, devices, telephones.  dates: YYYYMMDD.  places: institutions,
    addresses, stations.  romanise: brings other alphabets to Latin letters.
    """

    names: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    dates: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    romanise: Romanise = plain

    def __or__(self, other: Identity) -> Identity:
        """Both together; the patient's own names of both."""
        return Identity(
            names=self.names | other.names,
            others=self.others | other.others,
            numbers=self.numbers | other.numbers,
            dates=self.dates | other.dates,
            places=self.places | other.places,
            romanise=self.romanise,
        )

    def as_others(self) -> Identity:
        """The same person where it is not sure that a text is about them."""
        return Identity(
            others=self.names | self.others,
            numbers=self.numbers,
            dates=self.dates,
            places=self.places,
            romanise=self.romanise,
        )

    def without(self, text: str) -> str:
        """The text without all that identifies; as it is where nothing does."""
        if not text or not (self._persons or self._patterns or self._places):
            return text
        whole = composed(text)
        spans = merged(self._places_of(whole), whole)
        if not spans:
            return text
        parts, end = [], 0
        for start, stop in spans:
            parts += [whole[end:start], _left_for(whole[start:stop])]
            end = stop
        return tidied("".join((*parts, whole[end:])))

    def mentions(self, text: str) -> bool:
        """Whether a text holds anything that identifies."""
        return self.without(text) != text

    def _places_of(self, text: str) -> Iterator[tuple[int, int]]:
        letters, where = fold(text)
        where.append(len(text))
        for start, end in self._folded_spans(letters):
            if end > start:
                yield where[start], max(where[end - 1] + 1, where[end])

    def _folded_spans(self, letters: str) -> Iterator[tuple[int, int]]:
        for finder in self._persons:
            yield from finder.spans(letters)
            yield from spaceless_spans(finder.names, letters, self.romanise)
        for pattern in self._patterns:
            yield from (m.span() for m in pattern.finditer(letters))
        yield from self._place_spans(letters)

    @cached_property
    def _persons(self) -> tuple[Finder, ...]:
        worded = [n for n in self.numbers if not any(c.isdigit() for c in n)]
        own = names_of(self.names, self.romanise)
        others = names_of((*self.others, *worded), self.romanise)
        return tuple(
            Finder(names=names, own=mine, romanise=self.romanise)
            for names, mine in ((own, True), (others, False))
            if names != Names()
        )

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        parts = {part for name in self.names for part in re.split(r"[\^=\s]", name)}
        told = {*self.numbers, *(p for p in parts if sum(c.isdigit() for c in p) > 2)}
        written = [p for n in sorted(told) for p in _number(folded(n))]
        written += [p for d in sorted(self.dates) for p in _date(d)]
        return tuple(re.compile(p) for p in dict.fromkeys(written))

    @cached_property
    def _places(self) -> tuple[tuple[str, ...], ...]:
        """Words that go where they follow each other, most words first."""
        phrases: set[tuple[str, ...]] = set()
        for place in self.places:
            for line in (place, *re.split(r"[,;\n\r/()]", place)):
                phrases |= set(_phrases(line)) | set(_phrases(with_umlauts_written_out(line)))
        return tuple(sorted(phrases, key=len, reverse=True))

    def _place_spans(self, letters: str) -> Iterator[tuple[int, int]]:
        found = tokens(letters)
        words = [t.word for t in found]
        for phrase in self._places:
            for n in range(len(words) - len(phrase) + 1):
                if words[n] == phrase[0] and tuple(words[n : n + len(phrase)]) == phrase:
                    run = found[n : n + len(phrase)]
                    if all(
                        _PLACE_GAP.fullmatch(letters[a.end : b.start]) for a, b in pairwise(run)
                    ):
                        yield run[0].start, run[-1].end
        for phrase in self._places:
            if len(phrase) == 1 and script_of(phrase[0][0]) in SPACELESS:
                for match in re.finditer(re.escape(phrase[0]), letters):
                    yield match.span()


def _phrases(line: str) -> Iterator[tuple[str, ...]]:
    """The words of an institution's name together, and each that is not a common one."""
    words = tuple(t.word for t in tokens(folded(line)))
    told = [w for w in words if not is_common(w)]
    if len(words) > 1 and sum(map(len, words)) > 5:
        yield words
    for word in told:
        spaceless = script_of(word[0]) in SPACELESS
        if spaceless:
            bare = _HOSPITALS.sub("", word)
            yield (word,)
            if len(bare) > 1:
                yield (bare,)
        elif len(word) > 3 or (len(word) > 2 and len(words) == 1):
            yield (word,)


def _number(value: str) -> Iterator[str]:
    """Patterns of a number in folded text: other separators or none, leading zeros or none."""
    bare = "".join(c for c in value if c.isalnum())
    if not any(c.isdigit() for c in bare) or len(value) > 64:
        return
    short = bare.lstrip("0")
    if bare.isdigit() and len(short) > 2:
        bare = short
    zeros = "0{0,9}" if bare.isdigit() else ""
    if len(bare) < 3:
        yield rf"(?<![a-z]){_ID_SAID}0*{re.escape(bare)}(?!\w)"
        return
    if bare.isdigit() and len(bare) < 5:
        yield rf"(?<![\w.,])0*{bare}(?!\w|[.,]\d){_UNIT}"
        return
    parts = list(bare) if len(bare) > 4 or bare not in value else [bare]
    spelled = _DIGIT_GAP.join(map(re.escape, parts))
    begin = r"(?<!\d)(?<!\d[.,])" if bare[0].isdigit() else r"(?<![a-z\d])"
    end = (_UNIT if bare.isdigit() else r"(?!\d)") if bare[-1].isdigit() else r"(?![a-z\d])"
    yield f"{begin}{zeros}{spelled}{end}"
    longest = max(re.findall(r"\d+", value), key=len)
    if 5 < len(longest) < len(bare):
        yield rf"(?<!\d){longest}(?!\d)"


def _date(value: str) -> Iterator[str]:
    """Patterns of a date YYYYMMDD in folded text, in every order that is in use."""
    if not re.fullmatch(r"\d{8}.*", value):
        return
    year, month, day = value[:4], value[4:6], value[6:8]
    if int(year) < 1850 or not 1 <= int(month) <= 12 or not 1 <= int(day) <= 31:
        return
    m, d = f"0?{int(month)}", f"0?{int(day)}"
    y = f"(?:{year}|{year[2:]})"
    s = _SEPARATOR
    for order in ((y, m, d), (d, m, y), (m, d, y)):
        yield rf"(?<!\d){s.join(order)}(?:日|일)?(?!\d)"
    for told in (year, year[2:]):
        for solid in (f"{told}{month}{day}", f"{day}{month}{told}", f"{month}{day}{told}"):
            yield rf"(?<!\d){solid}(?!\d)"
    named = rf"(?:{_MONTHS[int(month) - 1]})[^\W\d_]*"
    yield rf"(?<!\d){d}[ .-]{{0,2}}{named}[ .,-]{{0,2}}{y}(?!\d)"
    yield rf"(?<![^\W_]){named}[ .-]{{0,2}}{d}[ .,-]{{1,2}}{y}(?!\d)"
    yield rf"(?<!\d)(?<!\d\.){d}\.{m}\.(?!\d)"
    yield rf"(?<!\d){int(month)}[月월] ?{int(day)}[日일]"


def _left_for(gone: str) -> str:
    words = [t.word for t in tokens(folded(gone))]
    return GONE if len(words) == 1 and words[0] in _NEGATIONS else " "


def merged(spans: Iterable[tuple[int, int]], text: str) -> list[tuple[int, int]]:
    """Spans of a text in order; those that overlap, or that only a sign keeps apart, as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and (start <= found[-1][1] or _BETWEEN.fullmatch(text[found[-1][1] : start])):
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def tidied(text: str) -> str:
    """A text without the blanks that removed words leave."""
    text = re.sub(r"[ \t]+([.,;:])", r"\1", re.sub(r"[ \t]{2,}", " ", text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()
