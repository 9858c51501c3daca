"""What every training keeps on disk: tensors, logs; each file whole or absent, no pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from radsmith.errors import Unavailable
from radsmith.files import write_atomically

STATE = "state.json"
"""What a fine-tuning says of itself, in its folder."""


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write safetensors, whole or absent. Raises Unavailable where the disk does not take them."""
    partial = path.with_name(f".{path.name}.part")
    try:
        save_file({k: v.contiguous().cpu() for k, v in tensors.items()}, partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error}; free some space") from error


def add_to_log(path: Path, entry: Mapping[str, Any]) -> None:
    """Append one line of JSON."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(dict(entry)) + "\n")


def read_log(path: Path, last_step: int) -> list[dict[str, Any]]:
    """Entries up to a step; later ones and a half line are cut off: their steps are made again."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            break
        if entry["step"] <= last_step:
            entries.append(entry)
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    write_atomically(path, text.encode())
    return entries


def last_entry(path: Path) -> dict[str, Any]:
    """The last line of a log."""
    entry: dict[str, Any] = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    return entry
