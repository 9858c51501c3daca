"""The default engine: prior, base network and finer stage, for generating and for completing.

Determinism: every image is computed alone, on one thread, with noise from its own seed, so its
pixels do not depend on the batch, the workers or the order. Files reach this module as bytes and
arrays; reading them is an adapter's work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from radsmith.engines.default.completion import Model, complete
from radsmith.engines.default.components import Components
from radsmith.engines.default.conditional import Conditional
from radsmith.engines.default.enlarging import larger
from radsmith.engines.default.letterbox import box_of, content_mask, inside
from radsmith.engines.default.prior import Prior
from radsmith.engines.default.stages import LOW_SIDE, BaseStage, Beginning, DetailStage, Noise
from radsmith.engines.engine import SIDE, Given, ModelFacts, check_size
from radsmith.images.provenance import Settings
from radsmith.images.resize import resample, resize
from radsmith.language.prompt import Prompt

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The parts of a model as an adapter read them. config: the JSON sidecar."""

    config: Mapping[str, Any]
    base: bytes
    upsampler: bytes
    arrays: Mapping[str, NDArray[np.generic]]


class OnnxEngine:
    """The default model. Implements `Engine`."""

    def __init__(self, files: ModelFiles) -> None:
        config = files.config
        self.facts = ModelFacts.from_config(config)
        table: dict[str, int] = dict(config["table"])
        prior = Prior.from_arrays(files.arrays).mended()
        self._model = Model(
            prior=prior,
            components=Components(table, files.arrays, config.get("since")),
            base=BaseStage(files.base, prior, config["sampling"]),
            detail=DetailStage(files.upsampler, config["sampling"]),
            table=table,
            slots=int(config["sampling"]["max_concepts"]),
        )

    def generate(
        self,
        concepts: Sequence[str],
        seed: int,
        settings: Settings,
        absent: Sequence[str] = (),
        prompt: Prompt | None = None,
    ) -> Array:
        """One image: (height, width) intensity in 0-1; the longer side is 256 unless asked.

        Beyond 256 the same image is drawn finer, in tiles.  The concepts say it all here; the
        prompt is for engines that are asked in words.
        """
        check_size(settings.size, self.facts.sides)
        content = self._draw(concepts, absent, settings, seed)
        if settings.size is not None and settings.size != content.shape[::-1]:
            content = resample(content, *settings.size)
        return content

    def _draw(
        self,
        concepts: Sequence[str],
        absent: Sequence[str],
        settings: Settings,
        seed: int,
    ) -> Array:
        """An image of the aspect asked, its longer side 256 or, where that is more, as asked."""
        model, rng = self._model, np.random.default_rng(seed)
        size = settings.size
        aspect = size[0] / size[1] if size else None
        with threadpool_limits(1):
            component = model.components.choose(
                model.components.scores(concepts, absent, aspect), rng
            )
            box = box_of(aspect or model.components.aspect(component))
            ids = model.encode((*concepts, *model.components.style(component)))
            mask = content_mask(box, LOW_SIDE)
            draw = model.prior.draw(component, rng).reshape(mask.shape)
            draw = np.where(mask > 0, np.clip(draw, -1.2, 1.2), np.float32(-1))
            begin = Beginning(image=draw, first=model.base.start)
            beside = Conditional(model.prior, np.full_like(mask, -1).ravel(), mask.ravel())
            low = model.base.draw(component, ids, begin, beside, settings, rng)
            bars, shown = np.full((SIDE, SIDE), -1, np.float32), content_mask(box, SIDE)
            noise = Noise.of(low.shape, rng)
            fine = inside(model.detail.draw(low, ids, bars, shown, noise, settings.num_steps), box)
            if size is not None and max(size) > SIDE:
                fine = larger(model.detail, fine, size, ids, settings.num_steps, rng)
        content = (fine + np.float32(1)) / np.float32(2)
        return np.ascontiguousarray(np.clip(content, 0, 1), np.float32)

    def fill(
        self,
        given: Given,
        concepts: Sequence[str],
        seed: int,
        settings: Settings,
        absent: Sequence[str] = (),
        prompt: Prompt | None = None,
    ) -> Array:
        """The given image completed: (height, width) in 0-1, known pixels as given."""
        return self.fill_telling(given, concepts, seed, settings, absent)[0]

    def fill_telling(
        self,
        given: Given,
        concepts: Sequence[str],
        seed: int,
        settings: Settings,
        absent: Sequence[str] = (),
    ) -> tuple[Array, tuple[str, ...]]:
        """As `fill`, and the concepts drawn: without words, those chosen by the pixels."""
        if not given.mask.any():
            return given.pixels, ()
        height, width = given.mask.shape
        if given.mask.all() and given.strength == 1:
            asked = replace(settings, size=(width, height))
            whole = self._draw(concepts, absent, asked, seed)
            fits = whole.shape == given.mask.shape
            return whole if fits else resize(whole, width, height), tuple(concepts)
        rng = np.random.default_rng(seed)
        with threadpool_limits(1):
            words = (concepts, absent)
            region, drawn, shown = complete(self._model, given, words, settings, rng)
        result = given.pixels.copy()
        part, hole = region.of(result), region.of(given.mask)
        part[hole] = np.clip(drawn[hole] / 2 + np.float32(0.5), 0, 1)
        return result, shown
