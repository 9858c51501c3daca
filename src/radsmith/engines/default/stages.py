"""The drawing stages of the default model on ONNX Runtime, from coarse to fine.

The base draws in a few steps; each finer stage makes an image finer in one call. Arrays in
[-1, 1]; masks are 1 where pixels are to be made. Every call runs on one thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from radsmith.engines.default.conditional import Conditional
from radsmith.engines.default.focus import TOLD_FOR, Shade, Shading, in_steps
from radsmith.engines.default.prior import Prior
from radsmith.engines.default.sampling import (
    SAMPLERS,
    Denoiser,
    away_from,
    guided,
    keeping,
    timesteps,
    velocity_of,
)
from radsmith.images.blur import blurred
from radsmith.images.image import Array
from radsmith.images.provenance import Settings
from radsmith.images.resize import enlarge, shrink

LOW_SIDE = 64
"""Side of the coarse image: what the base and all finer stages but the last make together."""
DETAIL = "detail"


@dataclass(frozen=True, kw_only=True)
class FinerStep:
    """What a finer stage was trained on.

    scale: how many times finer; 1: the same image drawn anew.  low_side: of a whole image that goes
    in.  spread: of the residual to the enlarged image.  noise: added to what goes in; most_noise:
    the most of it in training.  ground: how many times coarser what goes in is made before it is
    enlarged: the residual holds what is finer.  relative: noise is in units of the contrast.
    cell: pixels of what goes in on a side of a cell of the network's grid.
    """

    scale: int
    low_side: int
    spread: float
    noise: float
    most_noise: float
    ground: int = 1
    relative: bool = False
    cell: int = 1

    @property
    def output_side(self) -> int:
        """Of a whole image that comes out."""
        return self.low_side * self.scale

    @property
    def unit(self) -> int:
        """Fine pixels on a side of a cell of the network's grid."""
        return self.scale * self.cell

    @property
    def tied(self) -> int:
        """Fine pixels on a side of what the image that goes in says for certain."""
        return self.scale * self.ground

    def level(self, low: Array, noise: float) -> np.float32:
        """The deviation of so much noise on an image low (h, w)."""
        return np.float32(noise * contrast_of(low) if self.relative else noise)

    def coarse(self, low: Array) -> Array:
        """What the residual is added to: (..., scale h, scale w) from low (..., h, w)."""
        return enlarge(shrink(low, self.ground), self.scale * self.ground)


def contrast_of(image: Array) -> float:
    """Deviation of what is not air, beside that of an image with all grays: 0.15 to 1."""
    shown = image[image > _BLACK]
    return float(np.clip(shown.std() / _FULL, 0.15, 1)) if shown.size else 0.15


_BLACK, _FULL = -0.95, 0.4
MEND, SHARP = "mend", "sharp"
FINER = {
    MEND: FinerStep(
        scale=1, low_side=32, spread=0.16, noise=0.06, most_noise=0.2, ground=4, relative=True
    ),
    "octave": FinerStep(scale=2, low_side=32, spread=0.08, noise=0.03, most_noise=0.1),
    DETAIL: FinerStep(scale=4, low_side=64, spread=0.12, noise=0.03, most_noise=0.15),
    SHARP: FinerStep(scale=2, low_side=192, spread=0.05, noise=0.01, most_noise=0.04, cell=2),
}
"""The finer stages by name, from coarse to fine; those before `DETAIL` make the coarse image.

The first draws the base's own grid anew: the base's last steps, trained by squared error, leave
too little of what is a pixel or two wide. The last makes images larger than 256 pixels.
"""
NATIVE = tuple(stage for stage in FINER if stage != SHARP)
"""Those that an image of 256 pixels comes from."""
LATER = (MEND, SHARP)
"""Stages that models made before lack: they draw without."""


