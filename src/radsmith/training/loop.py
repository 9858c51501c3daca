"""The training loop: one stage, resumable at any moment, with a moving average and a log.

The state is one safetensors file (network, average, optimizer) and one JSON file, written under
temporary names and renamed. Batch n depends on the seed and n alone, so a resumed run goes on
exactly where it was.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from radsmith.datasets.corpus import Corpus, balance
from radsmith.engines.default.prior import Prior
from radsmith.training.flow import Batch, base_loss, make_batch, upsampler_loss
from radsmith.training.network import BaseDenoiser, BaseParams, Upsampler, UpsamplerParams

HELD_OUT_IMAGES = 192
Loss = Callable[[nn.Module, Batch, np.random.Generator], Tensor]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a run needs to know besides the data. minutes: wall-clock limit of this call.

    decay_steps: the learning rate falls to a twentieth over these, by a cosine; 0: it stays.
    """

    stage: str
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup: int = 300
    average: float = 0.999
    temperature: float = 0.5
    seed: int = 0
    threads: int = 1
    minutes: float = 60.0
    max_steps: int = 10**9
    decay_steps: int = 0
    save_every_s: float = 300.0


@dataclass
class Run:
    """A network in training with its optimizer, average and counters."""

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.AdamW
    device: torch.device
    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    warm_from: int = 0
    """Step at which the optimizer last began without its own state."""


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """A network that was trained before, and how long."""

    network: nn.Module
    step: int = 0
    samples: int = 0
    seconds: float = 0.0


def build(stage: str, concepts: int, sizes: dict[str, Any]) -> nn.Module:
    """The network of a stage ("base" or "upsampler") with an embedding row per concept."""
    sizes = {k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()}
    if stage == "base":
        return BaseDenoiser(BaseParams(concepts=concepts, **sizes))
    return Upsampler(UpsamplerParams(concepts=concepts, **sizes))


