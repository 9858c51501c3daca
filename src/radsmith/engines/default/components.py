"""Which component of the prior to draw: by concepts, aspect and known pixels.

Knows how many training images of each component had each concept; nothing of networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.default.evidence import log_evidence
from radsmith.engines.default.prior import Prior
from radsmith.images.image import Array
from radsmith.language.prompt import NORMAL
from radsmith.language.vocabulary import default_vocabulary

CLOSE = 8.0
"""Components this many nats below the best by concepts are not compared with known pixels."""
FRONTAL = ("view:ap", "view:pa")
NEARLY = 0.2
"""What an image seen from the front counts where the other direction of the rays is asked for: of a
knee it looks the same, of a chest almost."""
DECISIVE = ("modality", "body_part")
"""Kinds that count double, as normal does: a knee is no chest, however well its side and sex fit,
and what is normal comes from normal images before it comes from those of the same technique."""
LEARNED, ALIKE = 40, 2
"""Images that a finding must have to be drawn away from, and how many of those are at most."""


class Components:
    """The mixture's components as the training images describe them."""

    def __init__(
        self,
        table: Mapping[str, int],
        arrays: Mapping[str, NDArray[np.generic]],
        since: Mapping[str, int] | None = None,
    ) -> None:
        """since: concept -> how many components are older than it, and so lack it for certain."""
        self._table = dict(table)
        self._since = dict(since or {})
        self._counts = np.asarray(arrays["component_counts"], np.float64)
        self._images = np.asarray(arrays["component_images"], np.float64)
        self._aspect = np.asarray(arrays["component_aspect"], np.float64)
        self._kinds = [
            c.partition(":")[0] for c in sorted(self._table, key=self._table.__getitem__)
        ]
        self._normal = self._table.get(NORMAL, 0) - 1
        self._said = {kind: self._labelled(kind) for kind in set(self._kinds)}

    def _labelled(self, kind: str) -> NDArray[np.float64]:
        """Images of each component whose labels say something of a kind; of findings, all."""
        if kind == "finding":
            return self._images
        own = [c for c, k in enumerate(self._kinds) if k == kind]
        return np.asarray(np.minimum(self._counts[:, own].sum(1), self._images))

    def scores(
        self, concepts: Sequence[str], absent: Sequence[str], aspect: float | None
    ) -> NDArray[np.float64]:
        """Log weight of each component: how well its training images match the words.

        A component whose images say nothing of a kind (sex, side …) is neutral to it.  One in which
        an absent concept is common is as unlikely as one that lacks a wanted one.
        aspect: width over height, None where it is open.
        """
        columns = [self._table[c] - 1 for c in concepts if c in self._table]
        total = self._counts.sum(0)
        alike = {self._table[one] - 1: self._table[other] - 1 for one, other in self._frontal()}
        older = {self._table[c] - 1: n for c, n in self._since.items() if c in self._table}
        score = np.log(self._images)
        for c in columns:
            kind = self._kinds[c]
            said = self._said[kind]
            if c in older:
                said = said.copy()
                said[: older[c]] = self._images[: older[c]]
            share = total[c] / max(said.sum(), 1)
            own = self._counts[:, c]
            if c in alike:
                own = np.minimum(own + NEARLY * self._counts[:, alike[c]], said)
            match = np.log((own + 0.5 * share) / (said + 0.5))
            decisive = kind in DECISIVE or self._normal == c
            score = score + (2 if decisive else 1) * match
        for c in (self._table[a] - 1 for a in absent if a in self._table):
            without = self._images - self._counts[:, c]
            share = 1 - total[c] / self._images.sum()
            score = score + np.log((without + 0.5 * share) / (self._images + 0.5))
        if aspect is not None:
            score = score - 4 * np.abs(np.log(self._aspect) - np.log(aspect))
        return score

    def _frontal(self) -> list[tuple[str, str]]:
        """Each view from the front with the other, where both are known."""
        pairs = (FRONTAL, FRONTAL[::-1])
        return [pair for pair in pairs if all(view in self._table for view in pair)]

    def graded(self, concept: str) -> bool:
        """Whether the images with a finding have a severity, all in all."""
        if concept not in self._table:
            return False
        own = self._counts[:, self._table[concept] - 1]
        grades = [c for c, kind in enumerate(self._kinds) if kind == "severity"]
        both = np.minimum(self._counts[:, grades].sum(1), own)
        return bool(own.sum() and both.sum() >= own.sum())

    def alike(self, findings: Sequence[str]) -> tuple[str, ...]:
        """What the narrowest of some findings are most easily taken for, with all it implies: the
        commonest others of the same broader ones, as "malignant" is to "benign"."""
        vocabulary, total = default_vocabulary(), self._counts.sum(0)
        images = {
            c: total[self._table[c] - 1] for c in vocabulary.kin(findings) if c in self._table
        }
        learned = [c for c in images if images[c] >= LEARNED]
        return vocabulary.implied(sorted(learned, key=images.__getitem__, reverse=True)[:ALIKE])

    def seen(
        self, scores: NDArray[np.float64], prior: Prior, known: Array, mask: Array
    ) -> NDArray[np.float64]:
        """The scores with what known pixels tell; components far below the best are left out.

        known, mask: (S*S,); mask is 1 where unknown.
        """
        close = np.flatnonzero(scores > scores.max() - CLOSE)
        found = np.full(len(scores), -np.inf)
        found[close] = scores[close] + log_evidence(prior, known, mask, close)
        return found

    def choose(self, scores: NDArray[np.float64], rng: np.random.Generator) -> int:
        """Draw one component by its log weight."""
        weight = np.exp(scores - scores.max())
        return int(rng.choice(len(weight), p=weight / weight.sum()))

    def aspect(self, component: int) -> float:
        """Median width over height of its images."""
        return float(self._aspect[component])

    def style(self, component: int) -> tuple[str, ...]:
        """The source style most of the component's images have."""
        styles = [c for c in self._table if c.startswith("style:")]
        if not styles:
            return ()
        return (max(styles, key=lambda c: self._counts[component, self._table[c] - 1]),)

    def usual(self, component: int) -> tuple[str, ...]:
        """Modality, body part, view and technique that most of its images have."""
        kinds = ("modality:", "body_part:", "view:", "technique:")
        half = self._images[component] / 2
        return tuple(
            c
            for c, row in self._table.items()
            if c.startswith(kinds) and self._counts[component, row - 1] > half
        )
