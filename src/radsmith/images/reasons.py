"""What a library says went wrong, as one line for people."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"\s*<[^<>]*\bat 0x[0-9a-fA-F]+>|\s*\b(?:at )?0x[0-9a-fA-F]{6,}")


def reason(error: Exception) -> str:
    """The first line of an error, printable, without addresses of objects."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    text = _ADDRESS.sub("", "".join(c if c.isprintable() else " " for c in text))
    return " ".join(text.split())[:160].rstrip(" .:;,") or type(error).__name__
