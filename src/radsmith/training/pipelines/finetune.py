"""Fine-tune a Stable Diffusion pipeline (1.5, 2, XL) on a data set of one's own.

Trains a low-rank adapter (arXiv 2106.09685) or all of the U-Net, by the pipeline's own noise
schedule and kind of prediction. Gray images are shown to it as RGB by repeating; nothing is
mirrored, for sides mean something. What is needed to go on after a stop lies beside the output and
is removed at the end.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from radsmith.engines.diffusers_engine import (
    adapters_library,
    libraries,
    pipeline_digest,
    pipeline_folder,
    pipeline_index,
)
from radsmith.engines.finetuned import SIDECAR, read_finetuned
from radsmith.errors import InvalidInput
from radsmith.files import prepare_folder
from radsmith.training.checkpoints import add_to_log, read_log
from radsmith.training.pipelines.data import TuningSet, common_words, load_tuning_set
from radsmith.training.pipelines.outlook import measure_outlook
from radsmith.training.pipelines.output import Look, LookTaker, finish
from radsmith.training.pipelines.parts import Parts, Words, make_trainable, open_pipeline
from radsmith.training.pipelines.preview import find_judge, previews_of, spaces_of
from radsmith.training.pipelines.request import PipelineTuning
from radsmith.training.pipelines.state import (
    PipelineRun,
    Report,
    begin_state,
    begun,
    check_same,
    encode_all,
    load_run,
    save_run,
)
from radsmith.training.pipelines.steps import (
    PipelineRecipe,
    Privacy,
    Stepper,
    noise_for,
    patients_of,
)

__all__ = ["PipelineTuning", "Privacy", "finetune_pipeline"]
LOG = "log.jsonl"
LOG_STEPS = 10
_USUAL_RATE = {True: 1e-5, False: 1e-4}
"""Learning rate for all of the U-Net, and for a LoRA."""


def finetune_pipeline(request: PipelineTuning, report: Report) -> Path:
    """Fine-tune, or go on where a stopped run was; returns the output folder.

    report: called with the name of an event ("encoding", "outlook", "step", "look", "warning",
    "writing") and its facts. Raises InvalidInput, NotFound or Unavailable as the message says.
    """
    libraries()
    if request.rank is not None:
        adapters_library()
    state = begun(request.state)
    if _finished(request, state):
        return request.out
    data = load_tuning_set(request.data, request.held_out_share)
    base = pipeline_folder(request.base)
    _check_base(base, request.base)
    identity = _identity(request, data, pipeline_digest(base))
    begin = not state
    if begin:
        state = {"identity": identity, "secret": secrets.token_bytes(32).hex()}
    check_same(request.state, state["identity"], identity)
    recipe = _recipe(request, data, str(state["secret"]))
    parts = open_pipeline(base, request.resolution, request.precision)
    asked = previews_of(request.preview_prompts or common_words(data, 4), request.seed)
    make_trainable(parts, request.rank, request.seed, spare=request.spare_memory)
    prepare_folder(request.out)
    if begin:
        begin_state(request.state, state)
    judge = find_judge()
    spaces = spaces_of(judge)
    encoded = encode_all(parts, data, request.fit, spaces, request.state, report)
    words = Words(parts)
    stepper = Stepper(recipe, parts, words, data, encoded)
    outlook = measure_outlook(request, parts, words, data, stepper, len(asked))
    _tell(report, "outlook", outlook)
    run = _start(parts, recipe.learning_rate)
    load_run(run, request.state, state)
    looks = LookTaker(
        parts=parts, words=words, data=data, encoded=encoded, spaces=spaces, judge=judge,
        asked=asked, settings=request.preview_settings, folder=request.out, state=request.state,
        view=(parts.side, request.fit),
    )  # fmt: skip
    kept = {"identity": identity, "secret": state["secret"]}
    found = _train(request, run, stepper, looks, report, kept)
    report("writing", {"step": run.step})
    return finish(request, recipe, parts, run, looks, outlook, found, identity)


def _train(
    request: PipelineTuning,
    run: PipelineRun,
    stepper: Stepper,
    looks: LookTaker,
    report: Report,
    kept: Mapping[str, Any],
) -> list[Look]:
    """Steps until the end, with looks between; all looks, those of earlier calls included."""
    log = request.out / LOG
    taken = [e["look"] | {"step": e["step"]} for e in read_log(log, run.step) if "look" in e]
    saved, saved_step = time.monotonic(), run.step
    while True:
        done = _ended(request, run)
        look = done or run.step % request.preview_every == 0
        if (look and run.step != saved_step) or time.monotonic() - saved > request.save_every_s:
            save_run(run, request.state, kept)
            saved, saved_step = time.monotonic(), run.step
        if look and all(run.step != one["step"] for one in taken):
            seen = looks.take(run.step, taken)
            add_to_log(log, {"step": run.step, "look": seen})
            taken.append(seen | {"step": run.step})
            _tell(report, "look", taken[-1])
        if done:
            return taken
        tick = time.monotonic()
        stepper.step(run)
        run.seconds += time.monotonic() - tick
        facts = {"step": run.step, "of": request.steps, "seconds": round(run.seconds, 3)}
        report("step", facts | {"loss": run.recent[-1] if run.recent else None})
        if run.step % LOG_STEPS == 0:
            mean = sum(run.recent) / len(run.recent) if run.recent else None
            add_to_log(log, facts | {"loss": mean, "skipped": run.skipped})
            run.recent.clear()


def _tell(report: Report, event: str, facts: Mapping[str, Any]) -> None:
    """Report an event, then its warnings one by one."""
    report(event, facts)
    for warning in facts["warnings"]:
        report("warning", {"text": warning})


def _ended(request: PipelineTuning, run: PipelineRun) -> bool:
    late = request.minutes is not None and run.seconds >= 60 * request.minutes
    return late or (request.steps is not None and run.step >= request.steps)


def _start(parts: Parts, learning_rate: float) -> PipelineRun:
    optimizer = torch.optim.AdamW(parts.trained.values(), lr=learning_rate, weight_decay=0.01)
    return PipelineRun(trained=parts.trained, optimizer=optimizer)


def _recipe(request: PipelineTuning, data: TuningSet, secret: str) -> PipelineRecipe:
    """A private run draws from a secret that nobody sees: noise that can be guessed hides nothing.

    The secret is removed with the state; till then a resumed run repeats the same draws.
    """
    key: list[int] = [request.seed]
    noise = 0.0
    if request.privacy is not None:
        key = [int(secret[i : i + 8], 16) for i in range(0, len(secret), 8)]
        rate = request.batch_size / len(patients_of(data))
        if rate > 1:
            raise InvalidInput(
                f"a private step draws each patient at most once: a batch of {request.batch_size}"
                f" is more than the {len(patients_of(data))} training patients"
            )
        noise = noise_for(request.privacy, rate, request.steps or 0)
    return PipelineRecipe(
        batch_size=request.batch_size,
        at_once=min(request.at_once or request.batch_size, request.batch_size),
        learning_rate=request.learning_rate or _USUAL_RATE[request.rank is None],
        empty_share=request.empty_share,
        key=key,
        privacy=request.privacy,
        noise=noise,
    )


def _identity(request: PipelineTuning, data: TuningSet, base_digest: str) -> dict[str, Any]:
    """What may not change between a run and its continuation."""
    same = ("rank", "learning_rate", "batch_size", "resolution", "fit", "held_out_share",
            "empty_share", "seed", "precision", "preview_every", "preview_steps",
            "preview_guidance")  # fmt: skip
    facts: dict[str, Any] = {name: getattr(request, name) for name in same}
    facts["preview_prompts"] = list(request.preview_prompts)
    facts["privacy"] = asdict(request.privacy) if request.privacy else None
    if request.privacy:
        facts["steps"] = request.steps
    return {"base": base_digest, "data_set": data.digest} | facts


def _finished(request: PipelineTuning, state: Mapping[str, Any]) -> bool:
    """Whether nothing is left to do; clears up after a run that was stopped just before that.

    Raises InvalidInput where the folder holds something else.
    """
    if read_finetuned(request.out) is not None:
        shutil.rmtree(request.state, ignore_errors=True)
        if request.resume:
            return True
        raise InvalidInput(f"{request.out} holds a finished fine-tuning: choose another folder")
    if state and not request.resume:
        raise InvalidInput(
            f"a run was stopped in {request.out}: go on with --resume, or remove {request.state}"
        )
    if not state and request.out.is_dir() and any(request.out.iterdir()):
        raise InvalidInput(f"{request.out} is not empty: choose a new folder")
    return False


def _check_base(folder: Path, where: str) -> None:
    tuned = read_finetuned(folder)
    if tuned is not None and tuned.kind == "lora":
        raise InvalidInput(
            f"{where} is a LoRA ({SIDECAR}): give its base, {tuned.base}, and fine-tune that"
        )
    pipeline_index(folder)
