"""How well known pixels fit each component of the prior: their log density.

Knows nothing of words; `components` adds those.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.default.prior import Prior
from radsmith.images.image import Array

COORDINATES = 192
"""How many of the basis' coordinates are compared, the largest first."""
LEFT_OUT = 0.04
"""Variance of a pixel by the coordinates that are not."""


def log_evidence(
    prior: Prior,
    known: Array,
    mask: Array,
    components: NDArray[np.int64],
    coordinates: int = COORDINATES,
) -> NDArray[np.float64]:
    """Log density of known pixels under some components, up to a constant: one for each.

    known, mask: (S*S,); mask is 1 where unknown.  With all coordinates it is exact; with fewer the
    rest counts as white noise.

    The pixels' covariance is 1/c + f B B' + B A D A' B', of the group's floor f and its axes A with
    variances D more. One eigendecomposition of B' B serves all groups (Woodbury, twice).
    """
    seen = mask == 0
    basis = prior.basis[:, :coordinates]
    rest = 2 * prior.rest_variance + (LEFT_OUT if coordinates < prior.basis.shape[1] else 0)
    c, first = 1 / rest, prior.means[components[0], :coordinates]
    off = np.where(seen, known - prior.center - basis @ first, 0).astype(np.float32)
    gram = _gram(basis, seen)
    values, vectors = np.linalg.eigh(gram)
    values = np.maximum(values, 0).astype(np.float64)
    right, square = (off @ basis).astype(np.float64), float((off.astype(np.float64) ** 2).sum())
    scores = np.empty(len(components))
    for group in np.unique(prior.group[components]):
        own = np.flatnonzero(prior.group[components] == group)
        means = (prior.means[components[own], :coordinates] - first).T.astype(np.float64)
        pulled = right[:, None] - gram @ means
        error = square - ((right[:, None] + pulled) * means).sum(0)
        floor = float(prior.floor[group])
        damped = c / (1 + c * floor * values)
        axes = vectors.T @ prior.axes[group, :coordinates]
        more = np.sqrt(np.maximum(prior.variances[group] - floor, 0))
        system = axes.T @ ((damped * values).astype(np.float32)[:, None] * axes)
        system = np.eye(len(more)) + more[:, None] * system.astype(np.float64) * more
        root = np.linalg.cholesky(system)
        turned = vectors.T @ pulled
        inner = np.linalg.solve(root, more[:, None] * (axes.T @ (damped[:, None] * turned)))
        quad = c * error - c * floor * (damped[:, None] * turned**2).sum(0) - (inner**2).sum(0)
        volume = np.log1p(c * floor * values).sum() + 2 * np.log(np.diag(root)).sum()
        scores[own] = -0.5 * (quad + volume)
    return scores


def _gram(basis: Array, seen: NDArray[np.bool_]) -> Array:
    """basis' basis over the seen rows; its columns are orthonormal over all of them."""
    if 2 * seen.sum() < len(seen):
        return np.asarray(basis[seen].T @ basis[seen])
    part = basis[~seen]
    return np.asarray(np.eye(basis.shape[1], dtype=np.float32) - part.T @ part)
