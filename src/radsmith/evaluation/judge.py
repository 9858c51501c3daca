"""The judge: names what an image shows, to score generated images and for nothing else.

A classifier trained on real images alone. It never chooses a training image, a checkpoint or,
unless `radsmith augment --keep-agreeing` asks for it, an image; it knows nothing of the generator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.default.stages import session
from radsmith.errors import InvalidInput
from radsmith.images.image import Array
from radsmith.images.letterbox import letterboxed

EXCLUSIVE = ("modality", "body_part", "view", "side", "age_group", "severity")
"""Groups of which an image has one member; findings are judged one by one."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the judge says of n images.

    probability: concept id -> (n,); within an exclusive group they add up to 1.
    features: (n, d), the layer below the answers.
    """

    probability: Mapping[str, Array]
    features: Array

    def best(self, kind: str) -> list[str]:
        """The likeliest concept of an exclusive group, for each image."""
        names = [c for c in self.probability if c.startswith(f"{kind}:")]
        if not names:
            return [""] * len(self.features)
        table = np.stack([self.probability[c] for c in names])
        return [names[i] for i in table.argmax(0)]


class Judge:
    """An ONNX classifier with its sidecar: `groups` (kind -> concept ids), `side`, `accuracy`."""

    def __init__(self, model: bytes, config: Mapping[str, Any]) -> None:
        self._session = session(model)
        self.side = int(config["side"])
        self.groups: dict[str, list[str]] = dict(config["groups"])
        self.facts = dict(config)

    def knows(self, concept: str) -> bool:
        """Whether the judge has an answer for this concept."""
        return concept in self.groups.get(concept.partition(":")[0], ())

    def judge(self, images: Sequence[NDArray[np.floating]]) -> Judgement:
        """Judge (height, width) images in 0-1 of any size; one at a time, so memory stays flat."""
        if not len(images):
            raise InvalidInput("no images to judge")
        answers, features = [], []
        for image in images:
            square = letterboxed(image, self.side)[None, None]
            scores, feature = self._session.run(None, {"image": square})
            answers.append(scores[0])
            features.append(feature[0])
        return Judgement(
            probability=self._probabilities(np.stack(answers).astype(np.float64)),
            features=np.stack(features),
        )

    def _probabilities(self, scores: NDArray[np.float64]) -> dict[str, Array]:
        found: dict[str, Array] = {}
        start = 0
        for kind, names in self.groups.items():
            part = scores[:, start : start + len(names)]
            start += len(names)
            if not names:
                continue
            if kind in EXCLUSIVE:
                part = np.exp(part - part.max(1, keepdims=True))
                part /= part.sum(1, keepdims=True)
            else:
                part = 1 / (1 + np.exp(-part))
            found |= {name: part[:, i].astype(np.float32) for i, name in enumerate(names)}
        return found
