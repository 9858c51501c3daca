"""Fine-tuning of the finer stages: adversarially, held to their old answers on old images.

A stage is replaced only where its drawings of held-out images came nearer to them in the choosing
space; without held-out images nothing tells, so it stays. A killed run goes on where it last saved.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from radsmith.datasets.corpus import balance
from radsmith.engines.default.stages import FINER, FinerStep
from radsmith.images.letterbox import SIDE
from radsmith.images.resize import enlarge
from radsmith.training.batches import Batch, make_batch
from radsmith.training.checkpoints import add_to_log
from radsmith.training.choosing import Material as Seen
from radsmith.training.choosing import figures
from radsmith.training.export import stored_network
from radsmith.training.from_onnx import upsampler_from_onnx
from radsmith.training.loop import Recipe, adversarial_step, enter_second_phase
from radsmith.training.network import Upsampler
from radsmith.training.refining import ask
from radsmith.training.replay import Replay
from radsmith.training.state import Run, keep_best, resume, save_state, use_best
from radsmith.training.tuned_model import Material, Tuning, with_rows

Tell = Callable[[str, dict[str, Any]], None]
LOOKS = 4
"""Times a stage is compared with what it was."""
SAVE_EVERY_S = 60.0


def tune_finer(tuning: Tuning, material: Material, stage: str, tell: Tell) -> bytes:
    """The stage as it ships: tuned or, where that did not help, as it was."""
    grown = [_grown(material, stage) for _ in range(3)]
    device = next(material.teacher.parameters()).device
    for network in grown:
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network, average, teacher = grown
    recipe = Recipe(
        stage=stage,
        batch_size=tuning.batch_size,
        squared_steps=0,
        critic_warmup=min(50, tuning.finer_steps // 4),
        seed=tuning.seed,
        threads=tuning.threads,
    )
    seen = Seen(material.own.corpus, material.table, material.exact, material.component)
    optimizer = torch.optim.Adam(network.parameters())
    run = Run(network=network, average=average, optimizer=optimizer, device=device)
    torch.manual_seed(tuning.seed)
    enter_second_phase(run, recipe)
    if seen.held_out is None:
        tell("stage", {"text": f"{stage}: nothing is held out, so it stays as it is"})
    else:
        _train(tuning, material, (run, recipe, seen), teacher.eval(), tell)
    use_best(run.average, tuning.work, stage)
    return stored_network(run.average, stage)


def _train(
    tuning: Tuning,
    material: Material,
    state: tuple[Run, Recipe, Seen],
    teacher: nn.Module,
    tell: Tell,
) -> None:
    run, recipe, seen = state
    stage, corpus, saved = recipe.stage, seen.corpus, time.monotonic()
    if (tuning.work / f"{stage}.json").exists():
        resume(run, tuning.work, stage)
    else:
        _look(tuning, run, stage, seen)  # as it was: what has to be beaten
    weight = balance(corpus, recipe.temperature)
    while run.step < tuning.finer_steps:
        rng = np.random.default_rng([recipe.seed, run.step])
        index = rng.choice(len(corpus), recipe.batch_size, p=weight)
        batch = make_batch(corpus, index, material.table, rng, augment=True)
        held = _held(run, teacher, FINER[stage], _replayed(material.replay, recipe, rng), rng)
        told = adversarial_step(run, recipe, batch, rng, held)
        shown = {"step": run.step, "steps": tuning.finer_steps, "loss": told.get("loss", 0.0)}
        tell("step", shown | {"stage": stage})
        if run.step % max(1, tuning.finer_steps // LOOKS) == 0 or run.step == tuning.finer_steps:
            entry = told | _look(tuning, run, stage, seen)
            tell("look", entry)
        if time.monotonic() - saved > SAVE_EVERY_S or run.step == tuning.finer_steps:
            save_state(run, tuning.work, stage, {})
            saved = time.monotonic()


def _look(tuning: Tuning, run: Run, stage: str, seen: Seen) -> dict[str, Any]:
    """Compare with held-out images, keep the best, and say so in the log."""
    figure, told = figures(run, stage, seen)
    if figure is not None:
        keep_best(run, tuning.work, stage, figure)
    entry = {"stage": stage, "step": run.step} | told
    add_to_log(tuning.work / "log.jsonl", entry)
    return entry


def _grown(material: Material, stage: str) -> Upsampler:
    network = upsampler_from_onnx(material.files.networks[stage])
    network.condition.table = with_rows(network.condition.table, len(material.table) + 1)
    return network


def _replayed(replay: Replay, recipe: Recipe, rng: np.random.Generator) -> Batch:
    """Old images that the model drew, as coarse as it remembers them, as a batch."""
    which = rng.choice(len(replay.low), recipe.batch_size)
    low = replay.low[which]
    count = len(low)
    return Batch(
        fine=enlarge(low, SIDE // low.shape[1]),
        box=np.tile(np.array([0, 0, SIDE, SIDE]), (count, 1)),
        crop=np.zeros((count, 4), np.float32),
        concepts=replay.rows[which],
        index=which,
    )


def _held(
    run: Run, teacher: nn.Module, step: FinerStep, batch: Batch, rng: np.random.Generator
) -> Callable[[], Tensor]:
    """What the network pays for answering otherwise than it used to on old images."""
    asked = ask(step, batch, rng, run.device, whole=False)
    asked = replace(asked, mask=torch.ones_like(asked.mask))

    def loss() -> Tensor:
        with torch.no_grad():
            wanted = asked.drawn(teacher)
        return (asked.drawn(run.network) - wanted).square().mean()

    return loss
