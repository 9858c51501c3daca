"""Batches and losses: x_t = (1 - t) x_0 + t noise, the network predicts x_0 (arXiv 2511.13720).

Both stages learn `x_0 = mean + error * network`, loss `((prediction - x_0) / error)^2` over the
pixels to be generated. Half the samples have known pixels (boxes, half-planes, frames, blobs),
so one network generates, rebuilds and extends. Letterbox bars are always known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radsmith.datasets.corpus import SIDE, Corpus
from radsmith.engines.default.conditional import Conditional
from radsmith.engines.default.prior import Prior
from radsmith.images.resize import enlarge, shrink
from radsmith.training.network import MAX_CONCEPTS, PAD

Array = NDArray[np.float32]
LOW_SIDE = 64
SCALE = SIDE // LOW_SIDE
RESIDUAL_SCALE = 0.12
MAX_LOW_NOISE = 0.2
NOISE_FLOOR = 0.05
CROP = 32


@dataclass(frozen=True, kw_only=True)
class Batch:
    """fine: (b, 256, 256) in [-1, 1].  box: (b, 4) content left, top, right, bottom in pixels.

    crop: (b, 4) share cut off left, top, right, bottom.  concepts: (b, 16) ids, 0 = none.
    """

    fine: Array
    box: NDArray[np.int64]
    crop: Array
    concepts: NDArray[np.int64]
    index: NDArray[np.int64]


def encode(ids: Sequence[str], table: dict[str, int]) -> NDArray[np.int64]:
    """Concept ids as rows of the embedding table, padded: (16,). Unknown ids are left out."""
    rows = [table[c] for c in ids if c in table][:MAX_CONCEPTS]
    return np.array(rows + [PAD] * (MAX_CONCEPTS - len(rows)), np.int64)


def make_batch(
    corpus: Corpus,
    index: NDArray[np.int64],
    table: dict[str, int],
    rng: np.random.Generator,
    *,
    augment: bool,
) -> Batch:
    """Images with small crops and contrast changes; concepts dropped at random."""
    fine = np.empty((len(index), SIDE, SIDE), np.float32)
    boxes = np.empty((len(index), 4), np.int64)
    crop = np.zeros((len(index), 4), np.float32)
    rows = np.zeros((len(index), MAX_CONCEPTS), np.int64)
    for j, i in enumerate(index):
        width, height = corpus.frames[i]
        left, top = (SIDE - width) // 2, (SIDE - height) // 2
        content = corpus.pixels[i, top : top + height, left : left + width]
        if augment and rng.random() < 0.5:
            crop[j] = rng.uniform(0, 0.08, 4)
        fine[j], boxes[j] = _place(content, crop[j])
        ids = [c for c in corpus.concepts[i] if not augment or rng.random() > 0.1]
        rows[j] = encode(ids if not augment or rng.random() > 0.1 else (), table)
        if augment:
            fine[j] = fine[j] ** rng.uniform(0.9, 1.1) * rng.uniform(0.93, 1.0)
    return Batch(fine=fine * 2 - 1, box=boxes, crop=crop, concepts=rows, index=index)


def _place(content: NDArray[np.uint8], crop: Array) -> tuple[Array, NDArray[np.int64]]:
    """Cut the given shares off, fit the rest into the square; 0-1 pixels and content box."""
    canvas = np.zeros((SIDE, SIDE), np.float32)
    height, width = content.shape
    x0, y0 = crop[0] * width, crop[1] * height
    x1, y1 = width - crop[2] * width, height - crop[3] * height
    scale = SIDE / max(x1 - x0, y1 - y0)
    w, h = min(SIDE, round((x1 - x0) * scale)), min(SIDE, round((y1 - y0) * scale))
    left, top = (SIDE - w) // 2, (SIDE - h) // 2
    if not crop.any():
        resized = torch.from_numpy(content.astype(np.float32))
    else:
        xs = torch.linspace(float(x0), float(x1), 2 * w + 1)[1::2] / width * 2 - 1
        ys = torch.linspace(float(y0), float(y1), 2 * h + 1)[1::2] / height * 2 - 1
        grid = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1)[None]
        source = torch.from_numpy(content.astype(np.float32))[None, None]
        resized = nn.functional.grid_sample(
            source, grid, mode="bilinear", padding_mode="border", align_corners=False
        )[0, 0]
    canvas[top : top + h, left : left + w] = resized.numpy() / 255
    return canvas, np.array([left, top, left + w, top + h])


def content_mask(box: NDArray[np.int64], side: int) -> Array:
    """1 inside the content box, given in 256-pixel coordinates: (b, side, side)."""
    at = (np.arange(side) + 0.5) * (SIDE / side)
    inside_x = (at >= box[:, :1]) & (at <= box[:, 2:3])
    inside_y = (at >= box[:, 1:2]) & (at <= box[:, 3:4])
    return (inside_y[:, :, None] & inside_x[:, None, :]).astype(np.float32)


def hole_masks(count: int, side: int, rng: np.random.Generator) -> Array:
    """Masks (1 = generate): half everything, else a box, a half-plane, a frame or a blob."""
    masks = np.ones((count, side, side), np.float32)
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    for mask in masks:
        kind, (cx, cy) = rng.integers(8), rng.uniform(0.15, 0.85, 2)
        if kind < 4:
            continue
        w, h = rng.uniform(0.1, 0.4, 2)
        box = (np.abs(x - cx) < w) & (np.abs(y - cy) < h)
        angle = rng.integers(4) * np.pi / 2
        plane = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5) > rng.uniform(-0.35, 0.3)
        blob = ((x - cx) / w) ** 2 + ((y - cy) / h) ** 2 < 1 + 0.5 * np.sin(
            rng.integers(2, 6) * np.arctan2(y - cy, x - cx) + rng.uniform(0, 6)
        )
        mask[:] = (box, plane, ~box, blob)[kind - 4]
        if not mask.any():
            mask[:] = 1
    return masks


def drawn_t(count: int, mean: float, spread: float, rng: np.random.Generator) -> Array:
    """Logit-normal times: (count,)."""
    return (1 / (1 + np.exp(-rng.normal(mean, spread, count)))).astype(np.float32)


def base_inputs(
    prior: Prior, x_t: Array, t: Array, component: NDArray[np.int64], known: Array, mask: Array
) -> tuple[Array, Array, Array]:
    """Network input (b, 5, s, s), posterior mean (b, s, s) and error (b,)."""
    mean = np.stack(
        [
            Conditional(prior, known[i].ravel(), mask[i].ravel())
            .denoise(x_t[i].ravel(), float(t[i]), int(component[i]))
            .reshape(x_t.shape[1:])
            for i in range(len(x_t))
        ]
    )
    scale, noise = 1 - t[:, None, None], np.maximum(t, NOISE_FLOOR)[:, None, None]
    left = (x_t - scale * mean) / noise
    return np.stack([x_t, mean, left, mask, known * (1 - mask)], 1), mean, prior.error(t, component)


def base_loss(
    network: nn.Module,
    batch: Batch,
    prior: Prior,
    component: NDArray[np.int64],
    rng: np.random.Generator,
    device: torch.device,
) -> Tensor:
    """Mean squared error in units of the prior's own error, over the unknown pixels."""
    x_0 = shrink(batch.fine, SCALE)
    count = len(x_0)
    mask = hole_masks(count, LOW_SIDE, rng) * content_mask(batch.box, LOW_SIDE)
    t = drawn_t(count, -0.4, 1.0, rng)
    noise = rng.standard_normal(x_0.shape, np.float32)
    x_t = (1 - t[:, None, None]) * x_0 + t[:, None, None] * noise
    image, mean, error = base_inputs(prior, x_t, t, component[batch.index], x_0, mask)
    target = (x_0 - mean) / error[:, None, None]
    out = network(*_tensors(device, image, t, batch.crop, batch.concepts))[:, 0]
    wanted, inside = _tensors(device, target, mask)
    return (((out - wanted) ** 2) * inside).sum() / inside.sum().clamp(min=1)


