"""What a fine-tuning keeps beside its output while it runs, so that it can go on after any stop.

The folder holds patients' images as latents and is removed at the end. Weights and optimizer lie in
safetensors, counters in JSON; each file is whole or absent, and the JSON names the weights it
belongs to. No pickle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from radsmith.errors import InvalidInput
from radsmith.evaluation.features import Space
from radsmith.files import write_atomically
from radsmith.training.checkpoints import STATE, save_tensors
from radsmith.training.pipelines.data import TuningSet
from radsmith.training.pipelines.parts import Parts, encode

ENCODED = "encoded.json"
COUNTERS = ("step", "seconds", "skipped", "recent")
AT_ONCE = 8
"""Pictures encoded together; where they stop is noted after each lot."""
Report = Callable[[str, Mapping[str, Any]], None]
"""Called with the name of an event and its facts."""


@dataclass
class PipelineRun:
    """Parameters in training with their optimizer and counters. seconds: in steps, all calls."""

    trained: dict[str, nn.Parameter]
    optimizer: torch.optim.AdamW
    step: int = 0
    seconds: float = 0.0
    skipped: int = 0
    """Steps that were left out because their gradient was not finite."""
    recent: list[float] = field(default_factory=list)
    """Losses since the last line of the log."""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """latents: (n, c, s, s) of every image.  features: space -> (n, d)."""

    latents: NDArray[np.float16]
    features: Mapping[str, NDArray[np.float32]]


def begun(folder: Path) -> dict[str, Any]:
    """What the state in `folder` says of itself; empty where there is none."""
    path = folder / STATE
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def check_same(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise InvalidInput where a stopped run was begun with other settings or data."""
    other = [name for name in now if before.get(name) != now[name]]
    if other:
        said = "; ".join(f"{n.replace('_', ' ')}: {before.get(n)}, now {now[n]}" for n in other)
        raise InvalidInput(
            f"{folder} holds a run begun otherwise ({said}): give the same to go on, or remove it"
        )


def begin_state(folder: Path, facts: Mapping[str, Any]) -> None:
    """Make the folder, for our eyes alone; what an earlier run left of pictures is not used."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / ENCODED).unlink(missing_ok=True)
    write_state(folder, facts)


def write_state(folder: Path, facts: Mapping[str, Any]) -> None:
    """Replace the JSON of the state."""
    write_atomically(folder / STATE, json.dumps(facts, indent=1).encode())


def save_run(run: PipelineRun, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write weights, optimizer and counters; an interrupted write leaves the last ones."""
    tensors = {f"weight.{name}": p.detach() for name, p in run.trained.items()}
    for name, parameter in run.trained.items():
        for key, value in run.optimizer.state.get(parameter, {}).items():
            tensors[f"{key}.{name}"] = value
    path = folder / f"step-{run.step}.safetensors"
    save_tensors(tensors, path)
    counters = {name: getattr(run, name) for name in COUNTERS}
    write_state(folder, {**facts, **counters, "weights": path.name})
    for old in folder.glob("step-*.safetensors"):
        if old != path:
            old.unlink()


def load_run(run: PipelineRun, folder: Path, state: Mapping[str, Any]) -> None:
    """Put weights, optimizer and counters back where `state` names some."""
    if "weights" not in state:
        return
    tensors = load_file(folder / state["weights"])
    with torch.no_grad():
        for name, parameter in run.trained.items():
            parameter.copy_(tensors[f"weight.{name}"])
            kept = {
                key: tensors[f"{key}.{name}"].to("cpu" if key == "step" else parameter.device)
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"{key}.{name}" in tensors
            }
            if kept:
                run.optimizer.state[parameter] = kept
    for name in COUNTERS:
        setattr(run, name, state[name])


def encode_all(
    parts: Parts,
    data: TuningSet,
    fit: str,
    spaces: Mapping[str, Space],
    folder: Path,
    report: Report,
) -> Encoded:
    """Latents and features of every image, kept in `folder`; goes on where it was stopped."""
    note = folder / ENCODED
    done = int(json.loads(note.read_text())["done"]) if note.exists() else 0
    first = [data.square(0, parts.side, fit)]
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        name: (space(first).shape[1:], np.float32) for name, space in spaces.items()
    }
    shapes["latents"] = (encode(parts, np.stack(first)).shape[1:], np.float16)
    kept = {
        name: np.lib.format.open_memmap(
            folder / f"{name}.npy",
            mode="r+" if done else "w+",
            dtype=None if done else kind,
            shape=None if done else (len(data), *shape),
        )
        for name, (shape, kind) in shapes.items()
    }
    while done < len(data):
        numbers = range(done, min(done + AT_ONCE, len(data)))
        squares = [data.square(i, parts.side, fit) for i in numbers]
        kept["latents"][numbers.start : numbers.stop] = encode(parts, np.stack(squares))
        for name, space in spaces.items():
            kept[name][numbers.start : numbers.stop] = space(squares)
        for array in kept.values():
            array.flush()
        done = numbers.stop
        write_atomically(note, json.dumps({"done": done}).encode())
        report("encoding", {"done": done, "total": len(data)})
    return Encoded(latents=kept.pop("latents"), features=kept)
