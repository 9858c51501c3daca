"""The command that fine-tunes: the default model, or a diffusers pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radsmith.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from rich.console import Console

_NEEDS = "fine-tuning needs {}: install torch==2.13.0, then radsmith[train]"


@click.command("finetune")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("-o", "out", type=click.Path(path_type=Path), required=True, help="NAME.radsmith")
@click.option("--base", default="default", help="default, or a model that was fine-tuned before.")
@click.option("--steps", type=click.IntRange(1), default=300, help="Updates of the weights.")
@click.option("--minutes", type=click.FloatRange(0.1), default=25.0, help="Fewer steps if need be.")
@click.option("--rank", type=click.IntRange(1), default=16, help="Of the low-rank changes.")
@click.option("--full", is_flag=True, help="Train all weights instead of low-rank changes.")
@click.option("--learning-rate", type=click.FloatRange(1e-6, 0.1), default=1e-3)
@click.option("--name", default="", help="Of the model; default: the file's.")
@click.option("--seed", type=int, default=0)
@click.option("--threads", type=click.IntRange(1, 64), default=1, help="More help on idle cores.")
def fine_tune(dataset: Path, out: Path, base: str, rank: int, full: bool, **settings: Any) -> None:
    """Teach the model the images and words of DATASET, as `radsmith import` writes it.

    The result is one file for --model, everywhere; beside it lie figures, previews and a sheet of
    before and after. Run the same command again to go on after a stop.
    """
    from rich.console import Console

    try:
        from radsmith.training.finetune import finetune
        from radsmith.training.tuned_model import Tuning
    except ImportError as error:
        raise Unavailable(_NEEDS.format(error.name)) from error
    tuning = Tuning(
        dataset=dataset,
        out=out,
        base=None if base == "default" else Path(base),
        rank=None if full else rank,
        **settings,
    )
    console = Console(stderr=True, highlight=False, markup=False)
    with _Progress(console) as progress:
        finetune(tuning, progress.tell)
    _say_figures(console, tuning.report)
    click.echo(out)


class _Progress:
    """What a run tells, as lines and a bar."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} steps, loss {task.fields[loss]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: Any = None

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, what: str, facts: dict[str, Any]) -> None:
        """One thing that happened, as `training.finetune` names it."""
        if what == "stage":
            self._say(f"{facts['text']} …")
        elif what == "forecast":
            self._say(_forecast(facts))
            self._task = self._bar.add_task("training", total=facts["steps"], loss="–")
            self._bar.update(self._task, completed=facts["resumed"])
        elif what == "step":
            self._bar.update(self._task, completed=facts["step"], loss=f"{facts['loss']:.3f}")
        elif what == "preview":
            self._say(_preview(facts))

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def _forecast(facts: dict[str, Any]) -> str:
    lines = [f"{n:7,}  {c}" for c, n in facts["images"].items() if not c.startswith("style:")]
    new = [c for c in facts["new"] if not c.startswith("style:")]
    lines.insert(0, "images to train on:")
    lines.append(f"new to the model: {', '.join(new) or 'nothing'}")
    lines += [f"  ! {warning}" for warning in facts["warnings"]]
    again = f", {facts['resumed']} of them done" if facts["resumed"] else ""
    lines.append(
        f"{facts['parameters']:,} weights to train, {facts['steps']} steps{again}, about"
        f" {facts['seconds'] / 60:.0f} min, {facts['memory']:.0f} MiB"
    )
    return "\n".join(lines)


def _preview(facts: dict[str, Any]) -> str:
    held = "–" if facts["held_out"] is None else f"{facts['held_out']:.3f}"
    text = f"step {facts['step']}: held-out loss {held}, old answers moved by {facts['drift']:.3f}"
    if facts["nearest"]:
        text += (
            f", nearest training image at {facts['nearest']['least']:.2f} of the distance by chance"
        )
    return f"{text}; {facts['preview']}"


def _say_figures(console: Console, report: Path) -> None:
    import json

    figures = json.loads((report / "report.json").read_text(encoding="utf-8"))
    close, old = figures["kernel distance to real images"], figures["the paper's prompts"]
    lines = [
        f"distance to {close['n']} real images ({close['real images']}), judge's space:"
        f" {close['before']['estimate']:.3g} before, {close['after']['estimate']:.3g} after",
        f"the paper's prompts: {old['before']['right']} of {old['before']['of']} right before,"
        f" {old['after']['right']} after",
    ]
    if figures["copies"]:
        copies = figures["copies"]
        lines.append(
            f"nearer to a training image than chance: {copies['nearer than chance']:.1%} of"
            f" {copies['n']} (planted near-copies found: {copies['sensitivity']:.0%})"
        )
    console.print("\n".join([*lines, f"figures and sheet: {report}"]), soft_wrap=True)


def _check_base(base: str) -> None:
    if base.startswith(("openai:", "onnx:")):
        raise InvalidInput(f"cannot fine-tune {base}: give default, a .radsmith file or a folder")
