"""What fine-tuning did: previews with a watch for copies, figures and a sheet before and after.

The judge scores and chooses nothing: the checkpoint is chosen by the loss on held-out patients.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.datasets.corpus import Corpus, contents
from radsmith.engines.engine import Engine
from radsmith.evaluation.copies import PERCENTILE, near_copies, nearest, variants
from radsmith.evaluation.features import Images, Space, judge_space, pixel_space
from radsmith.evaluation.judge_files import load_judge
from radsmith.evaluation.metrics import kernel_distance
from radsmith.evaluation.probe import probe
from radsmith.files import write_atomically
from radsmith.generation.plan import make, plan
from radsmith.images.contact_sheet import Tile, contact_sheet
from radsmith.images.image import Image
from radsmith.images.provenance import Generation, Request, Settings
from radsmith.images.stored import Stored
from radsmith.language.prompt import in_words
from radsmith.training.own_data import OwnData

MOST_PROMPTS = 4
IMAGES = 16
"""Drawn before and after for each prompt."""
PROBED = 2
Drawing = tuple[Image, Generation]


@dataclass(frozen=True, kw_only=True)
class ModelWatch:
    """Looks at a model in training: sheets of what is new, and how near they are to an image.

    new: concepts that the model did not have.  folder: where the sheets go.
    """

    own: OwnData
    new: tuple[str, ...]
    folder: Path
    seed: int

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """Canonical sentences of the commonest labels with each new concept, else of all images."""
        corpus = self.own.corpus
        labels = [tuple(c for c in ids if not c.startswith("style:")) for ids in corpus.concepts]
        trained = [labels[i] for i in self.own.training]
        new = [c for c in self.new if not c.startswith("style:")]
        wanted = [[ids for ids in trained if c in ids] for c in new] or [trained]
        commonest = [
            ids
            for group in wanted
            for ids, _ in Counter(group).most_common(1 if len(wanted) > 1 else MOST_PROMPTS)
        ]
        sentences = (in_words(ids, (), None)[0] for ids in commonest)
        return tuple(dict.fromkeys(sentences))[:MOST_PROMPTS]

    @cached_property
    def known(self) -> NDArray[np.float32]:
        """Features of the training images: (n, d), by direction."""
        images = contents(self.own.corpus)
        return _directions(pixel_space([images[int(i)] for i in self.own.training]))

    @cached_property
    def threshold(self) -> float | None:
        """Distance below which PERCENTILE % of the training images have another patient's; None
        for a single patient."""
        patients = np.array(self.own.corpus.patients)[self.own.training]
        apart = [
            nearest(self.known[patients != p], self.known[patients == p][:, None])[0]
            for p in sorted(set(patients.tolist()))
            if (patients != p).any()
        ]
        return float(np.percentile(np.concatenate(apart), PERCENTILE)) if apart else None

    def nearness(self, images: Images) -> NDArray[np.float64] | None:
        """Distance to the nearest training image over the threshold: below 1 is suspicious."""
        if not self.threshold:
            return None
        queries = _directions(variants(images, pixel_space))
        return np.asarray(nearest(self.known, queries)[0] / self.threshold)

    def look(self, engine: Engine, step: int) -> dict[str, Any]:
        """Draw each prompt twice, write a sheet; the least and the median nearness."""
        made = [m for text in self.prompts for m in draw(engine, text, 2, self.seed)]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{step:06}.png"
        write_atomically(path, contact_sheet(_tiles(made), 4, title=f"after {step} steps"))
        near = self.nearness(_stored(made))
        if near is None:
            return {"preview": str(path), "nearest": None}
        return {
            "preview": str(path),
            "nearest": {"least": float(near.min()), "median": float(np.median(near))},
        }


def draw(engine: Engine, text: str, count: int, seed: int) -> list[Drawing]:
    """Images of one prompt with seeds from `seed` on."""
    planned = plan(text, engine.facts)
    settings = Settings()
    return [
        make(engine, planned, Request(prompt=text, seed=seed + n, settings=settings), "")
        for n in range(count)
    ]


def finish_report(
    work: Path,
    before: Engine,
    after: Engine,
    own: OwnData,
    forecast: dict[str, Any],
    watch: ModelWatch,
) -> None:
    """Write `report/` in the work folder: report.json, sheet.png, log and previews."""
    folder = work / "report"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    judge = load_judge()
    old = {p: draw(before, p, IMAGES, watch.seed) for p in watch.prompts}
    new = {p: draw(after, p, IMAGES, watch.seed) for p in watch.prompts}
    tiles = [t for p in watch.prompts for t in (*_tiles(old[p][:4]), *_tiles(new[p][:4]))]
    title = f"{after.facts.name}: before (left four), after (right four)"
    write_atomically(folder / "sheet.png", contact_sheet(tiles, 8, tile=192, title=title))
    images = {n: _stored([m for made in s.values() for m in made]) for n, s in _both(old, new)}
    space = judge_space(judge)
    figures = {
        "forecast": forecast,
        "prompts": watch.prompts,
        "kernel distance to real images": _closeness(own.corpus, images, space),
        "copies": _copies(watch, images["after"]),
        "the paper's prompts": {
            name: _probed(engine, judge, watch.seed) for name, engine in _both(before, after)
        },
        "chosen": json.loads((work / "base-best.json").read_text()),
    }
    text = json.dumps(figures, indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "report.json", text.encode())
    shutil.copy(work / "log.jsonl", folder)
    shutil.copytree(work / "previews", folder / "previews")


def _both(old: Any, new: Any) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("before", old), ("after", new)


def _closeness(corpus: Corpus, images: dict[str, Images], space: Space) -> dict[str, Any]:
    """KID in the judge's space to held-out images, or to trained ones where those are few."""
    index = np.flatnonzero(corpus.held_out)
    which = "held out"
    if len(index) < IMAGES:
        index, which = np.flatnonzero(~corpus.held_out), "trained on"
    index = np.random.default_rng(0).permutation(index)[:200]
    pictures = contents(corpus)
    real = space([pictures[int(i)] for i in index])
    found: dict[str, Any] = {"real images": which, "n": len(index)}
    for name, drawn in images.items():
        distance = kernel_distance(real, space(drawn), np.random.default_rng(0))
        found[name] = {"estimate": distance.estimate, "low": distance.low, "high": distance.high}
    return found


