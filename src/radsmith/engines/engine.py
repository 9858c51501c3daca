"""The seam for models: what everything above needs of an engine, whatever draws the pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import InvalidInput
from radsmith.images.image import Array
from radsmith.images.letterbox import SIDE
from radsmith.images.provenance import Settings
from radsmith.language.prompt import Prompt, in_words

SMALLEST, LARGEST = 64, 1024


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a model says of itself: name, digest, and what it was trained on.

    images: training images per concept id.  together: the same for ids joined by spaces, of
    modality and body part, these two and finding, body part and finding or side, finding and
    severity.  Both are None where nobody knows what the model was trained on.  engine: its kind.
    sides: the least and the most pixels a side of an image may have.  learned_side: longer side of
    its largest training images, None where nobody knows.  large: of pairs of modality and body
    part, how many were nearly so large (`corpus.LARGE`); None where nobody knows.  notes: what
    people should know of every image it makes.  simulated: of pairs of modality and body part, how
    many training images of which simulated source there were, and of how many patients.
    """

    name: str
    digest: str
    images: Mapping[str, int] | None
    together: Mapping[str, int] | None
    engine: str = "onnx"
    sides: tuple[int, int] = (SMALLEST, LARGEST)
    learned_side: int | None = None
    large: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()
    simulated: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)

    def count(self, *concepts: str) -> int | None:
        """Training images with this concept, or with these; None where nobody knows.

        Of a modality, a body part and a finding older models know but an upper bound.
        """
        held = self.images if len(concepts) == 1 else self.together
        if held is None:
            return None
        modality, *rest = concepts
        if len(rest) > 1 and not self.in_threes:
            return min(held.get(f"{modality} {rest[0]}", 0), held.get(" ".join(rest), 0))
        return held.get(" ".join(concepts), 0)

    @cached_property
    def in_threes(self) -> bool:
        """Whether images were counted by modality, body part and finding together."""
        return any(key.count(" ") > 1 for key in self.together or ())

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ModelFacts:
        """Read the JSON sidecar. Raises InvalidInput where a part is missing."""
        try:
            return cls(
                name=str(config["name"]),
                digest=str(config["digest"]),
                images=dict(config["images_per_concept"]),
                together=dict(config["images_together"]),
                learned_side=int(config.get("learned_side", SIDE)),
                large=config.get("images_large"),
                simulated=dict(config.get("images_simulated", {})),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"the model description lacks {error}; reinstall it") from error


@dataclass(frozen=True, kw_only=True)
class Given:
    """What is there of an image that is to be completed.

    pixels: (height, width) in 0-1.  mask: the same shape, True where pixels are to be made.
    strength: above 0 to 1; 1 draws the masked pixels afresh, less begins from those in `pixels`.
    sketched: those are a sketch, of which the coarse shape alone counts; an engine that cannot
    begin from pixels draws afresh.  adds: concept of a finding that is to be put where the mask is.
    """

    pixels: Array
    mask: NDArray[np.bool_]
    strength: float = 1.0
    sketched: bool = False
    adds: str = ""

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.shape != self.mask.shape:
            raise InvalidInput(
                f"pixels and mask must have one (height, width), got {self.pixels.shape} and"
                f" {self.mask.shape}"
            )
        if not np.isfinite(self.pixels).all():
            raise InvalidInput("the image must not hold NaN or infinite pixels")
        check_strength(self.strength)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What an image is to show, and how it is to be drawn.

    concepts: ids to be seen; absent: ids not to be.  Without concepts an image is completed by its
    pixels alone.  prompt: what they were read from, for engines that are asked in words; without
    it they make the words from the ids.  seed: 0 to 2^63-1.
    """

    concepts: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    prompt: Prompt | None = None
    seed: int = 0
    settings: Settings = field(default_factory=Settings)

    @property
    def words(self) -> tuple[str, str]:
        """What is to be seen and what is not, as two sentences; either may be empty."""
        return in_words(self.concepts, self.absent, self.prompt)


@dataclass(frozen=True, kw_only=True)
class Completion:
    """An image completed. pixels: (height, width) in 0-1, known ones as given.

    concepts: ids of what was drawn, where the engine chose it by the pixels; else those asked.
    """

    pixels: Array
    concepts: tuple[str, ...]


class Engine(Protocol):
    """What everything above needs of a model."""

    facts: ModelFacts

    def generate(self, ask: Ask) -> Array:
        """One image of the concepts, without the absent ones: (height, width) in 0-1.

        Raises InvalidInput for a size outside `facts.sides`.
        """
        ...

    def fill(self, given: Given, ask: Ask) -> Completion:
        """The given image completed, of any size, whatever size the settings name."""
        ...


@dataclass(frozen=True, kw_only=True)
class StageFacts:
    """A stage of an engine that draws finer what is there: from squares to squares of these sides.

    The output's side is a multiple of the input's, and a divisor of SIDE unless it is more.
    """

    name: str
    input_side: int
    output_side: int

    def __post_init__(self) -> None:
        fits = self.output_side > SIDE or SIDE % self.output_side == 0
        if not fits or self.output_side % self.input_side:
            raise InvalidInput(
                f"stage {self.name}: sides must divide each other, and {SIDE} unless they are"
                f" more, got {self.input_side} and {self.output_side}"
            )


@runtime_checkable
class Staged(Protocol):
    """An engine that draws in stages and can be asked for one of the finer ones alone."""

    @property
    def stages(self) -> Sequence[StageFacts]:
        """From coarse to fine."""
        ...

    def refine(self, name: str, low: Array, ask: Ask, aspect: float = 1.0) -> Array:
        """What the stage of this name makes of low (s, s): (S, S), both in 0-1 and letterboxed.

        ask: with a style among its concepts where it is known.  aspect: width over height of the
        content; what lies outside is black.  Raises InvalidInput for another name or shape.
        """
        ...


def check_strength(strength: float) -> None:
    """Raise InvalidInput unless above 0 and at most 1."""
    if not 0 < strength <= 1:
        raise InvalidInput(f"strength must be above 0 and at most 1, got {strength}")


def check_size(size: tuple[int, int] | None, sides: tuple[int, int]) -> None:
    """Raise InvalidInput unless this (width, height) lies within `ModelFacts.sides`."""
    if size is None:
        return
    width, height = size
    if not (min(size) >= sides[0] and max(size) <= sides[1]):
        raise InvalidInput(
            f"size {width}x{height} is not supported: sides must be {sides[0]}-{sides[1]} pixels"
        )
