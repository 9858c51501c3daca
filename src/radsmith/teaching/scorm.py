"""A set as a SCORM 1.2 package: a manifest, one page that needs nothing else, the questions. Pure.

ADL, SCORM 1.2: Content Aggregation Model, section 2.3 (packaging); Run-Time Environment, section 3.
The page marks answers itself, so the package holds the solutions: whoever unpacks it can read them.
"""

from __future__ import annotations

import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from radsmith.teaching.about import about, weak_of
from radsmith.teaching.items import Item
from radsmith.teaching.sets import TeachingSet

_IMS = "http://www.imsproject.org/xsd/imscp_rootv1p1p2"
_ADL = "http://www.adlnet.org/xsd/adlcp_rootv1p2"
_BORN = (1980, 1, 1, 0, 0, 0)
PAGE, QUESTIONS, MANIFEST = "index.html", "questions.js", "imsmanifest.xml"
MASTERY = 80
"""Percent of first answers that an LMS counts as passed."""


def package(opened: TeachingSet, items: Sequence[Item], page: str) -> bytes:
    """The package as ZIP; the same bytes each time. page: the player, see `bundle.player_html`."""
    told = json.dumps(questions(opened, items), ensure_ascii=False, sort_keys=True)
    held = told.replace("</", "<\\/").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    parts = {
        MANIFEST: manifest(opened.id, opened.title),
        PAGE: page,
        QUESTIONS: f"window.RADSMITH_SET = {held};\n",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, _BORN), text, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def questions(opened: TeachingSet, items: Sequence[Item]) -> dict[str, Any]:
    """What the page reads: questions with solutions, pictures, and what must be told."""
    used = dict.fromkeys(t for item in items for t in (*item.pictures, *item.revealed))
    return {
        "id": opened.id,
        "about": about(opened),
        "mastery": MASTERY,
        "items": [
            item.asked() | {"solution": item.solution() | {"weak": weak_of(opened, item)}}
            for item in items
        ],
        "pictures": {
            token: "data:image/png;base64," + b64encode(opened.png(token)).decode()
            for token in used
        },
    }


def manifest(set_id: str, title: str) -> str:
    """imsmanifest.xml: one organisation of one SCO."""
    ET.register_namespace("", _IMS)
    ET.register_namespace("adlcp", _ADL)
    root = ET.Element(f"{{{_IMS}}}manifest", identifier=f"radsmith-{set_id}", version="1.2")
    metadata = ET.SubElement(root, f"{{{_IMS}}}metadata")
    ET.SubElement(metadata, f"{{{_IMS}}}schema").text = "ADL SCORM"
    ET.SubElement(metadata, f"{{{_IMS}}}schemaversion").text = "1.2"
    all_of = ET.SubElement(root, f"{{{_IMS}}}organizations", default="organization")
    organization = ET.SubElement(all_of, f"{{{_IMS}}}organization", identifier="organization")
    ET.SubElement(organization, f"{{{_IMS}}}title").text = title
    item = ET.SubElement(
        organization, f"{{{_IMS}}}item", identifier="item", identifierref="resource",
        isvisible="true",
    )  # fmt: skip
    ET.SubElement(item, f"{{{_IMS}}}title").text = title
    ET.SubElement(item, f"{{{_ADL}}}masteryscore").text = str(MASTERY)
    resources = ET.SubElement(root, f"{{{_IMS}}}resources")
    resource = ET.SubElement(
        resources, f"{{{_IMS}}}resource", identifier="resource", type="webcontent", href=PAGE,
    )  # fmt: skip
    resource.set(f"{{{_ADL}}}scormtype", "sco")
    for name in (PAGE, QUESTIONS):
        ET.SubElement(resource, f"{{{_IMS}}}file", href=name)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"
