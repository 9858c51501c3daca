"""The second phase of a finer stage: drawn residuals are told from real ones until they cannot be.

Relativistic logistic loss (arXiv 1807.00734) with a zero-centred gradient penalty on real images
(R1, arXiv 1801.04406); features of real and drawn residuals are matched as local means in units of
each layer's spread, and the drawn image, shrunk, is tied to the coarse one. Means, because grain
and trabeculae have a strength that the coarse image tells and places that nothing tells: matched
cell by cell, a smooth drawing is the cheapest. Where the discriminator looks through an ImageNet
network, what that sees is judged and matched in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radsmith.training.discriminator import Discriminator
from radsmith.training.refining import Asked

PATCHES = 8
"""On a side of a crop, in which features are averaged before they are matched."""
QUARTERS = 2
"""The same where the two images are not of the same thing."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Of the parts of the generator's loss, and of R1, which every `penalty_every`-th step takes on
    `penalty_images` of its images; the last three for coarse images that a model drew."""

    realism: float = 1.0
    features: float = 1.0
    absolute: float = 0.02
    tie: float = 1.0
    penalty: float = 0.02
    penalty_every: int = 8
    penalty_images: int = 8
    drawn_realism: float = 1.0
    drawn_features: float = 0.5
    drawn_tie: float = 0.25


@dataclass(frozen=True, kw_only=True)
class Residual:
    """A residual (b, 1, H, W) in units of its spread, and what the ImageNet network sees of the
    image it makes: nothing where there is none."""

    values: Tensor
    views: list[Tensor]

    @classmethod
    def of(cls, values: Tensor, critic: Discriminator, asked: Asked) -> Residual:
        """Looked at once for all that is asked of it."""
        return cls(values=values, views=critic.views(asked.image(values)))

    def detached(self) -> Residual:
        """Without the way back to the network that drew it."""
        return Residual(values=self.values.detach(), views=[view.detach() for view in self.views])


def critic_loss(
    critic: Discriminator, asked: Asked, true: Residual, drawn: Residual
) -> tuple[Tensor, float]:
    """The discriminator's loss, and the share of patches in which it is right (0.5: by chance)."""
    real = critic(true.values, asked.coarse, asked.mask, true.views)[0]
    made = critic(drawn.values, asked.coarse, asked.mask, drawn.views)[0]
    loss = _by_judge(_below(real, made), true)
    right = torch.stack([_right(r, m) for r, m in zip(real, made, strict=True)]).mean()
    return loss, float(right)


def _right(real: Tensor, made: Tensor) -> Tensor:
    """Share of the patches, of those that differ at all, whose real one scores higher."""
    return (real > made).float().sum() / (real != made).float().sum().clamp(min=1)


def penalty(critic: Discriminator, asked: Asked, true: Residual, images: int) -> Tensor:
    """Squared slope of the scores on the first real residuals, for each patch (R1), and on what
    the ImageNet network sees of them."""
    given = [x[:images].detach().requires_grad_() for x in (true.values, *true.views)]
    scores = critic(given[0], asked.coarse[:images], asked.mask[:images], given[1:])[0]
    total = torch.stack([s.float().sum() / s[0].numel() ** 0.5 for s in scores]).sum()
    slopes = torch.autograd.grad(total, given, create_graph=True)
    return torch.stack([s.float().square().sum((1, 2, 3)).mean() for s in slopes]).sum()


def generator_loss(
    critic: Discriminator,
    asked: Asked,
    true: Residual,
    drawn: Residual,
    weights: Weights,
    scale: int,
) -> Tensor:
    """What the drawing network pays."""
    with torch.no_grad():
        real, wanted = critic(true.values, asked.coarse, asked.mask, true.views)
    made, features = critic(drawn.values, asked.coarse, asked.mask, drawn.views)
    realism = _by_judge(_below(made, real), true)
    matched = _by_judge(
        [
            (w - f).abs().mean() / (w.std() + 1e-3)
            for w, f in zip(map(_local_means, wanted), map(_local_means, features), strict=True)
        ],
        true,
    )
    off = drawn.values - asked.real
    return (
        weights.realism * realism
        + weights.features * matched
        + weights.absolute * off.abs().mean() / _share(asked.mask)
        + weights.tie * untied(off, asked.mask, scale)
    )


def seen_loss(critic: Discriminator, higher: Residual, lower: Residual) -> Tensor:
    """What is paid where the ImageNet network's heads do not score `higher` above `lower`; the two
    need not belong to each other."""
    assert critic.seen is not None
    return torch.stack(_below(critic.seen(higher.views), critic.seen(lower.views))).mean()


def strangeness(made: Residual, like: Residual) -> Tensor:
    """How far what the ImageNet network sees is, on average over each quarter, from what it sees of
    images of the same labels: how much texture there is. The two need not show the same."""
    pairs = zip(made.views, like.views, strict=True)
    means = ((_local_means(m, QUARTERS), _local_means(w, QUARTERS)) for m, w in pairs)
    return torch.stack([(m - w).abs().mean() for m, w in means]).mean()


def _below(higher: list[Tensor], lower: list[Tensor]) -> list[Tensor]:
    """What is paid, at each depth, where the first scores are not above the second."""
    pairs = zip(higher, lower, strict=True)
    return [F.softplus(low.float() - high.float()).mean() for high, low in pairs]


def untied(off: Tensor, mask: Tensor, scale: int) -> Tensor:
    """How far an image is from its coarse one, shrunk. off: (b, 1, H, W), nothing where known."""
    return F.avg_pool2d(off, scale).square().mean() / _share(mask)


def _share(mask: Tensor) -> Tensor:
    return mask.mean().clamp(min=1e-3)


def _by_judge(values: list[Tensor], true: Residual) -> Tensor:
    """The mean over the discriminator's own depths, and that over those of the ImageNet network:
    neither makes the other lighter."""
    own = len(values) - len(true.views)
    parts = [torch.stack(part).mean() for part in (values[:own], values[own:]) if part]
    return torch.stack(parts).sum()


def _local_means(features: Tensor, patches: int = PATCHES) -> Tensor:
    """Of so many patches on a side, at every depth the same ones."""
    return F.adaptive_avg_pool2d(features.float(), min(patches, *features.shape[2:]))


def freeze(module: nn.Module, frozen: bool) -> None:
    """Whether gradients stop at its weights."""
    for parameter in module.parameters():
        parameter.requires_grad_(not frozen)
