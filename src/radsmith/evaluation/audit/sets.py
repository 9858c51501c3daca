"""Sets of images as an audit reads them: a folder of files, or a data set with its manifest.

Images are read when they are asked for, so that a set may be larger than memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from radsmith.datasets.corpus import Corpus, Row, contents, load_corpus, read_manifest
from radsmith.datasets.entry import is_synthetic
from radsmith.datasets.labels import concepts_of
from radsmith.editing.files import open_source
from radsmith.editing.operations import Levels
from radsmith.errors import InvalidInput, NotFound
from radsmith.files import read_bytes
from radsmith.images.pictures import SUFFIXES, lies_beside, read_record
from radsmith.language.vocabulary import default_vocabulary

Role = Literal["synthetic", "train", "held-out"]
UNNAMED = "unlabelled"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One image of a set.

    name: its key or its path in the folder.  kind: such as "chest x-ray", UNNAMED where nothing
    says.  patient: hashed number, or the name where it is unknown.  concepts: ids.  facts: sex,
    age group and the like, as the manifest says them.  sha256: of the file, or of what names it.
    """

    name: str
    sha256: str
    kind: str = UNNAMED
    patient: str = ""
    source: str = ""
    concepts: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def patient_known(self) -> bool:
        """Whether the patient is told from that of every other image."""
        return self.patient != self.name


class ImageSet(Sequence[NDArray[np.floating]]):
    """Images (height, width) in 0-1 with their items; unread: files that could not be read."""

    def __init__(
        self,
        items: Sequence[Item],
        read: Callable[[int], NDArray[np.float32]],
        unread: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.items = list(items)
        self.unread = list(unread)
        self._read = read

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[np.floating]]: ...
    def __getitem__(
        self, index: int | slice
    ) -> NDArray[np.float32] | Sequence[NDArray[np.floating]]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._read(index % len(self))

    def take(self, index: Sequence[int]) -> ImageSet:
        """The images of these numbers, still read when asked for."""
        kept = [int(i) for i in index]
        return ImageSet([self.items[i] for i in kept], lambda i: self._read(kept[i]), self.unread)

    @property
    def digest(self) -> str:
        """SHA-256 over the sorted SHA-256s of its files, one a line."""
        text = "\n".join(sorted(item.sha256 for item in self.items))
        return hashlib.sha256(text.encode()).hexdigest()

    def by_kind(self) -> dict[str, list[int]]:
        """Numbers of the images of each kind, largest kind first."""
        found: dict[str, list[int]] = {}
        for i, item in enumerate(self.items):
            found.setdefault(item.kind, []).append(i)
        return dict(sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0])))


def read_set(where: Path, role: Role, cache: Path) -> ImageSet:
    """The images of a folder or data set, as this part of the audit.

    Of a data set with a manifest, `train` reads train.csv, `held-out` test.csv where there is
    one, and `synthetic` the rows marked synthetic where any are; real parts leave these out.
    Raises NotFound or InvalidInput for no such folder, no image, or none that can be read.
    """
    if not where.exists():
        raise NotFound(f"no such folder: {where}; give the {role} images as a folder or data set")
    manifests = [name for name in ("train", "test") if (where / f"{name}.csv").is_file()]
    found = _of_data_set(where, role, manifests, cache) if manifests else _of_folder(where)
    if not len(found):
        said = f" ({found.unread[0][0]}: {found.unread[0][1]})" if found.unread else ""
        raise InvalidInput(
            f"{where} holds no image that can be read{said}: expected pictures, DICOM or a data set"
        )
    return found


def kind_of(concepts: Sequence[str]) -> str:
    """Such as "chest x-ray"; UNNAMED without modality or body part."""
    modality = next((c for c in concepts if c.startswith("modality:")), None)
    part = next((c for c in concepts if c.startswith("body_part:")), None)
    if modality is None or part is None:
        return UNNAMED
    names = default_vocabulary()
    return f"{names[part].name} {names[modality].name}"


def _of_data_set(where: Path, role: Role, manifests: Sequence[str], cache: Path) -> ImageSet:
    split = "test" if role == "held-out" and "test" in manifests else manifests[0]
    rows = read_manifest(where / f"{split}.csv")  # the other split may be empty
    marked = [row for row in rows if is_synthetic(row)]
    real_only = role != "synthetic"
    corpus = load_corpus([where], cache, concepts_of, split, real_only=real_only)
    kept = [row for row in rows if not (real_only and is_synthetic(row))]
    if len(kept) != len(corpus):
        raise InvalidInput(f"{where / split}.csv marks its test images synthetic: nothing to read")
    items = [_item(row, corpus, i) for i, row in enumerate(kept)]
    whole = ImageSet(items, contents(corpus).__getitem__)
    if role == "synthetic" and marked:
        return whole.take([i for i, row in enumerate(kept) if is_synthetic(row)])
    return whole


def _item(row: Row, corpus: Corpus, i: int) -> Item:
    concepts = corpus.concepts[i]
    said = ("sex", "age_group", "view", "findings", "caption", "model_digest")
    facts = {name: row.get(name) or "" for name in said}
    return Item(
        name=row["key"],
        sha256=row.get("digest") or hashlib.sha256(corpus.pixels[i].tobytes()).hexdigest(),
        kind=kind_of(concepts),
        patient=corpus.patients[i],
        source=row["source"],
        concepts=tuple(c for c in concepts if not c.startswith("style:")),
        facts=facts | {"trained_on": "" if corpus.held_out[i] else "1"},
    )


def _of_folder(where: Path) -> ImageSet:
    """Every file below that is named like an image; the rest of a folder is not looked at."""
    files = [where] if where.is_file() else sorted(p for p in where.rglob("*") if p.is_file())
    items, paths, unread = [], [], []
    for path in files:
        named = path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        if not named or lies_beside(path):
            continue
        name = path.name if where.is_file() else str(path.relative_to(where))
        try:
            open_source(path)
            concepts, model = _recorded(path)
        except (InvalidInput, NotFound) as error:
            unread.append((name, str(error)))
            continue
        items.append(
            Item(
                name=name,
                sha256=hashlib.sha256(read_bytes(path)).hexdigest(),
                kind=kind_of(concepts),
                patient=name,
                concepts=concepts,
                facts={"trained_on": "1", "model_digest": model},
            )
        )
        paths.append(path)
    return ImageSet(items, lambda i: _intensity(paths[i]), unread)


def _recorded(path: Path) -> tuple[tuple[str, ...], str]:
    """What radsmith's own record says the image shows, and which model made it."""
    try:
        record = read_record(path)
    except (InvalidInput, NotFound):
        return (), ""
    return tuple(record.concepts), record.model_digest


def _intensity(path: Path) -> NDArray[np.float32]:
    source = open_source(path).source
    levels = Levels.of(source, np.ones(source.shape, np.bool_))
    return levels.intensity(source.image.pixels)
