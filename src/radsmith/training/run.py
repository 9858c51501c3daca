"""One training call from a TOML file: data, prior (fitted once), stages, exported model.

data = "DATA"          # folder with train.csv and its shards, or a list (new ones last)
state = "STATE"        # checkpoints, logs, prior; a later call goes on from here
stages = ["mend", "octave", "detail", "sharp", "base"]   # in this order; one process each is faster
sheet_minutes = 30     # export the model and a sample sheet this often during a stage
initial = "FILE"       # optional: begin an empty state from the shipped model; FILE is
                       # checkpoints/default.safetensors, which says what it was trained on;
                       # stages that are never trained here are exported as they were
refit = true           # optional, with `initial`: the prior is fitted to all of data all the same,
                       # and the networks of the shipped model go on beside the new one
gains = true           # optional: the last export measures how strong each style's texture is drawn
                       # and puts it right (some minutes)
folds = 4              # parts of the patients, each denoised by a prior fitted without it; 1: none
model = "FOLDER"       # with `initial`: the model it belongs to, if not the shipped one
[recipe]               # fields of loop.Recipe but `stage`: minutes, batch_size, threads ...
[recipe.detail]        # the same for one stage alone
[sizes.base]           # fields of network.BaseParams; [sizes.detail] of UpsamplerParams
[deviation]            # optional: of the noise that the base begins from, by modality and body part
"modality:mri body_part:brain" = 0.88   # less is nearer to the usual, with less variety
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save, save_file
from torch import nn

from radsmith.datasets.corpus import KIND, LARGE, Corpus, balance, load_corpus
from radsmith.datasets.labels import concepts_of
from radsmith.engines.default.prior import Prior
from radsmith.engines.default.stages import LATER, SHARP
from radsmith.engines.model_files import load_engine, load_files, read_config
from radsmith.errors import InvalidInput, NotFound
from radsmith.files import read_bytes, write_atomically
from radsmith.generation.plan import make, plan
from radsmith.images.contact_sheet import Tile, contact_sheet
from radsmith.images.npy import npy_of
from radsmith.images.provenance import Request
from radsmith.tables import read_table
from radsmith.training.checkpoints import last_entry
from radsmith.training.choosing import Material
from radsmith.training.configuration import (
    deviation_of,
    folders_of,
    initial_of,
    read_configuration,
    recipe_of,
)
from radsmith.training.cross_fit import cross_fit
from radsmith.training.drawn import Drawn, drawn_before
from radsmith.training.export import add_gains, export_model
from radsmith.training.fit_prior import PriorSize, extend_prior, fit_prior
from radsmith.training.from_onnx import network_from_onnx
from radsmith.training.gains import gains_of
from radsmith.training.loop import STAGES, Recipe, build, start, train
from radsmith.training.state import Run, Trained, saved_step, take_weights, use_best

FEWEST_IMAGES = 5
BASE_SIDE = 32
FOLDS = 4
SAMPLES = (
    "chest x-ray, PA view, adult, normal",
    "chest x-ray, AP view, child, bacterial pneumonia",
    "knee x-ray, severe osteoarthritis",
    "shoulder x-ray, shoulder arthroplasty",
    "thoracolumbar spine x-ray, scoliosis",
    "chest CT, axial",
    "head CT, brain window",
    "brain MRI, axial, meningioma",
    "brain MRI, sagittal",
    "lumbar spine MRI",
    "breast ultrasound, benign mass",
    "fetal head ultrasound, second trimester",
)


def run(config_path: Path) -> Path:
    """Train as the file says; returns the exported model's folder once all stages exist."""
    config = read_configuration(config_path)
    state = Path(config["state"]).expanduser()
    initial = initial_of(config)
    if initial and not (state / "prior.safetensors").exists():
        adopt(*initial, state, refit=bool(config.get("refit", False)))
    corpus = load_corpus(folders_of(config), state, concepts_of)
    table = _table(corpus, state / "table.json")
    prior, component = _prior(corpus, state, config)
    sizes = config.get("sizes", {})
    shown = time.monotonic()

    def publish(run: Run | None = None) -> None:
        """Export the model and its sample sheet; during a stage at most every sheet_minutes."""
        nonlocal shown
        soon = time.monotonic() - shown < 60 * config.get("sheet_minutes", 30)
        if (run and soon) or not set(STAGES) - set(LATER) <= set(_stages(config, state)):
            return
        gains = bool(config.get("gains", False)) and run is None
        _export(state, config, prior, component, corpus, table, gains)
        shown = time.monotonic()

    material = Material(corpus, table, prior.mended(), component)
    stages = config.get("stages", STAGES)
    recipes = {stage: recipe_of(config, stage) for stage in stages}
    folds = config.get("folds", FOLDS)
    if "base" in stages and folds > 1:
        size = PriorSize(**config.get("prior", {}))
        material = replace(material, apart=cross_fit(corpus, BASE_SIDE, size, folds, state))
    for stage in stages:
        size, recipe = sizes.get(stage, {}), recipes[stage]
        seen = _large(material, config, state) if stage == SHARP else material
        if seen is None:
            continue
        drawn = _drawn(recipe, material, config, state)
        begin = _untouched(config, state, stage)
        train(recipe, seen, state / "run", size, begin, publish, drawn)
    publish()
    return state / "model"


