"""Are generated images copies? Distances to the nearest training image, against a null.

The null is what real images of other patients show: some are near a training image by chance.
Plain functions of features; knows no model and no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.features import Images, Space
from radsmith.evaluation.real_set import RealSet, kind_name, kinds_of

Array = NDArray[np.float64]
PERCENTILE = 1.0
GUARD_PERCENTILE, GUARD_FINDS = 5.0, 90.0
"""Where images are drawn anew a false alarm costs little, so a guard is stricter."""
PLANTED = 200
_LEAST_NULL = 20
_MOST_NULL, _MOST_PLANTED = 300, 100
_BLOCK = 512


@dataclass(frozen=True, kw_only=True)
class CopyCheck:
    """threshold: distance below which only PERCENTILE % of unseen real images lie.

    nearer: share of the generated images below it.  sensitivity: share of planted near-copies of
    training images below it, so how much a clean result means.  nearest: (n,) training index of
    each generated image.  distance: (n,) over the threshold, so below 1 is suspicious.
    """

    threshold: float
    nearer: float
    sensitivity: float
    n_generated: int
    n_null: int
    n_training: int
    nearest: NDArray[np.int64]
    distance: Array


def check_copies(
    training: NDArray[np.floating],
    null: NDArray[np.floating],
    generated: NDArray[np.floating],
    planted: NDArray[np.floating],
) -> CopyCheck:
    """Compare nearest-neighbour distances of three sets of queries.

    training: (n, d).  null, generated, planted: (m, variants, d); the nearest variant counts.
    Features are compared by direction (correlation), so brightness and contrast do not hide a copy.
    Raises InvalidInput for fewer than 20 null images: they would set no threshold.
    """
    if len(null) < _LEAST_NULL:
        raise InvalidInput(
            f"a null of {len(null)} images sets no threshold: give at least {_LEAST_NULL}"
        )
    known = _direction(training)
    chance, _ = nearest(known, _direction(null))
    near, index = nearest(known, _direction(generated))
    control, _ = nearest(known, _direction(planted))
    threshold = float(np.percentile(chance, PERCENTILE))
    return CopyCheck(
        threshold=threshold,
        nearer=float((near < threshold).mean()),
        sensitivity=float((control < threshold).mean()),
        n_generated=len(near),
        n_null=len(chance),
        n_training=len(training),
        nearest=index,
        distance=near / max(threshold, 1e-12),
    )


@dataclass(frozen=True, kw_only=True)
class CopyGuard:
    """Tells copies of a fixed set of real images, one image at a time.

    known: (n, d) directions of the real images' features.  threshold: distance within which only
    GUARD_PERCENTILE % of real images have an image of another patient, or within which
    GUARD_FINDS % of planted near-copies lie, whichever is less.  sensitivity: share of the planted
    ones within it.  n_null: real images that set the threshold.
    """

    known: Array
    threshold: float
    sensitivity: float
    n_null: int

    def catches(self, image: NDArray[np.floating], space: Space) -> bool:
        """Whether the image (height, width) in 0-1 is nearer than the threshold to a real one."""
        distance, _ = nearest(self.known, _direction(variants([image], space)))
        return bool(distance[0] < self.threshold)


def copy_guard(
    images: Images,
    patients: Sequence[str],
    space: Space,
    rng: np.random.Generator,
    others: Images = (),
) -> CopyGuard | None:
    """The guard of real images; others: more of them, which set no threshold.

    None where fewer than 20 of the images have one of another patient beside them.
    """
    known = _direction(space(images))
    pick = rng.permutation(len(images))[:_MOST_NULL]
    whose = np.array(patients)
    queries = _direction(variants([images[int(i)] for i in pick], space))
    chance, _ = nearest(known, queries, whose[pick][:, None] == whose[None])
    chance = chance[np.isfinite(chance)]
    if len(chance) < _LEAST_NULL:
        return None
    copied = rng.permutation(len(images))[:_MOST_PLANTED]
    planted = near_copies([images[int(i)] for i in copied], rng)
    control, _ = nearest(known, _direction(variants(planted, space)))
    threshold = float(
        min(np.percentile(chance, GUARD_PERCENTILE), np.percentile(control, GUARD_FINDS))
    )
    if others:
        known = np.concatenate([known, _direction(space(others))])
    return CopyGuard(
        known=known,
        threshold=threshold,
        sensitivity=float((control < threshold).mean()),
        n_null=len(chance),
    )


def nearest(
    training: NDArray[np.floating],
    queries: NDArray[np.floating],
    barred: NDArray[np.bool_] | None = None,
) -> tuple[Array, NDArray[np.int64]]:
    """Euclidean distance (m,) of each query's best variant to its nearest training image.

    barred: (m, n), training images that do not count for a query; inf where none is left.
    """
    known = np.asarray(training, np.float64)
    square = (known**2).sum(1)
    distance, index = [], []
    for part in np.array_split(np.arange(len(queries)), -(-len(queries) // _BLOCK)):
        block = np.asarray(queries[part], np.float64)
        flat = block.reshape(-1, block.shape[-1])
        table = square - 2 * flat @ known.T
        if barred is not None:
            table[np.repeat(barred[part], block.shape[1], 0)] = np.inf
        where = table.argmin(1)
        best = table[np.arange(len(flat)), where] + (flat**2).sum(1)
        best, where = best.reshape(block.shape[:2]), where.reshape(block.shape[:2])
        variant = best.argmin(1)[:, None]
        distance.append(np.take_along_axis(best, variant, 1)[:, 0])
        index.append(np.take_along_axis(where, variant, 1)[:, 0])
    return np.sqrt(np.maximum(np.concatenate(distance), 0)), np.concatenate(index)


def variants(images: Images, space: Space) -> NDArray[np.float32]:
    """Features of each image as it is, cropped to 93 %, and both mirrored: (n, 4, d)."""
    whole = space(images)
    mirrored = space([image[:, ::-1] for image in images])
    cropped = space([_cropped(image, 0.93) for image in images])
    both = space([_cropped(image[:, ::-1], 0.93) for image in images])
    return np.stack([whole, mirrored, cropped, both], 1)


def near_copies(images: Images, rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """What a copying generator might make: mirrored or not, cropped, brighter, blurred, noisy."""
    return [_near_copy(image, rng) for image in images]


def _near_copy(image: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float32]:
    changed = _cropped(image, float(rng.uniform(0.94, 1.0)))
    if rng.random() < 0.3:
        changed = changed[:, ::-1]
    changed = rng.uniform(0.93, 1.07) * changed ** rng.uniform(0.9, 1.1)
    smooth = (changed + np.roll(changed, 1, 0) + np.roll(changed, 1, 1)) / 3
    noise = rng.normal(0, 0.02, changed.shape)
    return np.asarray(np.clip(smooth + noise, 0, 1), np.float32)


def _cropped(image: NDArray[np.floating], share: float) -> NDArray[np.floating]:
    height, width = image.shape
    rows, columns = round(height * (1 - share) / 2), round(width * (1 - share) / 2)
    return image[rows : height - rows, columns : width - columns]


def _direction(features: NDArray[np.floating]) -> Array:
    """Features with zero mean and unit length each."""
    centred = features - features.mean(-1, keepdims=True, dtype=np.float64)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-12))


def closest_pairs(check: CopyCheck, count: int) -> Sequence[tuple[int, int, float]]:
    """(generated, training, distance over the threshold) of the most suspicious images."""
    order = np.argsort(check.distance)[:count]
    return [(int(i), int(check.nearest[i]), float(check.distance[i])) for i in order]


def copies_of(
    name: str,
    space: Space,
    training: RealSet,
    held: Mapping[str, RealSet],
    made: Mapping[str, Images],
    seed: int,
    progress: Callable[[str, int], None],
) -> tuple[
    dict[str, Any],
    list[tuple[str, str, NDArray[np.floating], NDArray[np.floating], float]],
]:
    """Nearest training images in one space; every kind has its own null.

    held, made: by kind, real images that nobody trained on and those of the model.
    """
    entries: dict[str, Any] = {"kinds": []}
    closest = []
    rng = np.random.default_rng(seed)
    nearer = total = 0
    for kind, index in kinds_of(training.concepts).items():
        label = kind_name(kind)
        if label not in made:
            continue
        own = training.take(index)
        progress(f"comparing {label} with {len(index)} training images", 0)
        planted = near_copies([own.images[i] for i in rng.permutation(len(index))[:PLANTED]], rng)
        check = check_copies(
            space(own.images),
            variants(held[label].images, space),
            variants(made[label], space),
            variants(planted, space),
        )
        entries["kinds"].append(
            {
                "kind": label,
                "nearer": round(check.nearer, 4),
                "sensitivity": round(check.sensitivity, 4),
                "n": check.n_generated,
                "n_null": check.n_null,
                "n_training": check.n_training,
            }
        )
        nearer += round(check.nearer * check.n_generated)
        total += check.n_generated
        closest += [
            (name, label, made[label][i], own.images[j], distance)
            for i, j, distance in closest_pairs(check, 2)
        ]
    entries["nearer"] = round(nearer / max(total, 1), 4)
    entries["n"] = total
    return entries, closest
