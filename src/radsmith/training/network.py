"""The networks of the default model, as torch modules.

`BaseDenoiser` works at 32x32 on top of the closed-form prior; an `Upsampler` makes an image two or
four times finer. Both return the correction in `x_0 = mean + error * network(...)`; neither knows
how mean and error were made, nor anything of data or noise schedules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MAX_CONCEPTS = 16
PAD = 0


@dataclass(frozen=True, kw_only=True)
class BaseParams:
    """Sizes of the base network. side: of its images in pixels; channels: at `side` pixels, at
    half of that and so on; width: of the tokens, on a grid once more halved."""

    concepts: int
    side: int = 32
    channels: tuple[int, ...] = (64, 128, 192)
    width: int = 320
    depth: int = 4
    heads: int = 5


@dataclass(frozen=True, kw_only=True)
class UpsamplerParams:
    """Sizes of a finer stage: residual blocks on a grid of cells, `scale` times finer output.

    cell: pixels of the low image on a side of a cell of the grid.  filters: of the grain; 0: none,
    as in the first models drawn octave by octave.  finish: channels of the last convolutions, at
    half of the fine grid; 0: none.
    """

    concepts: int
    channels: int = 64
    depth: int = 6
    scale: int = 4
    cell: int = 1
    filters: int = 8
    finish: int = 0


class Conditioning(nn.Module):
    """t, frame numbers and the set of concepts as one vector: (batch, width)."""

    def __init__(self, concepts: int, width: int, numbers: int) -> None:
        super().__init__()
        self.table = nn.Embedding(concepts, width)
        self.time = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        self.numbers = nn.Linear(numbers, width)
        nn.init.normal_(self.table.weight, std=0.5)

    def forward(self, t: Tensor, numbers: Tensor, concepts: Tensor) -> Tensor:
        present = (concepts != PAD).unsqueeze(-1).float()
        summed = (self.table(concepts) * present).sum(1) / (1 + present.sum(1)).sqrt()
        return self.time(_wave(t)) + self.numbers(numbers) + summed


def _wave(t: Tensor) -> Tensor:
    frequencies = torch.exp(torch.linspace(0, math.log(200), 32, device=t.device))
    angle = t[:, None] * frequencies
    return torch.cat([angle.cos(), angle.sin()], 1)


class ResBlock(nn.Module):
    """Two 3x3 convolutions, the second modulated by the conditioning vector."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(8, channels)
        self.modulate = nn.Linear(condition, 2 * channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)  # a new block adds nothing
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.modulate.weight)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.modulate(condition)[:, :, None, None].chunk(2, 1)
        h = self.norm2(self.conv1(F.silu(self.norm1(x)))) * (1 + scale) + shift
        return x + self.conv2(F.silu(h))


class RMSNorm(nn.Module):
    """Root-mean-square normalisation (arXiv 1910.07467), in operators every ONNX opset has."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-7) * self.weight


class TransformerBlock(nn.Module):
    """Attention and SwiGLU, both gated by a shared modulation plus a learned offset."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        hidden = width * 8 // 3 // 16 * 16
        self.norm1, self.norm2 = RMSNorm(width), RMSNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_norm, self.k_norm = RMSNorm(width // heads), RMSNorm(width // heads)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        self.offset = nn.Parameter(torch.zeros(6 * width))

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        s1, b1, g1, s2, b2, g2 = (modulation + self.offset).unsqueeze(1).chunk(6, -1)
        x = x + g1 * self._attend(self.norm1(x) * (1 + s1) + b1)
        gate, value = self.up(self.norm2(x) * (1 + s2) + b2).chunk(2, -1)
        return x + g2 * self.down(F.silu(gate) * value)

    def _attend(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        q = self.q_norm(q) * (width // self.heads) ** -0.5
        weight = (q @ self.k_norm(k).transpose(-2, -1)).softmax(-1)
        mixed = weight.to(v.dtype) @ v  # torch's fused attention is thrice as slow in bfloat16
        return self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))


class BaseDenoiser(nn.Module):
    """Convolutions on the finer grids; a transformer with the concepts in context on the last."""

    inputs = 5  # x_t, posterior mean, noise estimate, mask, known pixels

    def __init__(self, params: BaseParams) -> None:
        super().__init__()
        widths, width = params.channels, params.width
        self.side = params.side
        grid = params.side // 2 ** len(widths)
        steps = list(pairwise((*widths, width)))
        self.condition = Conditioning(params.concepts, width, 4)
        self.tokens = nn.Embedding(params.concepts, width)
        nn.init.normal_(self.tokens.weight, std=0.5)
        self.position = nn.Parameter(0.1 * torch.randn(1, grid * grid, width))
        self.enter = nn.Conv2d(self.inputs, widths[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(i, o, 3, stride=2, padding=1) for i, o in steps)
        self.before = nn.ModuleList(ResBlock(n, width) for n in widths)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, params.heads) for _ in range(params.depth)
        )
        self.up = nn.ModuleList(nn.Conv2d(o, 4 * i, 1) for i, o in reversed(steps))
        self.after = nn.ModuleList(ResBlock(n, width) for n in reversed(widths))
        self.norm = nn.GroupNorm(8, widths[0])
        self.leave = nn.Conv2d(widths[0], 1, 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor, t: Tensor, numbers: Tensor, concepts: Tensor) -> Tensor:
        condition = self.condition(t, numbers, concepts)
        x, skips = self.enter(image), []
        for block, down in zip(self.before, self.down, strict=True):
            x = block(x, condition)
            skips.append(x)
            x = down(x)
        x = self._transform(x, condition, concepts)
        for block, up in zip(self.after, self.up, strict=True):
            x = block(F.pixel_shuffle(up(x), 2) + skips.pop(), condition)
        return self.leave(F.silu(self.norm(x)))

    def _transform(self, x: Tensor, condition: Tensor, concepts: Tensor) -> Tensor:
        batch, width, height, columns = x.shape
        patches = x.flatten(2).transpose(1, 2) + self.position
        sequence = torch.cat([patches, self.tokens(concepts), condition[:, None]], 1)
        modulation = self.modulation(condition)
        for block in self.blocks:
            sequence = block(sequence, modulation)
        patches = sequence[:, : height * columns]
        return patches.transpose(1, 2).reshape(batch, width, height, columns)


