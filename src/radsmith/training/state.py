"""A stage in training: its networks, optimizers and counters, on disk and back.

The state is one safetensors file and one JSON file, written under temporary names and renamed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer

from radsmith.errors import InvalidInput
from radsmith.files import write_atomically
from radsmith.training.checkpoints import save_tensors
from radsmith.training.discriminator import Discriminator
from radsmith.training.network import Upsampler

SIZED = {"grain.": "filters", "finish.": "finish"}
"""Parts that a stage may have got since its state was stored, and what a configuration calls their
size."""
LATER = (*SIZED, "seen.")
"""Those, and what its discriminator may have got."""


@dataclass
class Run:
    """A network in training with its optimizer, average and counters.

    half: whether the forward passes run in bfloat16.  critic: in the adversarial phase.
    """

    network: nn.Module
    average: nn.Module
    optimizer: Optimizer
    device: torch.device
    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    half: bool = False
    warm_from: int = 0
    """Step at which the optimizer last began without its own state."""
    critic: Discriminator | None = None
    critic_from: int = 0
    """Step at which the discriminator began from nothing."""
    critic_optimizer: Optimizer | None = None
    best: float | None = None
    """The lowest figure by which a checkpoint was chosen."""

    def networks(self) -> Iterator[tuple[str, nn.Module]]:
        """Everything with weights, by the name it is stored under."""
        yield "network", self.network
        yield "average", self.average
        if self.critic is not None:
            yield "critic", self.critic

    def optimizers(self) -> Iterator[tuple[str, nn.Module, Optimizer]]:
        """Each optimizer with the network it moves."""
        yield "optimizer", self.network, self.optimizer
        if self.critic is not None and self.critic_optimizer is not None:
            yield "critic_optimizer", self.critic, self.critic_optimizer


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network that was trained before, and how long."""

    network: nn.Module
    step: int = 0
    samples: int = 0
    seconds: float = 0.0


def saved_step(folder: Path, stage: str) -> int | None:
    """The step of the state in `folder`; None where there is none."""
    path = folder / f"{stage}.json"
    return int(json.loads(path.read_text())["step"]) if path.exists() else None


def save_state(run: Run, folder: Path, stage: str, facts: dict[str, Any]) -> None:
    """Write the whole state; an interrupted write leaves the last one.  facts: recipe and table."""
    tensors = {
        f"{n}.{k}": v for n, module in run.networks() for k, v in module.state_dict().items()
    }
    for name, module, optimizer in run.optimizers():
        for key, parameter in module.named_parameters():
            for slot, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{name}.{slot}.{key}"] = value
    name = f"{stage}-{run.step}.safetensors"
    state = {"step": run.step, "samples": run.samples, "seconds": run.seconds, "tensors": name}
    state |= {"warm_from": run.warm_from, "critic_from": run.critic_from, "best": run.best}
    save_tensors(tensors, folder / name)
    write_atomically(folder / f"{stage}.json", json.dumps(state | facts).encode())
    for old in folder.glob(f"{stage}-*.safetensors"):
        if old.name not in (name, f"{stage}-best.safetensors"):
            old.unlink()


def resume(run: Run, folder: Path, stage: str) -> None:
    """Go on from the state that `save_state` left in `folder`."""
    state = json.loads((folder / f"{stage}.json").read_text())
    tensors = load_file(folder / state["tensors"], device=str(run.device))
    run.critic_from = state.get("critic_from", 0)
    for name, module in run.networks():
        own = _part(tensors, f"{name}.")
        if own or name != "critic":
            module.load_state_dict(_grown(own, module))
        else:
            run.critic_from = state["step"]
    for name, module, optimizer in run.optimizers():
        for key, parameter in module.named_parameters():
            kept = {
                slot: tensors[f"{name}.{slot}.{key}"]
                for slot in ("step", "exp_avg", "exp_avg_sq")
                if f"{name}.{slot}.{key}" in tensors
            }
            for slot in ("exp_avg", "exp_avg_sq"):
                if slot in kept and kept[slot].shape != parameter.shape:
                    whole = torch.zeros_like(parameter)
                    whole[: len(kept[slot])] = kept[slot]
                    kept[slot] = whole
            if kept:
                optimizer.state[parameter] = kept | {"step": kept["step"].cpu()}
    run.step, run.samples, run.seconds = state["step"], state["samples"], state["seconds"]
    run.warm_from, run.best = state.get("warm_from", 0), state.get("best")


def begin_from(run: Run, initial: Trained) -> None:
    """A trained network without its optimizer: counters go on, warm-up is repeated."""
    for network in (run.network, run.average):
        take_weights(network, initial.network)
    run.step, run.samples, run.seconds = initial.step, initial.samples, initial.seconds
    run.warm_from = run.step


def take_weights(network: nn.Module, trained: nn.Module) -> None:
    """Give a network those of one like it, which may know fewer concepts and have fewer parts."""
    network.load_state_dict(_grown(dict(trained.state_dict()), network))


def keep_best(run: Run, folder: Path, stage: str, figure: float | None) -> None:
    """Keep the average where no earlier checkpoint had a lower figure; without one, always.

    Of equal ones the last.
    """
    if run.best is not None and figure is not None and figure > run.best:
        return
    run.best = figure
    save_tensors(run.average.state_dict(), folder / f"{stage}-best.safetensors")
    chosen = {"figure": figure, "step": run.step}
    write_atomically(folder / f"{stage}-best.json", json.dumps(chosen).encode())


def use_best(network: nn.Module, folder: Path, stage: str) -> bool:
    """Give a network the weights that `keep_best` kept, where there are any; whether there are."""
    path = folder / f"{stage}-best.safetensors"
    if not path.is_file():
        return False
    network.load_state_dict(_grown(load_file(path), network))
    return True


def _grown(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Embedding tables with rows for concepts that are new since, the mean of the old ones, parts
    that were not there then, and residual blocks beyond those it had, which add nothing yet; of a
    discriminator without parts that are gone."""
    own = network.state_dict()
    if any(k.startswith("blocks.") and k not in own for k in tensors):
        raise InvalidInput(
            "the stored stage has more blocks than [sizes] says: give its depth there, as when it"
            " was trained"
        )
    for part, size in SIZED.items():
        if any(k.startswith(part) for k in tensors) and not any(k.startswith(part) for k in own):
            raise InvalidInput(
                f"the stored stage has a part “{part[:-1]}” that [sizes] leaves out: give its"
                f" {size} there, as when it was trained"
            )
    tensors = {k: v for k, v in tensors.items() if k in own or not k.startswith(LATER)}
    later = (*LATER, "blocks.") if isinstance(network, Upsampler) else LATER
    tensors |= {k: v for k, v in own.items() if k.startswith(later) and k not in tensors}
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
