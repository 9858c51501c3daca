"""Other alphabets in Latin letters, by the package anyascii (ISC)."""

from __future__ import annotations

from functools import cache

from radsmith.errors import Unavailable


@cache
def romanise(text: str) -> str:
    """Letters in ASCII: 王 as Wang, 홍 as Hong, Щ as Shch. Raises Unavailable without the extra."""
    try:
        from anyascii import anyascii
    except ImportError as error:
        raise Unavailable(
            "de-identification needs anyascii: pip install radsmith[import]"
        ) from error
    said: str = anyascii(text)
    return said
