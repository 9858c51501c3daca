"""Which component of the prior to draw: by concepts, aspect and known pixels.

Knows how many training images of each component had each concept; nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.default.evidence import log_evidence
from radsmith.engines.default.prior import Prior
from radsmith.images.image import Array
from radsmith.language.prompt import NORMAL, is_abnormal
from radsmith.language.vocabulary import shipped_vocabulary

CLOSE = 8.0
"""Components this many nats below the best by concepts are not compared with known pixels."""
FRONTAL = ("view:ap", "view:pa")
NEARLY = 0.2
"""What an image seen from the front counts where the other direction of the rays is asked for: of a
knee it looks the same, of a chest almost."""
DECISIVE = ("modality", "body_part")
"""Kinds that count double: a knee is no chest, however well its side and sex fit."""
DEVIATION = "component_deviation"
"""Array of a model by that name."""
LEARNED = 40
"""Images of the asked kind that a finding needs for its kin to be told from it, or to be denied."""
MOST_KIN = 2
"""Kin that an image is drawn away from, at most, and findings that a normal one is."""
TOLD_BY = ("style", *DECISIVE, "technique")
"""Kinds in which images must agree for what differs between them to be a finding."""


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
        whole = np.ones(len(self._images), np.float32)
        self._deviation = np.asarray(arrays.get(DEVIATION, whole), np.float32)
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

        Where most images of some components are of the asked modality and body part, it is one of
        these: a healthy hand is no healthy knee where no hand was said to be healthy.
        A component whose images say nothing of a kind (sex, side …) is neutral to it.  One in which
        an absent concept is common is as unlikely as one that lacks a wanted one.
        Normal counts double where some images of the asked modality, body part and view are: it
        comes before technique and style.  aspect: width over height, None where it is open.
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
            twice = kind in DECISIVE or (c == self._normal and self._has_normal(concepts))
            score = score + (2 if twice else 1) * match
        for c in (self._table[a] - 1 for a in absent if a in self._table):
            without = self._images - self._counts[:, c]
            share = 1 - total[c] / self._images.sum()
            score = score + np.log((without + 0.5 * share) / (self._images + 0.5))
        if aspect is not None:
            score = score - 4 * np.abs(np.log(self._aspect) - np.log(aspect))
        of_the_kind = self._mostly(concepts, DECISIVE)
        return np.where(of_the_kind, score, -np.inf) if of_the_kind.any() else score

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

    def _mostly(self, concepts: Sequence[str], kinds: Sequence[str]) -> NDArray[np.bool_]:
        """The components most of whose images have all of the concepts that are of these kinds."""
        asked = [self._table[c] - 1 for c in concepts if c in self._table]
        columns = [c for c in asked if self._kinds[c] in kinds]
        return np.asarray((self._counts[:, columns] > self._images[:, None] / 2).all(1))

    def _has_normal(self, concepts: Sequence[str]) -> bool:
        own = self._mostly(concepts, (*DECISIVE, "view"))
        return bool(self._counts[own, self._normal].any())

    def learned(self, findings: Sequence[str], concepts: Sequence[str]) -> tuple[str, ...]:
        """Of these findings those with LEARNED images of the asked modality and body part, the
        commonest first."""
        return self._commonest(findings, self._mostly(concepts, DECISIVE))

    def commonest_beside(self, component: int) -> tuple[str, ...]:
        """The commonest findings that LEARNED images show which are of the same source and
        technique as most of a component: what a normal one of these is not.

        Images of another source or technique differ in more than what they show; without LEARNED
        normal ones among them there is nothing to tell findings from.
        """
        mostly = self._counts > self._images[:, None] / 2
        own, styles = (np.isin(self._kinds, kinds) for kinds in (TOLD_BY, ("style",)))
        alike = np.asarray((mostly[:, own] == mostly[component, own]).all(1))
        mixed = styles.any() and not mostly[component, styles].any()
        if mixed or not self._commonest((NORMAL,), alike):
            return ()
        return self._commonest(filter(is_abnormal, self._table), alike)[:MOST_KIN]

    def _commonest(self, findings: Iterable[str], components: NDArray[np.bool_]) -> tuple[str, ...]:
        """Of these findings those with LEARNED images in the components, the commonest first."""
        total = self._counts[components].sum(0)
        images = {c: float(total[self._table[c] - 1]) for c in findings if c in self._table}
        enough = [c for c in images if images[c] >= LEARNED]
        return tuple(sorted(enough, key=images.__getitem__, reverse=True))

    def kin(self, findings: Sequence[str], concepts: Sequence[str]) -> tuple[str, ...]:
        """What findings are most easily taken for in an image of these concepts, with all that it
        implies: their commonest kin, as "malignant" is to "benign"; none of findings that were
        themselves hardly learned, or that did not ship."""
        vocabulary = shipped_vocabulary()
        known = self.learned(findings, concepts)
        others = self.learned(vocabulary.kin(known), concepts)
        return vocabulary.implied([c for c in others if c not in findings][:MOST_KIN])

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

    def __len__(self) -> int:
        return len(self._images)

    def deviation(self, component: int) -> float:
        """Of the noise that its images begin from; 1 in models that do not say."""
        return float(self._deviation[component])

    def deviations(self) -> dict[str, float]:
        """That of each kind of image."""
        return {self.kind(k): self.deviation(k) for k in range(len(self))}

    def kind(self, component: int) -> str:
        """Modality and body part of most of its images, joined by a space."""
        usual = self.usual(component)
        return " ".join(c for kind in DECISIVE for c in usual if c.startswith(f"{kind}:"))

    def usual(self, component: int) -> tuple[str, ...]:
        """Modality, body part, view and technique that most of its images have."""
        kinds = ("modality:", "body_part:", "view:", "technique:")
        half = self._images[component] / 2
        return tuple(
            c
            for c, row in self._table.items()
            if c.startswith(kinds) and self._counts[component, row - 1] > half
        )
