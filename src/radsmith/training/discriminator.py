"""What tells drawn residuals from real ones while a finer stage is trained; it never ships.

Plain convolutions with He's initialisation: with the framework's default one, or with spectral
norms, it learned nothing in 300 steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radsmith.training.projected import SLOPE, Heads, Pretrained

Judged = tuple[list[Tensor], list[Tensor]]
"""Scores by patch at each depth, (b, 1, h, w), and the features they were made of."""


@dataclass(frozen=True, kw_only=True)
class DiscriminatorParams:
    """channels: at half, quarter … resolution; a head stands at each.  pretrained: whether it
    also judges by what an ImageNet network sees of the image."""

    channels: tuple[int, ...] = (64, 128, 224)
    pretrained: bool = False


class Discriminator(nn.Module):
    """Scores of patches at several depths, from residual, enlarged coarse image and mask."""

    inputs = 3

    def __init__(self, params: DiscriminatorParams) -> None:
        super().__init__()
        widths = params.channels
        self.enter = nn.ModuleList([nn.Conv2d(4 * self.inputs, widths[0], 3, padding=1)])
        self.enter.extend(nn.Conv2d(i, o, 4, stride=2, padding=1) for i, o in pairwise(widths))
        self.same = nn.ModuleList(nn.Conv2d(n, n, 3, padding=1) for n in widths)
        self.heads = nn.ModuleList(nn.Conv2d(n, 1, 3, padding=1) for n in widths)
        self.pretrained = Pretrained() if params.pretrained else None
        self.seen = Heads() if params.pretrained else None
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=SLOPE)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def views(self, image: Tensor) -> list[Tensor]:
        """What the ImageNet network sees of images (b, 1, H, W) in [-1, 1]; nothing without it."""
        if self.pretrained is None or self.seen is None:
            return []
        return self.seen.scaled(self.pretrained.views(image))

    def forward(
        self, residual: Tensor, coarse: Tensor, mask: Tensor, views: Sequence[Tensor] = ()
    ) -> Judged:
        """All (b, 1, H, W); residual in units of its spread.  views: as `views` gives them."""
        x = F.pixel_unshuffle(torch.cat([residual, coarse, mask], 1), 2)
        x = x.contiguous(memory_format=torch.channels_last)
        scores, features = [], []
        for enter, same, head in zip(self.enter, self.same, self.heads, strict=True):
            x = F.leaky_relu(same(F.leaky_relu(enter(x), SLOPE)), SLOPE)
            features.append(x)
            scores.append(head(x))
        if self.seen is not None:
            scores.extend(self.seen(list(views)))
            features.extend(views)
        return scores, features
