"""Text of kept attributes without what identifies; codes and defined terms keep their meaning.

What held text never becomes empty: nobody can tell from outside whether an attribute may be.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from radsmith.deidentification.common_words import is_common
from radsmith.deidentification.header import values_of
from radsmith.deidentification.identity import GONE, Identity
from radsmith.deidentification.scrub import clean_descriptor, scrub, scrub_technical
from radsmith.deidentification.spelling import folded, tokens
from radsmith.deidentification.terms import defined_terms, of_the_standard

DUMMY = "ANONYMIZED"
FREE_TEXT = frozenset(("LO", "LT", "SH", "ST", "UC", "UT"))
_LONG = frozenset(("LT", "ST", "UT"))
_NARRATIVE = re.compile(
    "Comment|Description|Label|Title|Notes|Text|Explanation|Purpose|Rationale|Narrative|Summary"
    "|Reason|Name$"
)
_MACHINE = re.compile(
    "Manufacturer|Model|Software|Version|Kernel|Coil|Sequence|Filter|Algorithm|Application|Isotope"
    "|Kernel|Code|Scheme|Detector|CodingScheme|Mapping|Font|Grid|Energy|Lens|DataElement"
)
_CODE_PARTS = frozenset((
    "CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeDesignator", "CodingSchemeVersion",
    "ContextIdentifier", "MappingResource", "MappingResourceName", "CodeMeaning",
    "ContextGroupVersion", "ContextUID", "CodingSchemeUID", "MappingResourceUID",
))  # fmt: skip

_PERSONAL = frozenset((
    "121008", "121009", "121013", "121016", "121017", "121022", "121029", "121030", "121031",
    "121036", "113870", "113871", "113872", "113873", "113877", "113880",
))  # fmt: skip
"""Concepts of observers, subjects, devices' places and numbers, orders and their people."""


def is_code(item: Dataset) -> bool:
    """Whether a data set is an item of a code sequence (PS3.3 8.8)."""
    return any(k in item for k in ("CodeValue", "LongCodeValue", "URNCodeValue"))


def coded(element: DataElement, item: Dataset, identity: Identity) -> DataElement | None:
    """An attribute of a coded concept; None where it is not one of those that make a code.

    Values of public schemes stay. Of a scheme of one's own, a value that identifies is replaced.
    A meaning made of common words of a public scheme is the concept's, whoever is called like it.
    """
    if element.keyword not in _CODE_PARTS:
        return None
    public = of_the_standard(str(item.get("CodingSchemeDesignator", "")))
    if public and element.keyword != "CodeMeaning":
        return element
    words = [t.word for t in tokens(folded(str(element.value or "")))]
    if public and all(is_common(word) for word in words):
        return element
    cleaned = _each(element, identity.without)
    if element.keyword == "CodeMeaning" and cleaned.value == DUMMY and public:
        value = next((str(item[k].value) for k in ("CodeValue", "LongCodeValue") if k in item), "")
        return with_value(element, value[:64] or DUMMY)
    return cleaned


def code_string(element: DataElement, identity: Identity) -> DataElement:
    """A CS element: terms that the standard defines stay, of the rest what does not identify."""

    def kept(value: str) -> str:
        if value.strip().upper() in defined_terms() or not identity.mentions(value):
            return value
        words = [w for w in re.split(r"[ _]+", value) if w.upper() in defined_terms()]
        rest = identity.without(value).replace(GONE, "")
        bare = " ".join(re.sub(r"[^A-Za-z0-9 _]", " ", rest).split()).upper()
        return " ".join(words) or bare[:16] or DUMMY

    return _each(element, kept)


def words(element: DataElement, identity: Identity) -> DataElement:
    """Kept text: narrative scrubbed of names, dates and numbers by shape too, technical text of
    what is known to identify, addresses replaced."""
    vr, keyword = str(element.VR), element.keyword
    if vr == "CS":
        return code_string(element, identity)
    if vr == "UR":
        return with_value(element, "urn:anonymized") if element.value else element
    if vr == "AE":
        return _each(element, identity.without)
    narrative = vr in _LONG or (_NARRATIVE.search(keyword) and not _MACHINE.search(keyword))
    way = scrub if narrative else scrub_technical
    return _each(element, lambda value: way(value, identity))


def descriptor(element: DataElement, identity: Identity) -> DataElement:
    """A description reduced to known words (PS3.15 E.3.5)."""
    return _each(element, lambda value: clean_descriptor(value, identity))


def content(element: DataElement, identity: Identity) -> DataElement:
    """The text of a structured report's item."""
    return _each(element, lambda value: scrub(value, identity))


def is_about_a_person(item: Dataset) -> bool:
    """Whether the concept of a report's item is a name, number or place of somebody (PS3.16)."""
    concepts = item.get("ConceptNameCodeSequence") or ()
    return any(
        str(c.get("CodingSchemeDesignator", "")) == "DCM"
        and str(c.get("CodeValue", "")) in _PERSONAL
        for c in concepts
    )


def with_value(element: DataElement, value: object) -> DataElement:
    """The element with another value; a list of one as that one."""
    if isinstance(value, list) and len(value) < 2:
        value = value[0] if value else None
    return DataElement(element.tag, element.VR, value)


def _each(element: DataElement, clean: Callable[[str], str]) -> DataElement:
    """Every value cleaned; the element itself where nothing changes."""
    before = [str(v) for v in values_of(element.value)]
    after = [_fitting(clean(v), v, str(element.VR)) for v in before]
    return element if after == before else with_value(element, after)


def _fitting(cleaned: str, value: str, vr: str) -> str:
    """What is left of a value; never empty where it was not, in one line where it was."""
    left = cleaned.replace("\\", "/").strip() if vr not in _LONG else cleaned
    told = any(c.isalnum() for c in left)
    return left if told or not any(c.isalnum() for c in value) else DUMMY
