"""Whether "right effusion" lies right: findings drawn on either side, as real boxes judge them.

DATA holds train.csv, its shards and boxes.csv. A linear model of a chest's half minus its mirrored
other half learns the side from images whose boxes all lie on one; it never saw a generated image.
Of slices of CT there are no boxes: there the half that is whiter counts alone.
Prints Markdown for docs/benchmarks.md.  usage: placement.py DATA [PAIRS]
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from radsmith.datasets.corpus import load_corpus, read_manifest
from radsmith.datasets.holdout import bucket
from radsmith.datasets.labels import concepts_of
from radsmith.engines.model_files import load_engine
from radsmith.evaluation.metrics import auroc
from radsmith.files import cache_folder
from radsmith.generation.plan import make, plan
from radsmith.images.letterbox import letterboxed
from radsmith.images.provenance import Request
from radsmith.images.resize import shrink

FINDINGS = (
    *("pleural effusion", "pneumonia", "lung mass", "lung nodule", "atelectasis", "consolidation"),
    "tuberculosis",
)
IN_CT = ("lung nodule", "lung mass")
SIDE, FOLDS, MIDDLE, HALF = 32, 5, 0.03, 0.5


def halves_apart(square: NDArray[np.floating]) -> NDArray[np.float64]:
    """The left half minus the mirrored right one, at 32x32, in spreads of the image."""
    small = shrink(np.asarray(square, np.float32), len(square) // SIDE)
    small = (small - small.mean()) / (small.std() + 1e-3)
    return (small - small[:, ::-1])[:, : SIDE // 2].ravel().astype(np.float64)


def one_sided(data: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Features, whether the boxes lie at the viewer's left, and the fold of the patient."""
    corpus = load_corpus([data], cache_folder(), concepts_of)
    keys = [row["key"] for row in read_manifest(data / "train.csv")]
    boxes = defaultdict(list)
    with (data / "boxes.csv").open(encoding="utf-8") as file:
        for box in csv.DictReader(file):
            if box["label"] != "cardiomegaly":
                boxes[box["key"]].append((float(box["x0"]) + float(box["x1"])) / 2)
    features, left, fold = [], [], []
    for i, key in enumerate(keys):
        middles = np.array(boxes.get(key, []))
        if not len(middles) or not (
            (middles < 0.5 - MIDDLE).all() or (middles > 0.5 + MIDDLE).all()
        ):
            continue
        features.append(halves_apart(corpus.pixels[i] / 255))
        left.append(bool(middles[0] < 0.5))
        fold.append(bucket(f"placement {corpus.patients[i]}", FOLDS))
    return np.array(features), np.array(left), np.array(fold)


def fitted(features: NDArray[np.float64], left: NDArray[np.bool_]) -> LogisticRegression:
    """Without intercept, on each image and its mirror image: no side is preferred."""
    model = LogisticRegression(C=1e-3, max_iter=500, fit_intercept=False)
    return model.fit(np.concatenate([features, -features]), np.concatenate([left, ~left]))


def main() -> None:
    data, pairs = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 12
    features, left, fold = one_sided(data)
    scores = np.zeros(len(left))
    for k in range(FOLDS):
        own = fold == k
        scores[own] = fitted(features[~own], left[~own]).decision_function(features[own])
    print(f"Real, {len(left)} images, other patients: AUROC {auroc(scores, left):.2f}\n")
    print("| finding | AUROC of the side asked | pairs right | difference in the asked half |")
    print("|---|---|---|---|")
    model, engine = fitted(features, left), load_engine()
    film, ct = "chest x-ray, PA view, adult", "chest CT, axial slice"
    for kind, finding in [*((film, f) for f in FINDINGS), *((ct, f) for f in IN_CT)]:
        said, whiter = [], []
        for seed in range(pairs):
            drawn = []
            for side in ("right", "left"):
                text = f"{kind}, {side} {finding}"
                image, _ = make(
                    engine, plan(text, engine.facts), Request(prompt=text, seed=seed), ""
                )
                drawn.append(letterboxed(image.pixels, 256))
            said.append([model.decision_function([halves_apart(d)])[0] for d in drawn])
            change = drawn[0] - drawn[1]
            own = np.clip(change[:, :128], 0, None).sum() + np.clip(-change[:, 128:], 0, None).sum()
            whiter.append(own / max(float(np.abs(change).sum()), 1e-9))
        right, other = np.array(said).T
        of_all = np.concatenate([right, other])
        figure = f"{auroc(of_all, np.arange(2 * pairs) < pairs):.2f}" if kind == film else "-"
        correct = right > other if kind == film else np.array(whiter) > HALF
        name = finding if kind == film else f"{finding}, CT"
        print(f"| {name} | {figure} | {np.mean(correct):.2f} | {np.mean(whiter):.2f} |", flush=True)


if __name__ == "__main__":
    main()