def _large(material: Material, config: dict[str, Any], state: Path) -> Material | None:
    """The larger images of the data, as large as they are; None where there are none, and said."""
    try:
        corpus = load_corpus(folders_of(config), state, concepts_of, size=LARGE)
    except InvalidInput as error:
        print(json.dumps({"stage": SHARP, "left_out": str(error)}), flush=True)
        return None
    kinds = dict(sorted(corpus.counts_together([KIND]).items()))
    facts = {"learned_side": LARGE.side, "images_large": kinds}
    write_atomically(state / "large.json", json.dumps(facts).encode())
    return Material(corpus, material.table, material.prior, np.zeros(len(corpus), np.int64))


def _drawn(recipe: Recipe, material: Material, config: dict[str, Any], state: Path) -> Drawn | None:
    """What the stages before draw, as they were when it was first asked for: the best that was
    trained here, else what the state began from."""
    if recipe.stage == "base" or not recipe.drawn:
        return None
    if not recipe.pretrained_critic:
        raise InvalidInput("[recipe] drawn needs pretrained_critic = true")
    path = state / f"drawn-for-{recipe.stage}.safetensors"
    sizes = config.get("sizes", {})
    before: dict[str, nn.Module] = {}
    lacking = () if path.is_file() else set(LATER) - set(_stages(config, state))
    for stage in STAGES[: STAGES.index(recipe.stage)] if not path.is_file() else ():
        if stage in lacking:
            continue
        before[stage] = build(stage, len(material.table) + 1, sizes.get(stage, {}))
        if begin := _untouched(config, state, stage):
            take_weights(before[stage], begin.network)
        elif not use_best(before[stage], state / "run", stage):
            raise InvalidInput(f"[recipe] drawn needs {stage} trained first")
    return drawn_before(before, material, recipe.drawn, path, recipe.favour)


def _stages(config: dict[str, Any], state: Path) -> tuple[str, ...]:
    """Those that were trained here or that `initial` has, in their order."""
    initial = initial_of(config)
    begun = read_config(initial[1])["files"] if initial else {}
    return tuple(
        stage
        for stage in STAGES
        if f"{stage}.onnx" in begun or saved_step(state / "run", stage) is not None
    )


def _untouched(config: dict[str, Any], state: Path, stage: str) -> Trained | None:
    """The stage as `initial` has it, if that is named and has it, and it was never trained in
    `state`."""
    initial = initial_of(config)
    if initial is None or saved_step(state / "run", stage) is not None:
        return None
    return beginning(*initial, stage)


def _export(
    state: Path,
    config: dict[str, Any],
    prior: Prior,
    component: NDArray[np.int64],
    corpus: Corpus,
    table: dict[str, int],
    gains: bool,
) -> None:
    """Model folder of the averages as last saved, of a stage that was not trained here as it was,
    and a sheet of what it draws."""
    sizes, initial, folder = config.get("sizes", {}), initial_of(config), state / "run"
    runs, networks, told = {}, {}, {}
    for stage in _stages(config, state):
        recipe, size = recipe_of(config, stage), sizes.get(stage, {})
        begin = _untouched(config, state, stage)
        runs[stage] = start(recipe, folder, len(table) + 1, size, begin)
        best = build(stage, len(table) + 1, size)
        networks[stage] = best if use_best(best, folder, stage) else runs[stage].average
        if initial and begin:
            told[stage] = read_config(initial[1])["training"][stage]
        else:
            told[stage] = last_entry(folder / f"{stage}.log.jsonl")
    facts = _facts_of_large(config, state) if SHARP in networks else {}
    facts |= {
        "name": config.get("name", "radsmith-default"),
        "sources": read_sources([f / "sources.csv" for f in folders_of(config)], corpus),
        "training": told,
    }
    save_checkpoint(runs, component, state / "checkpoint.safetensors")
    noise = deviation_of(config)
    export_model(networks, prior, component, corpus, table, facts, state / "model", noise)
    if gains:
        add_gains(state / "model", gains_of(load_engine(state / "model"), corpus))
    step = runs["base"].step
    write_atomically(state / "run" / f"samples-{step}.png", sample_sheet(state / "model"))


def _facts_of_large(config: dict[str, Any], state: Path) -> dict[str, Any]:
    """What the model says of the larger images it learned from: those that the stage was trained on
    here, or as the model that it began from says."""
    told = state / "large.json"
    if saved_step(state / "run", SHARP) is not None and told.is_file():
        return dict(json.loads(read_bytes(told)))
    initial = initial_of(config)
    begun = read_config(initial[1]) if initial else {}
    return {k: begun[k] for k in ("learned_side", "images_large") if k in begun}