def upsampler_loss(
    network: nn.Module, batch: Batch, rng: np.random.Generator, device: torch.device
) -> Tensor:
    """Flow on the residual to the enlarged, slightly noised low image, on random crops."""
    count = len(batch.fine)
    level = rng.uniform(0, MAX_LOW_NOISE, count).astype(np.float32)
    low = shrink(batch.fine, SCALE)
    low = low + level[:, None, None] * rng.standard_normal(low.shape, np.float32)
    residual = (batch.fine - enlarge(low, SCALE)) / RESIDUAL_SCALE
    mask = hole_masks(count, SIDE, rng) * content_mask(batch.box, SIDE)
    low, residual, mask = _crops(batch, (low, residual, mask), rng)
    t = drawn_t(count, 0.0, 1.0, rng)
    at = t[:, None, None]
    x_t = (1 - at) * residual + at * rng.standard_normal(residual.shape, np.float32)
    mean, error = upsampler_mean(x_t, at)
    fine = np.stack([x_t, mask, residual * (1 - mask)], 1)
    image, small, *rest = _tensors(device, fine, low[:, None], t, level[:, None], batch.concepts)
    out = network(image, small, *rest)[:, 0]
    wanted, inside = _tensors(device, (residual - mean) / error, mask)
    return (((out - wanted) ** 2) * inside).sum() / inside.sum().clamp(min=1)


def upsampler_mean(x_t: Array, t: Array) -> tuple[Array, Array]:
    """Posterior mean and error of a white residual of unit variance."""
    spread = (1 - t) ** 2 + t**2
    return (1 - t) * x_t / spread, np.asarray(np.maximum(t, 0.02) / np.sqrt(spread), np.float32)


def _crops(batch: Batch, arrays: tuple[Array, ...], rng: np.random.Generator) -> list[Array]:
    """The same random crop of each array, inside the content where it is large enough."""
    cut: list[list[Array]] = [[] for _ in arrays]
    for j, (left, top, right, bottom) in enumerate(batch.box // SCALE):
        x = rng.integers(min(left, LOW_SIDE - CROP), max(left, right - CROP) + 1)
        y = rng.integers(min(top, LOW_SIDE - CROP), max(top, bottom - CROP) + 1)
        x, y = min(x, LOW_SIDE - CROP), min(y, LOW_SIDE - CROP)
        for pieces, array in zip(cut, arrays, strict=True):
            s = array.shape[1] // LOW_SIDE
            pieces.append(array[j, y * s : (y + CROP) * s, x * s : (x + CROP) * s])
    return [np.stack(pieces) for pieces in cut]


def _tensors(device: torch.device, *arrays: NDArray[np.generic]) -> list[Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in arrays]
