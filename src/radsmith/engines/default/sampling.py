"""Samplers as functions over `velocity(x, t)`; time runs from 1 (noise) to 0 (data).

x_t = (1 - t) x_0 + t noise, so dx/dt = noise - x_0 = (x_t - x_0) / t. Foreign models are
wrapped into a velocity, never special-cased.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from radsmith.errors import InvalidInput
from radsmith.images.image import Array

DENSE = 0.5
Velocity = Callable[[Array, float], Array]
Denoiser = Callable[[Array, float], Array]


def timesteps(num_steps: int, first: float = 1.0) -> list[float]:
    """num_steps + 1 times from `first` down to 0, evenly spaced but twice as far apart above DENSE:
    shape is made there, and needs fewer steps than texture."""
    if num_steps < 1:
        raise InvalidInput(f"steps must be at least 1, got {num_steps}")
    whole = _paced(first)
    return [_unpaced(whole * (1 - i / num_steps)) for i in range(num_steps + 1)]


def _paced(t: float) -> float:
    return t if t <= DENSE else (t + DENSE) / 2


def _unpaced(pace: float) -> float:
    return pace if pace <= DENSE else 2 * pace - DENSE


def velocity_of(denoise: Denoiser) -> Velocity:
    """The velocity of a model that predicts x_0."""
    return lambda x, t: (x - denoise(x, t)) / np.float32(t)


def guided(conditional: Denoiser, unconditional: Denoiser, scale: float) -> Denoiser:
    """Classifier-free guidance (arXiv 2207.12598): 1 = off."""
    if scale == 1:
        return conditional

    return away_from(conditional, [(unconditional, scale - 1)])


def away_from(denoise: Denoiser, others: Sequence[tuple[Denoiser, float]]) -> Denoiser:
    """On from each of the others, past what `denoise` finds: so many times the way between them."""
    if not others:
        return denoise

    def further(x: Array, t: float) -> Array:
        image = found = denoise(x, t)
        for other, times in others:
            image = image + np.float32(times) * (found - other(x, t))
        return np.asarray(image, np.float32)

    return further


def keeping(velocity: Velocity, known: Array, noise: Array, mask: Array) -> Velocity:
    """Where mask is 0, follow the straight path to `known` whatever the model says."""
    return lambda x, t: np.where(mask > 0, velocity(x, t), noise - known)


def sample_euler(velocity: Velocity, x: Array, times: list[float]) -> Array:
    """First order: exact on straight paths for any number of steps."""
    for t, t_next in pairwise(times):
        x = x + np.float32(t_next - t) * velocity(x, t)
    return x


def sample_multistep(velocity: Velocity, x: Array, times: list[float]) -> Array:
    """Second order from the step before (Adams-Bashforth; PLMS, arXiv 2202.09778, eq. 12): one call
    a step, as Euler, and exact on parabolas once it has begun."""
    before, last = None, 0.0
    for t, t_next in pairwise(times):
        slope, step = velocity(x, t), t_next - t
        ahead = slope
        if before is not None:
            ahead = slope + np.float32(step / (2 * last)) * (slope - before)
        x = x + np.float32(step) * ahead
        before, last = slope, step
    return x


SAMPLERS = {"multistep": sample_multistep, "euler": sample_euler}
