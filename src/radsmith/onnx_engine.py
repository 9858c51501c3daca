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

from radsmith.components import Components
from radsmith.editing import Mask, Region, around, coarser, joined, padded, scaled, tiles
from radsmith.engine import SIDE, Given, ModelFacts, check_size
from radsmith.enlarging import larger
from radsmith.generation import Settings
from radsmith.prior import Prior
from radsmith.prompt import Prompt
from radsmith.resize import enlarge, resample, resize, shrink
from radsmith.stages import LOW_SIDE, MARGIN, SCALE, TILE, BaseStage, Beginning, DetailStage, Noise

Array = NDArray[np.float32]
FRAME = 48
"""Pixels around a hole, at the first finer scale, that are looked at with it."""


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The parts of a model as an adapter read them. config: the JSON sidecar."""

    config: Mapping[str, Any]
    base: bytes
    upsampler: bytes
    arrays: Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What all scales of one completion share. ids: (1, slots)."""

    given: Given
    ids: NDArray[np.int64]
    settings: Settings
    rng: np.random.Generator


class OnnxEngine:
    """The default model. Implements `Engine`."""

    def __init__(self, files: ModelFiles) -> None:
        config = files.config
        self.facts = ModelFacts.from_config(config)
        self._table: dict[str, int] = dict(config["table"])
        self._slots = int(config["sampling"]["max_concepts"])
        self._prior = Prior.from_arrays(files.arrays)
        self._components = Components(self._table, files.arrays, config.get("since"))
        self._base = BaseStage(files.base, self._prior, config["sampling"])
        self._detail = DetailStage(files.upsampler, config["sampling"])

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
        rng = np.random.default_rng(seed)
        size = settings.size
        aspect = size[0] / size[1] if size else None
        with threadpool_limits(1):
            component = self._components.choose(
                self._components.scores(concepts, absent, aspect), rng
            )
            box = box_of(aspect or self._components.aspect(component))
            ids = self._encode((*concepts, *self._components.style(component)))
            mask = content_mask(box, LOW_SIDE)
            draw = self._prior.draw(component, rng).reshape(mask.shape)
            draw = np.where(mask > 0, np.clip(draw, -1.2, 1.2), np.float32(-1))
            begin = Beginning(image=draw, first=self._base.start)
            low = self._base.draw(
                component, ids, begin, np.full_like(mask, -1), mask, settings, rng
            )
            bars = np.full((SIDE, SIDE), -1, np.float32)
            shown = content_mask(box, SIDE)[0]
            noise = Noise.of(low.shape, rng)
            fine = inside(self._detail.draw(low, ids, bars, shown, noise, settings.num_steps), box)
            if size is not None and max(size) > SIDE:
                fine = larger(self._detail, fine, size, ids, settings.num_steps, rng)
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
        """The given image completed: (height, width) in 0-1, known pixels as given.

        The whole image is completed at 256 pixels first, so that all of it informs the hole; then
        the hole alone is drawn finer, four times at most a step, in overlapping tiles.
        """
        if not given.mask.any():
            return given.pixels
        height, width = given.mask.shape
        if given.mask.all() and given.strength == 1:
            asked = replace(settings, size=(width, height))
            whole = self._draw(concepts, absent, asked, seed)
            return whole if whole.shape == given.mask.shape else resize(whole, width, height)
        with threadpool_limits(1):
            region, drawn = self._fill(given, (concepts, absent), settings, seed)
        result = given.pixels.copy()
        part, hole = region.of(result), region.of(given.mask)
        drawn = drawn[: part.shape[0], : part.shape[1]]
        part[hole] = np.clip(drawn[hole] / 2 + np.float32(0.5), 0, 1)
        return result

    def _fill(
        self,
        given: Given,
        words: tuple[Sequence[str], Sequence[str]],
        settings: Settings,
        seed: int,
    ) -> tuple[Region, Array]:
        """The region around the hole, and that region completed, in [-1, 1]."""
        rng = np.random.default_rng(seed)
        height, width = given.mask.shape
        box = box_of(width / height)
        square, hole = (np.full((SIDE, SIDE), v) for v in (np.float32(-1), False))
        content, unknown = scaled(given.pixels, given.mask, box[2], box[3])
        inside(square, box)[:], inside(hole, box)[:] = content * 2 - 1, unknown
        component = self._recognise(square, hole, box, words, rng)
        asked = words[0] or [c for c in self._components.usual(component) if c not in words[1]]
        ids = self._encode((*asked, *self._components.style(component)))
        job = _Job(given=given, ids=ids, settings=settings, rng=rng)
        low = self._complete_low(component, square, hole, job)
        found = inside(self._finer(low, square, hole, job), box)
        found = joined(found, inside(square, box), inside(hole, box))  # never to the bars
        longer = max(height, width)
        first = min(longer, SCALE * SIDE)
        region = around(given.mask, -(-FRAME * longer // first))
        pixels = padded(region.of(given.pixels), SCALE) * np.float32(2) - np.float32(1)
        mask = padded(region.of(given.mask), SCALE)
        found = _seen_through(found, region, given.mask.shape, mask.shape)
        side = SIDE
        while side < longer:
            side = min(longer, SCALE * side)
            rows, columns = (max(1, round(n * side / longer / SCALE)) for n in mask.shape)
            at, unknown = scaled(pixels, mask, columns * SCALE, rows * SCALE)
            below = np.where(
                coarser(unknown, SCALE), resize(found, columns, rows), shrink(at, SCALE)
            )
            found = joined(self._finer(below, at, unknown, job), at, unknown)
        if found.shape != mask.shape:
            found = joined(resize(found, *mask.shape[::-1]), pixels, mask)
        return region, found

    def _recognise(
        self,
        square: Array,
        hole: Mask,
        box: Box,
        words: tuple[Sequence[str], Sequence[str]],
        rng: np.random.Generator,
    ) -> int:
        """A component by words (wanted, absent) and known pixels, the bars left out."""
        scores = self._components.scores(*words, None)
        outside = np.ones_like(hole)
        inside(outside, box)[:] = inside(hole, box)
        mask = coarser(outside, SCALE).astype(np.float32).reshape(1, -1)
        if mask.all():
            return self._components.choose(scores, rng)
        known = shrink(square, SCALE).reshape(1, -1)
        return self._components.choose(self._components.seen(scores, self._prior, known, mask), rng)

    def _complete_low(self, component: int, square: Array, hole: Mask, job: _Job) -> Array:
        mask = coarser(hole, SCALE).astype(np.float32)[None]
        known = shrink(square, SCALE)[None]
        first = self._base.start
        image = known
        if job.given.strength < 1:
            first *= job.given.strength
        else:
            flat = (1, -1)
            image = self._prior.draw_given(
                component, known.reshape(flat), mask.reshape(flat), job.rng
            ).reshape(mask.shape)
        begin = Beginning(image=np.clip(image, -1.2, 1.2), first=first)
        low = self._base.draw(component, job.ids, begin, known, mask, job.settings, job.rng)
        return np.where(mask[0] > 0, low, known[0]).astype(np.float32)

    def _finer(self, low: Array, known: Array, hole: Mask, job: _Job) -> Array:
        """Draw the hole on the fine grid, from low (h, w); known, hole: (4h, 4w)."""
        found = np.where(hole, enlarge(low, SCALE), known).astype(np.float32)
        drawn = np.zeros_like(found)
        region = around(coarser(hole, SCALE), MARGIN // 2)
        noise = Noise.of(low.shape, job.rng)
        for part, weight in tiles(region, TILE, MARGIN):
            cut = part.of(hole, SCALE)
            if not cut.any():
                continue
            strength = job.given.strength
            own = part.of(known, SCALE)
            begin = Beginning(image=own, first=strength) if strength < 1 else None
            piece = self._detail.draw(
                part.of(low),
                job.ids,
                own,
                cut.astype(np.float32),
                Noise(low=part.of(noise.low), fine=part.of(noise.fine, SCALE)),
                job.settings.num_steps,
                begin,
            )
            part.of(drawn, SCALE)[...] += piece * weight.repeat(SCALE, 0).repeat(SCALE, 1)
        return np.where(hole & (drawn != 0), drawn, found).astype(np.float32)

    def _encode(self, concepts: Sequence[str]) -> NDArray[np.int64]:
        rows = [self._table[c] for c in dict.fromkeys(concepts) if c in self._table]
        return np.array([(rows + [0] * self._slots)[: self._slots]], np.int64)


def _seen_through(
    whole: Array, region: Region, shape: tuple[int, ...], wanted: tuple[int, ...]
) -> Array:
    """The region of an image of `shape` cut from a smaller version of all of it.

    The cut keeps the smaller version's scale as nearly as whole pixels allow; `wanted` (the padded
    region's shape) says which extent the cut must stand for.
    """
    edges = []
    for first, length, n, small in (
        (region.top, wanted[0], shape[0], whole.shape[0]),
        (region.left, wanted[1], shape[1], whole.shape[1]),
    ):
        edges.append((first * small / n, min((first + length) * small / n, float(small))))
    size = [max(1, round(last - begin)) for begin, last in edges]
    return resize(whole, size[1], size[0], rows=edges[0], columns=edges[1])


Box = tuple[int, int, int, int]
"""Left, top, width and height of the content in the 256-pixel square."""


def box_of(aspect: float) -> Box:
    """The content of this width over height, centred in the square."""
    width, height = (max(1, round(min(1.0, a) * SIDE)) for a in (aspect, 1 / aspect))
    return (SIDE - width) // 2, (SIDE - height) // 2, width, height


def inside(square: NDArray[Any], box: Box) -> NDArray[Any]:
    """A view of the content."""
    left, top, width, height = box
    return square[top : top + height, left : left + width]


def content_mask(box: Box, side: int) -> Array:
    """1 inside the content, on a grid of `side` cells: (1, side, side); never empty."""
    left, top, width, height = box
    columns, rows = _covered(left, width, side), _covered(top, height, side)
    return (rows[:, None] & columns[None, :]).astype(np.float32)[None]


def _covered(first: int, length: int, side: int) -> Mask:
    """Cells whose centre lies in a stretch of the square, or the one it lies in."""
    at = (np.arange(side) + 0.5) * (SIDE / side)
    inside_it = (at >= first) & (at <= first + length)
    if not inside_it.any():
        inside_it[int((first + length / 2) * side / SIDE)] = True
    return inside_it
