"""Fit the closed-form prior: principal components, then clusters within each kind of image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from radsmith.datasets.corpus import Corpus
from radsmith.engines.default.prior import Prior
from radsmith.errors import InvalidInput

IMAGES_PER_COMPONENT = 80
FEWEST_IMAGES = 12
FEWEST_OF_FINDING = 40
SHRINKAGE = 60
CLUSTER_COORDINATES = 64
WHOLE_KIND = ("modality:", "body_part:", "view:", "style:")
SHOWN = (
    (*WHOLE_KIND, "technique:", "finding:", "severity:", "side:"),
    (*WHOLE_KIND, "technique:", "finding:"),
    (*WHOLE_KIND, "finding:"),
)
"""What images of a component share, finest first, where FEWEST_OF_FINDING of them do: else a
component is of healthy and ill, left and right, and what was asked for is not drawn."""
BY_FINDING = SHOWN[1:2]
"""The same of a few images that are added."""


@dataclass(frozen=True, kw_only=True)
class PriorSize:
    """basis: coordinates kept.  rank: free directions of a covariance."""

    basis: int = 384
    rank: int = 128


def shrink(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Average blocks of 256x256 uint8 images to (n, side*side) in [-1, 1]."""
    n, block = len(pixels), pixels.shape[1] // side
    small = np.empty((n, side * side), np.float32)
    for start in range(0, n, 512):
        part = pixels[start : start + 512].astype(np.float32)
        part = part.reshape(len(part), side, block, side, block).mean((2, 4))
        small[start : start + 512] = part.reshape(len(part), -1) / 127.5 - 1
    return small


