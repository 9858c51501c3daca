"""A set, or what a learner missed of it, as a deck for Anki (extra `teach`: genanki)."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from radsmith.errors import Unavailable
from radsmith.files import read_bytes, write_atomically
from radsmith.images.provenance import NOTICE
from radsmith.teaching.about import weak_of
from radsmith.teaching.items import Item
from radsmith.teaching.labels import EVIDENCE, NO_TRIAL
from radsmith.teaching.sets import TeachingSet

_MODEL = 1_720_443_671
_STYLE = """
.card { font: 18px system-ui, sans-serif; text-align: center; background: #14171b; color: #e8ebee; }
img { max-width: 100%; margin: 4px; } small { color: #aab2bd; } .right { color: #7fd6a4; }
"""


def deck_bytes(opened: TeachingSet, items: Sequence[Item]) -> bytes:
    """An .apkg: a card an item, its question in front, answer and marked picture behind.

    A learner marks such a card himself. Raises Unavailable without the extra.
    """
    try:
        import genanki
    except ImportError as error:
        raise Unavailable(
            "a deck for Anki needs genanki: install it with `pip install radsmith[teach]`"
        ) from error
    template = {"name": "Question", "qfmt": "{{Front}}", "afmt": "{{FrontSide}}<hr>{{Back}}"}
    model = genanki.Model(
        _MODEL,
        "radsmith question",
        fields=[{"name": "Front"}, {"name": "Back"}],
        templates=[template],
        css=_STYLE,
    )
    deck = genanki.Deck(_number(opened.id), opened.title, description=f"{NOTICE} {NO_TRIAL}")
    for item in items:
        note = genanki.Note(
            model=model,
            fields=[_front(item), _back(opened, item)],
            guid=genanki.guid_for(opened.id, item.id),
            tags=[item.kind],
        )
        deck.add_note(note)
    return _written(genanki.Package(deck), opened, items)


def _written(whole: Any, opened: TeachingSet, items: Sequence[Item]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="radsmith-") as folder:
        for token in {t for item in items for t in (*item.pictures, *item.revealed)}:
            path = Path(folder) / _file(token)
            write_atomically(path, opened.png(token))
            whole.media_files.append(str(path))
        whole.media_files.sort()
        whole.write_to_file(Path(folder) / "deck.apkg", timestamp=0.0)
        return read_bytes(Path(folder) / "deck.apkg")


def _number(text: str) -> int:
    """Anki numbers decks and models: 31 bits that hang on the set."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1 | 1 << 30


def _file(token: str) -> str:
    return f"radsmith-{token}.png"


def _images(tokens: Sequence[str]) -> str:
    return "".join(f'<img src="{_file(token)}">' for token in tokens)


def _front(item: Item) -> str:
    choices = "".join(f"<div>{escape(choice)}</div>" for choice in item.choices)
    return f"<p>{escape(item.question)}</p>{_images(item.pictures)}{choices}"


def _back(opened: TeachingSet, item: Item) -> str:
    parts = [f'<p class="right">{escape(", ".join(item.answer))}</p>']
    if item.kind in ("order", "where"):
        parts = [_images(item.answer)] if item.kind == "order" else []
    if item.kind == "source":
        parts.append(_images(item.revealed))
    parts.append(f"<p>{escape(item.told)}</p>")
    weak = weak_of(opened, item)
    if weak:
        parts.append(f"<p><small>{escape(' '.join([*weak, EVIDENCE]))}</small></p>")
    parts.append(f"<p><small>{escape(NOTICE)} {escape(NO_TRIAL)}</small></p>")
    return "".join(parts)
