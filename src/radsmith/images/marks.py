"""Where a file says what it is: keys of its text, a line for people, a packet for machines."""

from __future__ import annotations

from xml.sax.saxutils import escape

from radsmith.images.provenance import NOTICE, Generation

RECORD_KEY = "radsmith"
SHEET_KEY = "radsmith-sheet"
"""Of a contact sheet: the records of its tiles, as a JSON list."""
SHEET_NAME = "contact-sheet.png"
XMP_KEY = "XML:com.adobe.xmp"
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def description(record: Generation) -> str:
    """One line for people: the notice and what was asked for."""
    return f"{NOTICE} Prompt: {record.prompt}"


def xmp_packet(text: str, *, edited: bool = False) -> str:
    """The machine-readable synthetic mark: IPTC Photo Metadata 2023.1, Digital Source Type.

    `trainedAlgorithmicMedia`, or its `composite…` kind where pixels of an input picture remain.
    """
    kind = "compositeWithTrainedAlgorithmicMedia" if edited else "trainedAlgorithmicMedia"
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        f' Iptc4xmpExt:DigitalSourceType="{_SOURCE_TYPE}{kind}">'
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escape(_xml_text(text))}</rdf:li>'
        "</rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    )


def _xml_text(text: str) -> str:
    """Without the control characters XML 1.0 forbids."""
    return "".join(c for c in text if (c >= " " and c not in "\ufffe\uffff") or c in "\t\n\r")
