"""Opening DICOM that nobody vouches for: every damage becomes one InvalidInput with its reason.

What a file unpacks to is bounded before pydicom sees it: bytes of a deflated data set, and
attributes and items, of which each takes some fifty times the memory that it takes in the file.
Files without preamble, file meta or transfer syntax are read as they are encoded.
"""

from __future__ import annotations

import io
import mmap
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from radsmith.errors import InvalidInput, RadsmithError, reason_of
from radsmith.images.bombs import check_unpacked
from radsmith.images.dicom.signature import PART_10, is_dicom

MOST_ELEMENTS = 100_000
"""Attributes and items of a file; of one larger than 25 MB, one in 256 bytes."""
_SMALL = 8 * MOST_ELEMENTS
"""Fewer bytes cannot hold too many elements."""
_STEP = 1 << 16
_UNDEFINED = 0xFFFFFFFF
_ITEM = 0xFFFE
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR",
                   b"UT", b"UV"))  # fmt: skip


def open_dicom(data: bytes) -> Dataset:
    """A data set with every value read. Raises InvalidInput: no DICOM, damaged, a bomb, empty."""
    dataset = _opened(data, lambda: pydicom.dcmread(io.BytesIO(data), force=True))
    if "SOPClassUID" not in dataset and "PixelData" not in dataset:
        raise InvalidInput("damaged or no DICOM: neither SOP class nor pixels")
    return dataset


def open_head(file: BinaryIO) -> Dataset:
    """What a file says before its pixels, values unread. Raises InvalidInput as `open_dicom`.

    A small part of a plain file is read; of a deflated one all of it.
    """
    head = file.read(_STEP)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    data: bytes | mmap.mmap = head
    if _syntax(head) == DeflatedExplicitVRLittleEndian:
        data = file.read()
    elif size > _SMALL:
        data = _mapped(file)
    file.seek(0)
    return _opened(
        data,
        lambda: pydicom.dcmread(file, stop_before_pixels=True, force=True),
        whole=False,
    )


def _mapped(file: BinaryIO) -> bytes | mmap.mmap:
    """A large file's bytes, of which those are read that are looked at."""
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # no file of a disk
        return file.read()


def _opened(data: bytes | mmap.mmap, read: Callable[[], Dataset], *, whole: bool = True) -> Dataset:
    if not is_dicom(data[:256]):
        raise InvalidInput("not a DICOM file: no DICM at byte 128, and no bare data set")
    with damage_refused():
        _check(data)
        dataset = read()
        _name_syntax(dataset)
        for element in dataset.iterall() if whole else ():
            _ = element.value
    return dataset


@contextmanager
def damage_refused() -> Iterator[None]:
    """What pydicom raises becomes InvalidInput: it converts values when they are first used, so
    that damage may show at any place. Warnings are passed by: it warns of every odd value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (RadsmithError, MemoryError):
            raise
        except InvalidDicomError as error:
            raise InvalidInput("not a DICOM file") from error
        except RecursionError as error:
            raise InvalidInput("damaged DICOM: sequences are nested without end") from error
        except Exception as error:  # damaged bytes break pydicom in ways no list can name
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the disk
            raise InvalidInput(f"damaged DICOM: {reason_of(error)}; fetch it again") from error


def kind_of(dataset: Dataset) -> str:
    """The name of its SOP class, or its UID, as one line; "" where it names none."""
    sop = dataset.get("SOPClassUID", "") or ""
    name = str(getattr(sop, "name", "") or sop)
    return "".join(c for c in name if c.isprintable())[:80]


def part_10_bytes(dataset: Dataset, meta: FileMetaDataset) -> bytes:
    """A received object as a file, in the transfer syntax it came in."""
    stream = io.BytesIO()
    dataset.file_meta = meta
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _name_syntax(dataset: Dataset) -> None:
    """Name the encoding that a file without file meta turned out to have, for the decoders."""
    meta: Any = getattr(dataset, "file_meta", None) or FileMetaDataset()
    dataset.file_meta = meta
    if not meta.get("TransferSyntaxUID"):
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _check(data: bytes | mmap.mmap) -> None:
    """Raises InvalidInput where the data set would unpack to far more memory than its size."""
    syntax, at = _syntax(data), _meta_end(data)
    size = len(data)
    if syntax == DeflatedExplicitVRLittleEndian:
        data, at = _inflated(data, at), 0
    if len(data) > _SMALL:
        big = syntax == ExplicitVRBigEndian
        count_elements(data, at, ">" if big else "<", max(MOST_ELEMENTS, size // 256))


def _inflated(data: bytes | mmap.mmap, at: int) -> bytes:
    """A deflated data set unpacked, bounded on the way."""
    inflater, parts, size = zlib.decompressobj(-zlib.MAX_WBITS), list[bytes](), 0
    for start in range(at, len(data), _STEP):
        waiting = data[start : start + _STEP]
        while waiting:
            parts.append(inflater.decompress(waiting, 1 << 20))
            waiting = inflater.unconsumed_tail
            size += len(parts[-1])
            check_unpacked(size, len(data), "a deflated data set")
    return b"".join(parts)


def _elements_of_meta(data: bytes | mmap.mmap) -> tuple[dict[int, bytes], int]:
    """Elements of group 0002, explicit VR little endian, and where they end."""
    at = 132 if data[128:132] == PART_10 else 0
    found: dict[int, bytes] = {}
    while data[at : at + 2] == b"\x02\x00":
        long = data[at + 4 : at + 6] in _LONG
        width, begin = (4, at + 12) if long else (2, at + 8)
        length = int.from_bytes(data[begin - width : begin], "little")
        found[int.from_bytes(data[at + 2 : at + 4], "little")] = data[begin : begin + length]
        at = begin + length
    return found, at


def _syntax(data: bytes | mmap.mmap) -> str:
    return _elements_of_meta(data)[0].get(0x10, b"").rstrip(b"\0 ").decode("latin-1")


def _meta_end(data: bytes | mmap.mmap) -> int:
    return _elements_of_meta(data)[1]


def count_elements(data: bytes | mmap.mmap, at: int, order: str, most: int) -> None:
    """Raises InvalidInput where a data set holds more than `most` attributes and items.

    order: "<" or ">".  Sequences are entered, whatever they are called and however long.
    """
    item = struct.pack(f"{order}HH", _ITEM, 0xE000)
    explicit = data[at + 4 : at + 6].isalpha()
    count = 0
    while at + 8 <= len(data):
        count += 1
        if count > most:
            raise InvalidInput(f"holds more than {most:,} attributes: no image needs so many")
        group, element = struct.unpack_from(f"{order}HH", data, at)
        if group == _ITEM:
            at += 8
            continue
        code = data[at + 4 : at + 6]
        if explicit and code not in _LONG:
            length = struct.unpack_from(f"{order}H", data, at + 6)[0]
            at += 8 + length
            continue
        at += 12 if explicit else 8
        if at > len(data):
            return
        length = struct.unpack_from(f"{order}I", data, at - 4)[0]
        if (group, element) == (0x7FE0, 0x0010) and length == _UNDEFINED:
            at = _after_fragments(data, at, order)
        elif length != _UNDEFINED and data[at : at + 4] != item:
            at += length


def _after_fragments(data: bytes | mmap.mmap, at: int, order: str) -> int:
    while at + 8 <= len(data):
        _, kind, length = struct.unpack_from(f"{order}HHI", data, at)
        at += 8
        if kind == 0xE0DD:
            break
        at += length
    return at
