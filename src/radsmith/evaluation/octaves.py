"""At which scale generated images stop being believed: real and generated ones octave by octave.

Both are shrunk to a side and enlarged alike, so that only what that side holds can tell them
apart.  Where an engine draws in stages, each finer stage is measured on real input too: what it
loses by itself, whatever drew its input.  Of what has more than 256 pixels the middle 256 are
compared.  Knows no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radsmith.engines.engine import Ask, Engine, Staged, StageFacts
from radsmith.errors import InvalidInput
from radsmith.evaluation.features import Images, Space
from radsmith.evaluation.fidelity import Progress, draw
from radsmith.evaluation.metrics import Interval, kernel_distance
from radsmith.evaluation.real_set import OF_ONE_PATIENT, RealSet, halves, kind_name, kinds_of
from radsmith.images.image import Array
from radsmith.images.letterbox import SIDE, letterboxed
from radsmith.images.provenance import Settings
from radsmith.images.resize import enlarge, shrink
from radsmith.images.stored import Stored
from radsmith.language.prompt import Prompt, filled_in, prompt_of, render
from radsmith.language.reading import read_prompt

Refine = Callable[[str, Array, Ask, float], Array]
"""`Staged.refine`."""
SIDES = (16, 32, 64, 128, 256)
SMALLEST = 30
"""Images that each half of a kind's real ones must have: a kernel distance of fewer says little."""
KINDS = 6
"""Kinds that are compared where none are named, the largest first."""
EACH = 60
SHOWN = 2


@dataclass(frozen=True, kw_only=True)
class OctaveOptions:
    """kinds: what the images must show, each with a modality and a body part (none: the largest).

    each: images drawn of a kind, and real ones of each half, at most.
    """

    settings: Settings = field(default_factory=Settings)
    kinds: Sequence[Prompt] = ()
    each: int = EACH
    seed: int = 0

    def __post_init__(self) -> None:
        if self.each < SMALLEST:
            raise InvalidInput(f"an octave table needs {SMALLEST} images a kind, got {self.each}")


@dataclass(frozen=True, kw_only=True)
class Octaves:
    """report: figures for JSON.  shown: title -> (caption, (256, 256) image in 0-1) of some."""

    report: dict[str, Any]
    shown: Mapping[str, Sequence[tuple[str, Array]]]


def kind_of(text: str) -> Prompt:
    """What a kind's words ask for, modality and body part completed: "adult chest x-ray".

    Raises InvalidInput where a word is not understood, or modality or body part stay open.
    """
    reading = read_prompt(text)
    if reading.unknown:
        said = ", ".join(str(unknown) for unknown in reading.unknown)
        raise InvalidInput(f"the kind “{text}” holds words not understood: {said}")
    prompt, _ = filled_in(reading.prompt)
    if prompt.modality is None or prompt.body_part is None:
        raise InvalidInput(
            f"the kind “{text}” must name a modality and a body part, such as “chest x-ray”"
        )
    return prompt


def at_octave(images: Images | NDArray[np.generic], side: int) -> list[Array]:
    """Images as a side of so many pixels holds them, cubically enlarged again: (256, 256) each;
    of a side of more than 256 the middle.

    images: (height, width), floats in 0-1 or uint8; letterboxed on the way.  Raises InvalidInput
    for a smaller side that does not divide 256.
    """
    return [_enlarged(_square(image, side)) for image in images]


def octave_kid(
    generated: Images | NDArray[np.generic],
    real: Images | NDArray[np.generic],
    space: Space,
    sides: Sequence[int] = SIDES,
) -> dict[int, float]:
    """Side -> KID of two sets of images, without intervals: for a training log.

    Raises InvalidInput for fewer than 4 images in a set, and as `at_octave` does.
    """
    return {
        side: distances(real, {"generated": generated}, space, side, 0)["generated"].estimate
        for side in sides
    }


def distances(
    real: Images | NDArray[np.generic],
    others: Mapping[str, Images | NDArray[np.generic]],
    space: Space,
    side: int,
    resamples: int = 200,
    seed: int = 0,
) -> dict[str, Interval]:
    """KID of each of the other sets from the real one, all as a side of so many pixels holds them.

    resamples: of the bootstrap that gives the 95 % interval.
    """
    known = space(at_octave(real, side))
    return {
        name: kernel_distance(
            known, space(at_octave(images, side)), np.random.default_rng(seed), resamples
        )
        for name, images in others.items()
    }


