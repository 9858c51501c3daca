"""Who is held out of training: whole patients, in one order for every training.

The order depends on the patients' names alone. So whoever the default model never saw comes first
where more or fewer are held out of the same data: figures of two trainings are of the same people.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput

BUCKETS = 32
"""The default model holds out the first of so many equal parts of all patients."""


def bucket(name: str, buckets: int = BUCKETS) -> int:
    """A number below `buckets` that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % buckets


def held_out(patients: Sequence[str], share: float | None = None) -> NDArray[np.bool_]:
    """Which images, given whose they are, nobody learns from: (n,).

    share: of the images, by whole patients, never more than that but for one patient at least,
    where there are several and that one has no more than half.  None: a patient in BUCKETS,
    whatever the number of images.  Raises InvalidInput for a share outside 0 to below 1.
    """
    if share is None:
        return np.array([bucket(p) == 0 for p in patients], np.bool_)
    if not 0 <= share < 1:
        raise InvalidInput(f"the held-out share must be at least 0 and below 1, got {share}")
    count = Counter(patients)
    order = sorted(count, key=lambda p: (bucket(p), hashlib.sha256(p.encode()).digest()))
    chosen: set[str] = set()
    taken = 0
    for patient in order:
        if taken + count[patient] <= share * len(patients) + 1e-9:
            chosen.add(patient)
            taken += count[patient]
    if share and not chosen and order:
        fewest = min(order, key=lambda p: count[p])
        chosen = {fewest} if 2 * count[fewest] <= len(patients) else set()
    return np.array([p in chosen for p in patients], np.bool_)
