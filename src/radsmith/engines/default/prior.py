"""The closed-form part of the default model: a Gaussian mixture over small images.

An image of side S (pixels in [-1, 1]) is `center + basis @ z + rest`, with z from one of many
Gaussians ("components": one kind of image each, never fewer than a dozen patients' worth) and
`rest` white with variance `rest_variance`. Given a noised image, and any pixels that are known
exactly, the posterior mean is linear algebra (`conditional`): no training, globally coherent.

At high noise a trained denoiser *is* such a Gaussian denoiser (arXiv 2412.09726); the network
learns what remains. This module knows nothing of prompts, files or the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from radsmith.images.image import Array

MIN_T = 0.01


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Mixture in a shared basis of K coordinates.

    center: (S*S,).  basis: (S*S, K), orthonormal columns.
    means: (components, K).  group: (components,) index of the covariance each one uses.
    axes: (groups, K, R) orthonormal columns.  variances: (groups, R) along the axes.
    floor: (groups,) variance along all other directions of the basis.
    rest_variance: variance per pixel outside the basis.
    """

    center: Array
    basis: Array
    means: Array
    group: NDArray[np.int64]
    axes: Array
    variances: Array
    floor: Array
    rest_variance: float

    @property
    def side(self) -> int:
        """Image side in pixels."""
        return round(len(self.center) ** 0.5)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything as arrays for storage; the large ones in half precision."""
        half = ("basis", "means", "axes")
        stored: dict[str, NDArray[np.generic]] = {
            name: getattr(self, name).astype(np.float16) for name in half
        }
        for name in ("center", "variances", "floor"):
            stored[name] = getattr(self, name)
        stored["group"] = self.group.astype(np.int32)
        stored["rest_variance"] = np.array([self.rest_variance], np.float32)
        return stored

    @classmethod
    def from_arrays(cls, stored: Mapping[str, NDArray[np.generic]]) -> Prior:
        """Inverse of `arrays`."""
        wide = {
            name: np.ascontiguousarray(stored[name], np.float32)
            for name in ("center", "basis", "means", "axes", "variances", "floor")
        }
        return cls(
            **wide,
            group=np.asarray(stored["group"], np.int64),
            rest_variance=float(stored["rest_variance"][0]),
        )

    def mended(self) -> Prior:
        """With columns as orthonormal as single precision can hold, after storage in half.

        That left errors of 7e-4, which made precisions of large variances negative.
        """
        return replace(self, basis=_orthonormal(self.basis), axes=_orthonormal(self.axes))

    def draw(self, component: int, rng: np.random.Generator) -> Array:
        """An exact draw from one component: (1, S*S)."""
        g = self.group[component]
        latent = rng.standard_normal(self.basis.shape[1], np.float32)
        along = rng.standard_normal(self.variances.shape[1], np.float32)
        axes = self.axes[g]
        z = np.sqrt(self.floor[g]) * (latent - axes @ (axes.T @ latent))
        z += axes @ (np.sqrt(self.variances[g]) * along) + self.means[component]
        rest = rng.standard_normal(len(self.center), np.float32)
        rest -= self.basis @ (self.basis.T @ rest)
        return (self.center + self.basis @ z + self.rest_variance**0.5 * rest)[None]

    def error(self, t: Array, component: NDArray[np.int64]) -> Array:
        """Root-mean-square error per pixel of the posterior mean, nothing known: (batch,)."""
        scale, noise = 1 - t, np.maximum(t, MIN_T)
        precision = scale**2 / (noise**2 + scale**2 * self.rest_variance)
        g = self.group[component]
        along = (1 / (1 / self.variances[g] + precision[:, None])).sum(1)
        others = self.basis.shape[1] - self.variances.shape[1]
        along += others / (1 / self.floor[g] + precision)
        rest = 1 / (1 / self.rest_variance + scale**2 / noise**2)
        pixels = len(self.center)
        total = along + (pixels - self.basis.shape[1]) * rest
        return np.sqrt(total / pixels).astype(np.float32)

    def precision(self, group: int) -> NDArray[np.float64]:
        """Inverse of a group's covariance: (K, K); made once."""
        if group not in self._precisions:
            axes, others = self.axes[group].astype(np.float64), 1 / float(self.floor[group])
            matrix = (axes * (1 / self.variances[group].astype(np.float64) - others)) @ axes.T
            matrix[np.diag_indices_from(matrix)] += others
            self._precisions[group] = matrix
        return self._precisions[group]

    @cached_property
    def _precisions(self) -> dict[int, NDArray[np.float64]]:
        return {}

    def log_volume(self, group: int) -> float:
        """Log determinant of a group's covariance."""
        free = self.basis.shape[1] - self.variances.shape[1]
        own = np.log(self.variances[group].astype(np.float64)).sum()
        return float(own + free * np.log(float(self.floor[group])))


def _orthonormal(columns: Array) -> Array:
    """The nearest orthonormal columns, of (..., n, k) that are nearly so: one Newton step."""
    gram = np.swapaxes(columns, -1, -2) @ columns
    step = np.float32(1.5) * np.eye(columns.shape[-1], dtype=np.float32) - np.float32(0.5) * gram
    return np.asarray(columns @ step, np.float32)
