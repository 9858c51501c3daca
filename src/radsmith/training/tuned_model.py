"""What fine-tuning asks for, what it works with, and the model that comes of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load
from torch import nn

from radsmith.datasets.corpus import KIND, TOGETHER, Corpus
from radsmith.engines.default.components import DEVIATION, Components
from radsmith.engines.default.onnx_engine import ModelFiles
from radsmith.engines.default.prior import Prior
from radsmith.engines.engine import ModelFacts
from radsmith.engines.model_files import PRIOR, SUFFIX
from radsmith.errors import InvalidInput
from radsmith.language.vocabulary import (
    default_vocabulary,
    parse_vocabulary,
    shipped_vocabulary,
    to_toml,
)
from radsmith.training.export import component_tables, deviations, model_parts, stored_network
from radsmith.training.from_onnx import base_from_onnx
from radsmith.training.low_rank import merged
from radsmith.training.network import BaseDenoiser
from radsmith.training.own_data import OwnData
from radsmith.training.replay import Replay
from radsmith.training.run import read_sources
from radsmith.training.state import Run


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What is asked for.

    base: a model folder or file, None the shipped one.  out: the `.radsmith` file.  rank: of the
    changes; None trains every weight.  steps, minutes: whichever comes first.  batch_size: new
    images a step; as many old ones are replayed.  replay: old images drawn before.  finer_steps:
    of adversarial training of each finer stage up to 256 pixels; 0 leaves them as they are.
    """

    dataset: Path
    out: Path
    base: Path | None = None
    rank: int | None = 16
    steps: int = 300
    minutes: float = 25.0
    batch_size: int = 16
    learning_rate: float = 1e-3
    replay: int = 256
    seed: int = 0
    threads: int = 1
    previews: int = 5
    name: str = ""
    finer_steps: int = 0

    def __post_init__(self) -> None:
        if self.out.suffix != SUFFIX:
            raise InvalidInput(f"the model is one {SUFFIX} file: -o NAME{SUFFIX}, got {self.out}")
        if self.steps < 1 or self.batch_size < 2 or self.replay < 1:
            raise InvalidInput("fine-tuning needs at least 1 step, batches of 2, 1 image to replay")
        if self.rank is not None and self.rank < 1:
            raise InvalidInput(f"the rank must be at least 1, got {self.rank}")

    @property
    def work(self) -> Path:
        """Where the run keeps its state until it is done."""
        return self.out.with_name(f".{self.out.name}.work")

    @property
    def report(self) -> Path:
        """The folder of figures, sheet and log beside the model."""
        return self.out.with_name(f"{self.out.stem}-report")


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything that a step needs. exact: the prior with its columns mended."""

    files: ModelFiles
    own: OwnData
    table: dict[str, int]
    prior: Prior
    exact: Prior
    component: NDArray[np.int64]
    replay: Replay
    teacher: nn.Module
    finer: Mapping[str, bytes]


def grown_base(files: ModelFiles, rows: int) -> BaseDenoiser:
    """The base network as it was, with rows for new concepts."""
    network = base_from_onnx(files.networks["base"])
    network.tokens = with_rows(network.tokens, rows)
    network.condition.table = with_rows(network.condition.table, rows)
    return network


def with_rows(table: nn.Embedding, rows: int) -> nn.Embedding:
    """An embedding with rows for new concepts: the mean of the old ones."""
    grown = nn.Embedding(rows, table.embedding_dim)
    with torch.no_grad():
        grown.weight[:] = table.weight[1:].mean(0)
        grown.weight[: table.num_embeddings] = table.weight
    return grown


def parts_of(tuning: Tuning, material: Material, run: Run) -> dict[str, bytes]:
    """The files of the tuned model as it stands."""
    config, corpus, table = material.files.config, material.own.corpus, material.table
    networks = dict(material.finer)
    plain = grown_base(material.files, len(table) + 1)
    plain.load_state_dict(merged(run.average))
    networks["base"] = stored_network(plain, "base")
    first = len(material.files.arrays["component_images"])
    added = component_tables(corpus, table, material.component - first)
    counts = np.zeros((first, len(table)), np.uint16)
    old = np.asarray(material.files.arrays["component_counts"])
    counts[:, : old.shape[1]] = old
    arrays = material.prior.arrays()
    arrays |= {k: v for k, v in material.files.arrays.items() if k.startswith("gains_")}
    arrays["component_counts"] = np.concatenate([counts, added["component_counts"]])
    for name in ("component_images", "component_aspect"):
        arrays[name] = np.concatenate([material.files.arrays[name], added[name]])
    known = Components(config["table"], material.files.arrays).deviations()
    arrays[DEVIATION] = deviations(table, arrays, known)
    new = [c for c in table if c not in config["table"]]
    threes = ModelFacts.from_config(config).in_threes
    of = [kinds for kinds in TOGETHER if threes or len(kinds) <= len(KIND)]
    together = Counter(config["images_together"]) + corpus.counts_together(of)
    trained = int((~corpus.held_out).sum())
    tuned = {
        "base": {"name": config["name"], "digest": config["digest"]},
        "dataset": material.own.digest,
        "images": trained,
        "step": run.step,
        "rank": tuning.rank,
        "seed": tuning.seed,
    }
    facts = dict(config) | {
        "name": tuning.name or tuning.out.stem,
        "table": table,
        "since": dict(config.get("since", {})) | dict.fromkeys(new, first),
        "vocabulary": _vocabulary(str(config.get("vocabulary", "")), material.own),
        "images_per_concept": dict(
            sorted((Counter(config["images_per_concept"]) + corpus.counts()).items())
        ),
        "images_together": dict(sorted(together.items())),
        "images_per_source": Counter(config["images_per_source"]) + Counter(corpus.sources),
        "sources": _sources(tuning, config, corpus),
        "finetuned": [*config.get("finetuned", []), tuned],
    }
    for stale in ("files", "digest"):
        facts.pop(stale, None)
    return model_parts(networks, arrays, facts)


def _vocabulary(before: str, own: OwnData) -> str:
    """TOML of the concepts that the shipped vocabulary lacks: the base model's and the new ones."""
    concepts = dict(parse_vocabulary(before, default_vocabulary()).concepts)
    concepts |= {c.id: c for c in own.words}
    shipped = shipped_vocabulary().concepts
    return to_toml(c for i, c in concepts.items() if i not in shipped)


def _sources(tuning: Tuning, config: Any, corpus: Corpus) -> dict[str, Any]:
    return dict(config["sources"]) | read_sources([tuning.dataset / "sources.csv"], corpus)


def files_of(parts: dict[str, bytes], material: Material) -> ModelFiles:
    """The parts as the engine takes them."""
    return ModelFiles(
        config=json.loads(parts["model.json"]),
        networks={stage: parts[f"{stage}.onnx"] for stage in material.files.networks},
        arrays=load(parts[PRIOR]),
    )
