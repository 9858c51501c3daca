"""One step of fine-tuning: which images, which noise, and the gradient; also a private one.

Batch n depends on the seed (or the secret of a private run) and n alone, so a resumed run goes on
exactly where it was.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radsmith.datasets.corpus import balance
from radsmith.errors import InvalidInput, Unavailable
from radsmith.training.pipelines.data import TuningSet
from radsmith.training.pipelines.parts import Noised, Parts, Words, losses
from radsmith.training.pipelines.state import Encoded, PipelineRun

WARMUP = 20
LARGEST_NORM = 1.0


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """Differential privacy of the weights, per patient (DP-SGD, arXiv 1607.00133).

    epsilon, delta: the bound to keep to.  clip: largest norm of one patient's gradient.
    """

    epsilon: float
    delta: float = 1e-5
    clip: float = 1.0

    def __post_init__(self) -> None:
        if not (self.epsilon > 0 and 0 < self.delta < 1 and self.clip > 0):
            raise InvalidInput(
                f"privacy needs epsilon above 0, delta in 0-1 and a clip above 0, got"
                f" {self.epsilon}, {self.delta}, {self.clip}"
            )


@dataclass(frozen=True, kw_only=True)
class PipelineRecipe:
    """How to take steps. at_once: images through the network together.

    noise: multiplier of the clip, for a private run.  key: seeds of every random draw.
    """

    batch_size: int
    at_once: int
    learning_rate: float
    empty_share: float
    key: Sequence[int]
    privacy: Privacy | None = None
    noise: float = 0.0


class Stepper:
    """Takes the steps of a run. Weights images as `radsmith train` does, so rare kinds are seen."""

    def __init__(
        self, recipe: PipelineRecipe, parts: Parts, words: Words, data: TuningSet, encoded: Encoded
    ) -> None:
        self.recipe, self._parts, self._words = recipe, parts, words
        self._data, self._encoded = data, encoded
        self._weight = balance(data.corpus)
        self._patients = patients_of(data)

    def gradient(self, step: int) -> float:
        """Leave the gradient of a step in the parameters; its loss, NaN for an empty batch.

        Raises Unavailable where the memory does not suffice.
        """
        rng = np.random.default_rng([*self.recipe.key, step])
        torch.manual_seed(int(rng.integers(2**62)))  # a U-Net may have dropout
        for parameter in self._parts.trained.values():
            parameter.grad = None
        try:
            if self.recipe.privacy is None:
                return self._plain(rng)
            return self._private(rng, self.recipe.privacy)
        except torch.OutOfMemoryError as error:
            raise Unavailable(
                "not enough memory: take fewer images at once, recompute activations (both leave"
                " the result as it is), or a lower resolution"
            ) from error

    def step(self, run: PipelineRun) -> None:
        """One step: gradient and optimizer; a gradient that is not finite is left out."""
        loss = self.gradient(run.step)
        for group in run.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * min(1.0, (run.step + 1) / WARMUP)
        run.step += 1
        if self.recipe.privacy is None:
            norm = nn.utils.clip_grad_norm_(run.trained.values(), LARGEST_NORM)
            if not torch.isfinite(norm):
                run.skipped += 1
                return
            run.recent.append(loss)
        run.optimizer.step()

    def _plain(self, rng: np.random.Generator) -> float:
        numbers = rng.choice(len(self._data), self.recipe.batch_size, p=self._weight)
        batch, total = self._batch(numbers, rng), 0.0
        for first in range(0, len(batch), self.recipe.at_once):
            part = batch.part(first, self.recipe.at_once)
            loss = losses(self._parts, self._words, part).sum() / len(batch)
            loss.backward()
            total += float(loss.detach())
        return total

    def _private(self, rng: np.random.Generator, privacy: Privacy) -> float:
        """Poisson-sampled patients, one image of each; clipped, summed, noised, averaged.

        One backward pass a sample: exact per-sample gradients of whatever layers are trained.
        """
        rate = self.recipe.batch_size / len(self._patients)
        drawn = [own for own in self._patients if rng.random() < rate]
        batch = self._batch(np.array([rng.choice(own) for own in drawn], np.int64), rng)
        trained = list(self._parts.trained.values())
        total = [torch.zeros_like(p) for p in trained]
        for number in range(len(batch)):
            loss = losses(self._parts, self._words, batch.part(number, 1)).sum()
            found = torch.autograd.grad(loss, trained)
            share = clip_share(found, privacy.clip)
            if share > 0:
                for kept, own in zip(total, found, strict=True):
                    kept.add_(own, alpha=share)
        spread = self.recipe.noise * privacy.clip
        for parameter, kept in zip(trained, total, strict=True):
            noise = torch.from_numpy(rng.standard_normal(tuple(kept.shape), np.float32))
            parameter.grad = (kept + spread * noise.to(kept.device)) / self.recipe.batch_size
        return math.nan  # a loss would tell of the images drawn

    def _batch(self, numbers: NDArray[np.int64], rng: np.random.Generator) -> Noised:
        latents = self._encoded.latents[numbers]
        empty = rng.random(len(numbers)) < self.recipe.empty_share
        return Noised(
            latents=latents,
            noise=rng.standard_normal(latents.shape, np.float32),
            timesteps=rng.integers(0, self._parts.timesteps, len(numbers)),
            sentences=[
                "" if none else self._data.words[i] for i, none in zip(numbers, empty, strict=True)
            ],
        )


def patients_of(data: TuningSet) -> list[NDArray[np.int64]]:
    """Numbers of each training patient's images; an image of nobody known is its own patient."""
    found: dict[str, list[int]] = {}
    for number in data.training:
        found.setdefault(data.corpus.patients[number], []).append(int(number))
    return [np.array(own, np.int64) for own in found.values()]


def clip_share(gradients: Sequence[Tensor], clip: float) -> float:
    """What a sample's gradient is multiplied by so that its norm is at most `clip`.

    0 where it is not finite: such a sample says nothing.
    """
    norm = math.sqrt(sum(float(g.double().square().sum()) for g in gradients))
    return min(1.0, clip / max(norm, 1e-12)) if math.isfinite(norm) else 0.0


def noise_for(privacy: Privacy, rate: float, steps: int) -> float:
    """The noise multiplier with which `steps` steps at this sampling rate keep to the bound."""
    utils = _accountants().utils
    try:
        with warnings.catch_warnings():  # the search for it tries noise that is far too large
            warnings.simplefilter("ignore")
            return float(
                utils.get_noise_multiplier(
                    target_epsilon=privacy.epsilon,
                    target_delta=privacy.delta,
                    sample_rate=rate,
                    steps=steps,
                    accountant="rdp",
                )
            )
    except ValueError as error:
        raise InvalidInput(
            f"no noise keeps {steps} steps to epsilon {privacy.epsilon} at delta {privacy.delta}:"
            " take a larger epsilon, fewer steps or smaller batches"
        ) from error


def epsilon_spent(privacy: Privacy, noise: float, rate: float, steps: int) -> float:
    """Epsilon at privacy.delta after `steps` steps, by Rényi accounting (arXiv 1908.10530)."""
    accountant = _accountants().RDPAccountant()
    accountant.history = [(noise, rate, steps)] if steps else []
    return float(accountant.get_epsilon(delta=privacy.delta))


def _accountants() -> Any:
    try:
        import opacus.accountants
        import opacus.accountants.utils
    except ImportError as error:
        raise Unavailable(
            "differential privacy needs opacus: install it with `pip install radsmith[privacy]`"
        ) from error
    return opacus.accountants
