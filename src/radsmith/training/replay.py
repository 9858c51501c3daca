"""What a model knew before: its own small images and answers, so that fine-tuning keeps them.

No image of the old training data is needed. On the model's own draws of its old concepts the
tuned network is held to what the network said before (Li and Hoiem, *Learning without
Forgetting*, 1606.09282), few-step ability included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radsmith.compute.one_thread import one_thread
from radsmith.engines.default.components import Components
from radsmith.engines.default.conditional import Conditional
from radsmith.engines.default.letterbox import on_grid
from radsmith.engines.default.onnx_engine import ModelFiles
from radsmith.engines.default.prior import Prior
from radsmith.engines.default.stages import BaseStage, Beginning
from radsmith.images.image import Array
from radsmith.images.letterbox import box_of, content_mask
from radsmith.images.provenance import Settings
from radsmith.training.batches import drawn_t, encode, hole_masks
from radsmith.training.cross_fit import of_one
from radsmith.training.flow import base_inputs
from radsmith.training.network import PAD


@dataclass(frozen=True, kw_only=True)
class Replay:
    """low: (n, 32, 32) in [-1, 1].  mask: the same shape, 1 in the content.

    component: (n,).  rows: (n, 16) embedding rows, 0 = none.
    """

    low: Array
    mask: Array
    component: NDArray[np.int64]
    rows: NDArray[np.int64]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """For storage."""
        return {name: np.ascontiguousarray(value) for name, value in vars(self).items()}


def draw_replay(files: ModelFiles, count: int, seed: int) -> Replay:
    """The model's own images of what it learned; rare kinds as often as their square root.

    All begin from all of the noise, whatever the model's own do: for variety.
    """
    with one_thread():
        prior = Prior.from_arrays(files.arrays).mended()
    table: dict[str, int] = dict(files.config["table"])
    components = Components(table, files.arrays, files.config.get("since"))
    stage = BaseStage(files.networks["base"], prior, files.config["sampling"])
    images = np.asarray(files.arrays["component_images"], np.float64)
    counts = np.asarray(files.arrays["component_counts"], np.float64)
    settings = Settings()
    drawn: dict[str, list[NDArray[np.generic]]] = {n: [] for n in ("low", "mask", "rows")}
    which = []
    with one_thread():
        for number in range(count):
            rng = np.random.default_rng([seed, number])
            k = int(rng.choice(len(images), p=images**0.5 / (images**0.5).sum()))
            share = counts[k] / images[k]
            ids = [c for c, row in table.items() if rng.random() < share[row - 1]]
            rows = encode(ids, table)[None]
            mask = content_mask(on_grid(box_of(components.aspect(k))), stage.side)
            beside = Conditional(prior, np.full_like(mask, -1).ravel(), mask.ravel())
            start = np.clip(prior.draw(k, rng).reshape(mask.shape), -1.2, 1.2)
            begin = Beginning(
                image=np.where(mask > 0, start, np.float32(-1)).astype(np.float32),
                first=stage.start,
            )
            low = stage.draw(k, rows, begin, beside, settings, rng)
            which.append(k)
            for name, value in (("low", low), ("mask", mask), ("rows", rows[0])):
                drawn[name].append(value)
    return Replay(
        low=np.stack(drawn["low"]).astype(np.float32),
        mask=np.stack(drawn["mask"]).astype(np.float32),
        component=np.array(which),
        rows=np.stack(drawn["rows"]).astype(np.int64),
    )


def replay_loss(
    network: nn.Module,
    teacher: nn.Module,
    replay: Replay,
    prior: Prior,
    index: NDArray[np.int64],
    rng: np.random.Generator,
) -> Tensor:
    """Mean squared difference to the old network's answers, in units of the prior's error."""
    count = len(index)
    x_0, content = replay.low[index], replay.mask[index]
    mask = hole_masks(count, prior.side, rng) * content
    t = drawn_t(count, -0.4, 1.0, rng)
    at = t[:, None, None]
    x_t = (1 - at) * x_0 + at * rng.standard_normal(x_0.shape, np.float32)
    image, _, _ = base_inputs(of_one(prior, replay.component[index]), x_t, t, x_0, mask)
    rows = np.where(rng.random(replay.rows[index].shape) > 0.1, replay.rows[index], PAD)
    rows[rng.random(count) < 0.1] = PAD
    device = next(network.parameters()).device
    given = [
        torch.from_numpy(np.ascontiguousarray(a)).to(device)
        for a in (image, t, np.zeros((count, 4), np.float32), rows)
    ]
    with torch.no_grad():
        wanted = teacher(*given)[:, 0]
    inside = torch.from_numpy(mask).to(device)
    found = network(*given)[:, 0]
    return (((found - wanted) ** 2) * inside).sum() / inside.sum().clamp(min=1)
