"""Is a prior fitted with differential privacy usable on data sets of this size? Prints a table.

    python benchmarks/private_prior.py DATASET [KIND]

Images of one a patient at 32x32, in the 144 lowest frequencies of a cosine transform (a basis that
no patient chose), moments by `radsmith.training.private_moments`, delta 1e-5, clipped at the median
length. Says how many principal directions stand above the noise, and how much of other patients'
variance the leading 32 hold, beside those without privacy.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from radsmith.evaluation.audit.sets import read_set
from radsmith.files import cache_folder
from radsmith.images.letterbox import letterboxed
from radsmith.training.private_moments import private_moments, usable_directions, variance_held

SIDE, LOW, HELD = 32, 12, 32


def cosines() -> np.ndarray:
    """(LOW, SIDE), orthonormal rows of DCT-II."""
    place = np.arange(SIDE) + 0.5
    rows = np.cos(np.pi * np.arange(LOW)[:, None] * place / SIDE)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def rows_of(folder: Path, role: str, kind: str) -> np.ndarray:
    """(patients, LOW * LOW)."""
    images = read_set(folder, role, cache_folder())
    first: dict[str, int] = {}
    for i, item in enumerate(images.items):
        if item.kind == kind:
            first.setdefault(item.patient, i)
    basis = cosines()
    return np.stack(
        [(basis @ (letterboxed(images[i], SIDE) - 0.4) @ basis.T).ravel() for i in first.values()]
    )


def main(folder: str, kind: str = "chest x-ray") -> None:
    train, held = (rows_of(Path(folder), role, kind) for role in ("train", "held-out"))
    clip = float(np.median(np.linalg.norm(train, axis=1)))
    true = np.cov(train.T)
    print(f"{kind}: {len(train)} patients, {len(held)} held out, {LOW * LOW} coefficients")
    print(f"no privacy: leading {HELD} directions hold {variance_held(true, held, HELD):.1%}")
    rng = np.random.default_rng(0)
    for count in (80, 600, len(train)):
        part = train[rng.permutation(len(train))[:count]]
        for epsilon in (1.0, 3.0, 8.0):
            found = [private_moments(part, clip, epsilon, 1e-5, rng) for _ in range(5)]
            share = np.mean([variance_held(f.covariance, held, HELD) for f in found])
            above = usable_directions(true, found[0].noise)
            shift = np.mean([np.linalg.norm(f.mean - train.mean(0)) for f in found])
            spread = np.sqrt(np.trace(true))
            print(
                f"patients {count:5d} epsilon {epsilon:g}: {above} directions above the noise, the"
                f" leading {HELD} hold {share:.1%}; mean off by {shift / spread:.2f} spreads"
            )
    print(f"by chance {HELD} of {LOW * LOW} directions hold {HELD / LOW**2:.1%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