def start(
    recipe: Recipe,
    folder: Path,
    concepts: int,
    sizes: dict[str, Any],
    initial: Beginning | None = None,
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
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    run = Run(network=network, average=average, optimizer=optimizer, device=device)
    if (folder / f"{recipe.stage}.json").exists():
        resume(run, folder, recipe.stage)
    elif initial is not None:
        _begin_from(run, initial)
    return run


def train(
    recipe: Recipe,
    corpus: Corpus,
    table: dict[str, int],
    prior: Prior,
    component: NDArray[np.int64],
    folder: Path,
    sizes: dict[str, Any],
    initial: Beginning | None = None,
    after_checkpoint: Callable[[Run], None] = lambda run: None,
) -> Run:
    """Train until a limit of the recipe is reached; writes state, average and log in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    run = start(recipe, folder, len(table) + 1, sizes, initial)
    loss_of = _loss(recipe.stage, prior, component, run.device)
    weight = balance(corpus, recipe.temperature)
    began = saved = time.monotonic()
    recent: list[float] = []
    while run.step < recipe.max_steps and time.monotonic() - began < 60 * recipe.minutes:
        tick = time.monotonic()
        rng = np.random.default_rng([recipe.seed, run.step])
        index = rng.choice(len(corpus), recipe.batch_size, p=weight)
        batch = make_batch(corpus, index, table, rng, augment=True)
        recent.append(step(run, recipe, loss_of(run.network, batch, rng)))
        run.samples += recipe.batch_size
        run.seconds += time.monotonic() - tick
        if time.monotonic() - saved > recipe.save_every_s:
            _checkpoint(run, recipe, folder, loss_of, (corpus, table), recent)
            after_checkpoint(run)
            saved, recent = time.monotonic(), []
    _checkpoint(run, recipe, folder, loss_of, (corpus, table), recent)
    return run


def held_out_loss(
    run: Run, loss_of: Loss, corpus: Corpus, table: dict[str, int], recipe: Recipe
) -> float:
    """The averaged network's loss on held-out images with fixed noise."""
    rng = np.random.default_rng(0)  # the same noise whatever the recipe
    index = np.flatnonzero(corpus.held_out)
    index = rng.permutation(index)[:HELD_OUT_IMAGES]
    losses = []
    run.average.eval()
    with torch.no_grad():
        for part in np.array_split(index, max(1, len(index) // recipe.batch_size)):
            batch = make_batch(corpus, part, table, rng, augment=False)
            losses.append(float(loss_of(run.average, batch, rng)))
    return float(np.mean(losses))


def _loss(stage: str, prior: Prior, component: NDArray[np.int64], device: torch.device) -> Loss:
    if stage == "base":
        return lambda network, batch, rng: base_loss(network, batch, prior, component, rng, device)
    return lambda network, batch, rng: upsampler_loss(network, batch, rng, device)


def rate(run: Run, recipe: Recipe) -> float:
    """The learning rate of this step."""
    warm = min(1.0, (run.step - run.warm_from + 1) / recipe.warmup)
    if not recipe.decay_steps:
        return recipe.learning_rate * warm
    done = min(1.0, run.step / recipe.decay_steps)
    return recipe.learning_rate * warm * (0.525 + 0.475 * math.cos(math.pi * done))


def step(run: Run, recipe: Recipe, loss: Tensor) -> float:
    """One update of network and average; the loss, NaN where the update was left out."""
    for group in run.optimizer.param_groups:
        group["lr"] = rate(run, recipe)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
    run.step += 1
    if not torch.isfinite(norm):
        return float("nan")  # one bad batch must not end in the weights
    run.optimizer.step()
    decay = min(recipe.average, (1 + run.step) / (10 + run.step))
    with torch.no_grad():
        for slow, fast in zip(run.average.parameters(), run.network.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)
    return float(loss.detach())


def _checkpoint(
    run: Run,
    recipe: Recipe,
    folder: Path,
    loss_of: Loss,
    data: tuple[Corpus, dict[str, int]],
    recent: list[float],
) -> None:
    corpus, table = data
    entry = {
        "stage": recipe.stage,
        "step": run.step,
        "samples": run.samples,
        "seconds": round(run.seconds, 1),
        "loss": float(np.nanmean(recent)) if np.isfinite(recent).any() else None,
        "skipped": int(np.isnan(recent).sum()),
        "held_out": held_out_loss(run, loss_of, corpus, table, recipe)
        if corpus.held_out.any()
        else None,
    }
    save_state(run, recipe, folder, table)
    with (folder / f"{recipe.stage}.log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(entry) + "\n")
    print(json.dumps(entry), flush=True)


def last_entry(folder: Path, stage: str) -> dict[str, Any]:
    """The last line of a stage's log."""
    lines = (folder / f"{stage}.log.jsonl").read_text(encoding="utf-8").splitlines()
    entry: dict[str, Any] = json.loads(lines[-1])
    return entry


def save_state(run: Run, recipe: Recipe, folder: Path, table: dict[str, int]) -> None:
    """Write the whole state; an interrupted write leaves the last one."""
    tensors = {f"network.{k}": v for k, v in run.network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in run.average.state_dict().items()}
    for name, parameter in run.network.named_parameters():
        for key, value in run.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{key}.{name}"] = value
    name = f"{recipe.stage}-{run.step}.safetensors"
    state = {"step": run.step, "samples": run.samples, "seconds": run.seconds, "tensors": name}
    state["warm_from"] = run.warm_from
    save_file({k: v.contiguous().cpu() for k, v in tensors.items()}, folder / name)
    partial = folder / f"{recipe.stage}.json.partial"
    partial.write_text(json.dumps(state | {"recipe": asdict(recipe), "table": table}))
    os.replace(partial, folder / f"{recipe.stage}.json")
    for old in folder.glob(f"{recipe.stage}-*.safetensors"):
        if old.name != name:
            old.unlink()


def resume(run: Run, folder: Path, stage: str) -> None:
    """Go on from the state that `save_state` left in `folder`."""
    state = json.loads((folder / f"{stage}.json").read_text())
    tensors = load_file(folder / state["tensors"], device=str(run.device))
    run.network.load_state_dict(_grown(_part(tensors, "network."), run.network))
    run.average.load_state_dict(_grown(_part(tensors, "average."), run.average))
    for name, parameter in run.network.named_parameters():
        kept = {
            key: tensors[f"optimizer.{key}.{name}"]
            for key in ("step", "exp_avg", "exp_avg_sq")
            if f"optimizer.{key}.{name}" in tensors
        }
        for key in ("exp_avg", "exp_avg_sq"):
            if key in kept and kept[key].shape != parameter.shape:
                whole = torch.zeros_like(parameter)
                whole[: len(kept[key])] = kept[key]
                kept[key] = whole
        if kept:
            run.optimizer.state[parameter] = kept | {"step": kept["step"].cpu()}
    run.step, run.samples, run.seconds = state["step"], state["samples"], state["seconds"]
    run.warm_from = state.get("warm_from", 0)


def _begin_from(run: Run, initial: Beginning) -> None:
    """A trained network without its optimizer: counters go on, warm-up is repeated."""
    for network in (run.network, run.average):
        network.load_state_dict(_grown(dict(initial.network.state_dict()), network))
    run.step, run.samples, run.seconds = initial.step, initial.samples, initial.seconds
    run.warm_from = run.step


def _grown(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Embedding tables with rows for concepts that are new since: the mean of the old ones."""
    own = network.state_dict()
    for name, module in network.named_modules():
        key = f"{name}.weight"
        if isinstance(module, nn.Embedding) and key in tensors:
            old = tensors[key]
            if old.shape[0] < own[key].shape[0]:
                mean = old.float().mean(0, keepdim=True).expand(len(own[key]) - len(old), -1)
                tensors[key] = torch.cat([old.to(own[key]), mean.to(own[key])])
    return tensors


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
