"""One training call from a TOML file: data, prior (fitted once), stages, exported model.

data = "DATA"          # folder with train.csv and its shards
state = "STATE"        # checkpoints, logs, prior; a later call goes on from here
stages = ["upsampler", "base"]
initial = "FILE"       # optional: averages to begin from (checkpoints/default.safetensors)
[recipe]               # fields of loop.Recipe but `stage`: minutes, batch_size, threads ...
[sizes.base]           # fields of network.BaseParams, likewise sizes.upsampler
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from radsmith.errors import InvalidInput, NotFound
from radsmith.prior import Prior
from radsmith.training.data import Corpus, balance, load_corpus
from radsmith.training.export import export_model
from radsmith.training.fit_prior import PriorSize, fit_prior
from radsmith.training.flow import LOW_SIDE
from radsmith.training.labels import concepts_of
from radsmith.training.loop import Recipe, start, train

FEWEST_IMAGES = 5
STAGES = ("base", "upsampler")


def run(config_path: Path) -> Path:
    """Train as the file says; returns the exported model's folder once both stages exist."""
    config = _read(config_path)
    state = Path(config["state"]).expanduser()
    corpus = load_corpus(Path(config["data"]).expanduser(), state, concepts_of)
    table = _table(corpus, state / "table.json")
    prior, component = _prior(corpus, state, config)
    sizes = config.get("sizes", {})
    initial = Path(config["initial"]).expanduser() if "initial" in config else None
    for stage in config.get("stages", STAGES):
        recipe = Recipe(stage=stage, **config.get("recipe", {}))
        size = sizes.get(stage, {})
        train(recipe, corpus, table, prior, component, state / "run", size, initial)
    if all((state / "run" / f"{stage}.json").exists() for stage in STAGES):
        networks = {
            stage: start(
                Recipe(stage=stage), state / "run", len(table) + 1, sizes.get(stage, {})
            ).average
            for stage in STAGES
        }
        facts = {"name": config.get("name", "radsmith-default")}
        export_model(networks, prior, component, corpus, table, facts, state / "model")
    return state / "model"


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise NotFound(f"no training configuration {path}")
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InvalidInput(f"{path} is not TOML: {error}") from error
    missing = {"data", "state"} - set(config)
    if missing:
        raise InvalidInput(f"{path} must name {' and '.join(sorted(missing))}")
    unknown = set(config.get("stages", STAGES)) - set(STAGES)
    if unknown:
        raise InvalidInput(f"unknown stages {sorted(unknown)}: there are {STAGES}")
    return config


def _table(corpus: Corpus, path: Path) -> dict[str, int]:
    """Embedding row of each concept with enough images; 0 is none. Kept for later calls."""
    if not path.exists():
        counts = corpus.counts()
        kept = sorted(c for c, n in counts.items() if n >= FEWEST_IMAGES)
        path.write_text(json.dumps({c: i + 1 for i, c in enumerate(kept)}))
    table: dict[str, int] = json.loads(path.read_text())
    return table


def _prior(corpus: Corpus, state: Path, config: dict[str, Any]) -> tuple[Prior, NDArray[np.int64]]:
    path, labels = state / "prior.safetensors", state / "prior-labels.npy"
    if not path.exists():
        size = PriorSize(**config.get("prior", {}))
        fitted, component = fit_prior(corpus, balance(corpus), LOW_SIDE, size, 0)
        np.save(labels, component)
        save_file({k: np.ascontiguousarray(v) for k, v in fitted.arrays().items()}, path)
    return Prior.from_arrays(load_file(path)), np.load(labels)
