"""Numbers in a text: ages, weeks of gestation, sizes and settings, spans of time.

Each is found where it begins, in text as `vocabulary.plain` leaves it. What a number is for is told
by its unit and the words beside it: "6 months" is an age, "in 6 months" a time to come.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from radsmith.errors import InvalidInput
from radsmith.language.prompt import OLDEST, Age

Kind = Literal["age", "gestation", "weeks", "size", "time"]
_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_NUMBER = rf"(?:\d+(?:[.,]\d+)?|{'|'.join(_WORDS)})"
_UNIT = (
    r"years?|yrs?|y\s?/?\s?o|months?|mnths?|mths?|mos?|m\s?/?\s?o|weeks?|wks?|days?"
    r"|[ymwd](?=[-\s]*old\b)|y\b"
)
_NAMED = r"(?:\b(?:aged?|age is|age of)\s*[:=]?\s*)"
_AGE = re.compile(
    rf"(?P<named>{_NAMED})?(?P<number>{_NUMBER})\s*-?\s*(?P<unit>{_UNIT})\b\.?"
    r"(?P<old>\s*-?\s*(?:olds?\b|of age\b))?"
)
_BARE_AGE = re.compile(rf"{_NAMED}(?P<number>\d{{1,3}})\b(?!\s*(?:[.,]\d|/|%))")
_AGE_AND_SEX = re.compile(r"(?P<number>\d{2,3})\s?(?P<sex>[mf])\b")
_GESTATION = re.compile(
    r"(?P<before>\b(?:e?ga|gestational age|gestation)\s*(?:of|[:=])?\s*)?"
    rf"(?P<number>{_NUMBER})(?P<days>\s*\+\s*[0-6]|\s*w\s*[0-6]\s*d)?"
    r"(?(days)(?:\s*-?\s*(?:weeks?|wks?))?|\s*-?\s*(?:weeks?|wks?|w|/40))(?![\w/])"
    r"(?:\s*(?:and )?[0-6]\s*days?\b)?"
    r"(?P<after>['’]?\s*(?:of\s+)?(?:gestational age|gestation|gest|ga|pregnan\w+|fetus)\b)?"
)
_SIZE = re.compile(
    rf"(?:{_NUMBER}\s*(?:x|×|by|-|–|to)\s*){{0,2}}{_NUMBER}\s*-?\s*"
    r"(?:mm[23²³]?|cm[23²³]?|um|µm|ml|cc|hu|kvp?|mas|ma|tesla|t|mhz|hz|percent|degrees?|deg"
    r"|inch(?:es)?|kg|mg|fr|french|gauge|mm/s|cm/s|msv|mgy|bpm|msec|ms|px|pixels?|slices?|views?)\b"
    rf"|{_NUMBER}\s*[%°]"
)
_TIME_BEFORE = re.compile(
    r"\b(?:in|after|for|since|within|every|over|during|past|last|next|previous|previously|x)"
    r"(?:\s+(?:the|a|an|about|approximately|another|past|last|next))*\s+$"
)
_TIME_AFTER = re.compile(
    r"[-\s]*(?:ago|post\w*|after|later|follow|interval|prior|earlier|before|since|duration|history"
    r"|apart|hence|back|from|follow[- ]?up|out)\b"
)
_ALIKE = {"y": "year", "m": "month", "w": "week", "d": "day"}
_TRIMESTERS = ((14, "finding:first-trimester"), (28, "finding:second-trimester"))
LONGEST_GESTATION = 44


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number with its unit. end: where it ends in the text.

    age: of kind "age".  ids: the sex that "67F" names, or the trimester; of "weeks" it counts
    only where a pregnancy is spoken of.
    """

    kind: Kind
    end: int
    age: Age | None = None
    ids: tuple[str, ...] = ()


def quantity_at(text: str, start: int) -> Quantity | None:
    """The quantity that begins at `start`, a word's first letter; None where there is none."""
    for read in (_size, _gestation, _age):
        found = read(text, start)
        if found is not None:
            return found
    return None


def _size(text: str, start: int) -> Quantity | None:
    match = _SIZE.match(text, start)
    return Quantity(kind="size", end=match.end()) if match else None


def _age(text: str, start: int) -> Quantity | None:
    match = _AGE.match(text, start)
    if match is None:
        bare = _BARE_AGE.match(text, start) or _AGE_AND_SEX.match(text, start)
        if bare is None or not 0 <= int(bare["number"]) <= OLDEST:
            return None
        sex = bare.groupdict().get("sex")
        if sex and int(bare["number"]) < 18:
            return None
        ids = (f"sex:{'male' if sex == 'm' else 'female'}",) if sex else ()
        age = Age(number=int(bare["number"]), unit="year")
        return Quantity(kind="age", end=bare.end(), age=age, ids=ids)
    surely = match["named"] or match["old"]
    if not surely and _is_time(text, start, match.end()):
        return Quantity(kind="time", end=match.end())
    try:
        age = Age.of(_number(match["number"]), _ALIKE[match["unit"][0]])
    except InvalidInput:
        return None
    return Quantity(kind="age", end=match.end(), age=age)


def _gestation(text: str, start: int) -> Quantity | None:
    match = _GESTATION.match(text, start)
    if match is None:
        return None
    rest = text[match.end() :]
    if re.match(r"\s*-?\s*(?:olds?\b|of age\b)", rest):
        return None
    if not match["before"] and re.search(_NAMED + "$", text[:start]):
        return None
    number = _number(match["number"])
    surely = bool(match["before"] or match["after"] or match["days"] or "/40" in match.group())
    if not surely and _is_time(text, start, match.end()):
        return Quantity(kind="time", end=match.end())
    if number > LONGEST_GESTATION:
        return None
    trimester = next((t for end, t in _TRIMESTERS if number < end), "finding:third-trimester")
    kind: Kind = "gestation" if surely else "weeks"
    return Quantity(kind=kind, end=match.end(), ids=(trimester,))


def _is_time(text: str, start: int, end: int) -> bool:
    return bool(_TIME_BEFORE.search(text[:start]) or _TIME_AFTER.match(text, end))


def _number(words: str) -> float:
    return float(_WORDS.get(words, 0) or words.replace(",", "."))
