"""Completing one image of the default model around what is known of it, from coarse to fine.

The whole image is completed at 32 and at 64 pixels, so that all of it informs the hole; then the
hole alone is drawn finer, step by step, in overlapping tiles.  Pixels in [-1, 1] but for those
given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.default.components import Components
from radsmith.engines.default.conditional import Conditional
from radsmith.engines.default.enlarging import held, in_tiles
from radsmith.engines.default.focus import Hole, Shade, Shading, placed, plainly
from radsmith.engines.default.letterbox import on_grid
from radsmith.engines.default.prior import Prior
from radsmith.engines.default.stages import (
    LOW_SIDE,
    NO_FINDINGS,
    BaseStage,
    Beginning,
    Findings,
    FinerStage,
    Noise,
)
from radsmith.engines.engine import Ask, Given
from radsmith.images.image import Array, Mask
from radsmith.images.letterbox import SIDE, Box, box_of, inside
from radsmith.images.provenance import Settings
from radsmith.images.regions import Region, around, coarser, joined, padded, scaled
from radsmith.images.resize import enlarge, resize, shrink
from radsmith.language.prompt import NORMAL, NOT_ABNORMAL, USUAL_GRADE, is_abnormal
from radsmith.language.vocabulary import default_vocabulary

LARGEST_MARGIN, SPARE = 8, 220
"""Cells around a hole that are looked at with it: so many on each side, and in all."""
WHOLE = LOW_SIDE**2
"""Cells of a whole image, which a hole should not cost much more than."""
KEPT = 0.55
"""How much of a shade is still drawn at each step where it is in what is begun from, at full
strength; it falls with the square of that."""
BESIDE_OTHERS = 0.5
"""Share of the guidance away from the normal image where there is one with other findings, too."""
WORTH = 1.25
"""A finer grid is drawn where it is at least so much finer than what is there."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """The parts of the default model. octaves: from coarse to fine, up to 64x64; detail: to 256;
    sharp: to more; table: rows of concept ids; slots: concepts at most."""

    prior: Prior
    components: Components
    base: BaseStage
    octaves: Sequence[FinerStage]
    detail: FinerStage
    sharp: FinerStage
    table: Mapping[str, int]
    slots: int

    def encode(self, concepts: Sequence[str]) -> NDArray[np.int64]:
        """Table rows of concepts: (1, slots)."""
        rows = [self.table[c] for c in dict.fromkeys(concepts) if c in self.table]
        return np.array([(rows + [0] * self.slots)[: self.slots]], np.int64)

    def coarse(
        self,
        component: int,
        ids: NDArray[np.int64],
        known: Array,
        mask: Array,
        begin: Beginning,
        settings: Settings,
        rng: np.random.Generator,
        findings: Findings = NO_FINDINGS,
    ) -> Array:
        """The whole image at 64x64: drawn by the base, made finer octave by octave.

        known, mask: (64, 64).  begin: on that grid; where its `first` is 1, the base begins at a
        draw of the prior instead.
        """
        given, unknown = _at(known, mask, self.base.side)
        beside = Conditional(self.prior, given.ravel(), unknown.ravel())
        if begin.first < 1:
            image = shrink(begin.image, LOW_SIDE // self.base.side)
        else:
            image = np.clip(beside.draw(component, rng).reshape(given.shape), -1.2, 1.2)
        first = begin.first * self.base.start
        start = Beginning(image=image, first=first, sketched=begin.sketched)
        deviation = self.components.deviation(component)
        low = self.base.draw(component, ids, start, beside, settings, rng, findings, deviation)
        low = np.where(unknown > 0, low, given).astype(np.float32)
        low = shrink(low, self.base.side // self.octaves[0].step.low_side)
        for stage in self.octaves:
            scale = stage.step.scale
            given, unknown = _at(known, mask, scale * len(low))
            own = shrink(begin.image, LOW_SIDE // len(given))
            again = begin.first < 1 and not begin.sketched
            varied = Beginning(image=own, first=begin.first) if again else None
            noise = Noise.of(low.shape, rng, scale)
            low = stage.draw(low, ids, given, unknown, noise, varied)
        return low

    def findings(
        self, ask: Ask, component: int, box: Box, where: np.random.Generator | Hole
    ) -> Findings:
        """How the findings of what `plainly` gave are drawn.

        component: that was chosen.  box: of the image in the square.  where: the hole of an edit,
        or what chooses sides that nobody names.
        """
        style = self.components.style(component)
        shown = [c for c in ask.concepts if not c.startswith(("finding:", "severity:"))]
        own = [c for c in ask.concepts if c in NOT_ABNORMAL and c != NORMAL]
        found = [c for c in ask.concepts if is_abnormal(c) and c in self.table]
        absent = self.components.learned(list(filter(is_abnormal, ask.absent)), shown)
        if NORMAL in ask.concepts and not placed(ask.prompt):
            absent = tuple(dict.fromkeys((*absent, *self.components.commonest_beside(component))))
        graded = (USUAL_GRADE,) if any(map(self.components.graded, absent)) else ()
        denied = (*absent, *default_vocabulary().with_implied(absent))
        others = (
            *graded,
            *(c for c in denied if c not in found),
            *self.components.kin(found, shown),
        )
        against = []
        if found and NORMAL in self.table:
            share = BESIDE_OTHERS if others else 1.0
            against.append((self.encode((*shown, *own, *style, NORMAL)), share))
        if others:
            against.append((self.encode((*shown, *own, *style, *others)), 1.0))
        shading = Shading(prompt=ask.prompt, box=box, where=where)
        return Findings(against=tuple(against), shading=shading)


def _at(known: Array, mask: Array, side: int) -> tuple[Array, Array]:
    """Known pixels and what is unknown, on a coarser grid of this side."""
    scale = len(mask) // side
    return shrink(known, scale), coarser(mask > 0, scale).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What all scales of one completion share. hole: the region of it; ids: (1, slots)."""

    model: Model
    given: Given
    hole: Region
    ids: NDArray[np.int64]
    settings: Settings
    rng: np.random.Generator
    findings: Findings

    @property
    def longer(self) -> int:
        return max(self.given.mask.shape)

    def region(self, cell: float) -> Region:
        """The hole and some cells of so many pixels around it."""
        rows = -int(-(self.hole.bottom - self.hole.top) // cell)
        columns = -int(-(self.hole.right - self.hole.left) // cell)
        margin = -int(-_margin(rows, columns) * cell // 1)
        return self.hole.grown(margin, self.given.mask.shape)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A part of the image at some scale: from where to where in the image's pixels, and its own."""

    rows: tuple[float, float]
    columns: tuple[float, float]
    pixels: Array

    def cut(
        self, rows: tuple[float, float], columns: tuple[float, float], size: tuple[int, ...]
    ) -> Array:
        """A stretch of the image's rows and columns as (h, w) pixels; where this ends its last ones
        repeat."""
        spans, beyond = [], []
        for own, wanted, length in (
            (self.rows, rows, self.pixels.shape[0]),
            (self.columns, columns, self.pixels.shape[1]),
        ):
            scale = length / (own[1] - own[0])
            first, last = ((at - own[0]) * scale for at in wanted)
            before, after = (max(0, -int(-n // 1)) for n in (-first, last - length))
            beyond.append((before, after))
            spans.append((first + before, last + before))
        pixels = np.pad(self.pixels, beyond, mode="edge")
        return resize(pixels, size[1], size[0], rows=spans[0], columns=spans[1])

    def as_it_is(self, rows: tuple[float, float], columns: tuple[float, float]) -> Array:
        """A stretch in as many pixels as it has here."""
        size = (
            max(1, round((wanted[1] - wanted[0]) * length / (own[1] - own[0])))
            for own, wanted, length in (
                (self.rows, rows, self.pixels.shape[0]),
                (self.columns, columns, self.pixels.shape[1]),
            )
        )
        return self.cut(rows, columns, tuple(size))


def complete(model: Model, given: Given, ask: Ask) -> tuple[Region, Array, tuple[str, ...]]:
    """The region around the hole, a True pixel at least, that region completed, and as what.

    Without concepts that are asked, they are those of most images of the chosen component.
    Findings are guided to where what is there is to become something else; not where nothing is
    there, as the known pixels may show them elsewhere.  Where the pixels of the hole are not begun
    from, they decide nothing.
    """
    rng = np.random.default_rng(ask.seed)
    square, hole = _square(given)
    afresh, (height, width) = given.strength == 1 or given.sketched, given.mask.shape
    asked = plainly(ask, None if afresh else given.adds)
    component = _component(model, square, hole, given, asked, rng)
    usual = tuple(c for c in model.components.usual(component) if c not in ask.absent)
    style = model.components.style(component)
    shown = (*(ask.concepts or usual), *style)
    box = box_of(width / height)
    around_it = Hole.of(given.mask, given.adds, ask.seed, afresh=afresh)
    shading = Shading(prompt=asked.prompt, box=box, where=around_it)
    if afresh:
        findings = Findings(shading=shading)
    else:
        lungs = shading.lungs_in(given.pixels) if shading.looks else None
        shading = replace(shading, lungs=lungs, look=False)
        given = _begun(given, shading.on(square, dense=True))
        square, hole = _square(given)
        shading = replace(shading, share=KEPT * given.strength**2)
        findings = replace(model.findings(asked, component, box, around_it), shading=shading)
    work = _Work(
        model=model,
        given=given,
        hole=around(given.mask, 0),
        ids=model.encode((*(asked.concepts or usual), *style)),
        settings=ask.settings,
        rng=rng,
        findings=findings,
    )
    first, *others = _sides(work.longer, model.sharp.step.scale)
    part = _whole(_coarse(component, square, hole, work), square, hole, first, work)
    for side in others:
        part = _finer(part, side, work)
    region = work.region(model.sharp.step.unit)
    mask = region.of(given.mask)
    if others:
        return region, part.pixels[: mask.shape[0], : mask.shape[1]], shown
    known = region.of(given.pixels) * np.float32(2) - np.float32(1)
    drawn = part.cut((region.top, region.bottom), (region.left, region.right), mask.shape)
    return region, joined(drawn, known, mask), shown


def _begun(given: Given, shade: Shade | None) -> Given:
    """With what is drawn by rule in the pixels to begin from, which the finer stages begin from
    too."""
    if shade is None:
        return given
    height, width = given.mask.shape
    own = shade.within(box_of(width / height), width, height)
    found = own.apply(given.pixels * np.float32(2) - np.float32(1)) / 2 + np.float32(0.5)
    pixels = np.where(given.mask, np.clip(found, 0, 1), given.pixels).astype(np.float32)
    return replace(given, pixels=pixels)


def _sides(longer: int, scale: int) -> list[int]:
    """Longer sides at which an image is drawn, each so many times the one before, the last its own.

    The first is at most SIDE; a smaller image is drawn at SIDE alone.
    """
    sides = [longer]
    while sides[0] > SIDE:
        sides.insert(0, -(-sides[0] // scale))
    return sides if len(sides) > 1 else [SIDE]


def _margin(rows: int, columns: int) -> int:
    """Cells to look at around a hole of so many: at small cost, but one at least."""
    cells = rows * columns
    spare = max(cells // 10, min(SPARE, WHOLE - cells))
    fits = [m for m in range(1, LARGEST_MARGIN + 1) if 2 * m * (rows + columns + 2 * m) <= spare]
    return max(fits, default=1)


def _square(given: Given) -> tuple[Array, Mask]:
    """The whole image in the model's square, and what of that is unknown; the bars are known."""
    height, width = given.mask.shape
    box = box_of(width / height)
    square, hole = (np.full((SIDE, SIDE), v) for v in (np.float32(-1), False))
    content, unknown = scaled(given.pixels, given.mask, box[2], box[3])
    inside(square, box)[:], inside(hole, box)[:] = content * 2 - 1, unknown
    return square, hole


def _component(
    model: Model, square: Array, hole: Mask, given: Given, ask: Ask, rng: np.random.Generator
) -> int:
    """A component by words and known pixels, the bars left out."""
    height, width = given.mask.shape
    box = box_of(width / height)
    outside = np.ones_like(hole)
    inside(outside, box)[:] = inside(hole, box)
    scale = SIDE // model.base.side
    if given.sketched:
        outside[:] = False
    mask = coarser(outside, scale).astype(np.float32).ravel()
    scores = model.components.scores(ask.concepts, ask.absent, None)
    if not mask.all():
        known = shrink(square, scale).ravel()
        scores = model.components.seen(scores, model.prior, known, mask)
    return model.components.choose(scores, rng)


def _coarse(component: int, square: Array, hole: Mask, work: _Work) -> Array:
    """The whole image completed at 64x64; cells that are half bar are drawn, too."""
    height, width = work.given.mask.shape
    box = box_of(width / height)
    rim = np.zeros_like(hole)
    inside(rim, on_grid(box))[:], inside(rim, box)[:] = True, False
    mask = coarser(hole | rim, SIDE // LOW_SIDE).astype(np.float32)
    known = shrink(square, SIDE // LOW_SIDE)
    given = work.given
    begin = Beginning(image=known, first=given.strength, sketched=given.sketched)
    low = work.model.coarse(
        component, work.ids, known, mask, begin, work.settings, work.rng, work.findings
    )
    return np.where(mask > 0, low, known).astype(np.float32)


def _whole(low: Array, square: Array, hole: Mask, side: int, work: _Work) -> _Part:
    """The whole image at 256 pixels or, where fewer are wanted, as good as that asks for."""
    height, width = work.given.mask.shape
    box = box_of(width / height)
    if side > WORTH * LOW_SIDE:
        drawn = _drawn(work.model.detail, low, square, hole, work)
    else:
        drawn = np.where(hole, enlarge(low, SIDE // LOW_SIDE), square)
    found = joined(inside(drawn, box), inside(square, box), inside(hole, box))  # never to the bars
    return _Part(rows=(0, height), columns=(0, width), pixels=found)


def _finer(below: _Part, side: int, work: _Work) -> _Part:
    """The hole and its surroundings, from a coarser part; side: the whole image's longer one."""
    stage = work.model.sharp
    unit, under = stage.step.unit, stage.step.cell
    cell = unit * work.longer / side
    region = work.region(cell)
    pixels = region.of(work.given.pixels) * np.float32(2) - np.float32(1)
    mask = region.of(work.given.mask)
    if side == work.longer:
        pixels, mask = padded(pixels, unit), padded(mask, unit)
    rows, columns = (max(1, round(length / cell)) for length in mask.shape)
    at, unknown = scaled(pixels, mask, columns * unit, rows * unit)
    down = (region.top, region.top + mask.shape[0])
    over = (region.left, region.left + mask.shape[1])
    size, scale = (rows * under, columns * under), stage.step.scale
    low = np.where(coarser(unknown, scale), below.cut(down, over, size), shrink(at, scale))
    drawn = _drawn(stage, low, at, unknown, work)
    drawn = held(drawn, below.as_it_is(down, over), unknown)
    return _Part(rows=down, columns=over, pixels=joined(drawn, at, unknown))


def _drawn(stage: FinerStage, low: Array, known: Array, hole: Mask, work: _Work) -> Array:
    """The hole on the stage's fine grid, from low (h, w); known, hole: (scale h, scale w)."""
    unit, under = stage.step.unit, stage.step.cell
    cells = coarser(hole, unit)
    if not cells.any():
        return known
    box = around(cells, 0)
    margin = _margin(box.bottom - box.top, box.right - box.left)
    region = box.grown(margin, cells.shape)
    noise = Noise.of(region.of(low, under).shape, work.rng, stage.step.scale)
    strength = 1 if work.given.sketched else work.given.strength

    def draw(part: Region) -> Array | None:
        cut = part.of(hole, unit)
        if not cut.any():
            return None
        own, place = part.of(known, unit), part.within(region)
        return stage.draw(
            part.of(low, under),
            work.ids,
            own,
            cut.astype(np.float32),
            Noise(low=place.of(noise.low, under), fine=place.of(noise.fine, unit)),
            Beginning(image=own, first=strength) if strength < 1 else None,
        )

    drawn = in_tiles(stage.step, region, known.shape, draw)
    return np.where(hole, drawn, known).astype(np.float32)
