"""A teaching set in a folder: questions with their answers, marked pictures, and what experts said.

`set.json` holds the answers: it is the teacher's alone and never changes. `accepted.json` names the
image files that a study accepted; only questions on those are asked, unless the set was made to be
shown unreviewed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from radsmith.errors import InvalidInput, NotFound, reason_of
from radsmith.files import prepare_folder, read_bytes, write_atomically
from radsmith.review.accepted import Accepted, accepted
from radsmith.review.blinding import native_side
from radsmith.review.gathering import shown
from radsmith.teaching.compose import Labelled, Pair, Series, Tokens, compose
from radsmith.teaching.items import KINDS, Item, Kind
from radsmith.teaching.labels import Class
from radsmith.teaching.pictures import (
    REAL,
    SYNTHETIC,
    VEILED,
    learners_picture,
    picture_png,
)

FORMAT = 1
SETS, KEY_NAME, ACCEPTED_NAME, PICTURES, IMAGES = (
    "teaching", "set.json", "accepted.json", "pictures", "images",
)  # fmt: skip
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class NewSet:
    """What a set is made of. series: places of images.  learned: see `compose`.  unreviewed: show
    what no expert accepted, and say so."""

    title: str
    images: Sequence[Labelled]
    classes: Sequence[Class] = ()
    pairs: Sequence[Pair] = ()
    series: Sequence[Sequence[int]] = ()
    learned: Mapping[str, Sequence[str]]
    notes: Sequence[str] = ()
    kinds: Sequence[Kind] = KINDS
    unreviewed: bool = False
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class TeachingSet:
    """An opened set. id: of this making; another set of the same name has another.

    accepted: SHA-256 of the files that experts accepted, by study.
    """

    folder: Path
    id: str
    title: str
    created: str
    items: tuple[Item, ...]
    series: tuple[Series, ...]
    classes: tuple[Class, ...]
    notes: tuple[str, ...]
    unreviewed: bool
    synthetic: int
    real: int
    studies: tuple[str, ...]
    accepted: frozenset[str]
    simulated: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As the server knows it."""
        return self.folder.name

    def _open(self, needs: Sequence[str]) -> bool:
        return self.unreviewed or self.accepted.issuperset(needs)

    @cached_property
    def open_items(self) -> tuple[Item, ...]:
        """What may be asked."""
        return tuple(item for item in self.items if self._open(item.needs))

    @cached_property
    def open_series(self) -> tuple[Series, ...]:
        """What may be looked at with the slider."""
        return tuple(one for one in self.series if self._open(one.needs))

    @cached_property
    def unread(self) -> int:
        """Synthetic images, among those that are shown, that no expert accepted."""
        return len(_needed(self.open_items, self.open_series) - self.accepted)

    def item(self, item: str) -> Item:
        """An open item by its id. Raises NotFound."""
        for one in self.open_items:
            if one.id == item:
                return one
        raise NotFound("no such question in this set")

    def png(self, token: str) -> bytes:
        """A picture's file. Raises NotFound for one that no open question shows."""
        if token not in self._tokens:
            raise NotFound("no such picture in this set")
        return read_bytes(self.folder / PICTURES / f"{token}.png")

    def levels(self, token: str) -> bytes:
        """A picture's pixels: one byte each, row by row, as many rows as columns. NotFound."""
        self.png(token)
        with Pillow.open(self.folder / PICTURES / f"{token}.png", formats=("PNG",)) as picture:
            return picture.tobytes()

    @cached_property
    def _tokens(self) -> set[str]:
        of_items = {t for item in self.open_items for t in (*item.pictures, *item.revealed)}
        return of_items | {t for one in self.open_series for t in one.pictures}


def _needed(items: Sequence[Item], series: Sequence[Series]) -> set[str]:
    """The files that experts must have accepted."""
    found = [one.needs for one in items] + [one.needs for one in series]
    return {need for needs in found for need in needs}


