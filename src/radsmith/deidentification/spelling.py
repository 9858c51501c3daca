"""Words as they are compared, whatever their case, accents, alphabet or way of transliteration.

Knows letters, not names: `identity.py` decides what is looked for. Standard library only; another
alphabet is brought to Latin letters by a function that the caller hands over.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import groupby

# fmt: off
_LETTERS = {
    "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "þ": "th", "æ": "ae", "œ": "oe",
    "ə": "a", "ŋ": "n", "ƒ": "f", "ß": "ss",
    "ٱ": "ا", "أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ی": "ي", "ئ": "ي", "ؤ": "و", "ک": "ك",
    "ة": "ه", "ہ": "ه", "ۀ": "ه",
    "ך": "כ", "ם": "מ", "ן": "נ", "ף": "פ", "ץ": "צ",
}
_SAME_HAN = """
    劉刘 張张 陳陈 楊杨 趙赵 黃黄 吳吴 孫孙 馬马 鄭郑 謝谢 許许 鄧邓 馮冯 蕭萧 葉叶 鍾钟
    蘇苏 呂吕 盧卢 蔣蒋 賈贾 韋韦 鄒邹 龍龙竜 萬万 錢钱 湯汤 賴赖 龔龚 顏颜 倫伦 華华
    東东 偉伟 國国 強强 軍军 傑杰 麗丽 鳳凤 蘭兰 紅红 靜静 慶庆 寶宝宝 瑋玮 潔洁 嬌娇
    凱凯 鵬鹏 輝辉 興兴 詩诗 詠咏 穎颖 瓊琼 蓮莲 榮荣栄 學学 賢贤 義义 書书 齊齐斉 齋斎
    邊辺邉边 澤沢泽 髙高 﨑崎 濱浜滨 廣広广 櫻桜樱 惠恵 德徳 眞真 藏蔵 龜亀龟 濵浜 島嶋嶌
    曉晓暁 關関关 應応应 實実实 榮栄荣 圓円 飯饭 與与 兒児儿 壽寿 條条 淺浅 瀧滝 黑黒
    增増 曾曽 單单 嚴严厳 閻阎 聶聂 歐欧 陽阳 諸诸 衛卫 衞卫 練练 連连 進进 遠远 達达
    運运 選选 銘铭 錦锦 鋒锋 長长 開开 雲云 電电 順顺 領领 頌颂 飛飞 駿骏 鴻鸿 鶴鹤 麥麦
    齡龄 寧宁 時时 莊庄 範范 業业 樂乐 欽钦 濤涛 烏乌 爾尔 禮礼
