"""The two drawing stages of the default model on ONNX Runtime: 64x64, then four times finer.

Arrays in [-1, 1]; masks are 1 where pixels are to be made. Every call runs on one thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from radsmith.engines.default.conditional import Conditional
from radsmith.engines.default.prior import Prior
from radsmith.engines.default.sampling import (
    SAMPLERS,
    Denoiser,
    guided,
    keeping,
    timesteps,
    velocity_of,
)
from radsmith.images.provenance import Settings
from radsmith.images.resize import enlarge

Array = NDArray[np.float32]
LOW_SIDE = 64
SCALE = 4


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """Where a stage begins: an image of its grid, noised to time `first` (1: noise alone)."""

    image: Array
    first: float


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What the finer stage adds to the coarse image, and what it starts from. low: (h, w);
    fine: (4h, 4w)."""

    low: Array
    fine: Array

    @classmethod
    def of(cls, shape: tuple[int, ...], rng: np.random.Generator) -> Noise:
        """Of a coarse grid (h, w)."""
        low = rng.standard_normal(shape, np.float32)
        fine = rng.standard_normal((SCALE * shape[0], SCALE * shape[1]), np.float32)
        return cls(low=low, fine=fine)


class BaseStage:
    """The prior's posterior mean and the network that corrects it, at 64x64."""

    def __init__(self, model: bytes, prior: Prior, sampling: Mapping[str, Any]) -> None:
        self._session = session(model)
        self._prior = prior
        self._floor = float(sampling["noise_floor"])
        self.start = float(sampling["start"])

    def draw(
        self,
        component: int,
        ids: NDArray[np.int64],
        begin: Beginning,
        beside: Conditional,
        settings: Settings,
        rng: np.random.Generator,
    ) -> Array:
        """(64, 64) from begin.image.  ids: (1, slots) table rows; beside: what is known."""
        known, mask = (a.reshape(LOW_SIDE, LOW_SIDE) for a in (beside.known, beside.mask))
        noise = rng.standard_normal(mask.shape, np.float32)
        denoise = self._denoiser(component, ids, beside, settings.guidance_scale)
        velocity = keeping(velocity_of(denoise), known, noise, mask)
        x = np.asarray((1 - begin.first) * begin.image + begin.first * noise, np.float32)
        sampler = SAMPLERS[settings.sampler]
        return sampler(velocity, x, timesteps(settings.num_steps, begin.first))

    def _denoiser(
        self,
        component: int,
        ids: NDArray[np.int64],
        beside: Conditional,
        guidance_scale: float,
    ) -> Denoiser:
        """Posterior mean plus the network's correction, guided; the mean is solved once a step."""
        which = np.array([component])
        numbers = np.zeros((1, 4), np.float32)
        known, mask = (a.reshape(LOW_SIDE, LOW_SIDE) for a in (beside.known, beside.mask))

        def denoise(x: Array, t: float) -> Array:
            at = np.array([t], np.float32)
            mean = beside.denoise(x.ravel(), t, component).reshape(x.shape)
            left = (x - np.float32(1 - t) * mean) / np.float32(max(t, self._floor))
            image = np.stack([x, mean, left, mask, known * (1 - mask)])[None]

            def correction(concepts: NDArray[np.int64]) -> Denoiser:
                feed = {"image": image, "t": at, "numbers": numbers, "concepts": concepts}
                return lambda x, t: np.asarray(self._session.run(None, feed)[0][0, 0])

            found = guided(correction(ids), correction(np.zeros_like(ids)), guidance_scale)(x, t)
            return mean + self._prior.error(at, which)[0] * found

        return denoise


class DetailStage:
    """Flow on the residual to an enlarged low image, on a grid of any size."""

    def __init__(self, model: bytes, sampling: Mapping[str, Any]) -> None:
        self._session = session(model)
        self._level = np.array([[sampling["low_noise"]]], np.float32)
        self._scale = np.float32(sampling["residual_scale"])
        self._most_steps = int(sampling["most_upsampler_steps"])

    def draw(
        self,
        low: Array,
        ids: NDArray[np.int64],
        known: Array,
        mask: Array,
        noise: Noise,
        num_steps: int,
        begin: Beginning | None = None,
    ) -> Array:
        """(4h, 4w) from low (h, w); known, mask: (4h, 4w).  begin: on the fine grid."""
        noisy = np.clip(low, -1, 1) + self._level * noise.low
        coarse = enlarge(noisy, SCALE)
        fine = noise.fine[None]
        given = ((known - coarse) / self._scale)[None] * (1 - mask[None])
        first, x = 1.0, fine
        if begin is not None:
            first = begin.first
            own = ((begin.image - coarse) / self._scale)[None]
            x = np.asarray((1 - first) * own + first * fine, np.float32)

        def denoise(x: Array, t: float) -> Array:
            spread = np.float32((1 - t) ** 2 + t**2)
            feed = {
                "fine": np.stack([x, mask[None], given], 1),
                "low": noisy[None, None],
                "t": np.array([t], np.float32),
                "numbers": self._level,
                "concepts": ids,
            }
            correction = self._session.run(None, feed)[0][:, 0]
            error = np.float32(max(t, 0.02)) / np.sqrt(spread)
            return np.float32(1 - t) * x / spread + error * correction

        velocity = keeping(velocity_of(denoise), given, fine, mask[None])
        steps = timesteps(min(num_steps, self._most_steps), first)
        residual = SAMPLERS["euler"](velocity, x, steps)
        return np.asarray(coarse + self._scale * residual[0], np.float32)


def session(model: bytes) -> onnxruntime.InferenceSession:
    """A session on one thread: the same pixels whatever the machine's cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
