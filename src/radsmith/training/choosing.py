"""Figures by which checkpoints are chosen, on held-out images, and the watch for copies.

The feature space is closed-form (`texture`), so that the spaces that score a finished model see
nothing of its training.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from radsmith.datasets.corpus import Corpus
from radsmith.engines.default.prior import Prior
from radsmith.engines.default.sampling import keeping, sample_multistep, timesteps, velocity_of
from radsmith.engines.default.stages import FINER
from radsmith.evaluation.texture import Standard, texture_distance, texture_space
from radsmith.images.image import Array
from radsmith.images.letterbox import SIDE
from radsmith.images.provenance import Settings
from radsmith.images.resize import enlarge, shrink
from radsmith.training.batches import Batch, content_mask, make_batch, tensors, whole_cells
from radsmith.training.cross_fit import CrossFit, Fitted, of_one
from radsmith.training.flow import base_inputs, base_loss
from radsmith.training.refining import ask, squared_loss
from radsmith.training.state import Run

HELD_OUT_IMAGES = 160
SAMPLING_STEPS = Settings.num_steps
START = 1.0
COMPARED = 1000
"""Training images that drawn ones are compared with, at most."""
NULL_PERCENTILE = 1.0
UNITS = 240
"""Training images whose texture gives the units of distances."""


@dataclass(frozen=True)
class Material:
    """Everything a step needs besides the network. component: of each image of the corpus.

    apart: priors that did not see the images, for training; None: `prior` is used on all.
    """

    corpus: Corpus
    table: dict[str, int]
    prior: Prior
    component: NDArray[np.int64]
    apart: CrossFit | None = None

    def fitted(self, index: NDArray[np.int64], *, training: bool = False) -> list[Fitted]:
        """The prior and component of each image of `index`."""
        whole = of_one(self.prior, self.component[index])
        return self.apart.fitted(index, whole) if training and self.apart else whole

    @cached_property
    def held_out(self) -> Batch | None:
        """At most HELD_OUT_IMAGES held-out images, always the same; None where there are few."""
        index = np.flatnonzero(self.corpus.held_out)
        if len(index) < 4:
            return None
        rng = np.random.default_rng(0)
        index = rng.permutation(index)[:HELD_OUT_IMAGES]
        return make_batch(self.corpus, index, self.table, rng, augment=False)

    @cached_property
    def compared(self) -> Batch:
        """Training images to look for copies of, always the same."""
        rng = np.random.default_rng(1)
        index = rng.permutation(np.flatnonzero(~self.corpus.held_out))[:COMPARED]
        return make_batch(self.corpus, index, self.table, rng, augment=False)

    @cached_property
    def described(self) -> dict[int, tuple[Array, Standard]]:
        """Texture of the held-out images, and its units, by side; filled as sides are asked for."""
        return {}

    @cached_property
    def residuals(self) -> dict[str, Array]:
        """The middle of the residuals of `compared`, by stage; filled as stages are asked for."""
        return {}


def figures(run: Run, stage: str, material: Material) -> tuple[float | None, dict[str, Any]]:
    """The figure to choose by, the lower the better, and all there is to log."""
    batch = material.held_out
    if batch is None:
        return None, {}
    run.average.eval()
    with torch.no_grad(), torch.autocast(run.device.type, torch.bfloat16, enabled=run.half):
        if stage == "base":
            return _base_figures(run, batch, material)
        return _finer_figures(run, stage, batch, material)


def held_out_loss(run: Run, material: Material) -> float | None:
    """The averaged base network's loss on held-out images, with the same noise every time."""
    if material.held_out is None:
        return None
    rng = np.random.default_rng(0)
    with torch.no_grad():
        losses = [
            float(base_loss(run.average, part, material.fitted(part.index), rng, run.device))
            for part in _parts(material.held_out)
        ]
    return float(np.mean(losses))


