"""Signs that people write for yes, no and perhaps, made into marks that cannot be mistaken.

"effusion (-)", "-effusion", "effusion = 0", "?effusion", "[ ] effusion": a minus is a hyphen, a
bullet, a dash or a denial by what stands beside it. What is left of other signs is as it was.
"""

from __future__ import annotations

import re

NOT_NEXT, NOT, YES, PERHAPS = "\ue001", "\ue002", "\ue003", "\ue004"
"""Denies the finding that follows; denies or affirms what it stands at; doubts it."""
MARKS = NOT_NEXT + NOT + YES + PERHAPS

_LINE = r"(?:^|(?<=\n))"
_END = r"(?=\s*(?:[,;.:)\]|/\n]|$))"
_ANSWER = r"(?:no|none|nil|absent|negative|neg|not|nad|yes|present|positive|false|true)\b"
_TESTS = "smear|culture|sputum|hiv|pcr|afb|antigen"
_SIGNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile("[\u2010\u2011\u2043\u2212\ufe63\uff0d]"), "-"),
    (
        re.compile(r"\b(smear|culture|sputum|hiv|pcr|afb|antigen)[- ](?=(?:nega|posi)tive)", re.I),
        r"\1 ",
    ),
    (re.compile(r"(?<![\w)])[-–]\s?ve\b", re.I), " negative "),
    (re.compile(r"(?<!\w)\+\s?ve\b", re.I), " positive "),
    (re.compile(r"~~(?=\S)(.+?)~~"), f" {NOT_NEXT} \\1 "),
    (re.compile(r"\(\s*(?:\+\s?/\s?-|±|\?+)\s*\)"), PERHAPS),
    (re.compile(r"(?:\+\s?/\s?-|±)" + _END), PERHAPS),
    (re.compile(r"\+\s?/\s?-|±"), " possibly "),
    (re.compile(r"[(\[]\s*(?:[-–—]+|0|neg)\s*[)\]]|\[\s*\]", re.I), NOT),
    (re.compile(r"[(\[]\s*(?:\++|x|✓|✔|1|pos)\s*[)\]]", re.I), YES),
    (re.compile(r"[☐✗✘❌❎⛔🚫∅]"), NOT),
    (re.compile(r"[☑☒✓✔✅]"), YES),
    (re.compile(rf"{_LINE}[ \t]*(?:[•·▪◦*–—]|-(?=\s))[ \t]*"), "\n"),
    (re.compile(r"[•▪◦]"), "\n"),
    (re.compile(r"\.{2,}|…"), " : "),
    (re.compile(rf"(?<=[^\W\d_])[-–—](?={_ANSWER})", re.I), " : "),
    (re.compile(r"(?<=\s)[-–—]+" + _END), NOT),
    (re.compile(r"(?<=\s)[-–—]+(?=\s)|—"), " : "),
    (re.compile(r"(?<=\w)-(?=\s*(?:[,;.)\]|]|$))"), NOT),
    (re.compile(r"(?<![\w\])])-(?=[^\W\d_])"), NOT_NEXT),
    (re.compile(r"(?<![\w!])[!¬](?=\w)"), NOT_NEXT),
    (re.compile(r"(?<![\w\])])\+(?=[^\W\d_])"), YES),
    (re.compile(r"(?<=[^\W\d_])\++(?=\s*(?:[,;.:)\]|]|$)|\s)"), YES),
    (re.compile(r"(?<=\s)\++" + _END), YES),
    (re.compile(r"(?:(?<=^)|(?<=[\s,;:(]))\?+(?=\s?[^\W\d_])"), " query "),
)
_FOREIGN_MARKS = re.compile(f"[{MARKS}]")
_GLUED_LINES = re.compile(rf"{_LINE}[ \t]*-(?=[^\W\d_])")
_GLUED_MINUS = re.compile(r"(?<=[^\W\d_])-(?=\s)")
_GLUED_PLUS = re.compile(r"(?<=[^\W\d_])\+(?=[\s,;.]|$)|(?<![\w)])\+(?=[^\W\d_])")


def marked(text: str) -> str:
    """The text with its signs as `MARKS`, spaced dashes as colons and bullets as line breaks.

    "-effusion" at the start of several lines is a list unless there are lines with a plus.
    """
    text = _FOREIGN_MARKS.sub(" ", text)
    signed = bool(_GLUED_PLUS.search(text))
    if len(_GLUED_LINES.findall(text)) > 1 and not signed:
        text = _GLUED_LINES.sub("\n", text)
    if signed:
        text = _GLUED_MINUS.sub(NOT, text)
    for pattern, replacement in _SIGNS:
        if replacement in MARKS:
            replacement = f" {replacement} "
        text = pattern.sub(replacement, text)
    return text
