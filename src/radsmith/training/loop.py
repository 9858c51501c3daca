"""The training loop: one stage, resumable at any moment, with a moving average and a log.

The base learns by squared error; a finer stage begins so and goes on adversarially. Batch n
depends on the seed and n alone, so a resumed run goes on exactly where it was.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from radsmith.datasets.corpus import balance
from radsmith.engines.default.stages import FINER
from radsmith.training.adversarial import (
    Residual,
    Weights,
    critic_loss,
    freeze,
    generator_loss,
    penalty,
    seen_loss,
    strangeness,
    untied,
)
from radsmith.training.batches import Batch, make_batch
from radsmith.training.checkpoints import add_to_log
from radsmith.training.choosing import Material, figures
from radsmith.training.discriminator import Discriminator, DiscriminatorParams
from radsmith.training.drawn import Drawn
from radsmith.training.flow import base_loss
from radsmith.training.network import BaseDenoiser, BaseParams, Upsampler, UpsamplerParams
from radsmith.training.refining import Asked, ask, squared_loss
from radsmith.training.state import (
    Run,
    Trained,
    begin_from,
    keep_best,
    resume,
    save_state,
    saved_step,
)

STAGES = ("base", *FINER)
ALIKE = 0.02
"""Kernel distance of texture at which a finer stage is told from real images no longer: below it
the checkpoint that trained longest is the best."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a run needs to know besides the data. minutes: wall-clock limit of this call.

    temperature, favour: which images are drawn how often, as `balance` says.
    decay_steps: the learning rate falls to a twentieth over these, by a cosine; 0: it stays.
    squared_steps: of a finer stage's first phase.  adversarial_decay_steps: as decay_steps, of both
    rates of its second, from the step in which the discriminator was new.  pretrained_critic:
    whether that also looks through an ImageNet network.  drawn: coarse images that the stages
    before draw, to learn on beside real ones; needs `pretrained_critic`.  half: bfloat16, None:
    what a measurement at the start shows to be faster.
    """

    stage: str
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup: int = 300
    average: float = 0.999
    temperature: float = 0.5
    favour: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    minutes: float = 60.0
    max_steps: int = 10**9
    decay_steps: int = 0
    save_every_s: float = 300.0
    squared_steps: int = 600
    adversarial_rate: float = 2e-4
    critic_rate: float = 4e-4
    critic_warmup: int = 100
    adversarial_decay_steps: int = 0
    adversarial_average: float = 0.998
    pretrained_critic: bool = False
    drawn: int = 0
    half: bool | None = None
    weights: Weights = field(default_factory=Weights)

    def adversarial(self, number: int) -> bool:
        """Whether step `number` is one of the second phase."""
        return self.stage != "base" and number >= self.squared_steps


def build(stage: str, concepts: int, sizes: dict[str, Any]) -> nn.Module:
    """The network of a stage (one of STAGES) with an embedding row per concept."""
    sizes = {k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()}
    if stage == "base":
        return BaseDenoiser(BaseParams(concepts=concepts, **sizes))
    step = FINER[stage]
    return Upsampler(UpsamplerParams(concepts=concepts, scale=step.scale, cell=step.cell, **sizes))


def start(
    recipe: Recipe,
    folder: Path,
    concepts: int,
    sizes: dict[str, Any],
    initial: Trained | None = None,
) -> Run:
    """The run whose state lies in `folder`, or a new one, from `initial` where it is given."""
    threadpool_limits(recipe.threads)  # numpy's solver too: idle threads spin and steal the cores
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build(recipe.stage, concepts, sizes).to(device)
    average = build(recipe.stage, concepts, sizes).to(device)
    average.load_state_dict(network.state_dict())
    for module in (network, average):  # a sixth less time a step on a CPU
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = Run(
        network=network, average=average, optimizer=_optimizer(recipe, network), device=device
    )
    step = saved_step(folder, recipe.stage)
    if step is not None:
        if recipe.adversarial(step - 1):
            enter_second_phase(run, recipe)
        resume(run, folder, recipe.stage)
    elif initial is not None:
        begin_from(run, initial)
    return run


def _optimizer(recipe: Recipe, network: nn.Module) -> Optimizer:
    return AdamW(
        network.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )


def enter_second_phase(run: Run, recipe: Recipe) -> None:
    """A discriminator, and optimizers for two that play against each other. While it is new the
    drawing network stays as it is (`critic_warmup`)."""
    run.critic_from = run.step
    critic = Discriminator(DiscriminatorParams(pretrained=recipe.pretrained_critic)).to(run.device)
    run.critic = critic.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run.critic_optimizer = Adam(critic.parameters(), lr=recipe.critic_rate, betas=(0.0, 0.99))
    run.optimizer = Adam(run.network.parameters(), lr=recipe.adversarial_rate, betas=(0.5, 0.99))


def train(
    recipe: Recipe,
    material: Material,
    folder: Path,
    sizes: dict[str, Any],
    initial: Trained | None = None,
    after_checkpoint: Callable[[Run], None] = lambda run: None,
    drawn: Drawn | None = None,
) -> Run:
    """Train until a limit of the recipe is reached; writes state, average and log in `folder`.

    drawn: what the stages before draw, to learn on too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = start(recipe, folder, len(material.table) + 1, sizes, initial)
    weight = balance(material.corpus, recipe.temperature, recipe.favour)
    run.half = _half_is_faster(run, recipe, material) if recipe.half is None else recipe.half
    began = saved = time.monotonic()
    recent: list[dict[str, float]] = []
    while run.step < recipe.max_steps and time.monotonic() - began < 60 * recipe.minutes:
        tick = time.process_time()
        if run.critic is None and recipe.adversarial(run.step):
            enter_second_phase(run, recipe)
        rng = np.random.default_rng([recipe.seed, run.step])
        index = rng.choice(len(material.corpus), recipe.batch_size, p=weight)
        batch = make_batch(material.corpus, index, material.table, rng, augment=True)
        if run.critic is not None:
            few = recipe.batch_size // 2
            pair = drawn.asked(recipe.stage, material, few, rng, run.device) if drawn else None
            recent.append(adversarial_step(run, recipe, batch, rng, pair=pair))
        else:
            recent.append({"loss": step(run, recipe, _loss(run, recipe, material, batch, rng))})
        run.samples += recipe.batch_size
        run.seconds += time.process_time() - tick
        if time.monotonic() - saved > recipe.save_every_s:
            _checkpoint(run, recipe, material, folder, recent)
            after_checkpoint(run)
            saved, recent = time.monotonic(), []
    if recent:
        _checkpoint(run, recipe, material, folder, recent)
    return run


