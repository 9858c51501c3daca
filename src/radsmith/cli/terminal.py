"""The terminal: one console for all commands, and messages of one plain line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

LONGEST = 500
_ADDRESS = re.compile(r"\s*<[^<>]* at 0x[0-9a-fA-F]+>")
_LONG_WORD = re.compile(r"\S{120,}")


def terminal(*, results: bool = False) -> Console:
    """Messages on stderr, or results on stdout; words are printed as they are.

    `body_part:hand` names no emoji, `[left]` no style.
    """
    from rich.console import Console

    return Console(stderr=not results, highlight=False, markup=False, emoji=False)


def one_line(text: str) -> str:
    """A message as one line that can be printed, without memory addresses; long names are cut."""
    plain = "".join(c if c.isprintable() else " " for c in _ADDRESS.sub("", text))
    plain = _LONG_WORD.sub(lambda match: f"{match[0][:60]}…{match[0][-40:]}", plain)
    words = " ".join(plain.split())
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
