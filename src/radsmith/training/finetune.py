"""Fine-tune the default model on a data set of one's own; the result is one `.radsmith` file.

The closed-form prior gets components for the new images at once; the base network learns their
detail, by low-rank changes or whole, while it is held to its old answers on its own old images
(`replay`). The finer stages are local and stay as they are unless asked for (`finetune_finer`). A
killed run goes on where it last saved.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save
from threadpoolctl import threadpool_limits
from torch import nn

from radsmith.datasets.corpus import Corpus, balance
from radsmith.engines.default.onnx_engine import ModelFiles, OnnxEngine
from radsmith.engines.default.prior import Prior
from radsmith.engines.default.stages import FINER, NATIVE
from radsmith.engines.model_files import load_files, pack
from radsmith.errors import InvalidInput
from radsmith.files import prepare_folder, write_atomically
from radsmith.generation.plan import WEAK
from radsmith.training.batches import make_batch
from radsmith.training.checkpoints import STATE, add_to_log
from radsmith.training.choosing import Material as Seen
from radsmith.training.choosing import held_out_loss
from radsmith.training.cross_fit import of_one
from radsmith.training.export import stored_network
from radsmith.training.finetune_finer import tune_finer
from radsmith.training.finetune_report import ModelWatch, finish_report
from radsmith.training.fit_prior import extend_prior, mean_covariance
from radsmith.training.flow import base_loss
from radsmith.training.from_onnx import base_from_onnx, upsampler_from_onnx
from radsmith.training.loop import Recipe, step
from radsmith.training.low_rank import adapt, trainable
from radsmith.training.own_data import FEWEST_OF_CONCEPT, OwnData, load_own
from radsmith.training.replay import Replay, draw_replay, replay_loss
from radsmith.training.state import Run, keep_best, resume, save_state, use_best
from radsmith.training.tuned_model import (
    Material,
    Tuning,
    files_of,
    grown_base,
    parts_of,
    with_rows,
)

_FEW_STEPS = 3
"""Steps that are timed before the run says how long it will take."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What is known before the training: images per concept, new words, thin ones, size, time.

    seconds: for the training alone, by the first steps' time. memory: MiB at the peak so far.
    """

    images: dict[str, int]
    new: tuple[str, ...]
    warnings: tuple[str, ...]
    parameters: int
    steps: int
    seconds: float
    memory: float
    resumed: int


Tell = Callable[[str, dict[str, Any]], None]
"""Called with "forecast", "step", "preview" or "stage" and what there is to say."""


def finetune(tuning: Tuning, tell: Tell = lambda what, facts: None) -> Path:
    """Train, export and report; returns the model's path.

    Run again after a kill, it goes on. Raises InvalidInput where the work of another request lies
    in the way, or the result exists.
    """
    if tuning.out.exists():
        raise InvalidInput(f"{tuning.out} exists: choose another -o, or move it away")
    prepare_folder(tuning.work)
    threadpool_limits(tuning.threads)
    torch.set_num_threads(tuning.threads)
    tell("stage", {"text": "reading the data set"})
    material = _material(tuning, tell)
    run, recipe = _start(tuning, material)
    plan = _plan(tuning, material, run, recipe)
    tell("forecast", vars(plan))
    watch = ModelWatch(
        own=material.own, new=plan.new, folder=tuning.work / "previews", seed=tuning.seed
    )
    _train(tuning, material, (run, recipe), plan.steps, watch, tell)
    use_best(run.average, tuning.work, "base")
    if tuning.finer_steps:
        tell("stage", {"text": f"tuning the finer stages, {tuning.finer_steps} steps each"})
        stages = [stage for stage in NATIVE if stage in material.finer]
        finer = {stage: tune_finer(tuning, material, stage, tell) for stage in stages}
        material = replace(material, finer=dict(material.finer) | finer)
    tell("stage", {"text": "writing and measuring the model"})
    parts = parts_of(tuning, material, run)
    before, after = OnnxEngine(material.files), OnnxEngine(files_of(parts, material))
    finish_report(tuning.work, before, after, material.own, asdict(plan), watch)
    pack(parts, tuning.out)
    if tuning.report.exists():
        shutil.rmtree(tuning.report)
    os.replace(tuning.work / "report", tuning.report)
    shutil.rmtree(tuning.work)
    return tuning.out


def _material(tuning: Tuning, tell: Tell) -> Material:
    files = load_files(tuning.base)
    own = load_own(tuning.dataset, tuning.work)
    _check_same(tuning, own, files)
    counts = own.corpus.counts()
    table = dict(files.config["table"])
    fresh = sorted(c for c, n in counts.items() if n >= FEWEST_OF_CONCEPT and c not in table)
    table |= {c: len(table) + 1 + i for i, c in enumerate(fresh)}
    prior = Prior.from_arrays(files.arrays)
    none = np.empty(0, np.int64)
    longer, component = extend_prior(prior, none, own.corpus, tuning.seed, mean_covariance(prior))
    kept = tuning.work / "replay.safetensors"
    if kept.is_file():
        replay = Replay(**load_file(kept))
    else:
        tell("stage", {"text": f"drawing {tuning.replay} images of what the model knew"})
        replay = draw_replay(files, tuning.replay, tuning.seed)
        write_atomically(kept, save(replay.arrays()))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Material(
        files=files,
        own=own,
        table=table,
        prior=longer,
        exact=longer.mended(),
        component=component,
        replay=replay,
        teacher=base_from_onnx(files.networks["base"]).eval().to(device),
        finer={
            stage: _with_rows(files, stage, len(table) + 1)
            for stage in FINER
            if stage in files.networks
        },
    )


def _with_rows(files: ModelFiles, stage: str, rows: int) -> bytes:
    """A finer stage with rows for new concepts."""
    finer = upsampler_from_onnx(files.networks[stage])
    finer.condition.table = with_rows(finer.condition.table, rows)
    return stored_network(finer, stage)


def _check_same(tuning: Tuning, own: OwnData, files: ModelFiles) -> None:
    """The work in the way must be of this very request."""
    asked = {
        "dataset": own.digest,
        "base": files.config["digest"],
        "rank": tuning.rank,
        "batch_size": tuning.batch_size,
        "learning_rate": tuning.learning_rate,
        "replay": tuning.replay,
        "finer_steps": tuning.finer_steps,
        "seed": tuning.seed,
    }
    path = tuning.work / "request.json"
    if path.is_file() and json.loads(path.read_text()) != asked:
        raise InvalidInput(
            f"{tuning.work} holds the work of another request: repeat that one, remove the folder,"
            " or choose another -o"
        )
    write_atomically(path, json.dumps(asked).encode())


def _start(tuning: Tuning, material: Material) -> tuple[Run, Recipe]:
    """The network with rows for new concepts, average and optimizer, as they were last saved."""
    torch.manual_seed(tuning.seed)
    old = len(material.teacher.state_dict()["tokens.weight"])
    networks: list[nn.Module] = []
    for _ in range(2):
        grown = grown_base(material.files, len(material.table) + 1)
        torch.manual_seed(tuning.seed)
        networks.append(adapt(grown, tuning.rank, old) if tuning.rank else grown)
    network, average = networks
    device = next(material.teacher.parameters()).device
    for module in networks:
        module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        trainable(network), lr=tuning.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    run = Run(network=network, average=average, optimizer=optimizer, device=device)
    recipe = Recipe(
        stage="base",
        batch_size=tuning.batch_size,
        learning_rate=tuning.learning_rate,
        warmup=30,
        average=0.99,
        seed=tuning.seed,
        threads=tuning.threads,
    )
    if (tuning.work / "base.json").exists():
        resume(run, tuning.work, "base")
    return run, recipe


def _plan(tuning: Tuning, material: Material, run: Run, recipe: Recipe) -> Forecast:
    """Time some steps without effect; how many there will be is settled once and kept."""
    corpus = material.own.corpus
    counts = corpus.counts()
    known = material.files.config["table"]
    thin = {c: n for c, n in counts.items() if n < WEAK and not c.startswith("style:")}
    warnings = [f"{c}: {n} images; expect little" for c, n in sorted(thin.items())]
    if not corpus.held_out.any():
        warnings.append("one patient or few: nothing is held out, so overfitting shows no sign")
    began = time.monotonic()
    for number in range(_FEW_STEPS):
        _loss(material, run.network, recipe, corpus, number).backward()
        run.network.zero_grad(set_to_none=True)
    each = (time.monotonic() - began) / _FEW_STEPS
    path = tuning.work / STATE
    if not path.is_file():
        steps = max(1, min(tuning.steps, int(60 * tuning.minutes / each)))
        write_atomically(path, json.dumps({"steps": steps}).encode())
    steps = int(json.loads(path.read_text())["steps"])
    return Forecast(
        images=dict(sorted(counts.items())),
        new=tuple(c for c in material.table if c not in known),
        warnings=tuple(warnings),
        parameters=sum(p.numel() for p in trainable(run.network)),
        steps=steps,
        seconds=each * (steps - run.step),
        memory=_peak_memory(),
        resumed=run.step,
    )


def _loss(
    material: Material, network: nn.Module, recipe: Recipe, corpus: Corpus, number: int
) -> torch.Tensor:
    """The loss of step `number`: it depends on the seed and the number alone."""
    rng = np.random.default_rng([recipe.seed, number])
    weight = balance(corpus, recipe.temperature)
    index = rng.choice(len(corpus), recipe.batch_size, p=weight)
    batch = make_batch(corpus, index, material.table, rng, augment=True)
    device = next(network.parameters()).device
    fitted = of_one(material.exact, material.component[index])
    fresh = base_loss(network, batch, fitted, rng, device)
    which = rng.choice(len(material.replay.low), recipe.batch_size)
    kept = replay_loss(network, material.teacher, material.replay, material.exact, which, rng)
    return fresh + kept


def _train(
    tuning: Tuning,
    material: Material,
    state: tuple[Run, Recipe],
    steps: int,
    watch: ModelWatch,
    tell: Tell,
) -> None:
    run, recipe = state
    recipe = Recipe(**(asdict(recipe) | {"decay_steps": steps}))
    every = max(1, steps // max(1, tuning.previews))
    saved, recent = time.monotonic(), []
    while run.step < steps:
        recent.append(
            step(run, recipe, _loss(material, run.network, recipe, material.own.corpus, run.step))
        )
        run.samples += recipe.batch_size
        tell("step", {"step": run.step, "steps": steps, "loss": float(np.nanmean(recent[-50:]))})
        if run.step % every == 0 or run.step == steps:
            entry = {"step": run.step, "loss": float(np.nanmean(recent))} | _check(
                run, recipe, material
            )
            keep_best(run, tuning.work, "base", entry["held_out"])
            parts = parts_of(tuning, material, run)
            entry |= watch.look(OnnxEngine(files_of(parts, material)), run.step)
            tell("preview", entry)
            save_state(run, tuning.work, "base", {})
            add_to_log(tuning.work / "log.jsonl", entry)
            saved, recent = time.monotonic(), []
        elif time.monotonic() - saved > 60:
            save_state(run, tuning.work, "base", {})
            saved = time.monotonic()


def _check(run: Run, recipe: Recipe, material: Material) -> dict[str, Any]:
    """Loss on held-out images, and how far the old answers drifted, with fixed noise."""
    seen = Seen(material.own.corpus, material.table, material.exact, material.component)
    held = held_out_loss(run, seen)
    rng = np.random.default_rng(1)
    which = np.arange(min(32, len(material.replay.low)))
    with torch.no_grad():
        drift = float(
            replay_loss(run.average, material.teacher, material.replay, material.exact, which, rng)
        )
    return {"held_out": held, "drift": drift}


def _peak_memory() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