def _half(run: Run) -> torch.autocast:
    return torch.autocast(run.device.type, torch.bfloat16, enabled=run.half)


def _loss(
    run: Run, recipe: Recipe, material: Material, batch: Batch, rng: np.random.Generator
) -> Tensor:
    with _half(run):
        if recipe.stage == "base":
            fitted = material.fitted(batch.index, training=True)
            return base_loss(run.network, batch, fitted, rng, run.device)
        asked = ask(FINER[recipe.stage], batch, rng, run.device, whole=False)
        return squared_loss(run.network, asked)


def adversarial_step(
    run: Run,
    recipe: Recipe,
    batch: Batch,
    rng: np.random.Generator,
    besides: Callable[[], Tensor] | None = None,
    pair: tuple[Asked, Asked] | None = None,
) -> dict[str, float]:
    """One update of the discriminator and, once that is warm, one of the drawing network.

    besides: more that the drawing network pays.  pair: coarse images that a model drew, and real
    ones of their labels.
    """
    critic, critic_optimizer = run.critic, run.critic_optimizer
    assert critic is not None and critic_optimizer is not None
    left = _decayed(recipe.adversarial_decay_steps, run.step - run.critic_from)
    _set_rate(critic_optimizer, recipe.critic_rate * left)
    _set_rate(run.optimizer, recipe.adversarial_rate * left)
    asked = ask(FINER[recipe.stage], batch, rng, run.device, whole=False)
    weights = recipe.weights
    with _half(run):
        with torch.no_grad():
            true = Residual.of(asked.real, critic, asked)
        drawn = Residual.of(asked.drawn(run.network), critic, asked)
        loss, right = critic_loss(critic, asked, true, drawn.detached())
        told = {"critic": float(loss.detach()), "critic_right": right}
        if pair:
            with torch.no_grad():
                like = Residual.of(pair[1].real, critic, pair[1])
            made = Residual.of(pair[0].drawn(run.network), critic, pair[0])
            apart = seen_loss(critic, like, made.detached())
            told["critic_drawn"] = float(apart.detach())
            loss = loss + apart
        if run.step % weights.penalty_every == 0:
            slope = penalty(critic, asked, true, weights.penalty_images)
            told["slope"] = float(slope.detach())
            loss = loss + 0.5 * weights.penalty * weights.penalty_every * slope
    _descend(loss, critic, critic_optimizer)
    if run.step < run.critic_from + recipe.critic_warmup:
        run.step += 1
        return told
    freeze(critic, True)
    with _half(run):
        loss = generator_loss(critic, asked, true, drawn, weights, FINER[recipe.stage].tied)
        if pair:
            off = made.values * pair[0].mask
            loss = loss + weights.drawn_realism * seen_loss(critic, made, like)
            loss = loss + weights.drawn_features * strangeness(made, like)
            loss = loss + weights.drawn_tie * untied(off, pair[0].mask, FINER[recipe.stage].tied)
        if besides is not None:
            loss = loss + besides()
    norm = _descend(loss, run.network, run.optimizer)
    freeze(critic, False)
    run.step += 1
    if math.isfinite(norm):
        _follow(run, recipe.adversarial_average)
    return told | {"loss": float(loss.detach()) if math.isfinite(norm) else math.nan}


