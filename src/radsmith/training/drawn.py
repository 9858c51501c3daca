"""What the stages before draw, for a finer stage to learn on: it mends what they leave.

A stage that has seen real coarse images alone meets drawn ones as strangers: what is faintly wrong
in them it draws out. Nobody knows the fine image that belongs to a drawn coarse one, so only
whether the result could be real tells, in what an ImageNet network sees of it, and whether it has
as much texture as real images of the same labels; that is asked beside the loss on real images.
Each drawn image has a training image's component, box and concepts, and is compared with that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from radsmith.datasets.corpus import balance
from radsmith.engines.default.stages import FINER
from radsmith.images.image import Array
from radsmith.training.batches import make_batch
from radsmith.training.checkpoints import save_tensors
from radsmith.training.choosing import Material, sampled
from radsmith.training.refining import Asked, ask, ask_drawn

TOGETHER = 32


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """index: (n,) training images.  low: (n, s, s) in [-1, 1], drawn as those were labelled."""

    index: NDArray[np.int64]
    low: Array

    def asked(
        self,
        stage: str,
        material: Material,
        count: int,
        rng: np.random.Generator,
        device: torch.device,
    ) -> tuple[Asked, Asked]:
        """Some of them, and the training images whose labels they have."""
        which = rng.choice(len(self.index), count, replace=False)
        batch = make_batch(material.corpus, self.index[which], material.table, rng, augment=False)
        step = FINER[stage]
        drawn = ask_drawn(step, self.low[which], batch, rng, device)
        return drawn, ask(step, batch, rng, device, whole=False)


def drawn_before(
    networks: dict[str, nn.Module],
    material: Material,
    count: int,
    path: Path,
    favour: Mapping[str, float] | None = None,
) -> Drawn:
    """What the networks of the stages before, in their order, draw; kept at `path`, and read there
    next time.  favour: as `balance` says."""
    if path.is_file():
        kept = load_file(path)
        return Drawn(index=kept["index"].numpy(), low=kept["low"].numpy())
    rng = np.random.default_rng(0)
    base, *finer = networks
    corpus, device = material.corpus, torch.device("cpu")
    index = rng.choice(len(corpus), count, p=balance(corpus, favour=favour), replace=False)
    lows = []
    for first in range(0, count, TOGETHER):
        part = index[first : first + TOGETHER]
        batch = make_batch(corpus, part, material.table, rng, augment=False)
        with torch.no_grad():
            low = sampled(networks[base], device, batch, material, rng)
            for before in finer:
                given = ask_drawn(FINER[before], low, batch, rng, device)
                low = given.image(given.drawn(networks[before]))[:, 0].numpy()
        lows.append(low)
    drawn = Drawn(index=index, low=np.concatenate(lows).astype(np.float32))
    save_tensors({"index": torch.from_numpy(drawn.index), "low": torch.from_numpy(drawn.low)}, path)
    return drawn
