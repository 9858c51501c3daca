"""All arms of one task, on frozen features and, where given, by a small network of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.evaluation.audit.planted import cropped, flipped, relit, rotated
from radsmith.evaluation.audit.sets import ImageSet, Item
from radsmith.evaluation.features import Images, Space
from radsmith.evaluation.utility import scores
from radsmith.evaluation.utility.arms import REAL, Learner, arm_names, composed, on_features
from radsmith.evaluation.utility.heads import Reduced
from radsmith.evaluation.utility.tasks import Labels, UtilityTask
from radsmith.language.vocabulary import default_vocabulary

Array = NDArray[np.float64]
Tell = Callable[[str], None]
SIZES = (50, 100, 200, 400, 800)
"""Numbers of real training images of the learning curve, besides all there are."""
NetworkMaker = Callable[[Images, Labels, Images], Learner]
"""(images to train on, their labels, test images) -> how a network learns from them."""


@dataclass(frozen=True, kw_only=True)
class UtilityOptions:
    """most: real training images at most.  seeds: repetitions, 3 or more.  network_at: number of
    real images for the networks, which cost minutes an arm."""

    most: int = 800
    seeds: int = 3
    network_at: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seeds < 3:
            raise InvalidInput(f"at least 3 seeds are needed to see the spread, got {self.seeds}")


@dataclass(frozen=True, kw_only=True)
class UtilitySets:
    """Real images to train on and to test on, and synthetic ones, patients apart."""

    train: ImageSet
    test: ImageSet
    synthetic: ImageSet


def run_task(
    task: UtilityTask,
    sets: UtilitySets,
    spaces: Mapping[str, Space],
    options: UtilityOptions,
    network: NetworkMaker | None = None,
    tell: Tell = lambda text: None,
) -> dict[str, Any]:
    """Figures of every arm, number of real images and backbone, for JSON."""
    real, test, made = (_of_task(task, s, options) for s in (sets.train, sets.test, sets.synthetic))
    if not len(made):
        raise InvalidInput(f"no synthetic image is labelled for “{task.name}”")
    changed = _changed(real, options.seed)
    labels = [task.labels(s.items) for s in (real, made, real)]
    positive = task.labels(test.items) == 1
    tell(f"{task.name}: features")
    learners: dict[str, Learner] = {}
    for name, space in spaces.items():
        reduced = Reduced.of(space(real))
        pool = np.concatenate([reduced.apply(space(s)) for s in (real, made, changed)])
        learners[name] = on_features(pool, np.concatenate(labels), reduced.apply(space(test)))
    sizes = [n for n in SIZES if n < len(real)] + [len(real)]
    report: dict[str, Any] = {
        "task": task.name,
        "findings": [default_vocabulary()[c].name for c in task.findings],
        "n": {"real": len(real), "synthetic": len(made), "test": len(test)},
        "positive": {
            "real": np.nansum(labels[0] == 1, 0).tolist(),
            "synthetic": np.nansum(labels[1] == 1, 0).tolist(),
            "test": positive.sum(0).tolist(),
        },
        "curves": [],
    }
    counts = len(real), len(made)
    for name, learner in learners.items():
        tell(f"{task.name}: {name}")
        for size in sizes:
            arms = _arms(learner, counts, size, options)
            report["curves"].append(_scored(name, size, arms, positive, test, task, options))
    if network is not None:
        tell(f"{task.name}: small network")
        size = min(options.network_at, len(real))
        images: Images = [*real, *made, *changed]
        arms = _arms(network(images, np.concatenate(labels), test), counts, size, options)
        report["curves"].append(_scored("small network", size, arms, positive, test, task, options))
    return report


def _of_task(task: UtilityTask, images: ImageSet, options: UtilityOptions) -> ImageSet:
    """The labelled images of a task, `most` of a mixture by fixed chance."""
    labels = task.labels(images.items)
    known = np.flatnonzero(~np.isnan(labels).any(1))
    order = np.random.default_rng([options.seed, 29]).permutation(known)[: options.most]
    return images.take(np.sort(order).tolist())


def _changed(images: ImageSet, seed: int) -> list[NDArray[np.float32]]:
    """Each image once more: mirrored or not, turned, cropped, relit."""
    rng = np.random.default_rng([seed, 31])
    found = []
    for image in images:
        one = np.asarray(image, np.float32)
        one = flipped(one, rng) if rng.random() < 0.5 else one
        for change in (rotated, cropped, relit):
            one = change(one, rng)
        found.append(one)
    return found


def _arms(
    learner: Learner, counts: tuple[int, int], size: int, options: UtilityOptions
) -> dict[str, list[Array]]:
    """Probabilities of the test images by arm, one a seed; counts: real and synthetic images."""
    real, made = counts
    found: dict[str, list[Array]] = {}
    for seed in range(options.seeds):
        rng = np.random.default_rng([options.seed, 37, seed])
        some = np.sort(rng.permutation(real)[:size])
        synthetic = real + np.arange(made)
        for arm in arm_names(made):
            training = composed(arm, some, synthetic, real + made + some, rng)
            found.setdefault(arm, []).append(learner(training, seed))
    return found


def _scored(
    backbone: str,
    size: int,
    arms: Mapping[str, Sequence[Array]],
    positive: NDArray[np.bool_],
    test: ImageSet,
    task: UtilityTask,
    options: UtilityOptions,
) -> dict[str, Any]:
    """Scores of each finding and arm, and each arm's difference to real images alone."""
    rows = []
    patients = [item.patient for item in test.items]
    for column, concept in enumerate(task.findings):
        true = positive[:, column]
        draws = scores.patient_draws(patients, true, scores.DRAWS, options.seed)
        drawn = {
            arm: scores.auroc_draws([p[:, column] for p in every], true, draws)
            for arm, every in arms.items()
        }
        for arm, every in arms.items():
            each = [scores.figures(p[:, column], true) for p in every]
            mean = np.mean([p[:, column] for p in every], 0)
            groups = scores.by_group(mean, true, _groups(test.items))
            gain = None if arm == REAL else scores.with_interval(drawn[arm] - drawn[REAL])
            rows.append(
                {
                    "finding": default_vocabulary()[concept].name,
                    "arm": arm,
                    **{k: round(float(np.mean([e[k] for e in each])), 4) for k in each[0]},
                    "auroc_seeds": [round(e["auroc"], 4) for e in each],
                    "auroc_interval": scores.with_interval(drawn[arm]),
                    "gain": gain,
                    "recall_by_severity": _severities(mean, true, test.items),
                    "groups": groups,
                    "gaps": scores.gaps(groups),
                }
            )
    return {"backbone": backbone, "real_images": size, "rows": rows}


def _groups(items: Sequence[Item]) -> dict[str, list[str]]:
    found = {n: [i.facts.get(n, "") for i in items] for n in ("sex", "age_group", "view")}
    return found | {"source": [i.source for i in items]}


def _severities(
    chance: Array, true: NDArray[np.bool_], items: Sequence[Item]
) -> dict[str, dict[str, float]]:
    """Share found, at a probability of one half, of each severity of the finding."""
    found: dict[str, list[bool]] = {}
    for hit, there, item in zip(chance >= 0.5, true, items, strict=True):
        for concept in item.concepts:
            if there and concept.startswith("severity:"):
                found.setdefault(concept.partition(":")[2], []).append(bool(hit))
    return {s: {"n": len(h), "recall": round(float(np.mean(h)), 4)} for s, h in found.items()}
