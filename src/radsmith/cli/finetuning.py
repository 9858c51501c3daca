"""The command that fine-tunes: the default model, or a diffusers pipeline."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from radsmith.cli.making import INTERRUPTED
from radsmith.cli.numbers import Real
from radsmith.errors import InvalidInput, Unavailable

_OF_PIPELINES = ("at_once", "resolution", "fit", "held_out_share", "preview_every", "spare_memory",
                 "preview_prompts", "dp_epsilon", "dp_delta")  # fmt: skip


@click.command("finetune")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("-o", "out", type=click.Path(path_type=Path), required=True)
@click.option("--base", default="default", help="default, a model's file, diffusers:PATH_OR_ID.")
@click.option(
    "--steps", type=click.IntRange(1, 10**7), help="End after so many; default model: 300."
)
@click.option("--minutes", type=Real(0.1, 10**6), help="Or after so many of steps; default: 25.")
@click.option(
    "--finer-steps",
    type=click.IntRange(0, 10**7),
    help="Default model: also teach the finer stages their texture, so many steps each; 0.",
)
@click.option(
    "--rank", type=click.IntRange(1, 4096), default=16, help="Of the low-rank changes (LoRA)."
)
@click.option("--full", is_flag=True, help="Train all weights instead.")
@click.option(
    "--batch", "batch_size", type=click.IntRange(1, 4096), help="Default: 16; a pipeline: 4."
)
@click.option("--learning-rate", type=Real(0, 1, min_open=True))
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0)
@click.option("--threads", type=click.IntRange(1, 64), help="Default 1; more help on idle cores.")
@click.option(
    "--at-once", type=click.IntRange(1, 4096), help="Pipeline: images together; saves memory."
)
@click.option(
    "--resolution", type=click.IntRange(8, 4096), help="Pipeline: pixels a side; default: its own."
)
@click.option("--fit", type=click.Choice(("letterbox", "crop")), help="Pipeline; letterbox.")
@click.option(
    "--held-out",
    "held_out_share",
    type=Real(0, 0.9),
    help="Pipeline: share of patients; 0.1.",
)
@click.option(
    "--look-every", "preview_every", type=click.IntRange(1, 10**7), help="Pipeline: 500 steps."
)
@click.option("--prompt", "preview_prompts", multiple=True, help="Pipeline: of previews; repeat.")
@click.option("--spare-memory", is_flag=True, help="Pipeline: recompute; slower, less memory.")
@click.option(
    "--dp-epsilon",
    type=Real(0, 10**4, min_open=True),
    help="Pipeline: differential privacy a patient.",
)
@click.option("--dp-delta", type=Real(0, 1, min_open=True, max_open=True), help="Pipeline; 1e-5.")
def fine_tune(dataset: Path, out: Path, base: str, rank: int, full: bool, **settings: Any) -> None:
    """Teach a model the images and words of DATASET, as `radsmith import` writes it.

    Of the default model comes one file NAME.radsmith for --model; of a pipeline a folder for
    --engine diffusers:OUT. Figures, previews and a sheet of before and after lie beside or inside.
    Run the same command again to go on after a stop.
    """
    asked = {name: value for name, value in settings.items() if value is not None}
    asked = {name: value for name, value in asked.items() if value is not False and value != ()}
    lowrank = None if full else rank
    try:
        if base.startswith("diffusers:"):
            _tune_pipeline(dataset, out, base.partition(":")[2], lowrank, asked)
        else:
            _tune_default(dataset, out, base, lowrank, asked)
    except KeyboardInterrupt:
        click.echo("stopped. Run the same command again to go on.", err=True)
        sys.exit(INTERRUPTED)


def _tune_default(
    dataset: Path, out: Path, base: str, rank: int | None, asked: dict[str, Any]
) -> None:
    from radsmith.cli.finetuning_console import TuningProgress, say_figures
    from radsmith.cli.terminal import terminal

    if base.startswith(("openai:", "onnx:")):
        raise InvalidInput(f"cannot fine-tune {base}: give default, a model or diffusers:…")
    wrong = [name for name in _OF_PIPELINES if name in asked]
    if "dp_epsilon" in wrong:
        raise InvalidInput(
            "no differential privacy for this base, whose prior is fitted to the images directly:"
            " give --base diffusers:…"
        )
    if wrong:
        raise InvalidInput(f"--{wrong[0].replace('_', '-')} is for --base diffusers:… alone")
    try:
        from radsmith.training.finetune import finetune
        from radsmith.training.tuned_model import Tuning
    except ImportError as error:
        raise Unavailable(
            f"fine-tuning needs {error.name}: install torch==2.13.0, then radsmith[train]"
        ) from error
    model = None if base == "default" else Path(base)
    tuning = Tuning(dataset=dataset, out=out, base=model, rank=rank, **asked)
    console = terminal()
    with TuningProgress(console) as progress:
        finetune(tuning, progress.tell)
    say_figures(console, tuning.report)
    click.echo(out)


def _tune_pipeline(
    dataset: Path, out: Path, base: str, rank: int | None, asked: dict[str, Any]
) -> None:
    from dataclasses import replace

    from radsmith.cli.finetuning_console import say_pipeline

    wrong = [name for name in ("threads", "finer_steps") if name in asked]
    if wrong:
        raise InvalidInput(f"--{wrong[0].replace('_', '-')} is for the default model alone")
    if not base:
        raise InvalidInput("--base is diffusers:PATH_OR_ID: the path or id is missing")
    try:
        from radsmith.training.pipelines.finetune import (
            PipelineTuning,
            Privacy,
            finetune_pipeline,
        )
    except ImportError as error:
        raise Unavailable(
            f"fine-tuning a pipeline needs {error.name}: pip install radsmith[diffusers]"
        ) from error
    epsilon, delta = asked.pop("dp_epsilon", None), asked.pop("dp_delta", 1e-5)
    privacy = None if epsilon is None else Privacy(epsilon=epsilon, delta=delta)
    request = PipelineTuning(data=dataset, base=base, out=out, rank=rank, privacy=privacy, **asked)
    request = replace(request, resume=request.state.exists())
    click.echo(finetune_pipeline(request, say_pipeline))