def compare_octaves(
    engine: Engine,
    real: RealSet,
    spaces: Mapping[str, Space],
    options: OctaveOptions,
    progress: Progress = lambda what, steps: None,
    large: RealSet | None = None,
) -> Octaves:
    """The octave table of a model, kind by kind, and its stages on real input where it has any.

    large: real images of more than 256 pixels, for stages that draw as many; without them, and of
    kinds that have too few, such stages are left out.

    Every distance is from one half of the real images: of images drawn for the other half's
    labels, of that other half itself (the floor), or of what a stage makes of that half.
    Raises InvalidInput where a kind has too few images.
    """
    look = _Look(spaces, options.seed, progress)
    stages: list[tuple[StageFacts, Refine]] = []
    if isinstance(engine, Staged):
        finer = (s for s in engine.stages if s.output_side > s.input_side)
        stages = [(stage, engine.refine) for stage in finer]
    report: dict[str, Any] = {
        "model": {
            "name": engine.facts.name,
            "digest": engine.facts.digest,
            "engine": engine.facts.engine,
        },
        "settings": asdict(options.settings) | {"seed": options.seed},
        "sides": list(SIDES),
        "stages": [asdict(stage) for stage, _ in stages],
        "kinds": [],
    }
    shown: dict[str, list[tuple[str, Array]]] = {}
    larger = _chosen(large, options, strict=False) if large else {}
    for kind, (one, two) in _chosen(real, options).items():
        asked = [prompt_of(ids) for ids in two.concepts]
        made = draw(engine, asked, options.settings, options.seed, progress).images
        shown |= _shown(kind, two.images, made)
        alone = []
        for stage, refine in stages:
            known, given = one, two
            if stage.output_side > SIDE:
                if kind not in larger:
                    continue
                known, given = larger[kind]
            ends = _refined(stage, refine, given, options, progress)
            if stage.output_side > SIDE:
                ends = {"drawn": _drawn_as(engine, given, options, progress), **ends}
            compared = {"n": len(given.images), "spaces": look.alone(kind, stage, known, ends)}
            alone.append(asdict(stage) | compared)
            shown |= _shown_stage(kind, stage, ends)
        report["kinds"].append(
            {
                "kind": kind,
                "n": len(made),
                "spaces": look.octaves(kind, one, two, made),
                "stages": alone,
            }
        )
    return Octaves(report=report, shown=shown)


def _chosen(
    real: RealSet, options: OctaveOptions, *, strict: bool = True
) -> dict[str, tuple[RealSet, RealSet]]:
    """Name -> two halves without a common patient, of the kinds asked for or the largest.

    strict: too few images are an error; else a kind of so few is left out.
    """
    most = 2 * options.each
    found = {}
    if options.kinds:
        whole = [set(prompt_of(ids).concepts) for ids in real.concepts]
        for prompt in options.kinds:
            name, index = _matching(prompt, whole)
            one, two = halves(real, index, most, options.seed)
            if len(one.images) < SMALLEST and not strict:
                continue
            if len(one.images) < SMALLEST:
                raise InvalidInput(
                    f"“{name}” has {len(index)} real images, in halves without a common patient,"
                    f" {OF_ONE_PATIENT} of one at most, {len(one.images)} each; {SMALLEST} are"
                    " needed: name a wider kind"
                )
            found[name] = one, two
        return found
    for kind, index in kinds_of(real.concepts).items():
        one, two = halves(real, index, most, options.seed)
        if len(one.images) >= SMALLEST and len(found) < KINDS:
            found[kind_name(kind)] = one, two
    if not found and strict:
        raise InvalidInput(
            f"no kind of image (modality and body part) has {SMALLEST} real images in each of two"
            " halves without a common patient: give more data"
        )
    return found


def _matching(prompt: Prompt, whole: Sequence[set[str]]) -> tuple[str, list[int]]:
    """A kind's name and the numbers of images that show all that it names."""
    wanted, absent = set(prompt.concepts), set(prompt.absent)
    return render(prompt), [i for i, ids in enumerate(whole) if wanted <= ids and not absent & ids]


