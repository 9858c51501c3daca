"""What fine-tuning tells people, before, during and after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console


class TuningProgress:
    """What a run of the default model tells, as lines and a bar."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} steps, loss {task.fields[loss]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: Any = None

    def __enter__(self) -> TuningProgress:
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
            name = facts.get("stage", "training")
            self._bar.update(
                self._task,
                description=name,
                total=facts["steps"],
                completed=facts["step"],
                loss=f"{facts['loss']:.3f}",
            )
        elif what == "preview":
            self._say(_preview(facts))
        elif what == "look":
            side, kid = next(iter(facts["kid"].items()))
            self._say(
                f"{facts['stage']}, step {facts['step']}: texture {kid:.3f} from held-out images"
                f" at {side} pixels"
            )

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


def say_figures(console: Console, report: Path) -> None:
    """The figures of a report folder."""
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


def say_pipeline(event: str, facts: Mapping[str, Any]) -> None:
    """One thing that a run on a pipeline tells."""
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
