"""What a training file says: read, checked, and what it leaves open. `run` shows one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radsmith.engines.default.components import Components
from radsmith.engines.default.stages import SHARP
from radsmith.engines.model_files import default_folder, load_files
from radsmith.errors import InvalidInput
from radsmith.files import read_bytes
from radsmith.language.vocabulary import default_vocabulary
from radsmith.tables import text_of
from radsmith.training.adversarial import Weights
from radsmith.training.loop import STAGES, Recipe

LEAST = 0.5
"""Deviation of the noise that images may begin from, at least; its inverse at most."""


def read_configuration(path: Path) -> dict[str, Any]:
    """The file's tables. Raises InvalidInput where one cannot be trained by."""
    try:
        config = tomllib.loads(text_of(read_bytes(path), str(path)))
    except ValueError as error:
        raise InvalidInput(f"{path} is not TOML: {error}") from error
    missing = {"data", "state"} - set(config)
    if missing:
        raise InvalidInput(f"{path} must name {' and '.join(sorted(missing))}")
    data = config["data"] if isinstance(config["data"], list) else [config["data"]]
    if not all(isinstance(text, str) for text in (*data, config["state"])):
        raise InvalidInput(f"{path}: data and state must be texts that name folders")
    stages = config.get("stages", list(STAGES))
    if not isinstance(stages, list) or set(map(str, stages)) - set(STAGES):
        raise InvalidInput(f"{path} names unknown stages {stages!r}: there are {list(STAGES)}")
    told = config.get("deviation", {})
    if not isinstance(told, dict):
        raise InvalidInput(f"{path}: [deviation] must be a table of kinds of image")
    for kind, value in told.items():
        _check_deviation(kind, value)
    return config


def folders_of(config: dict[str, Any]) -> list[Path]:
    """Of the data, new ones last."""
    named = config["data"] if isinstance(config["data"], list) else [config["data"]]
    return [Path(folder).expanduser() for folder in named]


def initial_of(config: dict[str, Any]) -> tuple[Path, Path] | None:
    """The checkpoint that an empty state begins from, and the model it belongs to."""
    if "initial" not in config:
        return None
    model = Path(config["model"]).expanduser() if "model" in config else default_folder()
    return Path(config["initial"]).expanduser(), model


def recipe_of(config: dict[str, Any], stage: str) -> Recipe:
    """The recipe of one stage: what the file says of all, and of this one."""
    told: dict[str, Any] = config.get("recipe", {})
    shared = {k: v for k, v in told.items() if k not in STAGES}
    try:
        own = told.get(stage, {})
        if stage == SHARP and own.get("drawn"):
            raise InvalidInput(f"[recipe.{SHARP}] drawn: it learns on real images alone")
        fields = shared | ({"drawn": 0} if stage == SHARP else {}) | own
        if "weights" in fields:
            fields["weights"] = Weights(**fields["weights"])
        return Recipe(stage=stage, **fields)
    except TypeError as error:
        raise InvalidInput(f"[recipe] of {stage}: {error}") from error


def deviation_of(config: dict[str, Any]) -> Mapping[str, float]:
    """Of the noise that the base begins from, by modality and body part: as the file says, else as
    the model that it began from has it."""
    before: dict[str, float] = {}
    if initial := initial_of(config):
        files = load_files(initial[1])
        before = Components(files.config["table"], files.arrays).deviations()
    return before | config.get("deviation", {})


def _check_deviation(kind: str, value: object) -> None:
    known = default_vocabulary()
    kinds = [known[c].kind if c in known.concepts else None for c in kind.split(" ")]
    if kinds != ["modality", "body_part"]:
        raise InvalidInput(
            f"[deviation] {kind!r} is not a modality and a body part, such as"
            ' "modality:mri body_part:brain"'
        )
    number = float(value) if isinstance(value, int | float) and value is not True else 0.0
    if not LEAST <= number <= 1 / LEAST:
        raise InvalidInput(f"[deviation] of {kind!r} must be {LEAST} to {1 / LEAST:g}, not {value}")
