"""Real images with their labels and patients, and how they are divided for comparing.

Knows no model and no file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from radsmith.evaluation.features import Images
from radsmith.images.stored import Stored
from radsmith.language.vocabulary import default_vocabulary

SMALLEST_KIND = 40


@dataclass(frozen=True, kw_only=True)
class RealSet:
    """Real images with their concept ids and patients, one of each an image."""

    images: Images
    concepts: Sequence[tuple[str, ...]]
    patients: Sequence[str]

    def take(self, index: Sequence[int]) -> RealSet:
        """The images of these numbers."""
        return RealSet(
            images=Stored([self.images[i] for i in index]),
            concepts=[self.concepts[i] for i in index],
            patients=[self.patients[i] for i in index],
        )


def kinds_of(concepts: Sequence[tuple[str, ...]]) -> dict[tuple[str, str], list[int]]:
    """(modality, body part) -> image numbers, largest first, of SMALLEST_KIND images or more."""
    found: dict[tuple[str, str], list[int]] = {}
    for i, ids in enumerate(concepts):
        modality = next((c for c in ids if c.startswith("modality:")), None)
        part = next((c for c in ids if c.startswith("body_part:")), None)
        if modality and part:
            found.setdefault((modality, part), []).append(i)
    kept = [(kind, index) for kind, index in found.items() if len(index) >= SMALLEST_KIND]
    return dict(sorted(kept, key=lambda item: -len(item[1])))


def kind_name(kind: tuple[str, str]) -> str:
    """Such as "chest x-ray"."""
    modality, part = (default_vocabulary()[c].name for c in kind)
    return f"{part} {modality}"


def halves(real: RealSet, index: Sequence[int], most: int, seed: int) -> tuple[RealSet, RealSet]:
    """Two sets of one size without a common patient, at most `most` images in all."""
    order = np.random.default_rng(seed).permutation(np.asarray(index))
    sides: tuple[list[int], list[int]] = ([], [])
    count = Counter(real.patients[i] for i in order)
    for patient in sorted(count, key=lambda p: (-count[p], sha256(p.encode()).digest())):
        smaller = sides[len(sides[0]) > len(sides[1])]
        smaller += [int(i) for i in order if real.patients[i] == patient]
    each = min(len(sides[0]), len(sides[1]), most // 2)
    rng = np.random.default_rng([seed, 1])
    one, two = (sorted(rng.permutation(side)[:each].tolist()) for side in sides)
    return real.take(one), real.take(two)
