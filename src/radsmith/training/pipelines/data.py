"""What a pipeline is fine-tuned on: pictures in tar shards, their words, and who is held out.

Only the train split is read. Patients are held out of it by their hash, so the same data set
always holds out the same ones. Pictures are found by their place in the shard, in any order.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageOps

from radsmith.datasets.corpus import Corpus, Row, letterbox, read_manifest
from radsmith.datasets.entry import is_synthetic
from radsmith.datasets.holdout import held_out
from radsmith.datasets.labels import concepts_of
from radsmith.engines.finetuned import file_digest
from radsmith.errors import InvalidInput, NotFound
from radsmith.generation.plan import WEAK
from radsmith.language.prompt import in_words
from radsmith.language.vocabulary import default_vocabulary

FITS = ("letterbox", "crop")
SKIPPED = (".json", ".txt")
"""Members of a WebDataset sample that are no picture."""


@dataclass(frozen=True, kw_only=True)
class TuningSet:
    """A data set for fine-tuning.

    corpus: labels, patients and who is held out; it holds no pixels.  words: the canonical
    sentence of each image.  places: shard, first byte and length of each picture.  digest: SHA-256
    over manifest and shards.
    """

    folder: Path
    corpus: Corpus
    words: Sequence[str]
    places: Sequence[tuple[str, int, int]]
    digest: str

    def __len__(self) -> int:
        return len(self.words)

    @property
    def training(self) -> NDArray[np.int64]:
        """Numbers of the images that may be trained on."""
        return np.flatnonzero(~self.corpus.held_out)

    @property
    def held_out(self) -> NDArray[np.int64]:
        """Numbers of the images of held-out patients."""
        return np.flatnonzero(self.corpus.held_out)

    def thin(self) -> dict[str, int]:
        """Concepts with fewer than WEAK training images, with their number; rarest first."""
        known = default_vocabulary().concepts
        counts = {c: n for c, n in self.corpus.counts().items() if n < WEAK and c in known}
        return dict(sorted(counts.items(), key=lambda item: (item[1], item[0])))

    def square(self, number: int, side: int, fit: str) -> NDArray[np.float32]:
        """The picture as the pipeline sees it: (side, side) gray in 0-1.

        letterbox: its longer side fills the square, the rest is black, nothing is lost.  crop: its
        shorter side does, and what stands over on both ends of the longer one is lost.
        """
        shard, first, length = self.places[number]
        with (self.folder / shard).open("rb") as file:
            file.seek(first)
            data = file.read(length)
        try:
            with Picture.open(io.BytesIO(data)) as picture:
                if fit == "letterbox":
                    pixels = letterbox(picture, side)[0]
                else:
                    gray = picture.convert("L")
                    size = (side, side)
                    pixels = np.asarray(ImageOps.fit(gray, size, Picture.Resampling.LANCZOS))
        except (OSError, ValueError, Picture.DecompressionBombError) as error:
            raise InvalidInput(
                f"a picture in {self.folder / shard} cannot be read ({error}): make the data set"
                " again with radsmith import"
            ) from error
        return np.asarray(pixels, np.float32) / np.float32(255)


def load_tuning_set(folder: Path, held_out_share: float) -> TuningSet:
    """Read manifest and shard indexes of a data set that `radsmith import` wrote.

    held_out_share: of the images, by whole patients, as `holdout.held_out` has it.  Raises NotFound
    for missing files, InvalidInput for a data set without train images or with missing pictures.
    """
    rows = [r for r in read_manifest(folder / "train.csv") if not is_synthetic(r)]
    if not rows:
        raise InvalidInput(f"{folder} lists synthetic images alone: there is nothing to learn from")
    patients = [row["patient_id"] or row["key"] for row in rows]
    out = held_out(patients, held_out_share)
    concepts = [concepts_of(row) for row in rows]
    words = [in_words(ids, (), None)[0] for ids in concepts]
    if not any(words):
        raise InvalidInput(
            f"no image of {folder} has a modality, body part or finding that radsmith knows: label"
            " them, for there would be nothing to ask for"
        )
    corpus = Corpus(
        pixels=np.empty((len(rows), 0, 0), np.uint8),
        frames=np.array([_size(row) for row in rows], np.int64).reshape(-1, 2),
        concepts=concepts,
        sources=[row["source"] for row in rows],
        patients=patients,
        held_out=out,
        synthetic=np.zeros(len(rows), np.bool_),
    )
    return TuningSet(
        folder=folder,
        corpus=corpus,
        words=words,
        places=_places(folder, rows),
        digest=_digest(folder, rows),
    )


def common_words(data: TuningSet, count: int) -> list[str]:
    """The commonest sentences of the training images, commonest first."""
    found = Counter(data.words[i] for i in data.training if data.words[i])
    return [words for words, _ in sorted(found.items(), key=lambda item: (-item[1], item[0]))][
        :count
    ]


def _size(row: Row) -> tuple[int, int]:
    """Width and height as the manifest says, 0 where it does not."""
    width, height = row.get("width") or "0", row.get("height") or "0"
    return (int(width), int(height)) if width.isdigit() and height.isdigit() else (0, 0)


def _places(folder: Path, rows: Sequence[Row]) -> list[tuple[str, int, int]]:
    wanted = {row["key"]: i for i, row in enumerate(rows)}
    found: dict[int, tuple[str, int, int]] = {}
    for shard in sorted({row["shard"] for row in rows}):
        path = folder / shard
        if not path.is_file():
            raise NotFound(f"no shard {path}, which the manifest names")
        try:
            with tarfile.open(path) as tar:
                for member in tar:
                    number = wanted.get(Path(member.name).stem)
                    if number is not None and not member.name.endswith(SKIPPED):
                        found[number] = (shard, member.offset_data, member.size)
        except tarfile.TarError as error:
            raise InvalidInput(f"{path} is no tar file: {error}") from error
    absent = [row["key"] for i, row in enumerate(rows) if i not in found]
    if absent:
        raise InvalidInput(f"pictures missing from the shards: {', '.join(absent[:3])} …")
    return [found[i] for i in range(len(rows))]


def _digest(folder: Path, rows: Sequence[Row]) -> str:
    names = ["train.csv", *sorted({row["shard"] for row in rows})]
    text = "".join(f"{name} {file_digest(folder / name)}\n" for name in names)
    return hashlib.sha256(text.encode()).hexdigest()
