"""Real images with their concepts, read once from tar shards and a manifest, kept as an array.

A corpus folder holds `train.csv` and `train-*.tar` (one picture a row, see `read_manifest`), and
may hold `devices.csv`: by key, what tubes, wires and implants were seen besides the findings.
Rows marked synthetic are trained on and nothing else: never measured on, nor held out.
Decoding is done once: every picture is brought to 256 pixels on its longer side (or to more, where
those that have as many are asked for), centred on a black square and stored in one uint8 array in
the cache folder.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from radsmith.datasets.entry import VOCABULARY, is_synthetic
from radsmith.datasets.holdout import held_out
from radsmith.errors import InvalidInput, NotFound
from radsmith.files import read_bytes, write_atomically
from radsmith.images.letterbox import SIDE, centred, fitted_box, inside
from radsmith.images.npy import npy_of
from radsmith.images.stored import EightBit
from radsmith.language.vocabulary import learn_concepts
from radsmith.tables import Table, read_table

DEVICES = "devices.csv"
LEFT_S = 3600.0
"""Seconds without a change after which a half decoded file is nobody's any more."""
NEEDED = frozenset(("key", "shard", "modality", "body_part", "source", "patient_id"))
"""Columns that a manifest must have; others that are missing say nothing."""
Row = dict[str, str]
KIND = ("modality:", "body_part:")
TOGETHER = (
    KIND,
    ("body_part:", "finding:"),
    (*KIND, "finding:"),
    ("finding:", "severity:"),
    ("body_part:", "side:"),
)
"""Kinds of concepts whose training images are counted together."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """side: of the squares that pictures are brought to.  least: pixels that a picture's longer
    side must have to be taken; 0: none."""

    side: int = SIDE
    least: int = 0


SMALL = Size()
LARGE = Size(side=384, least=340)
"""Of what has more than 256 pixels; what has fewer than nine in ten of 384 says little of them."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Decoded images and their labels.

    pixels: (n, side, side) uint8, letterboxed, side 256 unless asked.  frames: (n, 2) content width
    and height.  concepts: ids per image, style included.  patients: hashed number, or the image's
    key where it is unknown.  held_out: (n,) bool, by patient where known.  synthetic: (n,) bool,
    made by a model; never held out.
    """

    pixels: NDArray[np.uint8]
    frames: NDArray[np.int64]
    concepts: Sequence[tuple[str, ...]]
    sources: Sequence[str]
    patients: Sequence[str]
    held_out: NDArray[np.bool_]
    synthetic: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.concepts)

    def after(self, first: int) -> Corpus:
        """The images from number `first` on."""
        return Corpus(
            pixels=self.pixels[first:],
            frames=self.frames[first:],
            concepts=self.concepts[first:],
            sources=self.sources[first:],
            patients=self.patients[first:],
            held_out=self.held_out[first:],
            synthetic=self.synthetic[first:],
        )

    def counts(self, *, real_only: bool = False) -> Counter[str]:
        """Images per concept that may be trained on; real_only: what there is evidence of."""
        left_out = self.held_out | self.synthetic if real_only else self.held_out
        return Counter(c for ids, out in zip(self.concepts, left_out, strict=True) if not out
                       for c in ids)  # fmt: skip

    def counts_together(self, of: Sequence[Sequence[str]] = TOGETHER) -> Counter[str]:
        """Real training images with concepts of these kinds together; keys are the ids joined by
        spaces."""
        found: Counter[str] = Counter()
        for ids, out in zip(self.concepts, self.held_out | self.synthetic, strict=True):
            if not out:
                for kinds in of:
                    own = ([c for c in ids if c.startswith(kind)] for kind in kinds)
                    found.update(map(" ".join, product(*own)))
        return found


class _Frames(Sequence[NDArray[np.uint8]]):
    """The pictures without their letterbox bars."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def __len__(self) -> int:
        return len(self._corpus)

    def __getitem__(self, index: Any) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        width, height = (int(v) for v in self._corpus.frames[index])
        pixels = self._corpus.pixels
        return inside(pixels[index], centred(width, height, pixels.shape[2]))


def contents(corpus: Corpus) -> EightBit:
    """The pictures without their letterbox bars, (height, width) in 0-1, read when asked for."""
    return EightBit(_Frames(corpus))


