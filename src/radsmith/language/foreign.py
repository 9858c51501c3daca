"""Whether a text is in another language than English, told by letters and by words of grammar.

Closed lists, no statistics: "pas de pneumothorax" must not pass for a pneumothorax, and two words
are too few for any statistics. Words that English radiology uses, too ("sans", "non", "in", "die"),
are no evidence. A name is given only where one language fits best.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache

# fmt: off
SURE: dict[str, tuple[str, ...]] = {
    "German": (
        "aufnahme", "ausgeschlossen", "ausschluss", "befund", "beidseits", "beurteilung",
        "brustkorb", "erguss", "frau", "jahre", "jährige", "jähriger", "kein", "keine",
        "keinem", "keinen", "keiner", "keinerlei", "keines", "kniegelenk", "linke",
        "linken", "linksseitig", "lunge", "lungenentzündung", "nachweis", "nein", "nicht",
        "ohne", "pleuraerguss", "rechte", "rechten", "rechter", "rechts", "rechtsseitig",
        "regelrecht", "röntgenbild", "schädel", "sowie", "unauffällig", "unauffällige",
        "und", "verdacht", "wirbelsäule",
    ),
    "French": (
        "aucun", "aucune", "avec", "cliché", "côtes", "côté", "cœur", "dans", "droite",
        "femme", "gauche", "genou", "homme", "ni", "normale", "normaux", "pas",
        "pneumopathie", "poumon", "poumons", "radiographie", "thoracique", "échographie",
        "épanchement",
    ),
    "Spanish": (
        "aprecia", "aprecian", "ausencia", "años", "derecha", "derecho", "derrame",
        "descarta", "evidencian", "hallazgos", "hombre", "izquierda", "izquierdo", "mujer",
        "neumonía", "neumotórax", "niega", "ninguna", "ninguno", "ningún", "observa",
        "observan", "pulmón", "radiografía", "rodilla", "sin", "tampoco", "tórax",
    ),
    "Italian": (
        "anni", "apprezzano", "assenza", "della", "destra", "destro", "evidenza",
        "evidenziano", "frattura", "ginocchio", "nella", "nello", "nessun", "nessuna",
        "nessuno", "né", "pneumotorace", "polmone", "polmonite", "radiografia", "rilevano",
        "segni", "senza", "sinistra", "sinistro", "torace", "uomo", "versamento",
    ),
    "Portuguese": (
        "anos", "ausência", "derrame", "direita", "direito", "esquerda", "esquerdo",
        "fratura", "homem", "joelho", "mulher", "nem", "nenhum", "nenhuma", "não",
        "pneumotórax", "pulmão", "radiografia", "sem",
    ),
    "Dutch": (
        "afwijkingen", "een", "geen", "het", "knie", "linker", "longen", "nee", "niet",
        "noch", "rechter", "rechts", "thoraxfoto", "zonder",
    ),
    "Polish": (
        "bez", "brak", "jest", "lewego", "lewej", "lewy", "nie", "odma", "odmy", "oraz",
        "prawego", "prawej", "prawy", "płuc", "płyn",
    ),
    "Czech": (
        "bez", "levého", "nejsou", "není", "pravého", "snímek", "vlevo", "vpravo",
        "výpotek", "žádné", "žádný",
    ),
    "Slovak": ("bez", "nie", "vpravo", "výpotok", "vľavo", "žiadne", "žiadny"),
    "Croatian": ("bez", "desno", "izljev", "lijevo", "nema", "nije"),
    "Turkish": (
        "akciğer", "değil", "grafisi", "izlenmedi", "olmadan", "olmayan", "sağ", "sağda",
        "solda", "yok", "yoktur",
    ),
    "Swedish": (
        "höger", "inga", "ingen", "inget", "inte", "nej", "och", "saknas", "utan",
        "vänster",
    ),
    "Norwegian": ("hverken", "høyre", "ikke", "ingen", "nei", "uten", "venstre"),
    "Danish": ("hverken", "højre", "ikke", "ingen", "nej", "uden", "venstre"),
    "Finnish": ("ei", "eikä", "ilman", "keuhkot", "oikea", "vasen"),
    "Hungarian": ("jobb", "nem", "nincs", "nélkül", "oldali", "sincs", "és"),
    "Romanian": ("absența", "dreapta", "fără", "stânga", "și"),
    "Indonesian": ("bukan", "kanan", "kiri", "tanpa", "tidak"),
    "Vietnamese": ("dịch", "không", "ngực", "phải", "phổi", "tràn", "trái"),
    "Tagalog": ("wala", "walang"),
    "Swahili": ("bila", "hakuna", "kulia", "kushoto"),
    "Catalan": ("dreta", "esquerra", "vessament"),
    "Estonian": ("ei", "ilma", "parem", "puudub", "vasak"),
    "Lithuanian": ("dešinėje", "kairėje", "nėra"),
    "Latvian": ("bez", "kreisajā", "labajā"),
    "Afrikaans": ("geen", "nie", "regs", "sonder"),
    "Hindi": ("nahi", "nahin", "nahīn"),
    "Albanian": ("djathtas", "majtas", "nuk"),
    "Icelandic": ("ekki", "engin", "hægri", "vinstri"),
}
"""Words that one meets in no English text about images."""
LIKELY: dict[str, tuple[str, ...]] = {
    "German": (
        "auf", "bei", "das", "dem", "den", "der", "des", "die", "ein", "eine", "einem",
        "einer", "für", "herz", "im", "ist", "links", "mit", "nach", "von", "wird", "zu",
        "zum", "zur",
    ),
    "French": (
        "au", "aux", "ce", "cette", "chez", "de", "des", "droit", "du", "en", "est", "la",
        "le", "les", "par", "pour", "sur", "un", "une",
    ),
    "Spanish": (
        "con", "de", "del", "el", "en", "fractura", "hay", "la", "lado", "las", "los",
        "para", "por", "se", "un", "una", "y",
    ),
    "Italian": (
        "alla", "con", "dei", "del", "delle", "di", "gli", "il", "la", "le", "lo", "nel",
        "si", "un", "una",
    ),
    "Portuguese": ("ao", "com", "das", "de", "dos", "em", "fratura", "na", "para", "um", "uma"),
    "Dutch": ("aan", "bij", "de", "en", "links", "met", "van", "voor"),
    "Polish": ("na", "ze"),
    "Czech": ("je", "na", "se"),
    "Turkish": ("bir", "ile", "sol", "var", "ve"),
    "Swedish": ("av", "en", "med", "og", "på", "är"),
    "Norwegian": ("av", "er", "med", "og", "på"),
    "Danish": ("af", "er", "med", "og", "på"),
    "Romanian": ("cu", "de", "este", "la", "nu", "în"),
    "Hungarian": ("az", "bal", "egy"),
    "Indonesian": ("ada", "dan", "dengan", "di", "pada", "yang"),
}
"""Words of grammar that an English text may hold, too, in a name or by chance."""
_ENGLISH = frozenset((
    "the", "of", "with", "and", "is", "are", "was", "were", "there", "this", "that", "without",
    "from", "shows", "by", "has", "have", "not", "seen", "at", "for", "which", "an", "to",
))
# fmt: on
_ENDINGS = ("keit", "heit", "ungen", "zione", "zioni", "cion", "ciones", "cao", "coes", "amento")
_SCRIPTS = {
    "CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean",
    "CYRILLIC": "a language in Cyrillic letters", "ARABIC": "a language in Arabic letters",
    "HEBREW": "Hebrew", "GREEK": "Greek", "DEVANAGARI": "a language in Devanagari letters",
    "THAI": "Thai",
}  # fmt: skip
_WESTERN = ("LATIN", "FULLWIDTH", "MICRO", "OHM", "FEMININE", "MASCULINE", "MODIFIER", "ANGSTROM")
_WORD = re.compile(r"[^\W\d_]+")
OTHER = "another language than English"


def foreign_language(text: str) -> str:
    """The language of a text that is not in English: its name, or `OTHER`; "" for English.

    One sure word is enough, or three likely ones, unless twice as many words are plain English.
    """
    script = _script(text)
    if script:
        return script
    written = _WORD.findall(text)
    shouted = sum(w.isupper() for w in written) * 2 > len(written)
    written = [w for w in written if shouted or w[1:] == w[1:].lower()]
    words = {w.casefold() for w in written}
    plainly = {w.casefold() for n, w in enumerate(written) if shouted or n == 0 or w.islower()}
    sure, likely = _table("sure"), _table("likely")
    certain = plainly & sure.keys()  # not within a name: "Dr. Sin"
    maybe = (words & (likely.keys() | sure.keys())) - certain
    accented = {w.casefold() for w in written if shouted or w[0].islower()} - certain - maybe
    maybe |= {w for w in accented if _looks_foreign(w)}
    english = sum(w.casefold() in _ENGLISH for w in written)
    if 3 * len(certain) + len(maybe) < max(3, english):
        return ""
    found: Counter[str] = Counter()
    for word in certain | maybe:
        for language in (*sure.get(word, ()), *likely.get(word, ())):
            found[language] += 3 if word in certain else 1
    first, second = (*found.most_common(2), ("", 0), ("", 0))[:2]
    return OTHER if first[1] == second[1] else first[0]


def only_english(language: str) -> str:
    """The one sentence for a text in another language."""
    return f"this seems to be {language}; only English is read, so write it in English"


@cache
def _table(name: str) -> dict[str, tuple[str, ...]]:
    """Words to the languages they are of."""
    table: dict[str, tuple[str, ...]] = {}
    for language, words in {"sure": SURE, "likely": LIKELY}[name].items():
        for word in words:
            table[word] = (*table.get(word, ()), language)
    return table


def _looks_foreign(word: str) -> bool:
    """Letters with accents, or an ending, that English words do not have."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    return len(word) > 3 and (not word.isascii() or (len(word) > 7 and plain.endswith(_ENDINGS)))


def _script(text: str) -> str:
    """The language of letters that are not Latin: three of an alphabet, one of an ideograph."""
    counts: Counter[str] = Counter()
    for letter in text:
        if not letter.isascii() and letter.isalpha():
            name = re.split("[ -]", unicodedata.name(letter, ""))[0]
            if name not in _WESTERN:
                counts[name] += 1
    if not counts:
        return ""
    kana = next((k for k in ("HIRAGANA", "KATAKANA") if counts[k]), "")
    script, count = counts.most_common(1)[0]
    if kana or script in ("CJK", "HANGUL") or count > 2:
        return _SCRIPTS.get(kana or script, OTHER)
    return ""
