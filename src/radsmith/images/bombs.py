"""How much a file may unpack to: enough for any real image, never all of the memory."""

from __future__ import annotations

from radsmith.errors import InvalidInput

LEAST = 64 * 1024**2
"""Bytes that any file may unpack to, however small it is: 8192x4096 pixels of 16 bits."""
MOST_TIMES = 100
"""A larger one may unpack to so many times its size; images seldom shrink to a fiftieth."""


def check_unpacked(unpacked: int, packed: int, what: str) -> None:
    """Raises InvalidInput where `packed` bytes become too many. what: named in the message."""
    most = max(LEAST, MOST_TIMES * packed)
    if unpacked > most:
        raise InvalidInput(
            f"{what} of {packed:,} bytes unpacks to more than {most:,}: a decompression bomb, or"
            " empty; save it uncompressed if it is an image"
        )
