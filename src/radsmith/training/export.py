"""From a training folder to a model folder: ONNX (fp32 and int8), prior, sidecar with digests."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import save
from torch import nn

from radsmith.datasets.corpus import KIND, Corpus
from radsmith.datasets.labels import SIMULATED
from radsmith.engines.default.components import DEVIATION, Components
from radsmith.engines.default.prior import Prior
from radsmith.engines.default.stages import FINER
from radsmith.engines.model_files import SIDECAR, combined_digest, load_files
from radsmith.training.choosing import START
from radsmith.training.flow import NOISE_FLOOR
from radsmith.training.network import MAX_CONCEPTS, BaseDenoiser

SAMPLING = {"start": START, "noise_floor": NOISE_FLOOR, "max_concepts": MAX_CONCEPTS} | {
    stage: asdict(step) for stage, step in FINER.items()
}


def to_onnx(network: nn.Module, stage: str, path: Path, *, int8: bool) -> None:
    """Export one stage; int8: dynamic, per channel, reduced range, matrix products only."""
    ids = torch.zeros(1, MAX_CONCEPTS, dtype=torch.long)
    t = torch.full((1,), 0.5)
    axes: dict[str, dict[int, str]] = {}
    if isinstance(network, BaseDenoiser):
        names = ["image", "t", "numbers", "concepts"]
        image = torch.zeros(1, BaseDenoiser.inputs, network.side, network.side)
        example: tuple[torch.Tensor, ...] = (image, t, torch.zeros(1, 4), ids)
    else:
        names = ["fine", "low", "t", "numbers", "concepts"]
        axes = {"fine": {2: "height", 3: "width"}, "low": {2: "rows", 3: "columns"}}
        axes["correction"] = axes["fine"]
        step = FINER[stage]
        low = torch.zeros(1, 1, step.low_side, step.low_side)
        fine = torch.zeros(1, 3, step.output_side, step.output_side)
        example = (fine, low, t, torch.zeros(1, 1), ids)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        full = Path(folder) / "full.onnx"
        torch.onnx.export(
            network.eval().cpu(),
            example,
            str(full),
            input_names=names,
            output_names=["correction"],
            dynamic_axes=axes,
            opset_version=18,
            dynamo=False,
        )
        if int8:
            logging.disable(logging.WARNING)  # advice about image models on the root logger
            quantize_dynamic(
                full,
                path,
                per_channel=True,
                reduce_range=True,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["MatMul"],
            )
            logging.disable(logging.NOTSET)
        else:
            path.write_bytes(full.read_bytes())


def component_tables(
    corpus: Corpus, table: dict[str, int], component: NDArray[np.int64]
) -> dict[str, NDArray[np.generic]]:
    """Per component: training images, how many have each concept, median aspect."""
    train = np.flatnonzero(~corpus.held_out)
    count = int(component.max()) + 1
    counts = np.zeros((count, len(table)), np.uint16)
    for i in train.tolist():
        for concept in corpus.concepts[i]:
            if concept in table:
                counts[component[i], table[concept] - 1] += 1
    aspect = corpus.frames[:, 0] / corpus.frames[:, 1]
    own = [train[component[train] == k] for k in range(count)]
    return {
        "component_counts": counts,
        "component_images": np.array([len(o) for o in own], np.int32),
        "component_aspect": np.array([np.median(aspect[o]) for o in own], np.float32),
    }


def deviations(
    table: Mapping[str, int],
    arrays: Mapping[str, NDArray[np.generic]],
    by_kind: Mapping[str, float],
) -> NDArray[np.float32]:
    """Per component that of its kind of image, by modality and body part; 1 of others."""
    components = Components(table, arrays)
    own = [by_kind.get(components.kind(k), 1.0) for k in range(len(components))]
    return np.array(own, np.float32)


def simulated_images(corpus: Corpus) -> dict[str, dict[str, list[int]]]:
    """Per pair of modality and body part and simulated source: its training images, and patients.

    A volume is a patient, as is a limb.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for ids, source, patient, out in zip(
        corpus.concepts, corpus.sources, corpus.patients, corpus.held_out, strict=True
    ):
        if source not in SIMULATED or out:
            continue
        pair = " ".join(next(c for c in ids if c.startswith(kind)) for kind in KIND)
        found.setdefault(pair, {}).setdefault(source, []).append(patient)
    return {
        pair: {source: [len(own), len(set(own))] for source, own in sorted(sources.items())}
        for pair, sources in sorted(found.items())
    }


def export_model(
    networks: dict[str, nn.Module],
    prior: Prior,
    component: NDArray[np.int64],
    corpus: Corpus,
    table: dict[str, int],
    facts: dict[str, Any],
    folder: Path,
    deviation: Mapping[str, float] | None = None,
) -> None:
    """Write a model folder. facts: name, training figures, sources with licences.  deviation: of
    the noise that the base begins from, by modality and body part."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {stage: stored_network(network, stage) for stage, network in networks.items()}
    facts = facts | {
        "table": table,
        "images_per_concept": dict(sorted(corpus.counts(real_only=True).items())),
        "images_together": dict(sorted(corpus.counts_together().items())),
        "images_simulated": simulated_images(corpus),
        "images_per_source": dict(sorted(Counter(corpus.sources).items())),
        "sampling": SAMPLING,
    }
    arrays = prior.arrays() | component_tables(corpus, table, component)
    arrays[DEVIATION] = deviations(table, arrays, deviation or {})
    for name, data in model_parts(stored, arrays, facts).items():
        (folder / name).write_bytes(data)


def add_gains(folder: Path, gains: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Store the gains of a model folder. gains: stage -> style -> those of `stages.Gain`."""
    files = load_files(folder)
    arrays, table = dict(files.arrays), files.config["table"]
    for stage, styles in gains.items():
        rows = np.ones((len(table), 2), np.float32)
        for style, own in styles.items():
            rows[table[style] - 1] = own
        arrays[f"gains_{stage}"] = rows
    for name, data in model_parts(dict(files.networks), arrays, dict(files.config)).items():
        (folder / name).write_bytes(data)


def stored_network(network: nn.Module, stage: str) -> bytes:
    """A stage as it ships: the base network quantised, the finer ones as they are."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        to_onnx(network, stage, path, int8=stage == "base")
        return path.read_bytes()


def model_parts(
    networks: dict[str, bytes], arrays: dict[str, NDArray[np.generic]], facts: dict[str, Any]
) -> dict[str, bytes]:
    """The files of a model by name, the sidecar with their digests last.

    networks: stage -> ONNX.  facts: all that the sidecar says besides the digests.
    """
    kept = {k: np.ascontiguousarray(v) for k, v in arrays.items()}
    parts = {f"{stage}.onnx": data for stage, data in networks.items()}
    parts["prior.safetensors"] = save(kept)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    sidecar = facts | {"files": digests, "digest": combined_digest(digests)}
    parts[SIDECAR] = (json.dumps(sidecar, indent=1, ensure_ascii=False) + "\n").encode()
    return parts
