"""What a PNG says of itself, read from its chunks without decoding a pixel. Pure."""

from __future__ import annotations

Chunks = tuple[str, str]
"""The record's JSON ("" without one), and size with sums of the packed pixels."""
_PNG = b"\x89PNG\r\n\x1a\n"
_RECORD = b"radsmith\0\0\0\0\0"
"""Head of the iTXt chunk that holds the record: keyword, not compressed, no language."""


def read_chunks(png: bytes) -> Chunks:
    """The record's JSON in a PNG ("" without one) and its size with sums of its packed pixels.

    The sums are the CRCs that the file has anyway; pictures that share them are likely the same.
    """
    text, pixels, at = "", [""], len(_PNG)
    while at + 12 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind, end = png[at + 4 : at + 8], at + 8 + length
        if kind == b"IHDR":
            pixels[0] = png[at + 8 : end].hex()
        elif kind == b"IDAT":
            pixels.append(f"{length}:{png[end : end + 4].hex()}")
        elif kind == b"iTXt" and png.startswith(_RECORD, at + 8):
            text = png[at + 8 + len(_RECORD) : end].decode("utf-8", "replace")
        at += 12 + length
    return text, " ".join(pixels)
