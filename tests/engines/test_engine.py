"""The shipped model, run for real."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from radsmith.engines.default import enlarging, stages
from radsmith.engines.default.completion import _Part
from radsmith.engines.default.enlarging import held
from radsmith.engines.default.onnx_engine import OnnxEngine
from radsmith.engines.default.stages import FINER, Beginning, FinerStage
from radsmith.engines.engine import Ask, Given, Staged, StageFacts
from radsmith.engines.model_files import load_engine, load_files
from radsmith.errors import InvalidInput
from radsmith.images.provenance import Settings
from radsmith.images.resize import enlarge, resize, shrink

CHEST = ("modality:x-ray", "body_part:chest")


@pytest.fixture(scope="module")
def engine():
    return load_engine()


def test_less_noise_is_nearer_to_the_usual_of_a_kind_and_in_no_other(engine, monkeypatch):
    """The base begins from it; what is begun from an image is not touched."""
    model, kind = engine._model, " ".join(CHEST)
    component = int(np.argmax(model.components.scores(CHEST, (), None)))
    assert model.components.kind(component) == kind
    dark, mask = np.full((64, 64), -1, np.float32), np.ones((64, 64), np.float32)
    ids, settings = model.encode(CHEST), Settings(num_steps=2)

    def drawn(deviation, first=1):
        told = np.array(
            [deviation.get(model.components.kind(k), 1) for k in range(len(model.components))]
        )
        monkeypatch.setattr(model.components, "_deviation", told)
        begin = Beginning(image=dark, first=first)
        draws = (np.random.default_rng(seed) for seed in range(6))
        images = [model.coarse(component, ids, dark, mask, begin, settings, rng) for rng in draws]
        return np.stack(images)

    usual, other = drawn({}), drawn({"modality:mri body_part:brain": 0.6})
    nearer = drawn({kind: 0.6})
    assert np.array_equal(usual, other)
    assert nearer.std(0).mean() < 0.85 * usual.std(0).mean()
    assert np.array_equal(drawn({}, 0.5), drawn({kind: 0.6}, 0.5))


def test_the_same_seed_gives_the_same_pixels_in_any_order(engine):
    first = [
        engine.generate(Ask(concepts=CHEST, seed=seed, settings=Settings(num_steps=2)))
        for seed in (1, 2)
    ]
    again = [
        engine.generate(Ask(concepts=CHEST, seed=seed, settings=Settings(num_steps=2)))
        for seed in (2, 1)
    ]
    assert np.array_equal(first[0], again[1]) and np.array_equal(first[1], again[0])
    assert first[0].shape != first[1].shape or not np.array_equal(first[0], first[1])


def test_an_image_has_the_size_asked_for_and_lies_in_0_1(engine):
    image = engine.generate(
        Ask(concepts=CHEST, seed=3, settings=Settings(num_steps=1, size=(128, 96)))
    )
    assert image.shape == (96, 128)
    assert image.min() >= 0 and image.max() <= 1 and image.std() > 0.05


def test_sides_of_stages_divide_each_other():
    with pytest.raises(InvalidInput, match="divide"):
        StageFacts(name="odd", input_side=48, output_side=256)


def test_unsupported_sizes_are_refused(engine):
    with pytest.raises(InvalidInput, match="64-1024"):
        engine.generate(Ask(concepts=CHEST, seed=3, settings=Settings(size=(2048, 512))))


def detail(image, scale):
    """What is finer than pixels `scale` times as wide."""
    return image - enlarge(shrink(image, scale), scale)


@pytest.mark.parametrize("scale", [2, 4])
def test_a_larger_image_is_the_same_one_with_drawn_detail(engine, scale):
    small = engine.generate(
        Ask(concepts=CHEST, seed=3, settings=Settings(num_steps=1, size=(256, 192)))
    )
    asked = Settings(num_steps=1, size=(256 * scale, 192 * scale))
    large = engine.generate(Ask(concepts=CHEST, seed=3, settings=asked))
    assert large.shape == (192 * scale, 256 * scale)
    assert np.array_equal(large, engine.generate(Ask(concepts=CHEST, seed=3, settings=asked)))
    assert np.abs(shrink(large, scale) - small).mean() < 0.001
    assert detail(large, scale).std() > 2 * detail(enlarge(small, scale), scale).std()


def test_a_stage_alone_adds_detail_to_real_input_and_keeps_it(engine):
    assert isinstance(engine, Staged)
    stage = next(s for s in engine.stages if s.name == "detail")
    assert [s.input_side for s in engine.stages] == [32, 32, 64, 192]
    assert [s.output_side for s in engine.stages] == [32, 64, 256, 384]
    whole = engine.generate(
        Ask(concepts=CHEST, seed=5, settings=Settings(num_steps=1, size=(256, 192)))
    )
    square = np.zeros((256, 256), np.float32)
    square[32:224] = whole
    low = shrink(square, 4)
    asked = (
        stage.name,
        low,
        Ask(concepts=CHEST, seed=7, settings=Settings(num_steps=2)),
        256 / 192,
    )
    fine = engine.refine(*asked)
    assert fine.shape == (stage.output_side,) * 2 and np.array_equal(fine, engine.refine(*asked))
    assert fine[:32].max() == 0 == fine[224:].max()
    assert np.abs(shrink(fine, 4) - low).mean() < 0.02
    assert detail(fine, 4).std() > 1.05 * detail(enlarge(low, 4), 4).std()


@pytest.mark.parametrize(("name", "side"), [("base", 64), ("detail", 32)])
def test_a_stage_that_is_not_there_is_refused(engine, name, side):
    low = np.zeros((side, side), np.float32)
    with pytest.raises(InvalidInput, match="detail for sides of 64"):
        engine.refine(name, low, Ask(concepts=CHEST))


def test_tiles_draw_what_one_piece_would(engine, monkeypatch):
    asked = Settings(num_steps=6, size=(512, 512))
    tiled = engine.generate(Ask(concepts=CHEST, seed=3, settings=asked))
    monkeypatch.setattr(enlarging, "TILE", 128)
    whole = engine.generate(Ask(concepts=CHEST, seed=3, settings=asked))
    apart = (tiled - whole).std() / detail(whole, 2).std()
    assert 0 < apart < 0.3  # norms, and so the strength of grain, are of a tile


def test_any_larger_size_can_be_asked_for(engine):
    image = engine.generate(
        Ask(concepts=CHEST, seed=3, settings=Settings(num_steps=1, size=(301, 70)))
    )
    assert image.shape == (70, 301) and image.min() >= 0 and image.max() <= 1


def test_generating_never_imports_torch():
    code = (
        "import sys; from radsmith.engines.model_files import load_engine; import radsmith.cli;"
        "load_engine(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("strength, guided", [(0.85, True), (1.0, False)])
def test_a_finding_is_guided_to_where_what_is_there_becomes_it(
    engine, monkeypatch, strength, guided
):
    """Erased pixels are completed as their surroundings ask for, which may show it elsewhere."""
    rng = np.random.default_rng(0)
    pixels = rng.random((96, 96), np.float32)
    mask = np.zeros(pixels.shape, np.bool_)
    mask[30:70, 30:70] = True
    given = Given(pixels=pixels, mask=mask, strength=strength)
    ask = Ask(
        concepts=("modality:mri", "body_part:brain", "finding:glioma"),
        seed=1,
        settings=Settings(num_steps=2),
    )
    usual = engine.fill(given, ask).pixels
    monkeypatch.setattr(stages, "FINDING_GUIDANCE", 0.0)
    assert np.array_equal(engine.fill(given, ask).pixels, usual) != guided


def test_a_sketch_is_kept_to_in_its_coarse_shape_alone(engine):
    y, x = np.mgrid[:256, :256] / 256
    sketch = np.where(np.abs(x - 0.5) < 0.15, 0.8, 0.3).astype(np.float32)
    fine = np.clip(sketch + 0.15 * np.sign(np.sin(200 * x) * np.sin(200 * y)), 0, 1)
    ask = Ask(
        concepts=("modality:x-ray", "body_part:femur"), seed=2, settings=Settings(num_steps=4)
    )
    everywhere = np.ones(sketch.shape, np.bool_)
    everywhere[:1] = False  # a row that is known

    def drawn(pixels, sketched):
        pixels = pixels.astype(np.float32)
        given = Given(pixels=pixels, mask=everywhere, strength=0.7, sketched=sketched)
        return engine.fill(given, ask).pixels

    def apart(one, other):
        return float(np.abs(shrink(one, 16) - shrink(other, 16)).mean())

    assert apart(drawn(sketch, True), sketch) < 0.12
    one, other = drawn(sketch, True), drawn(fine, True)
    assert np.abs(one - other).mean() < 0.3 * np.abs(sketch - fine).mean(), "its texture is not"


@pytest.mark.parametrize(("lacks", "size"), [("mend", (200, 256)), ("sharp", (300, 384))])
def test_a_model_made_before_a_stage_draws_without_it(engine, lacks, size):
    files = load_files()
    kept = {name: data for name, data in files.networks.items() if name != lacks}
    older = OnnxEngine(replace(files, networks=kept))
    assert [stage.name for stage in engine.stages] == ["mend", "octave", "detail", "sharp"]
    names = [stage.name for stage in older.stages]
    assert names == [stage.name for stage in engine.stages if stage.name != lacks]
    ask = Ask(concepts=CHEST, seed=3, settings=Settings(num_steps=2, size=size))
    one, other = engine.generate(ask), older.generate(ask)
    assert one.shape == other.shape and np.isfinite(other).all()
    assert not np.array_equal(one, other)


def test_a_part_that_ends_within_a_stretch_repeats_its_last_pixels_and_shifts_nothing():
    """A coarser part may be smaller than what a finer one asks of it."""
    ramp = np.tile(np.arange(100, dtype=np.float32), (40, 1))
    part = _Part(rows=(0, 80), columns=(100, 300), pixels=ramp)
    found = part.cut((0, 80), (90, 310), (40, 110))
    assert found[5, 5:105] == pytest.approx(ramp[0], abs=1e-4)
    assert (found[:, :5] == 0).all() and (found[:, 105:] == 99).all()
    assert part.as_it_is((0, 80), (90, 310)).shape == (40, 110)


def test_what_is_drawn_finer_stays_what_it_was_where_it_may_change():
    rng = np.random.default_rng(0)
    content = rng.random((30, 40), np.float32)
    finer = rng.random((45, 60), np.float32)
    where = np.zeros(finer.shape, bool)
    where[10:35, 15:50] = True
    whole, part = held(finer, content), held(finer, content, where)
    before = np.abs(resize(finer, 40, 30) - content).mean()
    assert np.abs(resize(whole, 40, 30) - content).mean() < 0.15 * before
    assert np.array_equal(part[~where], finer[~where])
    inner = np.abs(resize(part, 40, 30) - content)[9:21, 13:30]
    assert inner.mean() < 0.2 * before


@pytest.mark.parametrize("side", [257, 300, 511, 768])
def test_a_hole_of_any_larger_image_is_filled_by_the_last_stage(engine, monkeypatch, side):
    """And holds what was drawn at 256 pixels."""
    rng = np.random.default_rng(1)
    pixels = enlarge(rng.random((1, side // 16 + 1, side // 16 + 1), np.float32), 16)[0]
    pixels = np.clip(pixels[:side, :side], 0, 1)
    mask = np.zeros((side, side), bool)
    mask[side // 3 : side // 2, side // 4 : side // 2] = True
    drawn, draw = [], FinerStage.draw

    def seen(stage, low, *rest, **more):
        drawn.append((stage.step.cell, low.shape))
        return draw(stage, low, *rest, **more)

    monkeypatch.setattr(FinerStage, "draw", seen)
    ask = Ask(concepts=CHEST, seed=3, settings=Settings(num_steps=1))
    found = engine.fill(Given(pixels=pixels, mask=mask), ask).pixels
    assert found.shape == pixels.shape and np.isfinite(found).all()
    assert np.array_equal(found[~mask], pixels[~mask]) and found[mask].std() > 0
    last = FINER[engine.stages[-1].name]
    assert any(cell == last.cell for cell, _ in drawn)
    assert all(n % cell == 0 for cell, shape in drawn for n in shape)
