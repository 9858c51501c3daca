"""The heads of a report's sections, and what is said of an organ after "is"."""

from __future__ import annotations

import re

# fmt: off
_HEADS = {
    "impression": "impression|conclusions?|opinion|summary|assessment|interpretation|diagnosis",
    "findings": "findings?|reports?|results?|description|observations?|addendum|body",
    "indication": (
        "indications?|clinical (?:history|information|indications?|data|details|question|context)"
        "|history|reason(?: for (?:exam|examination|study|test|visit))?|symptoms?|complaint"
    ),
    "technique": "techniques?|procedure|protocol|contrast|dose|medication",
    "comparison": "comparisons?|prior (?:studies|exams?|imaging)|previous (?:studies|exams?)",
    "exam": "exam(?:ination)?|study|title|type of exam(?:ination)?|procedure name|modality",
    "recommendation": "recommendations?|advice|follow[- ]?up|plan",
}
# fmt: on

HEAD = re.compile(
    r"(?:^|(?<=\n)|(?<=\.\s))[ \t]*(?:\*\*|#+ )?(?:final |radiology |preliminary )?(?:"
    + "|".join(f"(?P<{name}>{words})" for name, words in _HEADS.items())
    + r")(?:\*\*)?[ \t]*(?::|(?=\n))(?:\*\*)?",
    re.IGNORECASE,
)
"""The head of a section; the named group that matched is the section."""

ADJECTIVES = (
    "enlarged", "dilated", "widened", "elevated", "thickened", "tortuous", "deviated", "fractured",
    "collapsed", "calcified", "hyperinflated", "hyperexpanded", "dislocated", "narrowed",
    "inflamed", "torn", "ruptured", "prominent", "intubated", "atrophic", "sharp", "clear",
    "fatty", "cirrhotic", "bulky", "aneurysmal", "distended", "swollen",
)  # fmt: skip
"""What is said of an organ after "is": looked up again before the organ ("enlarged heart")."""