def _base_figures(
    run: Run, batch: Batch, material: Material
) -> tuple[float | None, dict[str, Any]]:
    held_out = held_out_loss(run, material)
    rng, side = np.random.default_rng(0), material.prior.side
    drawn = np.concatenate(
        [sampled(run.average, run.device, part, material, rng) for part in _parts(batch)]
    )
    distances = {
        at: _distance(_at_full(shrink(drawn, side // at)), batch, at, material)
        for at in (16, 32)
        if at <= side
    }
    told: dict[str, Any] = {"held_out": held_out, "kid": distances}
    known = shrink(material.compared.fine, SIDE // side)
    real = shrink(batch.fine, SIDE // side)
    told["copies"] = copies(drawn, real, known)
    return held_out, told


def _finer_figures(
    run: Run, stage: str, batch: Batch, material: Material
) -> tuple[float, dict[str, Any]]:
    step = FINER[stage]
    rng = np.random.default_rng(0)
    images, losses, residuals, real = [], [], [], []
    for part in _parts(batch):
        asked = ask(step, part, rng, run.device, whole=True)
        losses.append(float(squared_loss(run.average, asked)))
        residual = asked.drawn(run.average)
        images.append((asked.coarse + step.spread * residual)[:, 0].cpu().numpy())
        residuals.append(residual[:, 0].cpu().numpy())
        real.append(asked.real[:, 0].cpu().numpy())
    drawn = np.concatenate(images)
    kid = _distance(_at_full(drawn), batch, drawn.shape[1], material)
    if stage not in material.residuals:
        plain = [
            _middle(ask(step, part, rng, run.device, whole=True).real[:, 0].cpu().numpy())
            for part in _parts(material.compared)
        ]
        material.residuals[stage] = np.concatenate(plain)
    made, held_out = (_middle(np.concatenate(r)) for r in (residuals, real))
    near = copies(made, held_out, material.residuals[stage])
    told = {"held_out": float(np.mean(losses)), "kid": {drawn.shape[1]: kid}, "copies": near}
    return kid, told


def sampled(
    network: nn.Module,
    device: torch.device,
    batch: Batch,
    material: Material,
    rng: np.random.Generator,
) -> Array:
    """As the engine draws: from the mixture, noised, denoised in a few steps. (b, side, side)."""
    prior, component = material.prior, material.component[batch.index]
    side, count = prior.side, len(batch.fine)
    fitted = material.fitted(batch.index)
    mask = content_mask(whole_cells(batch.box), side)
    known = np.full_like(mask, -1)
    draw = np.concatenate([prior.draw(int(k), rng) for k in component]).reshape(mask.shape)
    draw = np.where(mask > 0, np.clip(draw, -1.2, 1.2), np.float32(-1))
    noise = rng.standard_normal(mask.shape, np.float32)

    def denoise(x: Array, t: float) -> Array:
        at = np.full(count, t, np.float32)
        image, mean, error = base_inputs(fitted, x, at, known, mask)
        given = tensors(device, image, at, np.zeros((count, 4), np.float32), batch.concepts)
        return mean + error[:, None, None] * network(*given)[:, 0].float().cpu().numpy()

    velocity = keeping(velocity_of(denoise), known, noise, mask)
    begun = np.asarray((1 - START) * draw + START * noise, np.float32)
    return np.asarray(
        sample_multistep(velocity, begun, timesteps(SAMPLING_STEPS, START)), np.float32
    )


def copies(drawn: Array, held_out: Array, known: Array) -> float:
    """Share of drawn images nearer to a training image than all but NULL_PERCENTILE % of held-out
    ones are; by correlation of (n, h, w) images."""
    training, null, made = (_directions(a) for a in (known, held_out, drawn))
    threshold = np.percentile((null @ training.T).max(1), 100 - NULL_PERCENTILE)
    return float(((made @ training.T).max(1) > threshold).mean())


def _directions(images: Array) -> Array:
    flat = images.reshape(len(images), -1)
    flat = flat - flat.mean(1, keepdims=True)
    return np.asarray(flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6), np.float32)


def _middle(images: Array, side: int = 64) -> Array:
    first = (images.shape[1] - side) // 2
    return images[:, first : first + side, first : first + side]


def _at_full(images: Array) -> Array:
    """Enlarged to 256, or the middle where there is more, in 0-1."""
    scale = SIDE // images.shape[1]
    large = enlarge(images, scale) if scale > 1 else _middle(images, SIDE)
    return np.clip(large / 2 + np.float32(0.5), 0, 1)


def _distance(drawn: Array, batch: Batch, side: int, material: Material) -> float:
    """Kernel distance to the held-out images at an octave.  drawn: (n, 256, 256) in 0-1."""
    kept = material.described
    if side not in kept:
        others = material.compared.fine[:UNITS]
        real, units = (
            texture_space(list(_at_full(shrink(images, batch.side // side))))
            for images in (batch.fine, others)
        )
        kept[side] = real, Standard.of(units)
    known, standard = kept[side]
    return texture_distance(known, texture_space(list(drawn)), standard, resamples=0).estimate


def _parts(batch: Batch, size: int = 32) -> list[Batch]:
    return [
        Batch(**{k: v[first : first + size] for k, v in vars(batch).items()})
        for first in range(0, len(batch.fine), size)
    ]
