"""What the header of an object tells of its patient, other persons, numbers, dates and places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydicom._uid_dict import UID_dictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from radsmith.deidentification.identity import Identity
from radsmith.deidentification.romanise import romanise
from radsmith.deidentification.scrub import names_said
from radsmith.deidentification.table import DESCRIPTORS, action_of

DEEPEST = 24
_KINDS = ("names", "others", "numbers", "dates", "places")
_WORDS = frozenset(("AE", "LO", "LT", "SH", "ST", "UC", "UR", "UT"))
_DATES = frozenset(("DA", "DT"))
_NUMBER = re.compile(r"ID$|IDs$|Number|Telephone|Phone|Barcode|Identifier|Plate|Cassette|Detector")
_PLACE = re.compile(
    "Institution|Address|Organization|Residence|Location|Issuer|Department|StationName|Sponsor"
    "|SiteName|Center|AETitle|Telecom|RequestingService|MachineName|EthicsCommitteeName"
)
_CHARACTERISTICS = re.compile("Sex|Size|Weight|Age$|Species|Breed|Smoking|Pregnancy|Language")


def identity_in(dataset: Dataset) -> Identity:
    """All that the attributes say which the profile takes out, nested ones included."""
    found: dict[str, set[str]] = {kind: set() for kind in _KINDS}
    for kind, value in _values_in(dataset, 0):
        if value.strip(" ^=."):
            found[kind].add(value.strip())
    kinds = {kind: frozenset(values) for kind, values in found.items()}
    return Identity(**kinds, romanise=romanise)


def registered(value: str) -> bool:
    """Whether a UID is one of the standard's own: it tells nothing of a patient."""
    return value in UID_dictionary


def values_of(value: Any) -> list[Any]:
    """The values of an element, none for an empty one."""
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]


def _values_in(dataset: Dataset, depth: int) -> Iterator[tuple[str, str]]:
    """(kind, value)."""
    for element in dataset:
        vr = str(element.VR)
        if vr == "SQ":
            if depth <= DEEPEST:
                for item in element.value or ():
                    yield from _values_in(item, depth + 1)
            continue
        if element.keyword == "TextValue":
            yield from (("names", name) for name in names_said(str(element.value or "")))
        kind = _kind(element, vr)
        if kind:
            for value in values_of(element.value):
                yield from _told(kind, str(value))


def _told(kind: str, value: str) -> Iterator[tuple[str, str]]:
    yield kind, value
    if kind == "places":
        yield from (("numbers", n) for n in re.findall(r"\d[\d /().-]{4,}\d", value))


def _kind(element: DataElement, vr: str) -> str:
    """Under which of `Identity`'s kinds a value falls; "" for none."""
    tag, keyword = element.tag, element.keyword
    if tag.is_private or tag.group == 0x0002:
        return ""
    if vr == "PN":
        return "names" if tag.group == 0x0010 else "others"
    if vr in _DATES:
        return "dates" if action_of(tag) != "keep" or tag.group in (0x0008, 0x0010) else ""
    if vr not in _WORDS or action_of(tag) == "keep" or int(tag) in DESCRIPTORS:
        return ""
    if keyword == "TextValue" or _CHARACTERISTICS.search(keyword):
        return ""
    if _PLACE.search(keyword):
        return "places"
    return "numbers" if _NUMBER.search(keyword) else ""
