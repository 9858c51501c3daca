"""Free text without names, dates and numbers that tell who it is about. Standard library only.

What is known to identify (`known`) goes wherever it stands; the rest by its shape: dates, times,
telephone numbers, addresses of mail and web, long numbers, `___` markers, names after titles and
labels. A name without a title that nobody told us of stays: `docs/guide.md` says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from radsmith.language.vocabulary import default_vocabulary, fold, fold_word
from radsmith.language.words import PROMPT_CONTROL

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_NAME = r"[A-Z][\w'’-]+"
_WORD_GAP = r"[ \t]+"
_LABELS = "|".join((
    "patient(?:'s)?(?: name| id)?", "name", "mrn", "dob", "date of birth", "birth ?date",
    r"accession(?: number| no\.?)?", "account", "ssn", "address", "phone", "physician",
    "radiologist", "attending", "resident", "technologist", "technician", "dictated by",
    "signed by", "electronically signed by", "reported by", "read by", "interpreted by",
    "approved by", "transcribed by", "verified by", "referring(?: physician| doctor)?",
    "ordering(?: physician)?", "hospital",
))  # fmt: skip
_DEGREE = r"(?:MD|M\.D\.|DO|PhD|FRCR)\b\.?"
_ORDINAL = r"\d{1,2}(?:st|nd|rd|th)?"
_YEAR = r"(?:,?[ \t]+\d{4})?"
_SHAPES = (
    r"_{2,}",
    r"\[\*\*.*?\*\*\]",
    rf"(?im:^[ \t]*(?:{_LABELS})[ \t]*[:#].*$)",
    rf"\b(?i:{_LABELS})[ \t]*:?{_WORD_GAP}(?:(?i:dr|prof)\.?{_WORD_GAP})?{_NAME}"
    rf"(?:,?{_WORD_GAP}{_NAME}){{0,3}}(?:,?[ \t]*{_DEGREE})*",
    rf"\b(?:Dr|Prof|Mr|Mrs|Ms|Miss)\.?{_WORD_GAP}(?:[A-Z]\.?{_WORD_GAP})?{_NAME}"
    rf"(?:{_WORD_GAP}{_NAME})?",
    rf"{_NAME}(?:{_WORD_GAP}(?:[A-Z]\.?|{_NAME})){{0,2}},?{_WORD_GAP}{_DEGREE}",
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://\S+|\bwww\.\S+",
    r"\b\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b",
    rf"(?i:\b{_ORDINAL}{_WORD_GAP}(?:of{_WORD_GAP})?{_MONTH}{_YEAR}\b)",
    rf"(?i:\b{_MONTH}{_WORD_GAP}{_ORDINAL}{_YEAR}\b(?![ \t]*(?:mm|cm)))",
    rf"(?i:\b{_MONTH}{_WORD_GAP}\d{{4}}\b)",
    r"(?i:\b(?:19|20)\d{2}\b(?![ \t]*(?:mm|cm|ml|hu)\b))",
    r"(?i:\b\d{1,2}:\d{2}(?::\d{2})?(?:[ \t]*[ap]\.?m\.?)?)",
    r"\(?\+?\d{1,4}\)?[ \t.-]\d{3}[ \t.-]\d{3,4}(?:[ \t.-]\d{2,4})?\b",
    r"\b[A-Z]{0,4}-?\d{5,}[A-Z0-9-]*\b",
)
_PATTERNS = tuple(re.compile(shape) for shape in _SHAPES)
_PROTOCOL_WORDS = """
    ax cor sag obl tra trans loc localizer scout topogram survey wo w contrast pre post delay phase
    early late venous portal arterial head body chest abd pelvis spine brain neck leg arm limb soft
    bone lung std standard recon mpr mip thin thick mm slice helical spiral routine adult pediatric
    child kernel fse tse se gre epi dwi adc flair stir fs ir spgr space vibe haste ap pa lat left
    right lt rt view erect supine portable screening diagnostic low dose high res hr iso gated
    perfusion map trace delayed bolus tracking smart prep plain film series image study dynamic
    axial coronal sagittal oblique with without and of the in for to by on at upper lower
"""


def scrub(text: str, known: Iterable[str] = ()) -> str:
    """The text without identifying parts. known: values to remove wherever they stand as words.

    Known values below 3 characters are not looked for.
    """
    for value in sorted({k.strip() for k in known}, key=len, reverse=True):
        if len(value) >= 3:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", " ", text, flags=re.I)
    for pattern in _PATTERNS:
        text = pattern.sub(" ", text)
    text = re.sub(r"[ \t]+([.,;:])", r"\1", re.sub(r"[ \t]{2,}", " ", text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def identifying_words(values: Iterable[str]) -> set[str]:
    """The values and, of names, their parts: "Doe^Jane" gives it, "Doe" and "Jane"."""
    words = set()
    for value in values:
        bare = value.strip()
        words |= {bare, *(part for part in re.split(r"[\^=\\,\s]+", bare))}
    return {w for w in words if len(w) >= 3}


def clean_descriptor(text: str) -> str:
    """A series or study description reduced to words of the vocabulary and of protocols.

    Everything else goes, numbers above 99 too: what is not known cannot be known to be harmless.
    """
    kept = [
        word
        for word in re.findall(r"[^\W_]+", text)
        if fold_word(word.lower()) in _known_words() or (word.isdigit() and len(word) < 3)
    ]
    return " ".join(kept)


@cache
def _known_words() -> frozenset[str]:
    vocabulary = default_vocabulary()
    forms = {word for words, _ in vocabulary.all_forms() for word in fold(words)}
    control = {word for _, entries in PROMPT_CONTROL for words in entries for word in fold(words)}
    return frozenset(forms | control | {fold_word(w) for w in _PROTOCOL_WORDS.split()})
