"""Real images of a data set folder, to compare with."""

from __future__ import annotations

from pathlib import Path

from radsmith.datasets.corpus import contents, load_corpus
from radsmith.datasets.labels import concepts_of
from radsmith.evaluation.real_set import RealSet
from radsmith.files import cache_folder


def real_images(data: Path, split: str) -> RealSet:
    """The real images of a split, decoded once and cached; synthetic ones are left out."""
    corpus = load_corpus([data], cache_folder(), concepts_of, split, real_only=True)
    return RealSet(images=contents(corpus), concepts=corpus.concepts, patients=corpus.patients)