def save_checkpoint(runs: dict[str, Run], component: NDArray[np.int64], path: Path) -> None:
    """The component of every image; counters in the JSON beside. The networks are the model's."""
    save_file({"component": component.astype(np.int16)}, path)
    counters = {
        stage: {"step": run.step, "samples": run.samples, "seconds": round(run.seconds, 1)}
        for stage, run in runs.items()
    }
    path.with_suffix(".json").write_text(json.dumps(counters, indent=1) + "\n")


def beginning(checkpoint: Path, model: Path, stage: str) -> Trained | None:
    """The network of `model` with the counters that lie beside `checkpoint`; None where the model
    has no such stage."""
    files = load_files(model)
    if stage not in files.networks:
        return None
    counters = json.loads(checkpoint.with_suffix(".json").read_text())[stage]
    return Trained(network=network_from_onnx(stage, files.networks[stage]), **counters)


def adopt(checkpoint: Path, model: Path, state: Path, *, refit: bool = False) -> None:
    """Give an empty state the table of `model`, and its prior with the components of `checkpoint`.

    refit: the table alone.
    Raises NotFound where the checkpoint or model is missing.
    """
    if not checkpoint.is_file() or not (model / "prior.safetensors").is_file():
        raise NotFound(f"to begin from {checkpoint}, it and the model in {model} must be there")
    state.mkdir(parents=True, exist_ok=True)
    stored = load_file(model / "prior.safetensors")
    own = {k: v for k, v in stored.items() if not k.startswith(("component_", "gains_"))}
    table = json.dumps(read_config(model)["table"])
    write_atomically(state / "table.json", table.encode())
    if refit:
        return
    _keep_prior(own, load_file(checkpoint)["component"].astype(np.int64), state)


def sample_sheet(model: Path) -> bytes:
    """A PNG of SAMPLES prompts, four images each, as users of this model would get them."""
    engine = load_engine(model)
    tiles = []
    for text in SAMPLES:
        planned = plan(text, engine.facts)
        if not any(engine.facts.count(c) for c in planned.concepts):
            continue
        for seed in range(4):
            image, record = make(engine, planned, Request(prompt=text, seed=seed), "")
            tiles.append(Tile(image=image, caption=f"{seed}: {planned.canonical}", record=record))
    return contact_sheet(tiles, columns=8, tile=192, title=f"{engine.facts.name}: samples")


def read_sources(paths: Sequence[Path], corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Licence and repository of each source of the corpus, with its images, as the files say."""
    counts = Counter(corpus.sources)
    rows = []
    for path in paths:
        if path.is_file():
            table = read_table(read_bytes(path), str(path), ("source",))
            rows += [row.cells for row in table.rows if row.cells.get("source") in counts]
    return {
        row["source"]: {
            "images": counts[row["source"]],
            "licence": row.get("license", ""),
            "licence_class": row.get("license_class", ""),
            "repository": row.get("repository", ""),
        }
        for row in rows
    }


def _table(corpus: Corpus, path: Path) -> dict[str, int]:
    """Embedding row of each concept with enough images; 0 is none. Later calls only add rows."""
    table: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    counts = corpus.counts()
    fresh = sorted(c for c, n in counts.items() if n >= FEWEST_IMAGES and c not in table)
    table |= {c: len(table) + 1 + i for i, c in enumerate(fresh)}
    if fresh:
        write_atomically(path, json.dumps(table).encode())
    return table


def _prior(corpus: Corpus, state: Path, config: dict[str, Any]) -> tuple[Prior, NDArray[np.int64]]:
    """The prior and every image's component; extended for images added at the end."""
    path, labels = state / "prior.safetensors", state / "prior-labels.npy"
    if not path.exists():
        size = PriorSize(**config.get("prior", {}))
        fitted, component = fit_prior(corpus, balance(corpus), BASE_SIDE, size, 0)
    else:
        fitted, component = Prior.from_arrays(load_file(path)), np.load(labels)
        if len(component) > len(corpus):
            raise InvalidInput(
                f"{labels} knows {len(component)} images, the data hold {len(corpus)}: name all"
                " folders of the earlier calls, in their order, or begin with another state"
            )
        component = component[component < len(fitted.means)]  # else killed before the prior grew
        if len(component) == len(corpus):
            return fitted, component
        fitted, component = extend_prior(fitted, component, corpus, 0)
    _keep_prior(fitted.arrays(), component, state)
    return fitted, component


def _keep_prior(
    arrays: Mapping[str, NDArray[np.generic]], component: NDArray[np.int64], state: Path
) -> None:
    """Each file whole or absent, the prior last: another stage's process may be reading."""
    write_atomically(state / "prior-labels.npy", npy_of(component))
    kept = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomically(state / "prior.safetensors", save(kept))
