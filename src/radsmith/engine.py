"""The seam for models, and the default engine: prior, base network and upsampler on ONNX Runtime.

Determinism: every image is computed alone, on one thread, with noise from its own seed, so its
pixels do not depend on the batch, the workers or the order. Files reach this module as bytes and
arrays; reading them is an adapter's work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from radsmith.errors import InvalidInput
from radsmith.generation import Settings
from radsmith.prior import Prior
from radsmith.resize import enlarge, resample
from radsmith.sampling import SAMPLERS, Denoiser, guided, keeping, timesteps, velocity_of

Array = NDArray[np.float32]
SIDE, LOW_SIDE = 256, 64
SCALE = SIDE // LOW_SIDE
SMALLEST = 64


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a model says of itself: name, digest, and what it was trained on.

    images: training images per concept id.  together: the same for two ids joined by a space,
    of modality and body part, body part and finding, finding and severity.
    """

    name: str
    digest: str
    images: Mapping[str, int]
    together: Mapping[str, int]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ModelFacts:
        """Read the JSON sidecar. Raises InvalidInput where a part is missing."""
        try:
            return cls(
                name=str(config["name"]),
                digest=str(config["digest"]),
                images=dict(config["images_per_concept"]),
                together=dict(config["images_together"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"the model description lacks {error}; reinstall it") from error


class Engine(Protocol):
    """What everything above needs of a model."""

    facts: ModelFacts

    def generate(
        self, concepts: Sequence[str], seed: int, settings: Settings, absent: Sequence[str] = ()
    ) -> Array:
        """One image of the concepts, without the absent ones: (height, width) in 0-1."""
        ...


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The parts of a model as an adapter read them. config: the JSON sidecar."""

    config: Mapping[str, Any]
    base: bytes
    upsampler: bytes
    arrays: Mapping[str, NDArray[np.generic]]


class OnnxEngine:
    """The default model. Implements `Engine`."""

    def __init__(self, files: ModelFiles) -> None:
        config = files.config
        self.facts = ModelFacts.from_config(config)
        self._table: dict[str, int] = dict(config["table"])
        self._sampling: dict[str, Any] = dict(config["sampling"])
        self._base = _session(files.base)
        self._upsampler = _session(files.upsampler)
        self._prior = Prior.from_arrays(files.arrays)
        self._counts = np.asarray(files.arrays["component_counts"], np.float64)
        self._images = np.asarray(files.arrays["component_images"], np.float64)
        self._aspect = np.asarray(files.arrays["component_aspect"], np.float64)

    def generate(
        self, concepts: Sequence[str], seed: int, settings: Settings, absent: Sequence[str] = ()
    ) -> Array:
        """One image: (height, width) intensity in 0-1; the longer side is 256 unless asked."""
        check_size(settings.size)
        rng = np.random.default_rng(seed)
        with threadpool_limits(1):
            component = self._choose(concepts, absent, settings.size, rng)
            width, height = self._frame(component, settings.size)
            ids = self._encode((*concepts, *self._style(component)))
            box = ((SIDE - width) // 2, (SIDE - height) // 2, width, height)
            low = self._draw_low(component, ids, box, settings, rng)
            fine = self._draw_fine(low, ids, box, settings, rng)
        left, top, width, height = box
        content: Array = fine[top : top + height, left : left + width]
        content = (content + np.float32(1)) / np.float32(2)
        if settings.size is not None and settings.size != (width, height):
            content = resample(np.clip(content, 0, 1), *settings.size)
        return np.ascontiguousarray(np.clip(content, 0, 1), np.float32)

    def _choose(
        self,
        concepts: Sequence[str],
        absent: Sequence[str],
        size: tuple[int, int] | None,
        rng: np.random.Generator,
    ) -> int:
        """Draw a component by how well its training images match the concepts.

        A component in which an absent concept is common is as unlikely as one that lacks a
        wanted one.
        """
        columns = [self._table[c] - 1 for c in concepts if c in self._table]
        total = self._counts.sum(0) / self._images.sum()
        score = np.log(self._images)
        for c in columns:
            score = score + np.log((self._counts[:, c] + 0.5 * total[c]) / (self._images + 0.5))
        for c in (self._table[a] - 1 for a in absent if a in self._table):
            without = self._images - self._counts[:, c]
            score = score + np.log((without + 0.5 * (1 - total[c])) / (self._images + 0.5))
        if size is not None:
            score = score - 4 * np.abs(np.log(self._aspect) - np.log(size[0] / size[1]))
        weight = np.exp(score - score.max())
        return int(rng.choice(len(weight), p=weight / weight.sum()))

    def _style(self, component: int) -> tuple[str, ...]:
        """The source style most of the component's images have."""
        styles = [c for c in self._table if c.startswith("style:")]
        if not styles:
            return ()
        return (max(styles, key=lambda c: self._counts[component, self._table[c] - 1]),)

    def _encode(self, concepts: Sequence[str]) -> NDArray[np.int64]:
        rows = [self._table[c] for c in dict.fromkeys(concepts) if c in self._table]
        slots = int(self._sampling["max_concepts"])
        return np.array([(rows + [0] * slots)[:slots]], np.int64)

    def _frame(self, component: int, size: tuple[int, int] | None) -> tuple[int, int]:
        aspect = self._aspect[component] if size is None else size[0] / size[1]
        width, height = min(1.0, aspect), min(1.0, 1 / aspect)
        return max(1, round(width * SIDE)), max(1, round(height * SIDE))

    def _draw_low(
        self,
        component: int,
        ids: NDArray[np.int64],
        box: tuple[int, int, int, int],
        settings: Settings,
        rng: np.random.Generator,
    ) -> Array:
        """The 64x64 image in [-1, 1]: starts from an exact draw of the prior, noised to `start`."""
        mask = content_mask(box, LOW_SIDE)
        known = np.full_like(mask, -1)
        draw = self._prior.draw(component, rng).reshape(mask.shape)
        draw = np.where(mask > 0, np.clip(draw, -1.2, 1.2), known)
        noise = rng.standard_normal(mask.shape, np.float32)
        first = float(self._sampling["start"])
        denoise = guided(
            self._base_denoiser(component, ids, known, mask),
            self._base_denoiser(component, np.zeros_like(ids), known, mask),
            settings.guidance_scale,
        )
        velocity = keeping(velocity_of(denoise), known, noise, mask)
        x = np.asarray((1 - first) * draw + first * noise, np.float32)
        sampler = SAMPLERS[settings.sampler]
        return sampler(velocity, x, timesteps(settings.num_steps, first))[0]

    def _base_denoiser(
        self, component: int, ids: NDArray[np.int64], known: Array, mask: Array
    ) -> Denoiser:
        which = np.array([component])
        floor = float(self._sampling["noise_floor"])
        numbers = np.zeros((1, 4), np.float32)

        def denoise(x: Array, t: float) -> Array:
            at = np.array([t], np.float32)
            flat = (1, -1)
            mean = self._prior.denoise(
                x.reshape(flat), at, which, known.reshape(flat), mask.reshape(flat)
            ).reshape(x.shape)
            left = (x - np.float32(1 - t) * mean) / np.float32(max(t, floor))
            image = np.stack([x, mean, left, mask, known * (1 - mask)], 1)
            feed = {"image": image, "t": at, "numbers": numbers, "concepts": ids}
            correction = self._base.run(None, feed)[0][:, 0]
            return mean + self._prior.error(at, which)[:, None, None] * correction

        return denoise

    def _draw_fine(
        self,
        low: Array,
        ids: NDArray[np.int64],
        box: tuple[int, int, int, int],
        settings: Settings,
        rng: np.random.Generator,
    ) -> Array:
        """The 256x256 image in [-1, 1]: flow on the residual to the enlarged low image."""
        level = np.array([[self._sampling["low_noise"]]], np.float32)
        noisy = np.clip(low, -1, 1) + level * rng.standard_normal(low.shape, np.float32)
        coarse = enlarge(noisy, SCALE)
        mask = content_mask(box, SIDE)
        scale = np.float32(self._sampling["residual_scale"])
        known = ((-1 - coarse) / scale)[None] * (1 - mask)
        noise = rng.standard_normal((1, SIDE, SIDE), np.float32)

        def denoise(x: Array, t: float) -> Array:
            spread = np.float32((1 - t) ** 2 + t**2)
            fine = np.stack([x, mask, known], 1)
            feed = {
                "fine": fine,
                "low": noisy[None, None],
                "t": np.array([t], np.float32),
                "numbers": level,
                "concepts": ids,
            }
            correction = self._upsampler.run(None, feed)[0][:, 0]
            error = np.float32(max(t, 0.02)) / np.sqrt(spread)
            return np.float32(1 - t) * x / spread + error * correction

        velocity = keeping(velocity_of(denoise), known, noise, mask)
        steps = timesteps(min(settings.num_steps, int(self._sampling["most_upsampler_steps"])))
        residual = SAMPLERS["euler"](velocity, noise, steps)
        return np.asarray(coarse + scale * residual[0], np.float32)


def check_size(size: tuple[int, int] | None) -> None:
    """Raise InvalidInput unless the default model can make this (width, height)."""
    if size is None:
        return
    width, height = size
    if not (min(size) >= SMALLEST and max(size) <= SIDE):
        raise InvalidInput(
            f"size {width}x{height} is not supported: sides must be {SMALLEST}-{SIDE} pixels"
        )


def content_mask(box: tuple[int, int, int, int], side: int) -> Array:
    """1 inside a content box (left, top, width, height in 256-pixel units): (1, side, side)."""
    left, top, width, height = box
    at = (np.arange(side) + 0.5) * (SIDE / side)
    inside_x = (at >= left) & (at <= left + width)
    inside_y = (at >= top) & (at <= top + height)
    return (inside_y[:, None] & inside_x[None, :]).astype(np.float32)[None]


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
