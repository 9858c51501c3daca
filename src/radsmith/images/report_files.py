"""Report files as text with heads: plain text, Open-i style XML, DICOM structured reports.

What the words mean is read by `report`; names, dates and ids are not copied from SR.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset

from radsmith.errors import InvalidInput
from radsmith.files import read_bytes
from radsmith.images.dicom.opening import damage_refused, open_dicom

MAX_REPORT_BYTES = 8 * 1024**2
_DEEPEST = 32


def report_text(path: Path) -> str:
    """The report in the file as text, its sections headed "IMPRESSION:" and so on.

    Raises NotFound, or InvalidInput (too large, not text, XML without text, DICOM without SR).
    """
    return text_of(read_bytes(path), str(path))


def text_of(data: bytes, name: str) -> str:
    """As `report_text`, from bytes; `name` is for messages."""
    if len(data) > MAX_REPORT_BYTES:
        raise InvalidInput(f"{name} holds {len(data):,} bytes; a report has at most 8 MiB")
    if data[128:132] == b"DICM":
        return _of_dicom(data, name)
    text = _decoded(data, name)
    return _of_xml(text, name) if text.lstrip().startswith("<") else text


def structured_text(dataset: Dataset) -> str:
    """TEXT and CODE items of a structured report's tree (PS3.3 C.17.3), headed by containers."""
    return "\n".join(_tree(dataset, 0))


def linked_images(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Of an Open-i style XML: the report's own id, and the names of its images without extension.

    The attribute `id` of `uId`, and that of each `parentImage` with the file of its `url`. Nothing
    where the data are something else.
    """
    text = _decoded(data, "report")
    if not text.lstrip().startswith("<") or "parentImage" not in text:
        return "", ()
    report, images = "", []
    for element in _root(text, "report").iter():
        tag = element.tag.rpartition("}")[2]
        if tag == "uId":
            report = report or element.get("id", "").strip()
        elif tag == "parentImage":
            urls = [e.text or "" for e in element.iter() if e.tag.rpartition("}")[2] == "url"]
            images += [element.get("id", ""), *(Path(url.strip()).stem for url in urls)]
    return report, tuple(dict.fromkeys(name.strip() for name in images if name.strip()))


def _decoded(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    if b"\0" in data[:4096]:
        raise InvalidInput(f"{name} is not a text: expected plain text, XML or DICOM SR")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _of_xml(text: str, name: str) -> str:
    """`AbstractText` elements with their `Label`; of other XML all the text, tag by tag."""
    root = _root(text, name)
    labelled = [
        f"{element.get('Label', 'findings').upper()}: {' '.join(element.itertext()).strip()}"
        for element in root.iter()
        if element.tag.rpartition("}")[2] == "AbstractText"
    ]
    lines = labelled or [
        f"{element.tag.rpartition('}')[2].upper()}: {element.text.strip()}"
        for element in root.iter()
        if element.text and element.text.strip()
    ]
    if not lines:
        raise InvalidInput(f"{name} is XML without any text")
    return "\n".join(lines)


def _root(text: str, name: str) -> ElementTree.Element:
    if "<!ENTITY" in text or "<!DOCTYPE" in text[:4096]:
        raise InvalidInput(f"{name} declares a document type or entities, which are not read")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InvalidInput(f"{name} is not well-formed XML: {error}") from error


def _of_dicom(data: bytes, name: str) -> str:
    try:
        with damage_refused():
            dataset = open_dicom(data)
            text = structured_text(dataset)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}") from error
    if not text.strip():
        kind = getattr(dataset.get("SOPClassUID", ""), "name", "") or "DICOM object"
        raise InvalidInput(f"{name} holds no report text ({kind}); expected a structured report")
    return text


def _tree(item: Dataset, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    head = _meaning(item, "ConceptNameCodeSequence")
    kind = str(item.get("ValueType", ""))
    if kind == "CONTAINER" and head and depth:
        yield f"\n{head.upper()}:"
    elif kind == "TEXT":
        text = str(item.get("TextValue", "")).strip()
        yield (
            f"{head}: {text}"
            if re.match("impression|conclusion|history|indic", head, re.I)
            else text
        )
    elif kind == "CODE":
        yield f"{_meaning(item, 'ConceptCodeSequence')}."
    for child in item.get("ContentSequence") or ():
        yield from _tree(child, depth + 1)


def _meaning(item: Dataset, keyword: str) -> str:
    codes = item.get(keyword) or ()
    return str(codes[0].get("CodeMeaning", "")) if codes else ""
