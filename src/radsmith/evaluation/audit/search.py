"""The nearest training images of many images: blocked products, resumable, in bounded memory.

Features are written chunk by chunk beside the report, so a stopped audit goes on where it was.
Memory is that of one chunk of queries against one of training images, `peak_bytes`, whatever the
sizes of the sets; the time of a search grows with their product, that of features with their sum.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radsmith.evaluation.audit.sets import ImageSet, Role
from radsmith.evaluation.features import Images, Space
from radsmith.files import write_atomically
from radsmith.images.npy import npy_of

Array = NDArray[np.float32]
CHUNK = 4096
"""Images whose features are computed, kept and compared together."""
DIMENSIONS = 128
"""Spaces of more are projected onto so many principal axes of the training images."""
VIEWS = 2
"""As it is, and mirrored."""
_FEWEST_AXES = 0.02
Tell = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, kw_only=True)
class AuditSpace:
    """A feature space of an audit.

    digest: of the network, or what names the formula.  whitened: axes are brought to one spread,
    so that what all images of a kind share does not hide what tells two of them apart.
    """

    name: str
    space: Space
    digest: str
    whitened: bool = True


Fill = Callable[[Path, dict[Role, ImageSet], Sequence[AuditSpace], Tell], None]
"""Makes features of sets in spaces before they are searched, into a folder of `Store`."""


@dataclass(frozen=True, kw_only=True)
class Whitening:
    """x -> direction of (x - mean) @ axes; axes None: the direction of x alone."""

    mean: Array
    axes: Array | None

    @classmethod
    def of(cls, features: NDArray[np.floating], whitened: bool) -> Whitening:
        """From features (n, d) of training images."""
        mean = features.mean(0).astype(np.float32)
        if not whitened:
            return cls(mean=np.zeros_like(mean), axes=None)
        _, spread, vectors = np.linalg.svd(features - mean, full_matrices=False)
        count = min(DIMENSIONS, len(spread), max(2, len(features) // 4))
        spread, vectors = spread[:count], vectors[:count]
        floor = spread[0] * _FEWEST_AXES
        axes = vectors.T / np.maximum(spread, floor)
        return cls(mean=mean, axes=axes.astype(np.float32))

    def apply(self, features: NDArray[np.floating]) -> Array:
        """Directions (..., DIMENSIONS or fewer) of length 1 of features (..., d)."""
        moved = np.asarray(features - self.mean, np.float32)
        if self.axes is not None:
            moved = moved @ self.axes
        norm = np.linalg.norm(moved, axis=-1, keepdims=True)
        return np.asarray(moved / np.maximum(norm, 1e-12), np.float32)


class Store:
    """Features of sets on disk, in chunks of CHUNK images; what is there is not made again."""

    def __init__(self, folder: Path, tell: Tell = lambda what, done, total: None) -> None:
        self._folder, self._tell = folder, tell
        folder.mkdir(parents=True, exist_ok=True)

    def chunks(
        self, images: ImageSet, space: AuditSpace, views: int, whitening: Whitening | None
    ) -> Iterator[tuple[int, Array]]:
        """Number of the first image of a chunk, and features (n, views, d), one after the other."""
        for first in range(0, len(images), CHUNK):
            part = range(first, min(first + CHUNK, len(images)))
            key = hashlib.sha256(f"{space.name} {space.digest} {views}".encode())
            for i in part:
                key.update(f"{images.items[i].name} {images.items[i].sha256}\n".encode())
            path = self._folder / f"{key.hexdigest()[:32]}.npy"
            if path.is_file():
                found = np.load(path, allow_pickle=False)
            else:
                self._tell(f"features “{space.name}”", first, len(images))
                found = seen([images[i] for i in part], space.space, views)
                write_atomically(path, npy_of(found))
            yield first, whitening.apply(found) if whitening is not None else found

    def whitening(self, training: ImageSet, space: AuditSpace) -> Whitening:
        """Fitted on every so many-th training image, CHUNK at most."""
        step = -(-len(training) // CHUNK)
        some = [
            part[-first % step :: step, 0] for first, part in self.chunks(training, space, 1, None)
        ]
        return Whitening.of(np.concatenate(some), space.whitened)


def seen(images: Images, space: Space, views: int) -> Array:
    """Features (n, views, d) of images: as they are, and with 2 views mirrored too."""
    found = [space(images)]
    if views > 1:
        found.append(space([image[:, ::-1] for image in images]))
    return np.stack(found, 1).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """Of n queries the k most similar training images: score (n, k) falling, index (n, k)."""

    score: Array
    index: NDArray[np.int64]


def nearest_of(
    store: Store,
    queries: ImageSet,
    training: ImageSet,
    space: AuditSpace,
    whitening: Whitening,
    k: int,
) -> Nearest:
    """The k most similar training images of each query, over its views.

    One chunk of queries and one of training images are in memory at a time.
    """
    scores, indices = [], []
    for _, asked in store.chunks(queries, space, VIEWS, whitening):
        best = np.full((len(asked), k), -np.inf, np.float32)
        where = np.zeros((len(asked), k), np.int64)
        for first, known in store.chunks(training, space, 1, whitening):
            table = similarity(asked, known[:, 0])
            best, where = merged(best, where, table, first)
        scores.append(best)
        indices.append(where)
    return Nearest(score=np.concatenate(scores), index=np.concatenate(indices))


def similarity(queries: Array, known: Array) -> Array:
    """Best cosine over views: queries (n, views, d) against known (m, d), (n, m)."""
    table = queries[:, 0] @ known.T
    for view in range(1, queries.shape[1]):
        np.maximum(table, queries[:, view] @ known.T, out=table)
    return np.asarray(table, np.float32)


def merged(
    best: Array, where: NDArray[np.int64], table: Array, first: int
) -> tuple[Array, NDArray[np.int64]]:
    """The k best of what was found and of a new table whose columns count from `first`."""
    k = best.shape[1]
    some = min(k, table.shape[1])
    column = np.argpartition(-table, some - 1, axis=1)[:, :some]
    score = np.concatenate([best, np.take_along_axis(table, column, 1)], 1)
    index = np.concatenate([where, column + first], 1)
    order = np.argsort(-score, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(score, order, 1), np.take_along_axis(index, order, 1)


def peak_bytes(dimensions: int = DIMENSIONS) -> int:
    """Most memory of a search: two chunks of features, tables between them, and their order."""
    return 4 * CHUNK * dimensions * (VIEWS + 1) + (3 * 4 + 8) * CHUNK * CHUNK