def load_corpus(
    folders: Sequence[Path],
    cache: Path,
    label: Callable[[Row], tuple[str, ...]],
    split: str = "train",
    *,
    real_only: bool = False,
    size: Size = SMALL,
) -> Corpus:
    """Read corpus folders, one after the other; decoded pixels are cached under `cache`.

    split: "train" or "test", the manifest to read.  real_only: leave synthetic rows out, as is
    always done of the test split.  size: how large, and which are large enough.
    Raises InvalidInput where no picture of the folders is.
    """
    real_only = real_only or split == "test"
    found = (_load_folder(f, cache, label, (split, real_only, size)) for f in folders)
    parts = [part for part in found if part is not None]
    if not parts:
        raise InvalidInput(
            f"no picture in {', '.join(map(str, folders))} is said to have {size.least} pixels on"
            " its longer side (columns width and height of the manifest)"
        )
    if len(parts) == 1:
        return parts[0]
    return Corpus(
        pixels=np.concatenate([part.pixels for part in parts]),
        frames=np.concatenate([part.frames for part in parts]),
        concepts=[ids for part in parts for ids in part.concepts],
        sources=[source for part in parts for source in part.sources],
        patients=[patient for part in parts for patient in part.patients],
        held_out=np.concatenate([part.held_out for part in parts]),
        synthetic=np.concatenate([part.synthetic for part in parts]),
    )


def _load_folder(
    folder: Path,
    cache: Path,
    label: Callable[[Row], tuple[str, ...]],
    wanted: tuple[str, bool, Size],
) -> Corpus | None:
    """None where no picture is large enough.  wanted: split, whether real ones alone, and size."""
    split, real_only, size = wanted
    if (folder / VOCABULARY).is_file():
        learn_concepts((folder / VOCABULARY).read_text(encoding="utf-8"))
    rows = read_manifest(folder / f"{split}.csv")
    rows = [row for row in rows if not (real_only and is_synthetic(row))]
    _add_devices(rows, folder / DEVICES)
    if not rows:
        raise InvalidInput(
            f"{folder / split}.csv names synthetic images alone; real ones are needed"
        )
    rows = [row for row in rows if _longer(row) >= size.least] if size.least else rows
    if not rows:
        return None
    synthetic = np.array([is_synthetic(row) for row in rows], bool)
    patients = [row["patient_id"] or row["key"] for row in rows]
    keys = hashlib.sha256("\n".join(row["key"] for row in rows).encode()).hexdigest()[:16]
    name = f"corpus-{keys}" if size.side == SIDE else f"corpus-{keys}-{size.side}"
    pixels_path, frames_path = cache / f"{name}.npy", cache / f"{name}-frames.npy"
    if not frames_path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _decode(folder, rows, pixels_path, frames_path, size.side)
    return Corpus(
        pixels=np.load(pixels_path, mmap_mode="r"),
        frames=np.load(frames_path),
        concepts=[tuple(dict.fromkeys((*label(r), f"style:{r['source']}"))) for r in rows],
        sources=[r["source"] for r in rows],
        patients=patients,
        held_out=held_out(patients) & ~synthetic,
        synthetic=synthetic,
    )


def _longer(row: Row) -> int:
    """Longer side of a picture in pixels as its manifest says; 0 where it does not."""
    try:
        return max(int(row.get("width") or 0), int(row.get("height") or 0))
    except ValueError:
        return 0


def _add_devices(rows: Sequence[Row], path: Path) -> None:
    """Put the devices of `path`, where there is one, behind the findings of their rows."""
    if not path.is_file():
        return
    table = _whole_table(path)
    if not {"key", "devices"} <= set(table.columns):
        raise InvalidInput(f"{path} must have the columns key and devices")
    seen = {row.cells["key"]: row.cells["devices"] for row in table.rows}
    for row in rows:
        if row["key"] in seen:
            row["findings"] = "; ".join(w for w in (row["findings"], seen[row["key"]]) if w)


def read_manifest(path: Path, *, may_be_empty: bool = False) -> list[Row]:
    """Rows of a manifest; it must have `key`, `shard`, `modality`, `body_part`, `source`.

    may_be_empty: a missing file, or one without rows, has none.
    """
    if not path.is_file():
        if may_be_empty:
            return []
        raise NotFound(f"no manifest {path}: the data folder must hold {path.name} and its shards")
    table = _whole_table(path)
    if may_be_empty and not table.rows:
        return []
    if not table.rows:
        raise InvalidInput(f"{path} lists no image: nothing can be learned or measured from it")
    missing = NEEDED - set(table.columns)
    if missing:
        raise InvalidInput(f"{path} lacks the columns {', '.join(sorted(missing))}")
    lines: dict[str, int] = {}
    for row in table.rows:
        first = lines.setdefault(row.cells["key"], row.line)
        if first != row.line:
            said = f"lines {first} and {row.line} have one key, {row.cells['key']!r}"
            raise InvalidInput(f"{path}: {said}; leave one of them")
    return [dict(row.cells) for row in table.rows]


