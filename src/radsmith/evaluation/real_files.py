"""Real images of a data set folder, to compare with."""

from __future__ import annotations

from pathlib import Path

from radsmith.datasets.corpus import LARGE, SMALL, Size, contents, load_corpus
from radsmith.datasets.labels import concepts_of
from radsmith.errors import InvalidInput
from radsmith.evaluation.real_set import RealSet
from radsmith.files import cache_folder


def real_images(data: Path, split: str) -> RealSet:
    """The real images of a split, decoded once and cached; synthetic ones are left out."""
    return _images(data, split, SMALL)


def large_images(data: Path, split: str) -> RealSet | None:
    """Those that have more than 256 pixels, as `corpus.LARGE` says; None where none is said to."""
    try:
        return _images(data, split, LARGE)
    except InvalidInput:
        real_images(data, split)  # what is wrong with the folder itself is said
        return None


def _images(data: Path, split: str, size: Size) -> RealSet:
    corpus = load_corpus([data], cache_folder(), concepts_of, split, real_only=True, size=size)
    return RealSet(images=contents(corpus), concepts=corpus.concepts, patients=corpus.patients)
