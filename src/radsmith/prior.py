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
        weight = mask * (scale**2 / spread) + (1 - mask) * self._exact
        pull = mask * (scale / spread) * (x_t - scale * self.center)
        pull += (1 - mask) * self._exact * (known - self.center)
        mean = self.means[component]
        start = pull - weight * (mean @ self.basis.T)
        shift = self._solve(start @ self.basis, weight, self._precision(t), component)
        smooth = (mean + shift) @ self.basis.T
        residual = x_t - scale * (self.center + smooth)
        rest = scale * self.rest_variance / (scale**2 * self.rest_variance + noise**2)
        estimate = self.center + smooth + rest * (residual - (residual @ self.basis) @ self.basis.T)
        return np.where(mask > 0, estimate, known).astype(np.float32)

    def _precision(self, t: Array) -> Array:
        scale, noise = 1 - t, np.maximum(t, MIN_T)
        return scale**2 / (noise**2 + scale**2 * self.rest_variance)

    def draw_given(
        self, component: int, known: Array, mask: Array, rng: np.random.Generator
    ) -> Array:
        """A draw from one component given the known pixels: (1, S*S).

        known, mask: (1, S*S); mask is 1 where unknown. Known pixels are returned as they are; the
        model holds them to be right within its own rest variance, and follows them only as far
        as the component's own images lie from its mean.
        """
        weight = (1 - mask[0]) * self._exact
        gram, mean = self._gram(weight), self.means[component].astype(np.float64)
        inverse = self._inverse(int(self.group[component]))
        system = inverse + gram
        pull = (weight * (known[0] - self.center)) @ self.basis - gram @ mean
        noise = rng.standard_normal(len(mean))
        z = mean + _plausible(np.linalg.solve(system, pull), inverse)
        z += np.linalg.solve(np.linalg.cholesky(system).T, noise)
        rest = rng.standard_normal(len(self.center), np.float32)
        rest -= self.basis @ (self.basis.T @ rest)
        image = self.center + self.basis @ z.astype(np.float32) + self.rest_variance**0.5 * rest
        return np.where(mask > 0, image[None], known).astype(np.float32)

    def log_evidence(
        self, known: Array, mask: Array, components: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Log density of one image's known pixels under some components, up to a constant.

        known, mask: (1, S*S), as in `denoise`; all zeros where nothing is known.
        """
        weight = (1 - mask[0]).astype(np.float64) * self._exact
        data = known[0].astype(np.float64) - self.center
        gram, right = self._gram(weight), (weight * data) @ self.basis
        scores = np.empty(len(components))
        for g in np.unique(self.group[components]):
            own = np.flatnonzero(self.group[components] == g)
            means = self.means[components[own]].astype(np.float64)
            system = self._inverse(int(g)) + gram
            pull = right - means @ gram
            quad = (weight * data**2).sum() - 2 * means @ right + ((means @ gram) * means).sum(1)
            root = np.linalg.cholesky(system)
            quad -= (np.linalg.solve(root, pull.T) ** 2).sum(0)
            volume = 2 * np.log(np.diag(root)).sum() + self._log_volume(int(g))
            scores[own] = -0.5 * (quad + volume)
        return scores

    @property
    def _exact(self) -> float:
        """Weight of a pixel that is known exactly."""
        return 1 / (2 * self.rest_variance)

    def _log_volume(self, group: int) -> float:
        free = self.basis.shape[1] - self.variances.shape[1]
        own = np.log(self.variances[group].astype(np.float64)).sum()
        return float(own + free * np.log(float(self.floor[group])))

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
            inverse = self._inverse(int(g[i]))
            system = inverse + self._gram(weight[i])
            z[i] = _plausible(np.linalg.solve(system, right[i].astype(np.float64)), inverse)
        return z

    def _gram(self, weight: NDArray[np.floating]) -> NDArray[np.float64]:
        """basis' diag(weight) basis in double precision; weight (S*S,) has at most two values.

        The columns of the basis are orthonormal, so the rarer value's pixels tell both parts.
        """
        low, high = float(weight.min()), float(weight.max())
        usual, rare = (low, high) if (weight == low).sum() * 2 >= len(weight) else (high, low)
        part = self.basis[weight == np.asarray(rare, weight.dtype)]
        gram = (rare - usual) * (part.T @ part).astype(np.float64)
        gram[np.diag_indices_from(gram)] += usual
        return np.asarray(gram)

    def _inverse(self, group: int) -> NDArray[np.float64]:
        """Inverse covariance of a group in double precision."""
        axes = self.axes[group].astype(np.float64)
        inverse = 1 / self.floor[group].astype(np.float64)
        matrix = (axes * (1 / self.variances[group] - inverse)) @ axes.T
        matrix[np.diag_indices_from(matrix)] += inverse
        return np.asarray(matrix)


def _plausible(shift: NDArray[np.float64], inverse: NDArray[np.float64]) -> NDArray[np.float64]:
    """A shift from a component's mean, at most as far as its images lie from it.

    Known pixels of another kind of image would push the rest to extremes. The squared distance of
    images is as large as there are coordinates, give or take.
    """
    squared = float(shift @ inverse @ shift)
    return shift * min(1.0, (2 * len(shift) / max(squared, 1e-12)) ** 0.5)
