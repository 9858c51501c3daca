"""The base network's loss: x_t = (1 - t) x_0 + t noise, it predicts x_0 (arXiv 2511.13720).

`x_0 = mean + error * network`, with the prior's posterior mean and its error; the loss is
`((prediction - x_0) / error)^2` over the pixels to be generated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from radsmith.engines.default.conditional import Conditional
from radsmith.images.image import Array
from radsmith.images.letterbox import SIDE
from radsmith.images.resize import shrink
from radsmith.training.batches import Batch, content_mask, drawn_t, hole_masks, tensors
from radsmith.training.cross_fit import Fitted

NOISE_FLOOR = 0.05
TIMES = (0.0, 1.1)
"""Middle and spread of the logit of the times trained at: shape is made above a half, and what is
left below a tenth the next stage draws anew."""


def base_inputs(
    fitted: Sequence[Fitted], x_t: Array, t: Array, known: Array, mask: Array
) -> tuple[Array, Array, Array]:
    """Network input (b, 5, s, s), posterior mean (b, s, s) and error (b,).

    fitted: the prior and component of each image.
    """
    mean = np.stack(
        [
            Conditional(prior, known[i].ravel(), mask[i].ravel())
            .denoise(x_t[i].ravel(), float(t[i]), component)
            .reshape(x_t.shape[1:])
            for i, (prior, component) in enumerate(fitted)
        ]
    )
    error = np.concatenate(
        [prior.error(t[i : i + 1], np.array([k])) for i, (prior, k) in enumerate(fitted)]
    )
    scale, noise = 1 - t[:, None, None], np.maximum(t, NOISE_FLOOR)[:, None, None]
    left = (x_t - scale * mean) / noise
    return np.stack([x_t, mean, left, mask, known * (1 - mask)], 1), mean, error


def base_loss(
    network: nn.Module,
    batch: Batch,
    fitted: Sequence[Fitted],
    rng: np.random.Generator,
    device: torch.device,
) -> Tensor:
    """Mean squared error in units of the prior's own error, over the unknown pixels.

    fitted: the prior and component of each image of the batch.
    """
    side = fitted[0][0].side
    x_0 = shrink(batch.fine, SIDE // side)
    count = len(x_0)
    mask = hole_masks(count, side, rng) * content_mask(batch.box, side)
    t = drawn_t(count, *TIMES, rng)
    noise = rng.standard_normal(x_0.shape, np.float32)
    x_t = (1 - t[:, None, None]) * x_0 + t[:, None, None] * noise
    image, mean, error = base_inputs(fitted, x_t, t, x_0, mask)
    target = (x_0 - mean) / error[:, None, None]
    out = network(*tensors(device, image, t, batch.crop, batch.concepts))[:, 0].float()
    wanted, inside = tensors(device, target, mask)
    return (((out - wanted) ** 2) * inside).sum() / inside.sum().clamp(min=1)
