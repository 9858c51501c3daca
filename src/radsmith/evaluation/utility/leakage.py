"""What would make a usefulness figure too good: patients on both sides, copies of test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from radsmith.evaluation.audit.copies import Standard, Thresholds
from radsmith.evaluation.audit.looking import Search
from radsmith.evaluation.audit.search import AuditSpace, Tell
from radsmith.evaluation.audit.sets import ImageSet
from radsmith.evaluation.utility.experiment import UtilitySets

STRANGERS = 400
"""Real images of other patients, whose nearness to test images is the null."""


def without_leaks(
    sets: UtilitySets,
    space: AuditSpace,
    folder: Path,
    seed: int,
    tell: Tell,
    strangers: int = STRANGERS,
) -> tuple[UtilitySets, dict[str, Any]]:
    """The sets without training images of test patients, and without synthetic images that are
    nearer to a test image than 99 % of other patients' real images; and how many there were."""
    tested = {item.patient for item in sets.test.items}
    files = {item.sha256 for item in sets.test.items}
    train = sets.train.items
    same = [i for i, item in enumerate(train) if item.patient in tested or item.sha256 in files]
    kept = sets.train.take([i for i in range(len(train)) if i not in set(same)])
    near = _near_copies(kept, sets, space, (folder, seed, strangers), tell)
    synthetic = sets.synthetic.take([i for i in range(len(sets.synthetic)) if i not in near])
    report = {
        "training_images_of_test_patients": len(same),
        "synthetic_copies_of_test_images": len(near),
        "expected_by_chance": round(0.01 * len(sets.synthetic), 1),
        "note": "both were taken out before anything was trained",
    }
    return UtilitySets(train=kept, test=sets.test, synthetic=synthetic), report


def _near_copies(
    train: ImageSet,
    sets: UtilitySets,
    space: AuditSpace,
    where: tuple[Path, int, int],
    tell: Tell,
) -> set[int]:
    """Numbers of the synthetic images that count as copies of test images.

    where: folder, seed, number of strangers.
    """
    kinds = {item.kind for item in sets.synthetic.items}
    test = sets.test.take([i for i, it in enumerate(sets.test.items) if it.kind in kinds])
    if not len(test):
        return set()
    rng = np.random.default_rng([where[1], 41])
    pool = rng.permutation([i for i, it in enumerate(train.items) if it.kind in kinds])
    search = Search.of(test, [space], where[0], tell)
    null = search.look(train.take(np.sort(pool[: where[2]]).tolist()))
    standard = Standard.of(null)
    look = search.look(sets.synthetic)
    over = Thresholds.of(null, standard).over(standard.joined(look), look.kinds)
    return {int(i) for i in np.flatnonzero(over > 0)}
