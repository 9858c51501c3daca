"""Laws of editing: what lies outside a mask survives bit for bit, whatever the engine does."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

from radsmith.editing.body_map import TARGETS, ellipse_of, outward, places
from radsmith.editing.body_sketch import sketch
from radsmith.editing.extend import _Canvas, extend
from radsmith.editing.operations import (
    Levels,
    Margins,
    Source,
    Task,
    between,
    change,
    inpaint,
    outpaint,
    shares,
    vary,
)
from radsmith.editing.source import _range
from radsmith.engines.default.stages import FINER, FinerStage
from radsmith.engines.engine import Ask, Completion, Given, ModelFacts
from radsmith.engines.model_files import load_engine
from radsmith.errors import InvalidInput
from radsmith.generation.plan import plan
from radsmith.images.image import Image, Window
from radsmith.images.provenance import Request, Settings
from radsmith.images.regions import Region, around, scaled, tiles
from radsmith.language.reading import read_prompt

pytestmark = pytest.mark.slow


CREATED = "2026-01-01T00:00:00+00:00"


class NoisyEngine:
    """Fills with noise everywhere, known pixels included: a caller must not rely on it."""

    facts = ModelFacts(name="noise", digest="0", images={}, together={}, engine="noise")

    def fill(self, given, ask):
        pixels = np.random.default_rng(ask.seed).random(given.mask.shape, np.float32)
        return Completion(pixels=pixels, concepts=())


@pytest.fixture(scope="module")
def engine():
    return load_engine()


def task_of(engine, prompt="", seed=0, steps=1):
    planned = plan(prompt, engine.facts) if prompt else None
    request = Request(prompt=prompt, seed=seed, settings=Settings(num_steps=steps))
    return Task(engine=engine, planned=planned, request=request, created=CREATED)


def picture(shape=(60, 80), seed=0):
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    waves = np.sin(9 * x) * np.cos(7 * y) + np.random.default_rng(seed).normal(0, 0.05, shape)
    return np.clip((waves + 1.2) * 100, 0, 255).astype(np.uint8)


def source_of(pixels, **fields):
    unit = "intensity" if pixels.dtype.kind == "f" else "stored value"
    image = Image(pixels=pixels, unit=unit, window=fields.pop("window", None))
    return Source(image=image, bits=8 * pixels.dtype.itemsize, **fields)


@st.composite
def masked_sources(draw):
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.int16, np.float32]))
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    if dtype == np.float32:
        pixels = draw(nst.arrays(dtype, shape, elements=st.floats(0, 1, width=32)))
    else:
        pixels = draw(nst.arrays(dtype, shape))
    window = draw(st.none() | st.builds(lambda c, w: Window(center=c, width=w),
                  st.floats(-500, 5000), st.floats(1, 4000)))  # fmt: skip
    mask = draw(nst.arrays(np.bool_, shape))
    inverted = draw(st.booleans())
    return source_of(pixels, inverted=inverted, window=window), mask


@given(masked_sources())
def test_stored_values_outside_the_mask_are_the_inputs(case):
    source, mask = case
    edited = inpaint(source, mask, task_of(NoisyEngine()))
    before, after = source.image.pixels, edited.image.pixels
    assert after.dtype == before.dtype and after.shape == before.shape
    assert np.array_equal(before[~mask], after[~mask])
    if not mask.any():
        assert edited.image.digest() == source.image.digest()
    assert edited.record.parents == (source.image.digest(),)


@given(masked_sources(), st.integers(1, 3))
def test_repeated_outpainting_never_drifts(case, times):
    source, _ = case
    canvas = source
    margins = Margins(left=1, right=2, top=3, bottom=1)
    for seed in range(times):
        edited = outpaint(canvas, margins, task_of(NoisyEngine(), seed=seed))
        canvas = replace(source, image=edited.image)
    height, width = source.shape
    inner = canvas.image.pixels[3 * times : 3 * times + height, times : times + width]
    assert np.array_equal(inner, source.image.pixels)


@given(masked_sources())
@settings(max_examples=50)
def test_levels_go_there_and_back(case):
    source, _ = case
    levels = Levels.of(source, np.ones(source.shape, np.bool_))
    pixels = source.image.pixels
    low, high = levels.low, levels.high
    shown = (pixels >= low) & (pixels <= high)
    back = levels.stored(levels.intensity(pixels))
    error = np.abs(back.astype(float) - pixels.astype(float))[shown]
    assert (error <= (high - low) * 1e-6 + (0.5 if pixels.dtype.kind in "iu" else 0)).all()


class Echo:
    """Gives back what it was given: nothing to change."""

    facts = NoisyEngine.facts

    def fill(self, given, ask):
        return Completion(pixels=given.pixels, concepts=())


@given(masked_sources(), st.floats(0.01, 0.99))
def test_partial_strength_leaves_what_the_window_does_not_show(case, strength):
    source, _ = case
    edited = vary(source, strength, task_of(Echo()))
    before, after = source.image.pixels.astype(float), edited.image.pixels.astype(float)
    levels = Levels.of(source, np.ones(source.shape, np.bool_))
    assert np.allclose(before, after, atol=1e-5 * (levels.high - levels.low) + 0.5)


@pytest.mark.parametrize(
    ("pixels", "window"),
    [
        (np.full((6, 6), 100, np.uint8), Window(center=5000, width=100)),
        (np.arange(36, dtype=np.uint16).reshape(6, 6) * 80, Window(center=20000, width=500)),
    ],
)
def test_a_window_beside_the_data_is_left_aside(pixels, window):
    levels = Levels.of(source_of(pixels, window=window), np.ones(pixels.shape, np.bool_))
    assert levels.low < pixels.mean() < levels.high


def test_known_pixels_all_alike_do_not_flatten_the_rest():
    pixels = np.zeros((40, 40), np.uint16)
    pixels[10:30, 10:30] = np.arange(400).reshape(20, 20) * 5
    mask = np.zeros(pixels.shape, np.bool_)
    mask[10:30, 10:30] = True
    made = inpaint(source_of(pixels), mask, task_of(NoisyEngine())).image.pixels[mask]
    assert made.max() > 1000


def test_limbs_of_one_kind_have_one_size():
    body = places()
    for spacing in (0.37, 0.588, 0.71, 1.3):
        canvas = _Canvas(
            source=None,
            real=None,
            made=np.ones((9000, 9000), np.bool_),
            corner=(-800.3, -50.7),
            spacing=(spacing, spacing),
        )
        for place in (p for p in body if p.side == "left"):
            twin = next(p for p in body if p.part == place.part and p.side == "right")
            sizes = [[s.stop - s.start for s in canvas.span(p.box)] for p in (place, twin)]
            assert sizes[0] == sizes[1]


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(InvalidInput, match="mask is 3x2 and the image 80x60"):
        inpaint(source_of(picture()), np.ones((2, 3), np.bool_), task_of(NoisyEngine()))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"pixels": np.zeros((2, 2), np.float32), "mask": np.ones((2, 3), np.bool_)}, "one"),
        ({"pixels": np.full((2, 2), np.nan, np.float32), "mask": np.ones((2, 2), bool)}, "NaN"),
        ({"pixels": np.zeros((2, 2), np.float32), "mask": np.ones((2, 2), bool), "strength": 0.0},
         "strength"),
    ],
)  # fmt: skip
def test_what_is_given_is_checked(fields, words):
    with pytest.raises(InvalidInput, match=words):
        Given(**fields)


def test_a_full_mask_is_plain_generation(engine):
    concepts = ("modality:x-ray", "body_part:knee")
    wanted = engine.generate(
        Ask(concepts=concepts, seed=5, settings=Settings(num_steps=1, size=(256, 192)))
    )
    blank = Given(pixels=np.zeros((192, 256), np.float32), mask=np.ones((192, 256), np.bool_))
    assert np.array_equal(
        engine.fill(blank, Ask(concepts=concepts, seed=5, settings=Settings(num_steps=1))).pixels,
        wanted,
    )


@pytest.mark.parametrize("shape", [(1, 200), (50, 37), (256, 256), (301, 258), (701, 430)])
def test_any_size_is_completed_around_its_own_pixels(engine, shape):
    pixels = picture(shape).astype(np.float32) / 255
    mask = np.zeros(shape, np.bool_)
    mask[shape[0] // 3 : shape[0] // 2 + 1, 5:-5] = True
    filled = engine.fill(
        Given(pixels=pixels, mask=mask), Ask(seed=1, settings=Settings(num_steps=1))
    ).pixels
    assert np.array_equal(filled[~mask], pixels[~mask])
    assert filled.min() >= 0 and filled.max() <= 1 and filled[mask].std() > 0
    hidden = Given(pixels=np.where(mask, 0.9, pixels).astype(np.float32), mask=mask)
    assert np.array_equal(
        engine.fill(hidden, Ask(seed=1, settings=Settings(num_steps=1))).pixels, filled
    )


def test_known_pixels_inform_the_hole(engine):
    knee = ("modality:x-ray", "body_part:knee")
    mask = np.zeros((256, 256), np.bool_)
    mask[100:150, 60:200] = True
    informed, blind = [], []
    for seed in range(4):
        one, other = (
            engine.generate(
                Ask(concepts=knee, seed=s, settings=Settings(num_steps=2, size=(256, 256)))
            )
            for s in (seed, seed + 9)
        )
        filled = engine.fill(
            Given(pixels=one, mask=mask), Ask(concepts=knee, settings=Settings(num_steps=2))
        ).pixels
        informed.append(((filled - one)[mask] ** 2).mean())
        blind.append(((other - one)[mask] ** 2).mean())
    assert np.mean(informed) < 0.7 * np.mean(blind)


def test_without_a_prompt_the_record_holds_what_the_engine_chose(engine):
    knee = engine.generate(
        Ask(concepts=("modality:x-ray", "body_part:knee"), seed=3, settings=Settings(num_steps=2))
    )
    source = source_of((knee * 255).astype(np.uint8))
    mask = np.zeros(knee.shape, np.bool_)
    mask[60:110, 60:110] = True
    record = inpaint(source, mask, task_of(engine)).record
    assert {"modality:x-ray", "body_part:knee"} <= set(record.concepts)
    assert record.canonical_prompt == ""
    said = inpaint(source, mask, task_of(engine, "knee x-ray")).record
    assert said.concepts == ("modality:x-ray", "body_part:knee")


@pytest.mark.parametrize("side", [256, 512, 1024, 2048])
def test_a_hole_asks_little_more_of_the_finer_stages_than_an_image(engine, monkeypatch, side):
    spent, draw = [], FinerStage.draw

    def counted(stage, low, ids, known, mask, noise, begin=None):
        late = stage.step.unit == FINER["detail"].unit
        spent.append(low.size / stage.step.cell**2 if late else 0)
        return draw(stage, low, ids, known, mask, noise, begin)

    monkeypatch.setattr(FinerStage, "draw", counted)
    mask = np.zeros((side, side), np.bool_)
    mask[side // 2 - 128 : side // 2 + 128, side // 2 - 128 : side // 2 + 128] = True
    mask[0] = False
    pixels = picture((side, side)).astype(np.float32) / 255
    engine.fill(Given(pixels=pixels, mask=mask), Ask(settings=Settings(num_steps=1)))
    # the late stages are half of what an image costs; 1 + 1/4 + 1/16 of a hole, and margins
    assert sum(spent) <= 1.6 * 64 * 64


def test_little_strength_changes_little(engine):
    source = source_of(picture((256, 256)))
    near, far = (
        vary(source, s, task_of(engine, "chest x-ray")).image.pixels.astype(float)
        for s in (0.05, 1.0)
    )
    before = source.image.pixels.astype(float)
    assert np.abs(near - before).mean() < 0.3 * np.abs(far - before).mean()


def test_interpolation_counts_and_needs_one_size():
    one, two = source_of(picture(seed=1)), source_of(picture(seed=2))
    found = [between(one, two, share, task_of(NoisyEngine())) for share in shares(3)]
    assert len(found) == 3 and all(len(e.record.parents) == 2 for e in found)
    with pytest.raises(InvalidInput, match="one size"):
        between(one, source_of(picture((10, 10))), 0.5, task_of(NoisyEngine()))


def test_change_needs_a_prompt():
    with pytest.raises(InvalidInput, match="say which"):
        change(source_of(picture()), np.ones((60, 80), bool), task_of(NoisyEngine()))


def test_tiles_cover_a_region_with_weights_of_one():
    region = Region(top=3, bottom=203, left=0, right=131)
    total = np.zeros((210, 140), np.float32)
    for part, weight in tiles(region, 96, 16):
        assert part.bottom - part.top <= 96 and part.right - part.left <= 96
        part.of(total)[...] += weight
    assert np.allclose(region.of(total), 1) and np.isclose(total.sum(), 200 * 131, rtol=1e-5)


def test_shrinking_keeps_unknown_pixels_out():
    pixels = np.full((40, 40), 0.25, np.float32)
    mask = np.zeros((40, 40), np.bool_)
    mask[11:14, 11:30] = True
    pixels[mask] = 9
    small, unknown = scaled(pixels, mask, 10, 10)
    assert np.allclose(small[~unknown], 0.25, atol=1e-6)
    assert unknown.sum() == 2 * 6 and around(unknown, 0).of(unknown).all()


def test_every_target_is_reached_from_its_own_parts():
    body = places("female", "adult")
    for target, parts in TARGETS.items():
        for part in parts:
            start = next(p for p in body if p.part == part)
            found = outward(start, target, body)
            assert start not in found and {p.part for p in found} <= set(parts)
    assert len(outward(next(p for p in body if p.part == "knee"), "body", body)) == len(body) - 1
    with pytest.raises(InvalidInput, match="does not reach"):
        outward(next(p for p in body if p.part == "skull"), "leg", body)


def test_children_are_smaller():
    assert places("", "child")[0].size[0] < places("", "")[0].size[0]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("chest x-ray, right pleural effusion", False),
        ("chest x-ray, left consolidation in the lower lobe", True),
    ],
)
def test_a_finding_lies_where_its_side_says(text, right):
    prompt = read_prompt(text).prompt
    mask = ellipse_of(prompt, prompt.findings[0], (100, 100))
    columns = np.flatnonzero(mask.any(0))
    assert (columns.mean() > 50) == right and np.flatnonzero(mask.any(1)).mean() > 50


def test_a_knee_becomes_a_leg_around_untouched_pixels(engine):
    pixels = picture((64, 64))
    shown = read_prompt("right knee x-ray, adult").prompt
    source = source_of(pixels)
    drawn = []
    found = extend(source, shown, "leg", task_of(engine), progress=drawn.append)
    made, body = found.mask, found.image
    assert drawn == ["right lower leg", "right femur", "right ankle"]
    assert np.array_equal(body.pixels[~made], pixels.ravel())
    assert np.array_equal(found.distance == 0, ~made)
    assert body.spacing and np.isclose(body.spacing[0] * 64, 180, atol=60)
    assert any("femur" in flag for flag in found.flags)
    assert any("no pixel spacing" in flag for flag in found.flags)
    assert "right femur" in found.record.edit
    strict = extend(source, shown, "leg", task_of(engine), strict=True).image.pixels
    assert (strict[made] == 0).mean() > (body.pixels[made] == 0).mean()


def test_a_sketched_body_has_its_bones_and_is_the_same_on_both_sides():
    x, y = np.arange(-399.0, 400, 2), np.arange(1.0, 1790, 2)
    body = sketch(x, y)
    heartless = (y < 440) | (y > 600)
    assert np.allclose(body.gray[heartless], body.gray[heartless, ::-1], atol=1e-5)
    assert not body.gray[body.inside == 0].any() and body.gray.max() <= 1

    def bones(height, first, last):
        """Bright stretches from first to last mm right of the midline at a height."""
        row = body.gray[np.searchsorted(y, height), (x >= first) & (x <= last)]
        bright = row > (row.max() + np.median(row)) / 2
        return int(bright[0]) + int((np.diff(bright.astype(int)) == 1).sum())

    assert bones(850, 245, 320) == bones(1560, 50, 135) == 2, "forearm and lower leg"
    assert bones(600, 205, 280) == bones(1200, 60, 160) == 1, "humerus and femur"
    lung, flesh = (body.gray[np.searchsorted(y, at), np.searchsorted(x, -100)] for at in (480, 720))
    assert lung < 0.7 * flesh
    child = sketch(x, y, 0.5)
    assert np.flatnonzero(child.inside.any(1))[-1] * 2 == pytest.approx(894, abs=12)


class SketchedEngine(NoisyEngine):
    """Keeps what it was given to begin from."""

    def __init__(self):
        self.given = []

    def fill(self, given, ask):
        self.given.append(given)
        return Completion(pixels=given.pixels, concepts=())


def test_frames_begin_from_a_sketch_in_the_grays_of_the_source():
    for level in (60, 180):
        pixels = np.clip(picture((64, 64)) // 8 + level, 0, 255).astype(np.uint8)
        shown, engine = read_prompt("right knee x-ray, adult").prompt, SketchedEngine()
        found = extend(source_of(pixels), shown, "leg", task_of(engine), strict=False)
        assert all(given.sketched and given.strength < 1 for given in engine.given)
        thigh = engine.given[1].pixels[engine.given[1].mask]
        lit = thigh[thigh > 0.05]
        assert abs(float(np.median(lit)) - level / 255) < 0.2
        rows = found.image.pixels[: found.image.pixels.shape[0] // 3]
        assert rows.any() and (rows == 0).any(), "a thigh, and air beside it"


def test_what_was_never_drawn_shows_no_sketch():
    shown, engine = read_prompt("right knee x-ray, adult").prompt, SketchedEngine()
    facts = replace(NoisyEngine.facts, images={}, together={})
    engine.facts = replace(facts, name="knows nothing")
    found = extend(source_of(picture((64, 64))), shown, "body", task_of(engine), strict=True)
    assert not engine.given and not found.image.pixels[found.mask].any()


def test_what_the_body_map_lacks_is_said(engine):
    with pytest.raises(InvalidInput, match="cannot extend"):
        extend(source_of(picture()), read_prompt("brain mri").prompt, "body", task_of(engine))
    with pytest.raises(InvalidInput, match="lateral"):
        shown = read_prompt("knee x-ray, lateral view").prompt
        extend(source_of(picture()), shown, "leg", task_of(engine))


def test_a_side_that_is_not_said_is_flagged(engine):
    shown = read_prompt("knee x-ray").prompt
    found = extend(source_of(picture((32, 32))), shown, "leg", task_of(engine), strict=True)
    assert any("side not said" in flag for flag in found.flags)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize("n", [1, 2, 7, 40_000])
def test_the_range_of_whole_numbers_is_that_of_their_percentiles(dtype, n):
    rng = np.random.default_rng(n)
    info = np.iinfo(dtype)
    pixels = rng.integers(info.min, info.max, (n, 3), dtype, endpoint=True)
    shown = rng.random(pixels.shape) < 0.7
    shown[0, 0] = True
    for where in (None, shown):
        chosen = pixels if where is None else pixels[where]
        wanted = np.percentile(chosen.astype(np.float64), (0.1, 99.9))
        assert np.allclose(_range(pixels, where), wanted)


def test_memory_beyond_the_hole_is_a_few_copies_of_the_image():
    class Halves:
        facts = NoisyEngine.facts

        def fill(self, given, ask):
            pixels = np.where(given.mask, np.float32(0.5), given.pixels)
            return Completion(pixels=pixels, concepts=())

    def peak(side):
        pixels = np.random.default_rng(0).integers(0, 4000, (side, side), np.uint16)
        mask = np.zeros((side, side), np.bool_)
        mask[10:40, 10:40] = True
        source = Source(image=Image(pixels=pixels, unit="stored value"), bits=12)
        task = Task(engine=Halves(), planned=None, request=Request(prompt="", seed=0), created="")
        tracemalloc.start()
        inpaint(source, mask, task)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert (peak(1024) - peak(512)) / (1024**2 - 512**2) < 14  # bytes a pixel, of two