def _copies(watch: ModelWatch, images: Images) -> dict[str, Any] | None:
    """Share of the images nearer than chance, and of planted near-copies that are found so."""
    near = watch.nearness(images)
    if near is None:
        return None
    pictures = contents(watch.own.corpus)
    rng = np.random.default_rng(0)
    chosen = rng.permutation(watch.own.training)[:50]
    planted = watch.nearness(near_copies([pictures[int(i)] for i in chosen], rng))
    assert planted is not None
    return {
        "nearer than chance": float((near < 1).mean()),
        "sensitivity": float((planted < 1).mean()),
        "n": len(near),
    }


def _probed(engine: Engine, judge: Any, seed: int) -> dict[str, Any]:
    answers = probe(engine, judge, PROBED, Settings(), seed, "")
    named = [a for a in answers if a.known]
    asked = PROBED * len(named)
    return {"right": sum(a.right for a in named), "of": asked}


def _tiles(made: Sequence[Drawing]) -> list[Tile]:
    return [
        Tile(image=image, caption=f"{record.seed}: {record.canonical_prompt}", record=record)
        for image, record in made
    ]


def _stored(made: Sequence[Drawing]) -> Images:
    return Stored(image.pixels for image, _ in made)


def _directions(features: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = features - features.mean(-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    return np.asarray(centred / np.maximum(length, 1e-12), np.float32)
