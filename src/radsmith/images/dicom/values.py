"""Text, codes and numbers as DICOM's value representations allow them (PS3.5 section 6.2)."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.valuerep import DSfloat

Code = tuple[str, str, str]
"""(value, scheme designator, meaning), such as ("51185008", "SCT", "Chest")."""


def coded(code: Code) -> Sequence:
    """Code Sequence Macro, PS3.3 8.8."""
    item = Dataset()
    value, scheme, meaning = code
    setattr(item, "CodeValue" if len(value) <= 16 else "LongCodeValue", value)
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = line(meaning, 64)
    return Sequence([item])


def decimals(values: Iterable[float]) -> list[DSfloat]:
    """VR DS: as many digits as fit into 16 characters."""
    return [DSfloat(float(value), auto_format=True) for value in values]


def code_string(words: str) -> str:
    """VR CS (PS3.5 6.2): 16 characters of A-Z, 0-9, space and underscore."""
    kept = (c if c.isascii() and c.isalnum() else " " for c in words.upper())
    return " ".join("".join(kept).split())[:16].strip()


def line(words: str, length: int) -> str:
    """VR LO or SH: one line without backslash, at most `length` characters."""
    return text(words.replace("\\", "/"), length)


def text(words: str, length: int) -> str:
    """VR ST or LT: printable, at most `length` characters, cut with an ellipsis."""
    printable = "".join(c if c.isprintable() else " " for c in words)
    return printable if len(printable) <= length else printable[: length - 1] + "…"