def _whole_table(path: Path) -> Table:
    """A table of a data set. Raises InvalidInput for the first row that is not whole."""
    table = read_table(read_bytes(path), str(path), ("key",))
    for row in table.rows:
        if row.error or row.short:
            short = f"{row.short} cells are missing at its end"
            raise InvalidInput(f"{path}, line {row.line}: {row.error or short}")
    return table


def letterbox(picture: Picture.Image, side: int = SIDE) -> tuple[NDArray[np.uint8], int, int]:
    """Resize the longer side to `side`, centre on black; (pixels, content width, height)."""
    gray = picture.convert("L")
    box = fitted_box(*gray.size, side)
    content = gray.resize(box[2:], Picture.Resampling.LANCZOS, reducing_gap=3)
    canvas = np.zeros((side, side), np.uint8)
    inside(canvas, box)[:] = np.asarray(content)
    return canvas, *box[2:]


def _decode(folder: Path, rows: list[Row], pixels_path: Path, frames_path: Path, side: int) -> None:
    """Write both files, the frames last; another process may be at the same. What a killed one
    left is removed."""
    partial = pixels_path.with_name(f".{pixels_path.name}.{uuid4().hex}.part")
    try:
        frames = _decode_into(partial, folder, rows, side)
        now = partial.stat().st_mtime
        partial.replace(pixels_path)
    finally:
        partial.unlink(missing_ok=True)
    for other in pixels_path.parent.glob(f".{pixels_path.name}.*.part"):
        with suppress(FileNotFoundError):
            if now - other.stat().st_mtime > LEFT_S:
                other.unlink()
    write_atomically(frames_path, npy_of(frames))


def _decode_into(path: Path, folder: Path, rows: list[Row], side: int) -> NDArray[np.int64]:
    """The pixels of each row as (n, side, side) in a file; width and height of what they show."""
    index = {row["key"]: i for i, row in enumerate(rows)}
    pixels = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.uint8, shape=(len(rows), side, side)
    )
    frames = np.zeros((len(rows), 2), np.int64)
    for shard in sorted({row["shard"] for row in rows}):
        if not (folder / shard).is_file():
            raise NotFound(f"no shard {folder / shard}, which the manifest names")
        with tarfile.open(folder / shard) as tar:
            for member in tar:
                if member.name.endswith((".json", ".txt")):
                    continue  # a WebDataset sample's labels
                i = index.get(Path(member.name).stem)
                file = tar.extractfile(member) if i is not None else None
                if file is None:
                    continue
                where = f"{member.name} in {folder / shard}"
                pixels[i], *frames[i] = _picture(file.read(), where, side)
    if not frames.all():
        absent = [rows[i]["key"] for i in np.flatnonzero(frames[:, 0] == 0)[:3]]
        raise InvalidInput(f"pictures missing from the shards: {', '.join(absent)} …")
    pixels.flush()
    return frames


def _picture(data: bytes, name: str, side: int) -> tuple[NDArray[np.uint8], int, int]:
    try:
        with Picture.open(io.BytesIO(data)) as picture:
            return letterbox(picture, side)
    except Exception as error:  # Pillow raises what its decoders raise
        raise InvalidInput(f"damaged picture {name}: take its row out of the manifest") from error


def balance(
    corpus: Corpus, temperature: float = 0.5, favour: Mapping[str, float] | None = None
) -> NDArray[np.float64]:
    """Probability of drawing each image; a kind with n images is drawn n**temperature often.

    A kind is (modality, body part, findings). Held-out images get 0.  favour: concept -> how many
    times as often its images are drawn.
    Raises InvalidInput for a factor that is not above 0, or a concept that no image has.
    """
    kinds = [
        tuple(sorted(c for c in ids if c.startswith(("modality:", "body_part:", "finding:"))))
        for ids in corpus.concepts
    ]
    size = Counter(kind for kind, out in zip(kinds, corpus.held_out, strict=True) if not out)
    weight = np.array(
        [
            0.0 if out else size[kind] ** (temperature - 1)
            for kind, out in zip(kinds, corpus.held_out, strict=True)
        ]
    )
    for concept, factor in (favour or {}).items():
        own = np.array([concept in ids for ids in corpus.concepts])
        if not own.any() or not factor > 0:
            raise InvalidInput(
                f"favour {concept!r} by {factor}: a factor is above 0, and of a concept that an"
                ' image of the data has, such as "body_part:knee"'
            )
        weight[own] *= factor
    return weight / weight.sum()
