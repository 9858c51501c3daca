"""The default engine: prior, base network and finer stages, for generating and for completing.

Determinism: every image is computed alone, on one thread, with noise from its own seed, so its
pixels do not depend on the batch, the workers or the order. Files reach this module as bytes and
arrays; reading them is an adapter's work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.compute.one_thread import one_thread
from radsmith.engines.default.completion import Model, complete
from radsmith.engines.default.components import Components
from radsmith.engines.default.enlarging import larger
from radsmith.engines.default.focus import plainly
from radsmith.engines.default.letterbox import on_grid
from radsmith.engines.default.prior import Prior
from radsmith.engines.default.stages import (
    DETAIL,
    FINER,
    LOW_SIDE,
    SHARP,
    BaseStage,
    Beginning,
    FinerStage,
    FinerStep,
    Gain,
    Noise,
)
from radsmith.engines.engine import Ask, Completion, Given, ModelFacts, StageFacts, check_size
from radsmith.errors import InvalidInput
from radsmith.images.image import Array
from radsmith.images.letterbox import SIDE, box_of, content_mask, inside
from radsmith.images.resize import resample, resize


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The parts of a model as an adapter read them.

    config: the JSON sidecar.  networks: ONNX by stage, "base" and those of `stages.FINER`.
    """

    config: Mapping[str, Any]
    networks: Mapping[str, bytes]
    arrays: Mapping[str, NDArray[np.generic]]


class OnnxEngine:
    """The default model. Implements `Engine` and `Staged`."""

    def __init__(self, files: ModelFiles) -> None:
        config = files.config
        self.facts = ModelFacts.from_config(config)
        table: dict[str, int] = dict(config["table"])
        with one_thread():
            prior = Prior.from_arrays(files.arrays).mended()
        finer = {name: _stage(files, name) for name in FINER if name in files.networks}
        detail = finer[DETAIL]
        self._model = Model(
            prior=prior,
            components=Components(table, files.arrays, config.get("since")),
            base=BaseStage(files.networks["base"], prior, config["sampling"]),
            octaves=tuple(s for s in finer.values() if s.step.output_side <= LOW_SIDE),
            detail=detail,
            sharp=finer.get(SHARP, detail),
            table=table,
            slots=int(config["sampling"]["max_concepts"]),
        )
        self._finer: Mapping[str, FinerStage] = finer

    @one_thread()
    def generate(self, ask: Ask) -> Array:
        """One image: (height, width) intensity in 0-1; the longer side is 256 unless asked.

        Beyond 256 the same image is drawn finer, in tiles.  The concepts say it all here.
        """
        size = ask.settings.size
        check_size(size, self.facts.sides)
        content = self._draw(ask)
        if size is not None and size != content.shape[::-1]:
            content = resample(content, *size)
        return content

    def _draw(self, ask: Ask) -> Array:
        """An image of the aspect asked, its longer side 256 or, where that is more, as asked."""
        model, rng, ask = self._model, np.random.default_rng(ask.seed), plainly(ask)
        size = ask.settings.size
        aspect = size[0] / size[1] if size else None
        component = model.components.choose(
            model.components.scores(ask.concepts, ask.absent, aspect), rng
        )
        box = box_of(aspect or model.components.aspect(component))
        ids = model.encode((*ask.concepts, *model.components.style(component)))
        whole = on_grid(box)
        bars, shown = np.full((SIDE, SIDE), -1, np.float32), content_mask(whole, SIDE)
        dark, mask = np.full((LOW_SIDE,) * 2, -1, np.float32), content_mask(whole, LOW_SIDE)
        begin = Beginning(image=dark, first=1)
        findings = model.findings(ask, component, whole, rng)
        low = model.coarse(component, ids, dark, mask, begin, ask.settings, rng, findings)
        noise = Noise.of(low.shape, rng, model.detail.step.scale)
        fine = inside(model.detail.draw(low, ids, bars, shown, noise), box)
        if size is not None and max(size) > SIDE:
            fine = larger(model.sharp, fine, size, ids, rng)
        content = (fine + np.float32(1)) / np.float32(2)
        return np.ascontiguousarray(np.clip(content, 0, 1), np.float32)

    @one_thread()
    def fill(self, given: Given, ask: Ask) -> Completion:
        """The given image completed; without concepts, as those chosen by its pixels."""
        if not given.mask.any():
            return Completion(pixels=given.pixels, concepts=())
        height, width = given.mask.shape
        if given.mask.all() and given.strength == 1:
            whole = self._draw(replace(ask, settings=replace(ask.settings, size=(width, height))))
            fits = whole.shape == given.mask.shape
            pixels = whole if fits else resize(whole, width, height)
            return Completion(pixels=pixels, concepts=ask.concepts)
        region, drawn, shown = complete(self._model, given, ask)
        result = given.pixels.copy()
        part, hole = region.of(result), region.of(given.mask)
        part[hole] = np.clip(drawn[hole] / 2 + np.float32(0.5), 0, 1)
        return Completion(pixels=result, concepts=shown)

    @property
    def stages(self) -> tuple[StageFacts, ...]:
        """The finer stages; the base begins from nothing, so it has no input to be given."""
        return tuple(
            StageFacts(
                name=name,
                input_side=stage.step.low_side,
                output_side=stage.step.output_side,
            )
            for name, stage in self._finer.items()
        )

    def refine(self, name: str, low: Array, ask: Ask, aspect: float = 1.0) -> Array:
        """What the stage of this name makes of low (s, s), in 0-1 and letterboxed: (S, S)."""
        facts = next((stage for stage in self.stages if stage.name == name), None)
        if facts is None or low.shape != (facts.input_side, facts.input_side):
            raise InvalidInput(
                f"no stage {name!r} for an image of {low.shape}: there are"
                f" {', '.join(f'{s.name} for sides of {s.input_side}' for s in self.stages)}"
            )
        stage, side = self._finer[name], facts.output_side
        shown = content_mask(on_grid(box_of(aspect)), side)
        noise = Noise.of(low.shape, np.random.default_rng(ask.seed), stage.step.scale)
        with one_thread():
            fine = stage.draw(
                low * np.float32(2) - np.float32(1),
                self._model.encode(ask.concepts),
                np.full((side, side), -1, np.float32),
                shown,
                noise,
            )
        return np.clip(fine / 2 + np.float32(0.5), 0, 1).astype(np.float32)


def _stage(files: ModelFiles, stage: str) -> FinerStage:
    """With the gains of the styles, where the model has them: (rows of the table, 2)."""
    told = np.asarray(files.arrays.get(f"gains_{stage}", np.ones((0, 2))), np.float32)
    rows = 1 + np.flatnonzero((told != 1).any(1))
    gains = {
        row: Gain(coarse=coarse, fine=fine)
        for row, (coarse, fine) in zip(rows.tolist(), told[rows - 1].tolist(), strict=True)
    }
    return FinerStage(files.networks[stage], FinerStep(**files.config["sampling"][stage]), gains)
