"""The command that fine-tunes a model on a data set of one's own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from radsmith.cli.making import INTERRUPTED
from radsmith.errors import InvalidInput, Unavailable


@click.command("finetune")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--base", required=True, metavar="BASE", help="diffusers:PATH_OR_ID.")
@click.option("-o", "out", type=click.Path(path_type=Path), required=True)
@click.option("--rank", type=click.IntRange(1), default=16, help="Of the LoRA.")
@click.option("--full", is_flag=True, help="Train the whole network instead of a LoRA.")
@click.option("--steps", type=click.IntRange(1), help="End after so many steps.")
@click.option("--minutes", type=float, help="End after so many minutes of steps.")
@click.option("--batch", "batch_size", type=click.IntRange(1), default=4)
@click.option("--at-once", type=click.IntRange(1), help="Images together; fewer, less memory.")
@click.option("--learning-rate", type=float)
@click.option("--resolution", type=int, help="Pixels a side; default: the pipeline's own.")
@click.option("--fit", type=click.Choice(("letterbox", "crop")), default="letterbox")
@click.option("--held-out", "held_out_share", type=float, default=0.1, help="Share of patients.")
@click.option("--look-every", "preview_every", type=click.IntRange(1), default=500)
@click.option("--prompt", "preview_prompts", multiple=True, help="Previews; may be repeated.")
@click.option("--seed", type=int, default=0)
@click.option("--spare-memory", is_flag=True, help="Recompute activations: slower, less memory.")
@click.option("--dp-epsilon", type=float, help="Differential privacy a patient (extra privacy).")
@click.option("--dp-delta", type=float, default=1e-5)
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
def finetune(
    dataset: Path,
    base: str,
    out: Path,
    rank: int,
    full: bool,
    dp_epsilon: float | None,
    dp_delta: float,
    **settings: Any,
) -> None:
    """Fine-tune the pipeline BASE on DATASET, a folder that `radsmith import` wrote.

    OUT then holds LoRA weights (--full: the whole pipeline) for --engine diffusers:OUT.
    """
    kind, _, where = base.partition(":")
    if kind != "diffusers" or not where:
        raise InvalidInput(f"--base is diffusers:PATH_OR_ID, got {base!r}")
    try:
        from radsmith.training.finetune_diffusers import (
            PipelineTuning,
            Privacy,
            finetune_pipeline,
        )
    except ImportError as error:
        raise Unavailable(
            f"fine-tuning a pipeline needs {error.name}: pip install radsmith[diffusers]"
        ) from error
    request = PipelineTuning(
        data=dataset,
        base=where,
        out=out,
        rank=None if full else rank,
        privacy=None if dp_epsilon is None else Privacy(epsilon=dp_epsilon, delta=dp_delta),
        **settings,
    )
    try:
        click.echo(finetune_pipeline(request, _say))
    except KeyboardInterrupt:
        click.echo("stopped. Run the same command with --resume to go on.", err=True)
        sys.exit(INTERRUPTED)


def _say(event: str, facts: Mapping[str, Any]) -> None:
    if event == "warning":
        click.echo(f"  ! {facts['text']}", err=True)
    elif event == "outlook":
        memory = facts["memory_bytes"]["measured_peak"] / 1e9
        click.echo(
            f"{facts['images']} images of {facts['patients']} patients,"
            f" {facts['held_out_images']} images held out;"
            f" {facts['trainable_parameters']:,} parameters at {facts['resolution']} pixels,"
            f" {facts['precision']} on {facts['device']};"
            f" {facts['steps']} steps in about {facts['seconds'] / 60:.1f} minutes,"
            f" {memory:.1f} GB",
            err=True,
        )
        for name, count in facts["images_per_concept"].items():
            click.echo(f"  {count:>7,} {name}", err=True)
    elif event == "look":
        click.echo(f"step {facts['step']}: held-out loss {facts['held_out']}", err=True)
