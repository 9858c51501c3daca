"""What a finer stage learns: the residual of an image to its own coarse version, enlarged.

One call draws it: the network sees noise (t = 1), the coarse image, what is known, and the
concepts. A share of the samples begins nearer to the true residual (t < 1), so that an image can
also be varied. Residuals are in units of the stage's spread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radsmith.engines.default.stages import FinerStep, finer_mean
from radsmith.images.image import Array
from radsmith.images.resize import shrink
from radsmith.training.batches import Batch, hole_masks, tensors, whole_cells

CROP = 32
"""Cells of the network's grid on a side of what is learned at once."""
VARIED = 0.25
"""Share of the samples that begin at some t below 1."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A batch for a finer stage, as tensors. What the network is given: `fine` (b, 3, H, W: noisy
    residual, mask, known residual), `low` (b, 1, h, w), `t` and `level` (b,), `concepts`.

    real: (b, 1, H, W) residual.  coarse: (b, 1, H, W) enlarged low image.  mask: 1 = to be made.
    mean, error: what the network corrects.  spread: of residuals, in the image's units.
    """

    fine: Tensor
    low: Tensor
    t: Tensor
    level: Tensor
    concepts: Tensor
    real: Tensor
    coarse: Tensor
    mask: Tensor
    mean: Tensor
    error: Tensor
    spread: float

    def image(self, residual: Tensor) -> Tensor:
        """The image that a residual makes: (b, 1, H, W) in [-1, 1], about."""
        return self.coarse + self.spread * residual

    def drawn(self, network: nn.Module) -> Tensor:
        """The residual that the network draws, the true one where it is known: (b, 1, H, W)."""
        out = network(self.fine, self.low, self.t, self.level, self.concepts).float()
        return torch.where(self.mask > 0, self.mean + self.error * out, self.real)


def ask(
    step: FinerStep, batch: Batch, rng: np.random.Generator, device: torch.device, *, whole: bool
) -> Asked:
    """A batch for a stage; whole: uncut, without holes, noise on the low image as when drawing."""
    count = len(batch.fine)
    high = step.output_side
    fine = shrink(batch.fine, batch.side // high) if high < batch.side else batch.fine
    level = rng.uniform(0, step.most_noise, count).astype(np.float32)
    mask = batch.shown(high)
    if whole:
        level[:] = step.noise
    else:
        mask *= hole_masks(count, high, rng)
    low = shrink(fine, step.scale)
    level = np.array([step.level(own, n) for own, n in zip(low, level, strict=True)], np.float32)
    low = low + level[:, None, None] * rng.standard_normal(low.shape, np.float32)
    coarse = step.coarse(low)
    real = (fine - coarse) / np.float32(step.spread)
    if not whole and step.low_side > CROP * step.cell:
        low, coarse, real, mask = _crops(step, batch, (low, coarse, real, mask), rng)
    t = np.ones(count, np.float32)
    if not whole:
        varied = rng.random(count) < VARIED
        t = np.where(varied, rng.uniform(0.2, 1, count), 1).astype(np.float32)
    return _asked(step, (low, coarse, real, mask), batch.concepts, (t, level), rng, device)


def ask_drawn(
    step: FinerStep, low: Array, batch: Batch, rng: np.random.Generator, device: torch.device
) -> Asked:
    """The same of coarse images (b, s, s) that a model drew for the boxes and concepts of `batch`,
    as when drawing. Nobody knows their residual: `real` is right in the letterbox's bars alone."""
    count, high = len(low), step.output_side
    batch = replace(batch, box=whole_cells(batch.box))
    mask = batch.shown(high)
    level = np.array([step.level(own, step.noise) for own in low], np.float32)
    low = low + level[:, None, None] * rng.standard_normal(low.shape, np.float32)
    coarse = step.coarse(low)
    bars = np.where(mask > 0, 0, (-1 - coarse) / np.float32(step.spread)).astype(np.float32)
    arrays = [low, coarse, bars, mask]
    if step.low_side > CROP * step.cell:
        arrays = _crops(step, batch, tuple(arrays), rng)
    t = np.ones(count, np.float32)
    return _asked(step, tuple(arrays), batch.concepts, (t, level), rng, device)


def _asked(
    step: FinerStep,
    arrays: tuple[Array, ...],
    concepts: NDArray[np.int64],
    times: tuple[Array, Array],
    rng: np.random.Generator,
    device: torch.device,
) -> Asked:
    """arrays: low, coarse, real and mask.  times: t, and the noise on the low image."""
    (low, coarse, real, mask), (t, level) = arrays, times
    at = t[:, None, None]
    x_t = (1 - at) * real + at * rng.standard_normal(real.shape, np.float32)
    mean, error = finer_mean(x_t, at)
    given = np.stack([x_t, mask, real * (1 - mask)], 1)
    error = np.broadcast_to(error, (len(t), 1, 1)).astype(np.float32)
    one = tensors(device, *(a[:, None] for a in (low, real, coarse, mask, mean, error)))
    fine_, t_, level_, ids = tensors(device, given, t, level[:, None], concepts)
    low_, real_, coarse_, mask_, mean_, error_ = one
    return Asked(
        fine=fine_,
        low=low_,
        t=t_,
        level=level_,
        concepts=ids,
        real=real_,
        coarse=coarse_,
        mask=mask_,
        mean=mean_,
        error=error_,
        spread=step.spread,
    )


def squared_loss(network: nn.Module, asked: Asked) -> Tensor:
    """Mean squared error in units of the spread, over the unknown pixels: the first phase."""
    off = (asked.drawn(network) - asked.real) ** 2
    return off.sum() / asked.mask.sum().clamp(min=1)


def _crops(
    step: FinerStep, batch: Batch, arrays: tuple[Array, ...], rng: np.random.Generator
) -> list[Array]:
    """The same random crop of each array, inside the content where it is large enough."""
    cut: list[list[Array]] = [[] for _ in arrays]
    side = CROP * step.cell
    last = step.low_side - side
    for j, (left, top, right, bottom) in enumerate(batch.box * step.low_side // batch.side):
        x = min(last, rng.integers(min(left, last), max(left, right - side) + 1))
        y = min(last, rng.integers(min(top, last), max(top, bottom - side) + 1))
        for pieces, array in zip(cut, arrays, strict=True):
            s = array.shape[1] // step.low_side
            pieces.append(array[j, y * s : (y + side) * s, x * s : (x + side) * s])
    return [np.stack(pieces) for pieces in cut]