def set_folder(data: Path, name: str) -> Path:
    """Where a server of this folder keeps the set. Raises InvalidInput for a name that is none."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"a set is named by 1-60 of a-z, 0-9 and -, such as chest-basics; got {name[:60]!r}"
        )
    return data / SETS / name


def check_new(folder: Path) -> None:
    """Raise InvalidInput where the folder holds a set already."""
    if (folder / KEY_NAME).exists():
        raise InvalidInput(f"there is a set {folder.name} already: choose another name")


def create_set(folder: Path, new: NewSet, created: str, progress: Progress) -> TeachingSet:
    """Make a set: its pictures and questions. created: ISO 8601.

    Raises InvalidInput where it is there already, or nothing can be asked.
    """
    check_new(folder)
    salt = secrets.token_hex(16)
    tokens = Tokens(salt)
    made = compose(
        new.images, new.pairs, new.series, new.learned, tokens, new.kinds, new.seed
    )  # fmt: skip
    if not made.items and not made.series:
        why = "; ".join([*new.notes, *made.notes]) or "no label says what they show"
        raise InvalidInput(f"nothing can be asked of these {len(new.images)} images: {why}")
    _write_pictures(folder, new.images, tokens, progress)
    classes: dict[str, Class] = {}
    for one in new.classes:
        classes.setdefault(one.name, one)
    used = {place for place, _ in tokens.used.values()}
    key = {
        "format": FORMAT,
        "id": secrets.token_hex(8),
        "title": new.title,
        "created": created,
        "unreviewed": new.unreviewed,
        "synthetic": sum(new.images[place].synthetic for place in used),
        "real": sum(not new.images[place].synthetic for place in used),
        "notes": [note for note in dict.fromkeys([*new.notes, *made.notes]) if note],
        "classes": [asdict(one) for one in classes.values()],
        "items": [item.to_json() for item in made.items],
        "series": [asdict(one) for one in made.series],
        "files": {os.path.relpath(i.file, folder): i.sha256 for i in new.images},
    }
    data = (json.dumps(key, indent=1, ensure_ascii=False) + "\n").encode()
    write_atomically(folder / KEY_NAME, data, mode=0o600)
    return open_set(folder)


def _write_pictures(
    folder: Path, images: Sequence[Labelled], tokens: Tokens, progress: Progress
) -> None:
    prepare_folder(folder / PICTURES)
    places = sorted({place for place, _ in tokens.used.values()})
    pixels = {place: shown(Path(images[place].file))[0] for place in places}
    native = native_side([(len(found), len(found[0])) for found in pixels.values()])
    for number, (token, (place, veiled)) in enumerate(sorted(tokens.used.items())):
        synthetic = images[place].synthetic
        word = VEILED if veiled else SYNTHETIC if synthetic else REAL
        levels = learners_picture(pixels[place], native, word=word, synthetic=synthetic)
        png = picture_png(np.asarray(levels), synthetic=synthetic and not veiled)
        write_atomically(folder / PICTURES / f"{token}.png", png)
        progress(number + 1, len(tokens.used))


def open_set(folder: Path) -> TeachingSet:
    """Open a set. Raises NotFound, or InvalidInput for another format or a spoiled file."""
    if not (folder / KEY_NAME).is_file():
        raise NotFound(f"no set {folder.name} in {folder.parent}: make it with radsmith teach new")
    try:
        key: dict[str, Any] = json.loads(read_bytes(folder / KEY_NAME))
        if key["format"] != FORMAT:
            raise InvalidInput(f"{folder} has format {key['format']}, this radsmith reads {FORMAT}")
        return _opened(folder, key, _verdicts(folder))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInput(f"the set in {folder} was changed: {reason_of(error)}") from error


def _opened(
    folder: Path, key: Mapping[str, Any], verdicts: Sequence[Mapping[str, Any]]
) -> TeachingSet:
    return TeachingSet(
        folder=folder,
        id=key["id"],
        title=key["title"],
        created=key["created"],
        items=tuple(Item.from_json(values) for values in key["items"]),
        series=tuple(Series.from_json(values) for values in key["series"]),
        classes=tuple(Class(**values) for values in key["classes"]),
        notes=tuple(key["notes"]),
        unreviewed=key["unreviewed"],
        synthetic=key["synthetic"],
        real=key["real"],
        studies=tuple(one["study"] for one in verdicts),
        accepted=frozenset(digest for one in verdicts for digest in one["sha256"]),
        simulated=tuple(sorted({name for one in verdicts for name in one["simulated_readers"]})),
    )


def _verdicts(folder: Path) -> list[dict[str, Any]]:
    path = folder / ACCEPTED_NAME
    found: list[dict[str, Any]] = json.loads(read_bytes(path)) if path.is_file() else []
    return found


def accept(folder: Path, study: Path, rule: str = "majority") -> tuple[TeachingSet, Accepted]:
    """Let a study say which images of the set are accepted; the set, and what the study accepted.

    The images are told by their digests; what was said of others changes nothing.
    Raises what `review.accepted` raises.
    """
    opened = open_set(folder)
    verdicts = accepted(study, rule)
    needed = _needed(opened.items, opened.series)
    told = {
        "study": verdicts.study,
        "rule": verdicts.rule,
        "log_head": verdicts.log_head,
        "readers": list(verdicts.readers),
        "simulated_readers": list(verdicts.simulated),
        "sha256": sorted(needed & {image.sha256 for image in verdicts.images}),
    }
    kept = [one for one in _verdicts(folder) if one["study"] != verdicts.study]
    data = json.dumps([*kept, told], indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / ACCEPTED_NAME, data.encode())
    return open_set(folder), verdicts


def list_sets(data: Path) -> list[TeachingSet]:
    """The sets of a server's folder, by name."""
    place = data / SETS
    return [open_set(place / name) for name in set_names(data)]


def set_names(data: Path) -> list[str]:
    """The names of a server's sets, whether they can be opened or not."""
    place = data / SETS
    found = sorted(place.iterdir()) if place.is_dir() else []
    return [o.name for o in found if _NAME.fullmatch(o.name) and (o / KEY_NAME).is_file()]
