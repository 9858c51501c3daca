"""A small network that learns to tell findings, to measure what training images are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from radsmith.evaluation.features import Images
from radsmith.evaluation.utility.arms import Learner, Training
from radsmith.images.letterbox import letterboxed

SIDE = 64


@dataclass(frozen=True, kw_only=True)
class NetworkRecipe:
    """steps: of each part of a training, before and after fine-tuning alike for every arm."""

    steps: int = 120
    batch_size: int = 32
    learning_rate: float = 2e-3
    threads: int = 1


class SmallNetwork(nn.Module):
    """(n, 1, SIDE, SIDE) in 0-1 to scores (n, findings); from scratch, 60 thousand weights."""

    def __init__(self, findings: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((1, 16), (16, 32), (32, 48), (48, 64)):
            layers += [
                nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.SiLU(),
            ]
        self.body = nn.Sequential(*layers)
        self.answer = nn.Linear(64 * (SIDE // 16) ** 2 // 4, findings)

    def forward(self, image: Tensor) -> Tensor:
        """Scores before the sigmoid."""
        return self.answer(functional.avg_pool2d(self.body(image - 0.4), 2).flatten(1))


def network_learner(
    images: Images, labels: NDArray[np.float64], test: Images, recipe: NetworkRecipe
) -> Learner:
    """Learns from the images of a `Training`; every arm takes as many steps.

    labels: (n, findings), NaN unknown.  Returns probabilities of the test images.
    """
    pool, asked = (torch.from_numpy(_squares(some)) for some in (images, test))
    wanted, known = torch.from_numpy(np.nan_to_num(labels)).float(), ~np.isnan(labels)
    weight = torch.from_numpy(known).float()

    def learn(training: Training, seed: int) -> NDArray[np.float64]:
        torch.set_num_threads(recipe.threads)
        torch.manual_seed(seed)
        network = SmallNetwork(labels.shape[1]).train()
        for index in (training.first, training.main):
            if len(index):
                _train(network, (pool, wanted, weight), index, recipe, seed)
        with torch.no_grad():
            scores = network.eval()(asked)
        return np.asarray(torch.sigmoid(scores).numpy(), np.float64)

    return learn


def _train(
    network: SmallNetwork,
    pool: tuple[Tensor, Tensor, Tensor],
    index: NDArray[np.int64],
    recipe: NetworkRecipe,
    seed: int,
) -> None:
    rng = np.random.default_rng([seed, 43])
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=0.05)
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * (1 - step / recipe.steps)
        batch = torch.from_numpy(rng.choice(index, recipe.batch_size))
        image, wanted, weight = (part[batch] for part in pool)
        shift = [int(v) for v in rng.integers(-3, 4, 2)]
        scores = network(torch.roll(image, shift, (2, 3)))
        loss = functional.binary_cross_entropy_with_logits(scores, wanted, weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def _squares(images: Images) -> NDArray[np.float32]:
    return np.stack([letterboxed(image, SIDE)[None] for image in images])