def _descend(loss: Tensor, network: nn.Module, optimizer: Optimizer) -> float:
    """One step down; the norm of the gradients. Nothing moves where that is not finite."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = float(nn.utils.clip_grad_norm_(network.parameters(), 5.0))
    if math.isfinite(norm):
        optimizer.step()
    return norm


def rate(run: Run, recipe: Recipe) -> float:
    """The learning rate of this step, by squared error."""
    warm = min(1.0, (run.step - run.warm_from + 1) / recipe.warmup)
    return recipe.learning_rate * warm * _decayed(recipe.decay_steps, run.step)


def _decayed(over: int, steps: int) -> float:
    """What is left of a rate that falls over so many steps after some of them, 1 to 0.05."""
    return 0.525 + 0.475 * math.cos(math.pi * min(1.0, steps / over)) if over else 1.0


def _set_rate(optimizer: Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def step(run: Run, recipe: Recipe, loss: Tensor) -> float:
    """One update of network and average; the loss, NaN where the update was left out."""
    _set_rate(run.optimizer, rate(run, recipe))
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
    run.step += 1
    if not torch.isfinite(norm):
        return float("nan")  # one bad batch must not end in the weights
    run.optimizer.step()
    _follow(run, min(recipe.average, (1 + run.step) / (10 + run.step)))
    return float(loss.detach())


def _follow(run: Run, decay: float) -> None:
    with torch.no_grad():
        for slow, fast in zip(run.average.parameters(), run.network.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)


def _half_is_faster(run: Run, recipe: Recipe, material: Material) -> bool:
    """Time forward and backward passes in both precisions; nothing moves."""
    if run.device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    rng = np.random.default_rng(0)
    index = np.flatnonzero(~material.corpus.held_out)[: recipe.batch_size]
    batch = make_batch(material.corpus, index, material.table, rng, augment=False)
    spent = {}
    for run.half in (False, True):
        times = []
        for _ in range(3):
            tick = time.process_time()
            _loss(run, recipe, material, batch, np.random.default_rng(0)).backward()
            times.append(time.process_time() - tick)
        spent[run.half] = min(times)
    run.network.zero_grad(set_to_none=True)
    told = {"stage": recipe.stage, "float32_s": spent[False], "bfloat16_s": spent[True]}
    print(json.dumps(told), flush=True)
    return spent[True] < spent[False]


def _checkpoint(
    run: Run, recipe: Recipe, material: Material, folder: Path, recent: list[dict[str, float]]
) -> None:
    entry: dict[str, Any] = {
        "stage": recipe.stage,
        "step": run.step,
        "samples": run.samples,
        "seconds": round(run.seconds, 1),
        "samples_per_core_s": round(run.samples / max(run.seconds, 0.1), 1),
        "half": run.half,
        "phase": "squared error" if run.critic is None else "adversarial",
    }
    for key in sorted({k for told in recent for k in told}):
        values = [told[key] for told in recent if key in told and math.isfinite(told[key])]
        entry[key] = float(np.mean(values)) if values else None
    entry["skipped"] = sum(not math.isfinite(t["loss"]) for t in recent if "loss" in t)
    figure, told = figures(run, recipe.stage, material)
    entry |= told
    if figure is not None and recipe.stage != "base":
        figure = max(figure, ALIKE)
    keep_best(run, folder, recipe.stage, figure)
    save_state(run, folder, recipe.stage, {"recipe": asdict(recipe), "table": material.table})
    add_to_log(folder / f"{recipe.stage}.log.jsonl", entry)
    print(json.dumps(entry), flush=True)
