"""What a compressed frame itself says of its size, before a decoder believes it.

JPEG and JPEG-LS: ITU-T T.81 annex B, T.87 annex C.  JPEG 2000: T.800 annex A.  A decoder makes room
for what the frame says, whatever Rows and Columns say, and for each tile, precinct and code-block.
"""

from __future__ import annotations

_SOF = frozenset(
    (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7)
)
_ALONE = frozenset((0x01, 0xD8, *range(0xD0, 0xD8)))
_SOS = 0xDA
_J2K = b"\xff\x4f\xff\x51"
MOST_SCANS = 100
"""Of a progressive JPEG: each costs a pass over the whole image."""
_MOST_TILES = 10_000
_MOST_PARTS = 1_000_000


def check_codestream(frame: bytes, rows: int, columns: int, samples: int) -> None:
    """Raises ValueError where a frame says another size than the head, or asks for far more.

    Frames that are no JPEG of any kind (run length encoded ones) are passed by.
    """
    at = frame[:512].find(_J2K)
    if at >= 0:
        _check_j2k(frame[at:], rows, columns, samples)
    elif frame[:2] == b"\xff\xd8":
        check_jpeg(frame, rows, columns, samples)


def check_jpeg(frame: bytes, rows: int, columns: int, samples: int) -> None:
    """Raises ValueError for another size or number of components, and for too many scans."""
    if frame.count(bytes((0xFF, _SOS))) > MOST_SCANS:
        raise ValueError(f"more than {MOST_SCANS} scans in one frame")
    at = 2
    while at + 4 <= len(frame):
        if frame[at] != 0xFF:
            raise ValueError("a marker is broken")
        marker = frame[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _SOS:
            break
        if marker in _SOF:
            high, wide = (int.from_bytes(frame[n : n + 2], "big") for n in (at + 5, at + 7))
            parts = frame[at + 9] if at + 9 < len(frame) else 0
            _check_same((high, wide, parts), (rows, columns, samples))
            return
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    raise ValueError("the frame does not say its size")


def _check_j2k(stream: bytes, rows: int, columns: int, samples: int) -> None:
    if len(stream) < 42:
        raise ValueError("the frame is cut off")
    x1, y1, x0, y0, tile_w, tile_h, tile_x, tile_y = (
        int.from_bytes(stream[n : n + 4], "big") for n in range(8, 40, 4)
    )
    parts = int.from_bytes(stream[40:42], "big")
    _check_same((y1 - y0, x1 - x0, parts), (rows, columns, samples))
    if min(tile_w, tile_h) < 1:
        raise ValueError("its tiles have no size")
    if -(-(x1 - tile_x) // tile_w) * -(-(y1 - tile_y) // tile_h) > _MOST_TILES:
        raise ValueError(f"more than {_MOST_TILES:,} tiles in one frame")
    at = 2
    while at + 4 <= len(stream) and stream[at] == 0xFF and stream[at + 1] != 0x90:
        size = int.from_bytes(stream[at + 2 : at + 4], "big")
        if stream[at + 1] in (0x52, 0x53):
            _check_coding(stream[at : at + 2 + size], rows, columns, samples)
        at += 2 + size


def _check_coding(segment: bytes, rows: int, columns: int, samples: int) -> None:
    """COD and COC: how many code-blocks and precincts they make of the image."""
    whole = segment[1] == 0x52
    style, at = segment[4] if whole else segment[6 if samples > 256 else 5], 9 if whole else 6
    if len(segment) < at + 5:
        raise ValueError("its coding style is cut off")
    levels, block = segment[at], segment[at + 1] + segment[at + 2] + 4
    parts = rows * columns >> block
    for r, size in enumerate(segment[at + 5 : at + 6 + levels] if style & 1 else ()):
        shift = max(0, levels - r)
        wide, high = (
            max(1, n >> (shift + p)) for n, p in ((columns, size & 15), (rows, size >> 4))
        )
        parts += wide * high
    if levels > 32 or parts * samples > _MOST_PARTS:
        raise ValueError("far too many code-blocks or precincts in one frame")


def _check_same(said: tuple[int, int, int], wanted: tuple[int, int, int]) -> None:
    if said != wanted:
        text = [f"{wide}x{high}x{parts}" for high, wide, parts in (said, wanted)]
        raise ValueError(f"a frame of {text[0]} values, where the head says {text[1]}")