def fit_prior(
    corpus: Corpus, weight: NDArray[np.float64], side: int, size: PriorSize, seed: int
) -> tuple[Prior, NDArray[np.int64]]:
    """Fit on all images that are not held out; also the component of every image: (n,)."""
    images = shrink(corpus.pixels, side)
    train = np.flatnonzero(~corpus.held_out)
    size = PriorSize(
        basis=min(size.basis, len(train) - 1, side * side // 2),
        rank=min(size.rank, len(train) // 2),
    )
    share = weight[train] * len(train)
    center = (images[train] * share[:, None]).mean(0).astype(np.float32)
    torch.manual_seed(seed)
    scaled = torch.from_numpy((images[train] - center) * np.sqrt(share)[:, None].astype(np.float32))
    _, _, basis = torch.svd_lowrank(scaled, q=size.basis, niter=3)
    axes = np.ascontiguousarray(basis.numpy())
    z = (images - center) @ axes
    left = ((images[train] - center) ** 2).sum(1) - (z[train] ** 2).sum(1)
    rest = float((left * share).mean() / (side * side - size.basis))
    labels, kinds = _clusters(corpus, z, seed, SHOWN)
    wholes = [kind_of_image(kind) for kind in kinds]
    means, group, covariances = _moments(z, labels, wholes, train)
    axes_g, variances, floor = _low_rank(covariances, size.rank)
    prior = Prior(
        center=center,
        basis=axes,
        means=means,
        group=group,
        axes=axes_g,
        variances=variances,
        floor=floor,
        rest_variance=max(rest, 1e-5),
    )
    return prior, labels


def extend_prior(
    prior: Prior,
    component: NDArray[np.int64],
    corpus: Corpus,
    seed: int,
    parent: NDArray[np.float64] | None = None,
) -> tuple[Prior, NDArray[np.int64]]:
    """Components for the images that follow those of `component`; the old ones stay as they are.

    The basis is kept too, so a network trained with the old prior goes on without a jolt.
    parent: (K, K) covariance that few images lean on, such as `mean_covariance` of the old ones;
    with it, findings and techniques with enough images get components of their own.
    """
    fresh = corpus.after(len(component))
    z = np.asarray((shrink(fresh.pixels, prior.side) - prior.center) @ prior.basis, np.float32)
    labels, kinds = _clusters(fresh, z, seed, BY_FINDING if parent is not None else ())
    train = np.flatnonzero(~fresh.held_out)
    means, group, covariances = _moments(z, labels, kinds, train, parent)
    axes, variances, floor = _low_rank(covariances, prior.axes.shape[2])
    longer = replace(
        prior,
        means=np.concatenate([prior.means, means]),
        group=np.concatenate([prior.group, group + len(prior.axes)]),
        axes=np.concatenate([prior.axes, axes]),
        variances=np.concatenate([prior.variances, variances]),
        floor=np.concatenate([prior.floor, floor]),
    )
    return longer, np.concatenate([component, labels + len(prior.means)])


def mean_covariance(prior: Prior) -> NDArray[np.float64]:
    """The covariance within a component, averaged over the components: (K, K)."""
    total = np.zeros((prior.basis.shape[1],) * 2)
    for g, count in enumerate(np.bincount(prior.group, minlength=len(prior.axes))):
        axes, floor = prior.axes[g].astype(np.float64), float(prior.floor[g])
        total += count * ((axes * (prior.variances[g] - floor)) @ axes.T)
        total[np.diag_indices_from(total)] += count * floor
    return np.asarray(total / len(prior.group))


def kind_of_image(concepts: Sequence[str], levels: tuple[str, ...] = WHOLE_KIND) -> tuple[str, ...]:
    """The concepts of an image that make its kind: those that begin as one of the levels."""
    return tuple(sorted(c for c in concepts if c.startswith(levels)))


def _clusters(
    corpus: Corpus, z: NDArray[np.float32], seed: int, finer: Sequence[tuple[str, ...]]
) -> tuple[NDArray[np.int64], list[tuple[str, ...]]]:
    """Component per image and the kind of each component: k-means within each kind.

    finer: levels before WHOLE_KIND, finest first, each for FEWEST_OF_FINDING images.
    """
    levels = [*finer, WHOLE_KIND, WHOLE_KIND[:2], WHOLE_KIND[:1]]
    least = (*[FEWEST_OF_FINDING] * len(finer), SHRINKAGE, FEWEST_IMAGES, FEWEST_IMAGES)
    train = ~corpus.held_out
    labels = np.full(len(corpus), -1, np.int64)
    kinds: list[tuple[str, ...]] = []
    for level, fewest in zip(levels, least, strict=True):
        members: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for i in np.flatnonzero(labels < 0).tolist():
            members[kind_of_image(corpus.concepts[i], level)].append(i)
        for kind, listed in sorted(members.items()):
            inside = np.array(listed)
            fitted = inside[train[inside]]
            if len(fitted) < fewest:
                continue
            k = max(1, round(len(fitted) / IMAGES_PER_COMPONENT))
            model = KMeans(k, n_init=2, random_state=seed).fit(z[fitted, :CLUSTER_COORDINATES])
            found = model.predict(z[inside, :CLUSTER_COORDINATES])
            found = _merge_small(found, train[inside])
            labels[inside] = found + len(kinds)
            kinds += [kind] * (found.max() + 1)
    _join_nearest(corpus, z, labels, kinds)
    return labels, kinds


def _join_nearest(
    corpus: Corpus, z: NDArray[np.float32], labels: NDArray[np.int64], kinds: list[tuple[str, ...]]
) -> None:
    """Images of no kind that is large enough join the nearest component of their body part, else of
    their modality; where there is none, all of that modality are one more, however few."""
    train = ~corpus.held_out
    means: dict[int, NDArray[np.float32]] = {}
    for i in np.flatnonzero(labels < 0).tolist():
        for level in (WHOLE_KIND[:2], WHOLE_KIND[:1]):
            own = set(kind_of_image(corpus.concepts[i], level))
            near = [k for k, kind in enumerate(kinds) if own <= set(kind)]
            if near:
                break
        else:
            kind = kind_of_image(corpus.concepts[i], WHOLE_KIND[:1])
            if not any(
                labels[j] < 0 and train[j] and kind_of_image(ids, WHOLE_KIND[:1]) == kind
                for j, ids in enumerate(corpus.concepts)
            ):
                raise InvalidInput(
                    "some kind of image is held out whole: it needs images of more patients"
                )
            near = [len(kinds)]
            kinds.append(kind)
        for k in near:
            if k not in means:
                inside = labels == k
                means[k] = z[inside & train].mean(0) if inside.any() else z[i]
        labels[i] = near[int(np.argmin([((means[k] - z[i]) ** 2).sum() for k in near]))]
        del means[int(labels[i])]


def _merge_small(found: NDArray[np.int64], train: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Put clusters of too few training images into the largest one, so none is a patient."""
    sizes = np.bincount(found[train], minlength=found.max() + 1)
    merged = np.where(sizes[found] < FEWEST_IMAGES, int(sizes.argmax()), found)
    return np.unique(merged, return_inverse=True)[1].astype(np.int64)


def _moments(
    z: NDArray[np.float32],
    labels: NDArray[np.int64],
    kinds: list[tuple[str, ...]],
    train: NDArray[np.int64],
    parent: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64], list[NDArray[np.float64]]]:
    """Means per component; within-cluster covariance per kind, shrunk to the pooled one.

    The pooled one of n images in K dimensions is shrunk to `parent` by n / (n + K).
    """
    fitted = labels[train]
    if set(fitted.tolist()) != set(range(len(kinds))):
        raise InvalidInput("some kind of image is held out whole: it needs images of more patients")
    means = np.stack([z[train[fitted == k]].mean(0) for k in range(len(kinds))])
    deviation = z[train] - means[fitted]
    pooled = (deviation.T @ deviation / len(train)).astype(np.float64)
    if parent is not None:
        share = len(train) / (len(train) + len(pooled))
        pooled = share * pooled + (1 - share) * parent
    names = sorted(set(kinds))
    group = np.array([names.index(kind) for kind in kinds])
    covariances = []
    for g in range(len(names)):
        own = deviation[group[fitted] == g]
        share = len(own) / (len(own) + SHRINKAGE)
        covariances.append(share * (own.T @ own / max(len(own), 1)) + (1 - share) * pooled)
    return means.astype(np.float32), group, covariances


def _low_rank(
    covariances: list[NDArray[np.float64]], rank: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    axes, variances, floors = [], [], []
    for covariance in covariances:
        values, vectors = np.linalg.eigh(covariance)
        rest = values[:-rank] if rank < len(values) else values[:1]
        floors.append(max(float(rest.mean()), 1e-6))
        variances.append(np.maximum(values[-rank:], floors[-1]))
        axes.append(vectors[:, -rank:])
    stack = [np.stack(a).astype(np.float32) for a in (axes, variances)]
    return stack[0], stack[1], np.array(floors, np.float32)
