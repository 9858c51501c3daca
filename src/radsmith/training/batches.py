"""Batches of real images for training: crops, contrast, dropped concepts, and what is known.

Half the samples have known pixels (boxes, half-planes, frames, blobs), so one network generates,
rebuilds and extends. Letterbox bars are always known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radsmith.datasets.corpus import Corpus
from radsmith.engines.default.letterbox import CELL
from radsmith.images.image import Array
from radsmith.images.letterbox import SIDE
from radsmith.training.network import MAX_CONCEPTS, PAD

MOST_TURNED = math.radians(5)
"""Of an augmented image: as crooked as patients lie."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """fine: (b, side, side) in [-1, 1].  box: (b, 4) content left, top, right, bottom in pixels.

    crop: (b, 4) share cut off left, top, right, bottom.  concepts: (b, 16) ids, 0 = none.
    """

    fine: Array
    box: NDArray[np.int64]
    crop: Array
    concepts: NDArray[np.int64]
    index: NDArray[np.int64]

    @property
    def side(self) -> int:
        """Of the squares, in pixels."""
        return int(self.fine.shape[-1])

    def shown(self, side: int) -> Array:
        """1 inside the content, on squares of `side` pixels: (b, side, side)."""
        return content_mask(self.box, side, self.side)


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
    """Images with small crops, turns and contrast changes; concepts dropped at random."""
    side = corpus.pixels.shape[-1]
    fine = np.empty((len(index), side, side), np.float32)
    boxes = np.empty((len(index), 4), np.int64)
    crop = np.zeros((len(index), 4), np.float32)
    rows = np.zeros((len(index), MAX_CONCEPTS), np.int64)
    for j, i in enumerate(index):
        width, height = corpus.frames[i]
        left, top = (side - width) // 2, (side - height) // 2
        content = corpus.pixels[i, top : top + height, left : left + width]
        angle = 0.0
        if augment and rng.random() < 0.5:
            crop[j] = rng.uniform(0, 0.08, 4)
            angle = rng.uniform(-MOST_TURNED, MOST_TURNED)
        fine[j], boxes[j] = _place(content, crop[j], angle, side)
        ids = [c for c in corpus.concepts[i] if not augment or rng.random() > 0.1]
        rows[j] = encode(ids if not augment or rng.random() > 0.1 else (), table)
        if augment:
            fine[j] = fine[j] ** rng.uniform(0.9, 1.1) * rng.uniform(0.93, 1.0)
    return Batch(fine=fine * 2 - 1, box=boxes, crop=crop, concepts=rows, index=index)


def _place(
    content: NDArray[np.uint8], crop: Array, angle: float = 0.0, side: int = SIDE
) -> tuple[Array, NDArray[np.int64]]:
    """Cut the given shares off, fit the rest into the square; 0-1 pixels and content box.

    angle: radians to turn what is cut out by, less where it would leave the content.
    """
    canvas = np.zeros((side, side), np.float32)
    height, width = content.shape
    x0, y0 = crop[0] * width, crop[1] * height
    x1, y1 = width - crop[2] * width, height - crop[3] * height
    scale = side / max(x1 - x0, y1 - y0)
    w, h = min(side, round((x1 - x0) * scale)), min(side, round((y1 - y0) * scale))
    left, top = (side - w) // 2, (side - h) // 2
    if not crop.any():
        resized = torch.from_numpy(content.astype(np.float32))
    else:
        xs = torch.linspace(float(x0), float(x1), 2 * w + 1)[1::2] - width / 2
        ys = torch.linspace(float(y0), float(y1), 2 * h + 1)[1::2] - height / 2
        grid = _turned(torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1), content.shape, angle)
        source = torch.from_numpy(content.astype(np.float32))[None, None]
        resized = nn.functional.grid_sample(
            source, grid[None], mode="bilinear", padding_mode="border", align_corners=False
        )[0, 0]
    canvas[top : top + h, left : left + w] = resized.numpy() / 255
    return canvas, np.array([left, top, left + w, top + h])


def _turned(grid: Tensor, shape: tuple[int, ...], angle: float) -> Tensor:
    """Places (h, w, 2) in pixels from the middle, turned about their own by as much of `angle` as
    leaves all inside: as shares of half the content (height, width)."""
    half = torch.tensor([shape[1] / 2, shape[0] / 2])
    middle = (grid[0, 0] + grid[-1, -1]) / 2
    for share in (1.0, 0.7, 0.5, 0.35, 0.2, 0.0):
        c, s = math.cos(angle * share), math.sin(angle * share)
        turned = (grid - middle) @ torch.tensor([[c, s], [-s, c]]) + middle
        if (turned[[0, 0, -1, -1], [0, -1, 0, -1]].abs() <= half).all():
            break
    return turned / half


def content_mask(box: NDArray[np.int64], side: int, of: int = SIDE) -> Array:
    """1 inside the content box, given in pixels of squares of the side `of`: (b, side, side)."""
    at = (np.arange(side) + 0.5) * (of / side)
    inside_x = (at >= box[:, :1]) & (at <= box[:, 2:3])
    inside_y = (at >= box[:, 1:2]) & (at <= box[:, 3:4])
    return (inside_y[:, :, None] & inside_x[:, None, :]).astype(np.float32)


def whole_cells(box: NDArray[np.int64]) -> NDArray[np.int64]:
    """Content boxes (b, 4) grown to whole cells of the coarsest grid, as the engine draws them."""
    return (box + np.array([0, 0, CELL - 1, CELL - 1])) // CELL * CELL


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


def tensors(device: torch.device, *arrays: NDArray[np.generic]) -> list[Tensor]:
    """Arrays on a device."""
    return [torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in arrays]
