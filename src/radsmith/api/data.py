"""Data sets to look at and to measure a model with. Unstable until 0.2: names may change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from radsmith.api.model import Model
from radsmith.clock import today
from radsmith.datasets.corpus import Corpus, Row, contents, load_corpus, read_manifest
from radsmith.datasets.entry import is_synthetic
from radsmith.datasets.labels import concepts_of
from radsmith.errors import InvalidInput
from radsmith.evaluation import judge_files
from radsmith.evaluation.fidelity import Evaluation, FidelityOptions, Many
from radsmith.evaluation.fidelity import evaluate as compare
from radsmith.evaluation.real_files import real_images
from radsmith.evaluation.report_page import write_evaluation
from radsmith.files import cache_folder, prepare_folder
from radsmith.generation.plan import Plan
from radsmith.images.provenance import Request, Settings
from radsmith.language.vocabulary import shipped_vocabulary, speaking

Split = Literal["train", "test"]


class Dataset:
    """One split of a data set folder, as `radsmith import` writes it.

    Iterating gives (pixels, row): pixels (height, width) float32 in 0-1, at most 256 pixels a side,
    as models learn from them; row: the manifest's.  Pictures are decoded once, when they are first
    asked for, and kept in the cache folder.  Raises NotFound where there is no manifest.
    """

    def __init__(self, folder: str | Path, *, split: Split = "train") -> None:
        if split not in ("train", "test"):
            raise InvalidInput(f"a split is train or test, got {split!r}")
        self.folder, self.split = Path(folder), split
        rows = read_manifest(self.folder / f"{split}.csv")
        self.rows: Sequence[Row] = [r for r in rows if split == "train" or not is_synthetic(r)]

    @cached_property
    def corpus(self) -> Corpus:
        """The decoded images with their concepts, as training has them."""
        with speaking(shipped_vocabulary()):  # its own words are for itself
            return load_corpus([self.folder], cache_folder(), concepts_of, self.split)

    @cached_property
    def images(self) -> Sequence[NDArray[np.floating]]:
        """(height, width) each, in 0-1, read when asked for."""
        return contents(self.corpus)

    @property
    def concepts(self) -> Sequence[tuple[str, ...]]:
        """Concept ids of each image."""
        return self.corpus.concepts

    @property
    def patients(self) -> Sequence[str]:
        """Whose image each is, hashed; the image's key where that is unknown."""
        return [row["patient_id"] or row["key"] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[NDArray[np.floating], Row]]:
        return zip(self.images, self.rows, strict=True)


def _many(model: Model, workers: int, ray: str) -> Many:
    def draw(asked: Sequence[tuple[Plan, Request]]) -> Iterator[NDArray[np.floating]]:
        for picture in model.by_workers(asked, workers, ray):
            yield picture.image.pixels.astype(np.float32, copy=False)

    return draw


def evaluate(
    model: Model,
    data: Dataset | str | Path,
    *,
    split: Split = "test",
    settings: Settings | None = None,
    per_kind: int = 400,
    per_finding: int = 25,
    seed: int = 0,
    copies: bool = True,
    features: str = "judge,pixels",
    judge: str | Path | None = None,
    folder: str | Path | None = None,
    more_steps: Sequence[int] = (),
    workers: int = 1,
    ray: str = "",
    progress: Callable[[str, int], None] = lambda what, images: None,
) -> Evaluation:
    """A model's images against real ones; each figure in `report` beside its real-against-real.

    per_kind: most real images of a kind; per_finding: pairs of prompts a finding.  copies: search
    the training split for copies.  features: "judge", "pixels", paths to .onnx encoders.
    judge: another judge.json.  folder: where a page of it goes.  more_steps: other numbers of steps
    to compare.  workers, ray: draw in so many processes, or actors of the cluster at this address.
    progress: told what is done, and how many images that adds.
    Raises InvalidInput where no kind of image has enough real ones.
    """
    place = data.folder if isinstance(data, Dataset) else Path(data)
    eyes = judge_files.load_judge(Path(judge) if judge else None)
    spaces = judge_files.load_spaces(features, eyes)
    options = FidelityOptions(
        settings=settings or model.settings(),
        more_steps=tuple(more_steps),
        per_kind=per_kind,
        per_finding=per_finding,
        seed=seed,
        many=None if (workers, ray) == (1, "") else _many(model, workers, ray),
    )
    engine = model.engine
    if folder is not None:
        prepare_folder(Path(folder))
    with speaking(model.vocabulary):  # the data's own words join it here
        found = compare(
            engine,
            real_images(place, split),
            real_images(place, "train") if copies else None,
            spaces,
            eyes,
            options,
            progress,
        )
        found.report.update(split=split, date=today())
        if folder is not None:
            write_evaluation(Path(folder), found)
    return found
