"""Two looks at each image: the feature spaces name candidates, alignment compares these closely."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radsmith.evaluation.audit.alignment import aligned, contrast
from radsmith.evaluation.audit.copies import ALIGNED, DETECTOR, Look
from radsmith.evaluation.audit.search import AuditSpace, Nearest, Store, Tell, Whitening, nearest_of
from radsmith.evaluation.audit.sets import ImageSet
from radsmith.files import write_atomically
from radsmith.images.npy import npy_of

CANDIDATES = {DETECTOR: 6}
OF_OTHERS = 2
"""Training images that a space hands on to the second look, an image."""
Known = Callable[[int], NDArray[np.float32]]
_KEPT = 4096
_PART = 500


@dataclass(frozen=True, kw_only=True)
class Search:
    """The training images with the spaces they are searched in."""

    store: Store
    training: ImageSet
    spaces: Sequence[AuditSpace]
    whitenings: Mapping[str, Whitening]
    folder: Path
    tell: Tell

    @classmethod
    def of(
        cls, training: ImageSet, spaces: Sequence[AuditSpace], folder: Path, tell: Tell
    ) -> Search:
        """Compute what is not yet in the folder."""
        store = Store(folder, tell)
        whitenings = {space.name: store.whitening(training, space) for space in spaces}
        return cls(
            store=store,
            training=training,
            spaces=spaces,
            whitenings=whitenings,
            folder=folder,
            tell=tell,
        )

    def look(self, queries: ImageSet) -> Look:
        """Scores and nearest training image of each of the queries."""
        near: dict[str, Nearest] = {}
        for space in self.spaces:
            count = min(CANDIDATES.get(space.name, OF_OTHERS), len(self.training))
            near[space.name] = nearest_of(
                self.store, queries, self.training, space, self.whitenings[space.name], count
            )
        close, nearest = self._second_look(queries, near)
        scores = {name: found.score[:, 0].astype(np.float64) for name, found in near.items()}
        return Look(
            scores=scores | {ALIGNED: close},
            nearest=nearest,
            kinds=[item.kind for item in queries.items],
        )

    def _second_look(
        self, queries: ImageSet, near: Mapping[str, Nearest]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Best alignment of each query with its candidates, and which that is; kept in parts."""
        known = lru_cache(maxsize=_KEPT)(lambda i: contrast(self.training[i]))
        index = np.concatenate([found.index for found in near.values()], 1)
        scores, nearest = [], []
        for first in range(0, len(queries), _PART):
            part = range(first, min(first + _PART, len(queries)))
            key = hashlib.sha256(index[part.start : part.stop].tobytes())
            key.update(self.training.digest.encode())
            key.update("\n".join(queries.items[i].sha256 for i in part).encode())
            path = self.folder / f"{key.hexdigest()[:32]}-aligned.npy"
            if not path.is_file():
                self.tell("second look", first, len(queries))
                rows = [_closest(queries[i], index[i], known) for i in part]
                write_atomically(path, npy_of(np.array(rows, np.float64)))
            found = np.load(path, allow_pickle=False)
            scores.append(found[:, 0])
            nearest.append(found[:, 1].astype(np.int64))
        return np.concatenate(scores), np.concatenate(nearest)


def _closest(
    image: NDArray[np.floating], candidates: NDArray[np.int64], known: Known
) -> tuple[float, int]:
    """The best aligned of the candidates: correlation and number."""
    every = sorted({int(i) for i in candidates})
    found = aligned(contrast(image), np.stack([known(i) for i in every]))
    best = int(found.argmax())
    return float(found[best]), every[best]