class Grain(nn.Module):
    """The noise that a stage starts from through a few small filters, each as strong as the cell of
    the low grid says: film grain, speckle and trabeculae, whose places nothing tells.

    At first it adds nothing.
    """

    def __init__(self, channels: int, filters: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.filters = nn.Conv2d(1, filters, 5, padding=2, bias=False)
        self.strength = nn.Conv2d(channels, filters, 3, padding=1)
        for parameter in self.strength.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """x: (batch, channels, h, w).  noise: (batch, 1, H, W).  (batch, 1, H, W)."""
        strength = F.interpolate(self.strength(x), scale_factor=float(self.scale), mode="nearest")
        return (strength * self.filters(noise)).sum(1, keepdim=True)


class Finish(nn.Module):
    """Convolutions at half of the fine grid over a residual and the features it was made of.

    Pixel shuffle draws the pixels of a cell side by side, each by filters of its own: what they
    have in common with those of the next cell is a comb as wide as the cell. At first it adds
    nothing.
    """

    def __init__(self, channels: int, scale: int, width: int) -> None:
        super().__init__()
        self.inner = scale // 2
        self.spread = nn.Conv2d(channels, width * self.inner**2, 1)
        self.enter = nn.Conv2d(width + 4, width, 3, padding=1)
        self.same = nn.Conv2d(width, width, 3, padding=1)
        self.leave = nn.Conv2d(width, 4, 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """x: (batch, channels, h, w).  residual: (batch, 1, H, W), as what comes back."""
        spread = F.pixel_shuffle(self.spread(x), self.inner)
        h = F.silu(self.enter(torch.cat([spread, F.pixel_unshuffle(residual, 2)], 1)))
        h = F.silu(self.same(h))
        return F.pixel_shuffle(self.leave(h), 2)


class Upsampler(nn.Module):
    """Residual blocks on the low grid; fine pixels enter and leave by pixel (un)shuffle, grain is
    added to what leaves, and a finish to both."""

    def __init__(self, params: UpsamplerParams) -> None:
        super().__init__()
        self.cell, self.unit = params.cell, params.scale * params.cell
        fine = self.unit**2
        self.condition = Conditioning(params.concepts, 128, 1)
        self.enter = nn.Conv2d(3 * fine + self.cell**2, params.channels, 3, padding=1)
        self.blocks = nn.ModuleList(ResBlock(params.channels, 128) for _ in range(params.depth))
        self.norm = nn.GroupNorm(8, params.channels)
        self.leave = nn.Conv2d(params.channels, fine, 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)
        self.grain = Grain(params.channels, params.filters, self.unit) if params.filters else None
        self.finish = Finish(params.channels, self.unit, params.finish) if params.finish else None

    def forward(
        self, fine: Tensor, low: Tensor, t: Tensor, numbers: Tensor, concepts: Tensor
    ) -> Tensor:
        """fine: (batch, 3, H, W): noisy residual, mask, known residual.  low: (batch, 1, h, w)."""
        condition = F.silu(self.condition(t, numbers, concepts))
        under = F.pixel_unshuffle(low, self.cell) if self.cell > 1 else low
        x = self.enter(torch.cat([F.pixel_unshuffle(fine, self.unit), under], 1))
        for block in self.blocks:
            x = block(x, condition)
        x = F.silu(self.norm(x))
        residual = F.pixel_shuffle(self.leave(x), self.unit)
        if self.grain is not None:
            residual = residual + self.grain(x, fine[:, :1])
        return residual if self.finish is None else residual + self.finish(x, residual)