@dataclass(frozen=True)
class _Look:
    """Compares sets of images in every space, and says so."""

    spaces: Mapping[str, Space]
    seed: int
    progress: Progress

    def octaves(self, kind: str, one: RealSet, two: RealSet, made: Images) -> dict[str, Any]:
        """Generated images and the floor at each side, and where they come apart."""
        found: dict[str, Any] = {}
        for name, space in self.spaces.items():
            sides: dict[int, dict[str, Interval]] = {}
            for side in SIDES:
                self.progress(f"{kind}: comparing at {side}x{side} in {name}", 0)
                others = {"generated": made, "floor": two.images}
                sides[side] = distances(one.images, others, space, side, seed=self.seed)
            apart = (s for s, d in sides.items() if d["generated"].low > d["floor"].high)
            found[name] = {
                "octaves": {str(side): _figures(d) for side, d in sides.items()},
                "told_apart_at": next(apart, None),
            }
        return found

    def alone(
        self, kind: str, stage: StageFacts, one: RealSet, ends: Mapping[str, Images]
    ) -> dict[str, Any]:
        """What the stage makes of real input, cubics and the floor, at its output side."""
        found: dict[str, Any] = {}
        for name, space in self.spaces.items():
            self.progress(f"{kind}: comparing the stage {stage.name} in {name}", 0)
            given = distances(one.images, ends, space, stage.output_side, seed=self.seed)
            found[name] = _figures(given)
        return found


def _refined(
    stage: StageFacts,
    refine: Refine,
    real: RealSet,
    options: OctaveOptions,
    progress: Progress,
) -> dict[str, Images]:
    """Real images as the stage's input, drawn finer by the stage, and by cubics alone."""
    scale = stage.output_side // stage.input_side
    lows = [shrink(_square(image, stage.output_side), scale) for image in real.images]
    drawn = []
    for i, low in enumerate(lows):
        height, width = real.images[i].shape
        ask = Ask(
            concepts=tuple(real.concepts[i]), seed=options.seed + i, settings=options.settings
        )
        drawn.append(refine(stage.name, low, ask, width / height))
        progress(f"refining real images by the stage {stage.name}", 1)
    cubic = [np.clip(enlarge(low, scale), 0, 1) for low in lows]
    return {"stage": Stored(drawn), "cubic": Stored(cubic), "floor": real.images}


def _drawn_as(engine: Engine, real: RealSet, options: OctaveOptions, progress: Progress) -> Images:
    """What the whole model draws for the labels and sizes of real images."""
    images = []
    for i, ids in enumerate(real.concepts):
        height, width = (max(n, engine.facts.sides[0]) for n in real.images[i].shape)
        settings = replace(options.settings, size=(width, height))
        images += list(draw(engine, [prompt_of(ids)], settings, options.seed + i, progress).images)
    return Stored(images)


def _shown(kind: str, real: Images, made: Images) -> dict[str, list[tuple[str, Array]]]:
    return {
        f"{kind}: {what}": [
            (f"{side}x{side}", image)
            for i in range(SHOWN)
            for side in SIDES
            for image in at_octave([images[i]], side)
        ]
        for what, images in (("real", real), ("generated", made))
    }


def _shown_stage(
    kind: str, stage: StageFacts, ends: Mapping[str, Images]
) -> dict[str, list[tuple[str, Array]]]:
    names = {"cubic": "enlarged by cubics", "stage": stage.name, "floor": "as it was"}
    if "drawn" in ends:
        names["drawn"] = "drawn by the whole model"
    title = f"{kind}: real at {stage.input_side}x{stage.input_side}, made {stage.output_side}"
    return {
        title: [
            (caption, at_octave([ends[name][i]], stage.output_side)[0])
            for i in range(SHOWN)
            for name, caption in names.items()
        ]
    }


def _square(image: NDArray[np.generic], side: int) -> Array:
    """An image in the middle of a black square of this side, by area averages."""
    if side < 1 or (side < SIDE and SIDE % side):
        raise InvalidInput(f"the side of an octave must divide {SIDE}, or be more, got {side}")
    pixels = image.astype(np.float32)
    if image.dtype == np.uint8:
        pixels /= np.float32(255)
    return shrink(letterboxed(pixels, max(side, SIDE)), max(SIDE // side, 1))


def _enlarged(low: Array) -> Array:
    spare = (len(low) - SIDE) // 2
    if spare > 0:
        return low[spare : spare + SIDE, spare : spare + SIDE]
    return np.clip(enlarge(low, SIDE // len(low)), 0, 1)


def _figures(found: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "kid": round(interval.estimate, 6),
            "low": round(interval.low, 6),
            "high": round(interval.high, 6),
        }
        for name, interval in found.items()
    }
