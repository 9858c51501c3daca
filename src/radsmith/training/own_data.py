"""A data set of one's own as the default model learns it: labels, new words, what is held out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radsmith.datasets.corpus import Corpus, Row, load_corpus, read_manifest
from radsmith.datasets.entry import VOCABULARY, is_synthetic
from radsmith.datasets.holdout import held_out
from radsmith.datasets.labels import concepts_of
from radsmith.errors import InvalidInput
from radsmith.language.own_words import meant, new_words, phrases
from radsmith.language.vocabulary import Concept, default_vocabulary, learn_concepts

FEWEST = 12
"""Images to train on without which nothing can be learned."""
FEWEST_OF_CONCEPT = 5
HELD_OUT_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """corpus: the train split.  words: concepts that are new to the vocabulary.

    digest: SHA-256 of manifest and vocabulary.  spacing: median mm a pixel of the stored images
    by body part, where the manifest has it.
    """

    corpus: Corpus
    words: tuple[Concept, ...]
    digest: str

    @property
    def training(self) -> NDArray[np.int64]:
        """Numbers of the images that are trained on."""
        return np.flatnonzero(~self.corpus.held_out)


def load_own(folder: Path, cache: Path) -> OwnData:
    """Read a data set as `radsmith import` writes it; synthetic images are left out.

    Its own words (`vocabulary.toml` beside the manifest, and ids nobody knows yet) enter the
    vocabulary. Raises NotFound without a manifest or shard, InvalidInput for too few images.
    """
    own = folder / VOCABULARY
    text = own.read_text(encoding="utf-8") if own.is_file() else ""
    fresh = {c.id: c for c in learn_concepts(text)}
    rows = [row for row in read_manifest(folder / "train.csv") if not is_synthetic(row)]
    if len(rows) < FEWEST:
        raise InvalidInput(
            f"{folder} holds {len(rows)} real images to train on; at least {FEWEST} are needed,"
            " and some hundreds for a new kind"
        )
    fresh |= {c.id: c for c in learn_concepts(new_words(rows))}
    corpus = load_corpus([folder], cache, labels_of, real_only=True)
    corpus = replace(corpus, held_out=held_out(corpus.patients, HELD_OUT_SHARE))
    digest = hashlib.sha256((folder / "train.csv").read_bytes() + text.encode()).hexdigest()
    return OwnData(corpus=corpus, words=tuple(fresh.values()), digest=digest)


def labels_of(row: Row) -> tuple[str, ...]:
    """Concept ids of a manifest row: those of the default model's data, and whatever the
    vocabulary makes of body part, view, technique and findings."""
    vocabulary = default_vocabulary()
    ids = [c for c in concepts_of(row) if c in vocabulary.concepts]
    for kind, phrase in phrases(row):
        ids += meant(kind, phrase)
    known = [c for c in dict.fromkeys(ids) if c in vocabulary.concepts]
    return tuple(dict.fromkeys(vocabulary.implied(known)))
