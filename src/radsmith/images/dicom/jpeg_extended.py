"""12-bit JPEG Extended (1.2.840.10008.1.2.4.51) for pydicom, decoded by GDCM.

pydicom hands GDCM only 8-bit frames of this syntax, though GDCM carries a libjpeg of 12 bits.
GDCM ends the whole process at some broken frames, so a frame's markers (ITU-T T.81 annex B) are
checked first; errors in the entropy-coded data it takes.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from typing import Any

from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEGExtended12Bit

DECODER_DEPENDENCIES = {JPEGExtended12Bit: ("python-gdcm>=3.2",)}
TWELVE_BITS = "gdcm 12 bit"
_SOF1, _DHT, _SOI, _EOI, _SOS, _DQT, _DRI = 0xC1, 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD
_IGNORED = (*range(0xE0, 0xF0), 0xFE)
_SCAN_END = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")


@cache
def register() -> None:
    """Make pydicom read such files, where GDCM is installed."""
    get_decoder(JPEGExtended12Bit).add_plugin(TWELVE_BITS, (__name__, "decode_frame"))


def is_available(syntax: str) -> bool:
    """Whether frames of this transfer syntax can be decoded here."""
    return syntax == JPEGExtended12Bit and find_spec("gdcm") is not None


def decode_frame(frame: bytes, runner: Any) -> bytes:
    """One gray frame as 16-bit little-endian values; runner: pydicom's, with what the head says.

    Raises ValueError for a frame that is broken or not what the head promises.
    """
    import gdcm

    rows, columns = int(runner.rows), int(runner.columns)
    if runner.samples_per_pixel != 1 or runner.bits_allocated != 16:
        raise ValueError("12-bit JPEG Extended is read of one sample of 16 bits allocated alone")
    check_frame(frame, rows, columns)
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    gray = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(gray))
    syntax = gdcm.TransferSyntax.GetTSType(str.__str__(JPEGExtended12Bit))
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    values: bytes = (image.GetBuffer() or "").encode("utf-8", "surrogateescape")
    if len(values) != 2 * rows * columns:
        raise ValueError(f"{len(values)} bytes decoded, expected {2 * rows * columns}")
    return values


def check_frame(frame: bytes, rows: int, columns: int) -> None:
    """Raise ValueError unless this is a whole frame of one 12-bit component in one scan."""
    if frame[:2] != bytes((0xFF, _SOI)):
        raise ValueError("the frame does not begin as a JPEG")
    at = 2
    quantizers: set[int] = set()
    codes: set[int] = set()
    wanted = -1
    while True:
        marker, body = _segment(frame, at)
        at += 4 + len(body)
        if marker == _DQT:
            quantizers |= _quantizers(body)
        elif marker == _DHT:
            codes |= _codes(body)
        elif marker == _SOF1:
            wanted = _component(body, rows, columns)
        elif marker == _SOS:
            break
        elif marker not in _IGNORED and not (marker == _DRI and len(body) == 2):
            raise ValueError(f"marker {marker:#04x} is not expected in a frame")
    tables = body[2] if len(body) == 6 else 0xFF
    if len(body) != 6 or body[0] != 1 or body[3:] != b"\x00\x3f\x00":
        raise ValueError("expected one scan of one component, of all coefficients")
    if wanted not in quantizers or not {tables >> 4, 0x10 | tables & 15} <= codes:
        raise ValueError("the frame lacks its size, its quantizers or its codes")
    end = _SCAN_END.search(frame, at)
    if end is None or end.group()[-1] != _EOI:
        raise ValueError("the frame is cut off or broken")


def _segment(frame: bytes, at: int) -> tuple[int, bytes]:
    """The marker at this place and what its segment holds."""
    size = int.from_bytes(frame[at + 2 : at + 4], "big")
    if frame[at : at + 1] != b"\xff" or size < 2 or at + 2 + size > len(frame):
        raise ValueError("a marker segment is broken")
    return frame[at + 1], frame[at + 4 : at + 2 + size]


def _component(body: bytes, rows: int, columns: int) -> int:
    """The quantizer of the frame's one component."""
    size = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if len(body) != 9 or body[0] != 12 or body[5] != 1 or body[7] != 0x11:
        raise ValueError("expected one component of 12 bits")
    if size != (rows, columns):
        raise ValueError(f"the frame has {size[1]}x{size[0]} pixels, not {columns}x{rows}")
    return body[8]


def _quantizers(body: bytes) -> set[int]:
    found = set()
    while body:
        length = 129 if body[0] >> 4 else 65
        if body[0] >> 4 > 1 or body[0] & 15 > 3 or len(body) < length:
            raise ValueError("a quantization table is broken")
        found.add(body[0] & 15)
        body = body[length:]
    return found


def _codes(body: bytes) -> set[int]:
    """Huffman tables by class (0x10: AC) and number; their codes must fit their lengths."""
    found = set()
    while body:
        counts = body[1:17]
        room = 1
        for count in counts:
            room = 2 * room - count
            if room < 1:  # the code of ones alone is reserved
                raise ValueError("a Huffman table is broken")
        length = 17 + sum(counts)
        if len(counts) < 16 or len(body) < length or body[0] & 0xEC:
            raise ValueError("a Huffman table is broken")
        if body[0] < 16 and max(body[17:length], default=0) > 15:
            raise ValueError("a Huffman table is broken")
        found.add(body[0])
        body = body[length:]
    return found