"""
# fmt: on
_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "ő": "oe", "ű": "ue", "ð": "th"}
)
_SIBILANTS = str.maketrans({"č": "ch", "ć": "ch", "š": "sh", "ś": "sh", "ş": "sh", "ž": "zh",
                            "ç": "ch", "ż": "zh", "ź": "z", "ğ": "gh", "ñ": "ny"})  # fmt: skip
_MARKS_DROPPED = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0640\u06d6-\u06ed]")
_HALFWIDTH = re.compile("[\uff65-\uff9f]+")
_SOUNDS = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        ("shch|schtsch|stsch|szcz|sht(?=[aeiouy])", "S"),
        ("tsch|tch|tsj|cz|tx", "C"),
        ("zh|ž|dzh|dsch|dj", "j"),
        ("sch|sh|sz|sj", "s"),
        ("ch(?=[aeiouy])", "C"),
        ("kh|ch|gh", "h"),
        ("ph", "f"),
        ("th", "t"),
        ("bh", "b"),
        ("dh", "d"),
        ("ts|tz", "C"),
        ("ck|q", "k"),
        ("x", "ks"),
        ("c(?=[eiy])", "s"),
        ("c", "k"),
        ("C", "c"),
        ("w", "v"),
        ("ou|oo|uu|oy|ow", "u"),
        ("ee|ii|ie|ij|iy|yi|yj|ei|ey|eu|ev(?=[fkpst])", "i"),
        ("jo|yo|io", "o"),
        ("[jy](?=[aeou])", "i"),
        ("y|j(?=[^aeiou]|$)", "i"),
        ("z", "s"),
        ("e", "i"),
    )
)
_KOREAN = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        ("ch|jj", "j"), ("kk|g", "k"), ("tt|d", "t"), ("pp|b|v|f", "p"), ("sh|ss", "s"), ("r", "l"),
        ("ll", "l"), ("(?<=[aeiou])h", ""), ("eo|eu|oo|ou|o|u", "o"), ("ae|ai|ay|e(?!e)", "e"),
        ("ee|yi|i", "i"), ("[wy]", ""),
    )
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Token:
    """A run of letters of one alphabet: `word` is folded, start and end count folded letters."""

    word: str
    start: int
    end: int
    script: str


def composed(text: str) -> str:
    """The text in NFC, half-width katakana in full width: the form that `fold` reads."""
    whole = unicodedata.normalize("NFC", text)
    return _HALFWIDTH.sub(lambda m: unicodedata.normalize("NFKC", m.group()), whole)


def fold(text: str) -> tuple[str, list[int]]:
    """A composed text as it is compared, and the place in the text of each of its characters.

    No case, no accents of Latin, Greek, Cyrillic, Hebrew and Arabic, digits 0-9, katakana as
    hiragana, traditional and old Han characters as simplified ones, no invisible characters. A
    capital between small letters gets a zero-width mark before it: a word begins there.
    """
    parts: list[str] = []
    where: list[int] = []
    small = False
    for place, character in enumerate(text):
        folded = _folded(character)
        if small and character.isupper() and text[place + 1 : place + 2].islower():
            folded = "\u200b" + folded
        small = character.islower()
        parts.append(folded)
        where += [place] * len(folded)
    return "".join(parts), where


def folded(text: str) -> str:
    """`fold` without places and marks, of any text."""
    return fold(composed(text))[0].replace("\u200b", "")


def with_umlauts_written_out(text: str) -> str:
    """ä as ae, å as aa and so on; other letters as they are."""
    return composed(text).lower().translate(_UMLAUTS)


def with_sibilants_written_out(text: str) -> str:
    """š as sh, č as ch and so on, as other alphabets hear them."""
    return composed(text).lower().translate(_SIBILANTS)


@cache
def _folded(character: str) -> str:
    if character.isascii():
        return character.lower()
    if unicodedata.category(character) == "Cf" or _MARKS_DROPPED.fullmatch(character):
        return ""
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    said = "".join(_letter(c) for c in unicodedata.normalize("NFKC", character).casefold())
    return said


def _letter(character: str) -> str:
    if character in _LETTERS:
        return _LETTERS[character]
    code = ord(character)
    if 0x30A1 <= code <= 0x30F6:
        return chr(code - 0x60)
    if code < 0x0590 or 0x1E00 <= code <= 0x1FFF:
        bare = _MARKS_DROPPED.sub("", unicodedata.normalize("NFD", character))
        return "".join(_LETTERS.get(c, c) for c in bare)
    if _MARKS_DROPPED.fullmatch(character):
        return ""
    return _han().get(character, character)


@cache
def _han() -> dict[str, str]:
    return {c: group[-1] for group in _SAME_HAN.split() for c in group[:-1]}


def script_of(character: str) -> str:
    """latin, cyrillic, greek, arabic, hebrew, han, kana, hangul, thai (and its like), other, ""."""
    if character.isascii():
        return "latin" if character.isalpha() else ""
    if unicodedata.category(character)[0] not in "LM":
        return ""
    return _script(ord(character))


_SCRIPTS = (
    ("latin", ((0x00C0, 0x024F), (0x1E00, 0x1EFF))),
    ("greek", ((0x0370, 0x03FF), (0x1F00, 0x1FFF))),
    ("cyrillic", ((0x0400, 0x052F),)),
    ("hebrew", ((0x0590, 0x05FF),)),
    ("arabic", ((0x0600, 0x06FF), (0x0750, 0x077F), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF))),
    ("kana", ((0x3041, 0x3096), (0x30A1, 0x30FF))),
    ("hangul", ((0xAC00, 0xD7A3), (0x1100, 0x11FF))),
    ("han", ((0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))),
    ("thai", ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x0F00, 0x0FFF))),
)
SPACELESS = frozenset(("han", "kana", "hangul", "thai"))
"""Scripts whose words stand beside each other, or beside particles, without a space."""
CONSONANTAL = frozenset(("arabic", "hebrew", "other"))
"""Scripts whose vowels are not always written, or whose romanisation leaves them out."""


def _script(code: int) -> str:
    for name, ranges in _SCRIPTS:
        if any(low <= code <= high for low, high in ranges):
            return name
    return "other"


def tokens(text: str) -> list[Token]:
    """Runs of letters of a folded text; digits, signs, marks and a change of alphabet end one."""
    found = []
    for script, run in groupby(enumerate(text), key=lambda pair: script_of(pair[1])):
        if script:
            letters = list(run)
            start, end = letters[0][0], letters[-1][0] + 1
            found.append(Token(word=text[start:end], start=start, end=end, script=script))
    return found


@cache
def key(word: str) -> str:
    """A folded Latin word without what umlauts add when they are written out, and long vowels."""
    if len(word) < 4:
        return word
    for pair, one in (("ae", "a"), ("oe", "o"), ("ue", "u"), ("aa", "a"), ("ss", "s")):
        word = word.replace(pair, one)
    return re.sub(r"ou|oo|oh(?![aeiouy])", "o", word.replace("uu", "u"))


@cache
def skeleton(word: str) -> str:
    """How a Latin word sounds, roughly: alike for most ways to write a foreign name in Latin."""
    word = "".join(c for c in word.lower() if c.isascii() and c.isalpha())
    for pattern, said in _SOUNDS:
        word = pattern.sub(said, word)
    return re.sub(r"(.)\1+", r"\1", word)


@cache
def consonants(word: str) -> str:
    """The skeleton without vowels, and without an h at the end."""
    return re.sub(r"(.)\1+", r"\1", re.sub(r"h+$", "", re.sub("[aiou]", "", skeleton(word))))


@cache
def frames(word: str) -> frozenset[str]:
    """The consonants of a word, with w and y as consonants and as vowels; f counts as p."""
    word = word.lower().replace("ph", "p").replace("f", "p")
    return frozenset((consonants(word), consonants(re.sub("[wy]", "", word))))


def vowel_groups(word: str) -> int:
    """Runs of vowels in a word's skeleton."""
    return len(re.findall("[aiou]+", skeleton(word)))


@cache
def korean_key(word: str) -> str:
    """A Korean word in Latin letters, alike for the usual ways to romanise it."""
    for pattern, said in _KOREAN:
        word = pattern.sub(said, word.lower())
    return word