def finer_mean(x_t: Array, t: Array | np.float32) -> tuple[Array, Array]:
    """Posterior mean and error of a white residual of unit variance at time t."""
    spread = (1 - t) ** 2 + t**2
    error = np.maximum(t, 0.02) / np.sqrt(spread)
    return np.asarray((1 - t) * x_t / spread, np.float32), np.asarray(error, np.float32)


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """Where a stage begins: an image of its grid, noised to time `first` (1: noise alone).

    sketched: the base begins so, finer stages from noise.
    """

    image: Array
    first: float
    sketched: bool = False


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What a finer stage adds to the coarse image, and what it starts from. low: (h, w);
    fine: (scale h, scale w)."""

    low: Array
    fine: Array

    @classmethod
    def of(cls, shape: tuple[int, ...], rng: np.random.Generator, scale: int) -> Noise:
        """Of a coarse grid (h, w)."""
        low = rng.standard_normal(shape, np.float32)
        fine = rng.standard_normal((scale * shape[0], scale * shape[1]), np.float32)
        return cls(low=low, fine=fine)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """How the base draws findings.

    against: (1, slots) table rows of images to be drawn away from: without the findings that are
    asked for, with those that are denied, with what they are most easily taken for, or, of an
    image asked as normal, with the commonest beside it; each with its share of FINDING_GUIDANCE.
    shading: what is drawn by rule.
    """

    against: tuple[tuple[NDArray[np.int64], float], ...] = ()
    shading: Shading | None = None


NO_FINDINGS = Findings()
FINDING_GUIDANCE = 3.0
"""How many times the way from an image that is drawn away from is gone beyond what is asked."""


class BaseStage:
    """The prior's posterior mean and the network that corrects it, on the prior's grid."""

    def __init__(self, model: bytes, prior: Prior, sampling: Mapping[str, Any]) -> None:
        self._session = session(model)
        self._prior = prior
        self._floor = float(sampling["noise_floor"])
        self.start = float(sampling["start"])
        self.side = prior.side

    def draw(
        self,
        component: int,
        ids: NDArray[np.int64],
        begin: Beginning,
        beside: Conditional,
        settings: Settings,
        rng: np.random.Generator,
        findings: Findings = NO_FINDINGS,
        deviation: float = 1.0,
    ) -> Array:
        """(side, side) from begin.image.  ids: (1, slots) table rows; beside: what is known.

        deviation: of the noise, where it begins from that alone: less is nearer to what is usual of
        the component, and there is less variety (truncation, as in arXiv 1809.11096).
        """
        known, mask = (a.reshape(self.side, self.side) for a in (beside.known, beside.mask))
        noise = rng.standard_normal(mask.shape, np.float32)
        if begin.first == 1:
            noise = noise * np.float32(deviation)
        x = np.asarray((1 - begin.first) * begin.image + begin.first * noise, np.float32)
        times, sampler = timesteps(settings.num_steps, begin.first), SAMPLERS[settings.sampler]

        def drawn(shade: Shade | None) -> Array:
            guidance = settings.guidance_scale
            denoise = self._denoiser(component, ids, beside, guidance, findings.against, shade)
            if begin.sketched:
                share = in_steps(FAITHFUL, TOLD_FOR / settings.num_steps)
                denoise = _near_sketch(denoise, begin.image, share)
            return sampler(keeping(velocity_of(denoise), known, noise, mask), x, times)

        shading = findings.shading
        if shading is None:
            return drawn(None)
        # where lungs lie is told by the same image without what is to lie in them
        shade = shading.on(drawn(None) if shading.looks else begin.image)
        return drawn(shade and shade.steps(TOLD_FOR / settings.num_steps))

    def _denoiser(
        self,
        component: int,
        ids: NDArray[np.int64],
        beside: Conditional,
        guidance_scale: float,
        against: Sequence[tuple[NDArray[np.int64], float]],
        shade: Shade | None,
    ) -> Denoiser:
        """Posterior mean plus the network's correction, guided; the mean is solved once a step."""
        which = np.array([component])
        numbers = np.zeros((1, 4), np.float32)
        known, mask = (a.reshape(self.side, self.side) for a in (beside.known, beside.mask))

        def denoise(x: Array, t: float) -> Array:
            at = np.array([t], np.float32)
            mean = beside.denoise(x.ravel(), t, component).reshape(x.shape)
            left = (x - np.float32(1 - t) * mean) / np.float32(max(t, self._floor))
            seen = np.stack([x, mean, left, mask, known * (1 - mask)])[None]

            def correction(concepts: NDArray[np.int64]) -> Denoiser:
                feed = {"image": seen, "t": at, "numbers": numbers, "concepts": concepts}
                return lambda x, t: np.asarray(self._session.run(None, feed)[0][0, 0])

            others = [(correction(rows), FINDING_GUIDANCE * share) for rows, share in against]
            shown = away_from(correction(ids), others)
            found = guided(shown, correction(np.zeros_like(ids)), guidance_scale)(x, t)
            image = mean + self._prior.error(at, which)[0] * found
            return image if shade is None else shade.apply(image)

        return denoise


