"""Free text without names, dates and numbers that tell who it is about. Standard library only.

What is known to identify (an `Identity`, or values) goes wherever it stands; the rest by its shape:
dates, times, telephone numbers, addresses of mail and web, long numbers, `___` markers, names after
titles and labels. A name without a title that nobody told us of stays: `docs/guide.md` says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from radsmith.deidentification.common_words import known_words
from radsmith.deidentification.identity import Identity, tidied
from radsmith.deidentification.spelling import folded
from radsmith.language.vocabulary import fold_word

# fmt: off
_MONTH = (
    r"(?:jan(?:uary|uar|vier)?|enero|gennaio|janeiro|feb(?:ruary|ruar)?|f[ée]vrier|febrero|febbraio"
    r"|fevereiro|(?-i:Mar|MAR)|(?-i:March|MARCH)|märz|mars|marzo|março|apr(?:il)?|avril|abril|aprile"
    r"|(?-i:May|MAY)|(?-i:Mai|MAI)|mayo|maggio|maio|june?|juni|juin|junio|giugno|junho|july?|juli"
    r"|juillet|julio|luglio|julho|aug(?:ust)?|août|agosto|sept?(?:ember)?|septembre|septiembre"
    r"|settembre|setembro|oct(?:ober)?|oktober|octobre|octubre|ottobre|outubro|nov(?:ember)?|novembre"
    r"|noviembre|novembro|dec(?:ember)?|dezember|d[ée]cembre|diciembre|dicembre|dezembro"
    r"|января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|декабря"
    r"|stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada"
    r"|grudnia|ocak|şubat|mart|nisan|mayıs|haziran|temmuz|ağustos|eylül|ekim|kasım|aralık"
    r"|ιανουαρίου|φεβρουαρίου|μαρτίου|απριλίου|μαΐου|ιουνίου|ιουλίου|αυγούστου|σεπτεμβρίου|οκτωβρίου"
    r"|νοεμβρίου|δεκεμβρίου|januari|februari|maart|augustus)\.?"
)
_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶŁŃŅŇŌŐŒŘŚŞŠŤŪŮŰŹŻŽΑ-ΫА-ЯЁІЇЄ"
_NAME = rf"[{_UPPER}][\w'’-]+"
_WORD_GAP = r"[ \t]+"
_LABELS = "|".join((
    "patient(?:'s)?(?: name| id)?", "name", "mrn", "dob", "date of birth", "birth ?date",
    r"accession(?: number| no\.?)?", "account", "ssn", "address", "phone", "physician",
    "radiologist", "attending", "resident", "technologist", "technician", "dictated by",
    "signed by", "electronically signed by", "reported by", "read by", "interpreted by",
    "approved by", "transcribed by", "verified by", "referring(?: physician| doctor)?",
    "ordering(?: physician)?", "hospital",
    "patientin", "vorname", "nachname", "geburtsdatum", "geb\\.(?: am)?", "anschrift", "telefon",
    "nom", "prénom", "date de naissance", "adresse", "nombre", "apellidos?", "paciente",
    "fecha de nacimiento", "nome", "cognome", "paziente", "data di nascita", "data de nascimento",
    "naam", "geboortedatum", "pacjent(?:ka)?", "nazwisko", "imię", "hasta adı", "пациент(?:ка)?",
    "фио", "дата рождения", "ασθενής",
))
_TITLE = (
    r"(?:Dr|Prof|Mr|Mrs|Ms|Miss|Herrn?|Frau|Mme|Mlle|Madame|Monsieur|Señora?|Sra?\.|Signora?"
    r"|Sig\.|Dhr|Mevr(?:ouw)?|Meneer)"
)
# fmt: on
_DEGREE = r"(?:MD|M\.D\.|DO|PhD|FRCR)\b\.?"
_ORDINAL = r"\d{1,2}(?:st|nd|rd|th|\.|º|er)?"
_YEAR = r"(?:,?[ \t]+(?:de[l]?[ \t]+)?\d{4})?"
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://\S+|\bwww\.\S+")
_CONTACTS = (
    rf"\b{_TITLE}\.?{_WORD_GAP}(?:(?:Dr|Prof)\.?{_WORD_GAP})*(?:[{_UPPER}]\.?{_WORD_GAP})?{_NAME}"
    rf"(?:{_WORD_GAP}{_NAME})?",
    rf"{_NAME}(?:{_WORD_GAP}(?:[{_UPPER}]\.?|{_NAME})){{0,2}},?{_WORD_GAP}{_DEGREE}",
    r"\b\d{1,3}(?:\.\d+){4,}\b",
)
_SHAPES = (
    r"_{2,}",
    r"\[\*\*.*?\*\*\]",
    rf"(?im:^[ \t]*(?:{_LABELS})[ \t]*[:#：].*$)",
    r"(?m:^[ \t]*(?:姓名|患者姓名|出生日期|氏名|患者名|生年月日|성명|환자명|생년월일)"
    r"[ \t]*[:：].*$)",
    rf"\b(?i:{_LABELS})[ \t]*:?{_WORD_GAP}(?:(?i:dr|prof)\.?{_WORD_GAP})?{_NAME}"
    rf"(?:,?{_WORD_GAP}{_NAME}){{0,3}}(?:,?[ \t]*{_DEGREE})*",
    *_CONTACTS,
    r"\b\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b",
    r"\d{2,4}[年년] ?(?:\d{1,2}[月월] ?(?:\d{1,2}[日일])?)?",
    rf"(?i:\b{_ORDINAL}{_WORD_GAP}(?:(?:of|de){_WORD_GAP})?{_MONTH}{_YEAR}\b)",
    rf"(?i:\b{_MONTH}{_WORD_GAP}{_ORDINAL}{_YEAR}\b(?![ \t]*(?:mm|cm)))",
    rf"(?i:\b{_MONTH}{_WORD_GAP}\d{{4}}\b)",
    r"(?i:\b(?:19|20)\d{2}\b(?![ \t]*(?:mm|cm|ml|hu)\b))",
    r"(?i:\b\d{1,2}:\d{2}(?::\d{2})?(?:[ \t]*[ap]\.?m\.?)?)",
    r"\(?\+?\d{1,4}\)?[ \t.-]\d{3}[ \t.-]\d{3,4}(?:[ \t.-]\d{2,4})?\b",
    r"\b[A-Z]{0,4}-?\d{5,}[A-Z0-9-]*\b",
)
_PATTERNS = tuple(re.compile(shape) for shape in _SHAPES)
_CONTACT_PATTERNS = tuple(re.compile(shape) for shape in _CONTACTS)
_SAID_NAME = re.compile(
    r"(?im:^[ \t]*(?:patient(?:'s)?(?: name)?|patientin|pat\.|name|nom|nombre|nome|naam|paciente"
    r"|paziente|pacjent(?:ka)?|пациент(?:ка)?|фио|ασθενής|姓名|患者姓名|氏名|患者名|성명|환자명|환자)"
    r"[ \t]*[:：][ \t]*([^\n\d(;|]{2,60}))"
)


def scrub(text: str, known: Identity | Iterable[str] = ()) -> str:
    """The text without identifying parts. known: an identity, or values to remove as words.

    Of plain values the parts of names count too: "Doe^Jane" takes away "Doe" and "Jane".
    """
    return _without(identity_of(known).without(_without(text, [_ADDRESS])), _PATTERNS)


def scrub_technical(text: str, known: Identity | Iterable[str] = ()) -> str:
    """As `scrub`, for what machines write: versions and serial-like words keep their numbers."""
    return _without(identity_of(known).without(_without(text, [_ADDRESS])), _CONTACT_PATTERNS)


def identity_of(known: Identity | Iterable[str]) -> Identity:
    """Plain values as an identity: those with a digit are numbers, others names."""
    if isinstance(known, Identity):
        return known
    values = {v.strip() for v in known if v.strip()}
    numbers = {v for v in values if any(c.isdigit() for c in v)}
    return Identity(names=frozenset(values - numbers), numbers=frozenset(numbers))


def names_said(text: str) -> Iterator[str]:
    """Names that a report gives in its head, after "Patient:" and the like."""
    for match in _SAID_NAME.finditer(text):
        yield match.group(1).strip(" .,")


def clean_descriptor(text: str, known: Identity | Iterable[str] = ()) -> str:
    """A series or study description reduced to words of the vocabulary and of protocols.

    Everything else goes, numbers above 99 too: what is not known cannot be known to be harmless.
    Of the known words those go that are names of `known`.
    """
    kept = [
        word
        for word in re.findall(r"[^\W_]+", identity_of(known).without(text))
        if fold_word(folded(word)) in known_words() or (word.isdigit() and len(word) < 3)
    ]
    return " ".join(kept)


def _without(text: str, patterns: Iterable[re.Pattern[str]]) -> str:
    kept = text
    for pattern in patterns:
        kept = pattern.sub(" ", kept)
    return text if kept == text else tidied(kept)
