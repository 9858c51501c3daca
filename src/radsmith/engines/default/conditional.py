"""The prior beside known pixels: posterior means and draws, each solved exactly.

With z ~ N(m, Sigma), some pixels known within variance 1/c and the others seen through noise of
weight a, all follow from S = Sigma^-1 + c K'K + a U'U, where K and U are the basis' rows of known
and of unknown pixels. K'K + U'U = 1, so the fewer of the rows tell both. Where these are few the
system is as small as they are (Woodbury), since Sigma^-1 + w has a closed form; else it is dense.
All in double precision: an unconverged solution once put values of 24 into an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.default.prior import MIN_T, Prior
from radsmith.images.image import Array

Matrix = NDArray[np.float64]
FEW = 0.7
"""Rows are few below this share of the coordinates."""


class Conditional:
    """The prior of one image of which some pixels are known.

    known, mask: (S*S,); mask is 1 where unknown.
    """

    def __init__(self, prior: Prior, known: Array, mask: Array) -> None:
        self.known, self.mask = known, mask
        self._prior = prior
        self._unknown = mask > 0
        self._exact = 1 / (2 * prior.rest_variance)
        self._unknown_fewer = bool(2 * self._unknown.sum() < len(mask))
        self._fewer = prior.basis[self._unknown == self._unknown_fewer]
        self._few = len(self._fewer) < FEW * prior.basis.shape[1]
        self._groups: dict[int, _Group] = {}
        self._begun: dict[int, tuple[Array, Array]] = {}

    def denoise(self, x_t: Array, t: float, component: int) -> Array:
        """Posterior mean of x_0 given x_t at time t and the known pixels, as they are: (S*S,).

        What the basis leaves out counts as white noise inside it too, which guards against the
        basis' own error at low noise.
        """
        prior = self._prior
        level, pull = self._start(component)
        scale, noise = np.float32(1 - t), np.float32(max(t, MIN_T))
        gain = scale / (noise**2 + scale**2 * np.float32(prior.rest_variance))
        off = x_t - scale * level
        seen, every = np.stack([np.where(self._unknown, off, 0), off]) @ prior.basis
        shift = self.solve(int(prior.group[component]), float(scale * gain), gain * seen + pull)
        shift = self._plausible(shift, component)
        rest = gain * np.float32(prior.rest_variance)
        inside = (shift - rest * every).astype(np.float32)
        estimate = level + rest * off + prior.basis @ inside
        return np.where(self._unknown, estimate, self.known).astype(np.float32)

    def draw(self, component: int, rng: np.random.Generator) -> Array:
        """A draw from one component given the known pixels: (S*S,).

        Known pixels are returned as they are; the model holds them to be right within its own
        rest variance, and follows them only as far as the component's own images lie from its
        mean.
        """
        prior = self._prior
        level, pull = self._start(component)
        group = self._own(int(prior.group[component]))
        own = group.root(rng.standard_normal(len(group.axes)))
        noise = rng.standard_normal((2, len(level)), np.float32)
        noise[0, self._unknown] = 0
        seen, rest = noise @ prior.basis
        right = np.stack([pull, own + self._exact**0.5 * seen], 1)  # of mean, and of S's spread
        shift, spread = self.solve(int(prior.group[component]), 0.0, right).T
        shift = self._plausible(shift, component)
        outside = np.float32(prior.rest_variance**0.5)
        image = level + prior.basis @ (shift + spread - outside * rest).astype(np.float32)
        return np.where(self._unknown, image + outside * noise[1], self.known).astype(np.float32)

    def _start(self, component: int) -> tuple[Array, Array]:
        """The component's mean image, and how the known pixels pull from it."""
        if component not in self._begun:
            basis = self._prior.basis
            level = self._prior.center + basis @ self._prior.means[component]
            off = np.where(self._unknown, np.float32(0), self.known - level)
            self._begun[component] = level, np.float32(self._exact) * (off @ basis)
        return self._begun[component]

    def solve(self, group: int, weight: float, right: NDArray[np.floating]) -> Matrix:
        """z of S z = right, (K,) or (K, columns), where unknown pixels have this weight."""
        wide = right.astype(np.float64)
        if not self._few:
            return np.asarray(np.linalg.solve(self._dense(group, weight), wide))
        own, usual, extra = self._own(group), *self._weights(weight)
        alone = own.solve(usual, wide)
        inner = np.linalg.solve(self._small(group, weight), self._rows @ alone)
        return alone - extra * own.solve(usual, self._rows.T @ inner)

    def _plausible(self, shift: Matrix, component: int) -> Matrix:
        """A shift from a component's mean, at most as far as its images lie from it.

        Known pixels of another kind of image would push the rest to extremes. The squared distance
        of images is as large as there are coordinates, give or take.
        """
        if self._unknown.all():
            return shift
        squared = self._own(int(self._prior.group[component])).distance(shift)
        return shift * min(1.0, (2 * len(shift) / max(squared, 1e-12)) ** 0.5)

    @cached_property
    def _rows(self) -> Matrix:
        """The fewer rows."""
        return self._fewer.astype(np.float64)

    @cached_property
    def _square(self) -> Matrix:
        """Products of the fewer rows: with each other where few, else of their columns."""
        if self._few:
            return self._rows @ self._rows.T
        return (self._fewer.T @ self._fewer).astype(np.float64)

    def _weights(self, weight: float) -> tuple[float, float]:
        """Of all rows, and what the fewer have more."""
        usual, fewer = (self._exact, weight) if self._unknown_fewer else (weight, self._exact)
        return usual, fewer - usual

    def _own(self, group: int) -> _Group:
        if group not in self._groups:
            prior = self._prior
            axes = prior.axes[group].astype(np.float64)
            self._groups[group] = _Group(
                axes=axes,
                variances=prior.variances[group].astype(np.float64),
                floor=float(prior.floor[group]),
                seen=self._rows @ axes if self._few else axes[:0],
            )
        return self._groups[group]

    def _small(self, group: int, weight: float) -> Matrix:
        """1 + extra F (Sigma^-1 + usual)^-1 F' of the fewer rows F."""
        own, usual, extra = self._own(group), *self._weights(weight)
        along, others = own.shares(usual)
        matrix = (own.seen * (extra * (along - others))) @ own.seen.T
        matrix += extra * others * self._square
        matrix[np.diag_indices_from(matrix)] += 1
        return np.asarray(matrix)

    def _dense(self, group: int, weight: float) -> Matrix:
        usual, extra = self._weights(weight)
        matrix = np.multiply(self._square, extra, out=self._work)
        matrix += self._prior.precision(group)
        matrix[np.diag_indices_from(matrix)] += usual
        return np.asarray(matrix)

    @cached_property
    def _work(self) -> Matrix:
        """Room for a dense system."""
        return np.empty_like(self._square)


@dataclass(frozen=True, kw_only=True)
class _Group:
    """A covariance Sigma: variances along axes, floor elsewhere. seen: the axes at few pixels."""

    axes: Matrix
    variances: Matrix
    floor: float
    seen: Matrix

    def shares(self, weight: float) -> tuple[Matrix, float]:
        """(Sigma^-1 + weight)^-1 along each axis, and elsewhere."""
        return 1 / (1 / self.variances + weight), 1 / (1 / self.floor + weight)

    def solve(self, weight: float, right: Matrix) -> Matrix:
        """(Sigma^-1 + weight)^-1 right."""
        along, others = self.shares(weight)
        inside = (along - others) * (self.axes.T @ right).T
        return np.asarray(others * right + self.axes @ inside.T)

    def root(self, right: Matrix) -> Matrix:
        """Sigma^-1/2 right, of one column."""
        inside = (self.variances**-0.5 - self.floor**-0.5) * (self.axes.T @ right)
        return np.asarray(self.floor**-0.5 * right + self.axes @ inside)

    def distance(self, shift: Matrix) -> float:
        """shift' Sigma^-1 shift."""
        along = self.axes.T @ shift
        others = float(shift @ shift - along @ along)
        return float((along**2 / self.variances).sum()) + others / self.floor
