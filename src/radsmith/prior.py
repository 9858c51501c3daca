"""The closed-form part of the default model: a Gaussian mixture over small images.

An image of side S (pixels in [-1, 1]) is `center + basis @ z + rest`, with z from one of many
Gaussians ("components": one kind of image each, never fewer than a dozen patients' worth) and
`rest` white with variance `rest_variance`. Given a noised image, and any pixels that are known
exactly, the posterior mean is linear algebra: no training, globally coherent.

At high noise a trained denoiser *is* such a Gaussian denoiser (arXiv 2412.09726); the network
learns what remains. This module knows nothing of prompts, files or the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

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
        precision = self._precision(t)
        g = self.group[component]
        along = (1 / (1 / self.variances[g] + precision[:, None])).sum(1)
        others = self.basis.shape[1] - self.variances.shape[1]
        along += others / (1 / self.floor[g] + precision)
        s = np.maximum(t, MIN_T)
        rest = 1 / (1 / self.rest_variance + (1 - t) ** 2 / s**2)
        pixels = len(self.center)
        total = along + (pixels - self.basis.shape[1]) * rest
        return np.sqrt(total / pixels).astype(np.float32)

    def denoise(
        self, x_t: Array, t: Array, component: NDArray[np.int64], known: Array, mask: Array
    ) -> Array:
        """Posterior mean of x_0 given x_t and the known pixels.

        x_t, known, mask: (batch, S*S); mask is 1 where unknown.  t: (batch,) in [0, 1].
        Known pixels are returned as they are; with any of them, one dense system per image is
        solved in double precision. The rest counts as white noise inside the basis too, which
        guards against the basis' own error at low noise.
        """
        scale, noise = 1 - t[:, None], np.maximum(t, MIN_T)[:, None]
        spread = noise**2 + scale**2 * self.rest_variance
        exact = 1 / (2 * self.rest_variance)
        weight = mask * (scale**2 / spread) + (1 - mask) * exact
        pull = mask * (scale / spread) * (x_t - scale * self.center)
        pull += (1 - mask) * exact * (known - self.center)
        mean = self.means[component]
        start = pull - weight * (mean @ self.basis.T)
        shift = self._solve(start @ self.basis, weight, self._precision(t), component)
        smooth = (mean + shift) @ self.basis.T
        residual = x_t - scale * (self.center + smooth)
        rest = scale * self.rest_variance / (scale**2 * self.rest_variance + noise**2)
        estimate = self.center + smooth + rest * (residual - (residual @ self.basis) @ self.basis.T)
        return np.where(mask > 0, estimate, known).astype(np.float32)

    def log_likelihood(self, pixels: Array) -> Array:
        """Log density of clean images under every component: (batch, components)."""
        z = (pixels - self.center) @ self.basis
        scores = np.empty((len(z), len(self.means)), np.float32)
        for k, mean in enumerate(self.means):
            g = self.group[k]
            delta = z - mean
            along = delta @ self.axes[g]
            others = (delta**2).sum(1) - (along**2).sum(1)
            quad = (along**2 / self.variances[g]).sum(1) + others / self.floor[g]
            free = self.basis.shape[1] - self.variances.shape[1]
            volume = np.log(self.variances[g]).sum() + free * np.log(self.floor[g])
            scores[:, k] = -0.5 * (quad + volume)
        return scores

    def _precision(self, t: Array) -> Array:
        scale, noise = 1 - t, np.maximum(t, MIN_T)
        return scale**2 / (noise**2 + scale**2 * self.rest_variance)

    def _solve(
        self, right: Array, weight: Array, precision: Array, component: NDArray[np.int64]
    ) -> Array:
        """Solve (Sigma^-1 + basis' diag(weight) basis) z = right for each row."""
        g = self.group[component]
        variances, floor = self.variances[g], self.floor[g][:, None]
        p = precision[:, None]
        along, others = 1 / (1 / variances + p), 1 / (1 / floor + p)
        axes = self.axes[g]
        inside = np.einsum("bkr,bk->br", axes, right, optimize=True)
        z = others * right + np.einsum("bkr,br->bk", axes, (along - others) * inside)
        for i in np.flatnonzero(np.ptp(weight, axis=1) > 0):
            z[i] = np.linalg.solve(self._system(weight[i], g[i]), right[i].astype(np.float64))
        return z

    def _system(self, weight: Array, group: int) -> NDArray[np.float64]:
        """Sigma^-1 + basis' diag(weight) basis in double precision; weight has two values.

        The columns of the basis are orthonormal, so the rarer value's pixels tell both parts.
        """
        low, high = float(weight.min()), float(weight.max())
        usual, rare = (low, high) if (weight == low).sum() * 2 >= len(weight) else (high, low)
        part = self.basis[weight == np.float32(rare)]
        overlap = (part.T @ part).astype(np.float64)
        axes = self.axes[group].astype(np.float64)
        inverse = 1 / self.floor[group].astype(np.float64)
        system = (axes * (1 / self.variances[group] - inverse)) @ axes.T
        system += (rare - usual) * overlap
        system[np.diag_indices_from(system)] += inverse + usual
        return np.asarray(system)