def _near_sketch(denoise: Denoiser, sketch: Array, share: float) -> Denoiser:
    """What `denoise` finds, its coarse half a share of the way to the sketch's at each step
    (as in arXiv 2108.02938)."""

    def drawn(x: Array, t: float) -> Array:
        image = denoise(x, t)
        off = enlarge(shrink(sketch - image, SKETCHED), SKETCHED)
        return np.asarray(image + np.float32(share) * off, np.float32)

    return drawn


SKETCHED = 2
"""Pixels of the base's grid on a side of what a sketch says."""
FAITHFUL = 0.6
"""How far each of TOLD_FOR steps goes towards a sketch."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """How much stronger a style's texture is than the network draws it: its coarser and its finer
    half, parted near a quarter of a cycle a pixel. Measured on training images."""

    coarse: float
    fine: float

    def apply(self, residual: Array, under: Array) -> Array:
        """The residual (h, w), its two halves each times its gain.

        under: what it is added to, in -1 to 1. Where that is dark as air nothing is made louder.
        """
        coarse = blurred(residual, SPLIT)
        wanted = (self.coarse - 1) * coarse + (self.fine - 1) * (residual - coarse)
        lit = np.clip((under - _AIR) / _LIT, 0, 1) if max(self.coarse, self.fine) > 1 else 1
        return np.asarray(residual + lit * wanted, np.float32)


_AIR, _LIT = -0.9, 0.3
"""Gray of what is not tissue, and how much brighter has all of a gain."""
SPLIT = 0.75
"""Pixels of the Gaussian that parts a texture's coarser half from its finer one."""


class FinerStage:
    """The residual to an enlarged coarse image in one call, on a grid of any size."""

    def __init__(
        self, model: bytes, step: FinerStep, gains: Mapping[int, Gain] | None = None
    ) -> None:
        """gains: by table row, as `Gain` says; rows that are not named have none."""
        self._session = session(model)
        self.step = step
        self._gains = dict(gains or {})

    def draw(
        self,
        low: Array,
        ids: NDArray[np.int64],
        known: Array,
        mask: Array,
        noise: Noise,
        begin: Beginning | None = None,
    ) -> Array:
        """(scale h, scale w) from low (h, w); known, mask: of the fine grid, as begin is."""
        step = self.step
        level = np.array([[step.level(low, step.noise)]], np.float32)
        noisy = np.clip(low, -1, 1) + level * noise.low
        coarse = step.coarse(noisy)
        given = (known - coarse) / np.float32(step.spread) * (1 - mask)
        t, x = np.float32(1), noise.fine
        if begin is not None:
            t = np.float32(begin.first)
            own = (begin.image - coarse) / np.float32(step.spread)
            x = np.asarray((1 - t) * own + t * noise.fine, np.float32)
        mean, error = finer_mean(x, t)
        feed = {
            "fine": np.stack([x, mask, given])[None],
            "low": noisy[None, None],
            "t": np.array([t], np.float32),
            "numbers": level,
            "concepts": ids,
        }
        residual = mean + error * self._session.run(None, feed)[0][0, 0]
        for gain in (self._gains[row] for row in ids[0].tolist() if row in self._gains):
            residual = gain.apply(residual, coarse)
        residual = np.where(mask > 0, residual, given)
        return np.asarray(coarse + np.float32(step.spread) * residual, np.float32)


def session(model: bytes) -> onnxruntime.InferenceSession:
    """A session on one thread: the same pixels whatever the machine's cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
