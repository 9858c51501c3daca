"""The octave table on made-up images whose lost octave is known."""

import json
from collections import Counter
from importlib import import_module

import numpy as np
import pytest

from radsmith.engines.engine import StageFacts
from radsmith.errors import InvalidInput
from radsmith.evaluation.octave_page import octave_tables, write_octaves
from radsmith.evaluation.octaves import (
    SIDES,
    OctaveOptions,
    at_octave,
    compare_octaves,
    distances,
    kind_of,
    octave_kid,
)
from radsmith.evaluation.real_set import RealSet
from radsmith.images.letterbox import letterboxed
from radsmith.images.provenance import Settings
from radsmith.images.resize import enlarge, shrink
from radsmith.images.stored import Stored
from tests.evaluation.test_evaluate import CHEST, XRAY, FakeEngine, FakeJudge
from tests.evaluation.test_texture import scene

pytestmark = pytest.mark.slow


ADULT, CHILD = "age_group:adult", "age_group:child"
CONTENT = slice(32, 224)


def frame(rng):
    """Wide content: what a letterbox has bars above and below of."""
    return scene(rng)[CONTENT]


def cubic(image, scale):
    return np.clip(enlarge(shrink(image, scale), scale), 0, 1)


def space(images):
    """How much there is at each octave, on a log scale: (n, 5)."""
    found = []
    for image in images:
        level = letterboxed(image, 256)
        found.append([])
        for _ in SIDES:
            coarse = shrink(level, 2)
            found[-1].append(np.log((level - enlarge(coarse, 2)).std() + 0.002) + 4)
            level = coarse
    return np.array(found, np.float32)


def hazy(image, scale):
    """All that a smaller image holds, and nothing finer."""
    low = shrink(image, scale)
    found = enlarge(low, scale)
    for _ in range(4):
        found += enlarge(low - shrink(found, scale), scale)
    return np.clip(found, 0, 1)


class Haze(FakeEngine):
    """Draws as nature does, but nothing finer than 64x64."""

    steps = Settings().num_steps

    def generate(self, ask):
        assert ask.settings.num_steps == self.steps
        return hazy(frame(np.random.default_rng([ask.seed, 9])), 4)


class Chain(Haze):
    """Of two stages: one gives detail back, the other is no better than cubics."""

    steps = 7

    def __init__(self, real):
        super().__init__()
        self.real, self.asked = real, []
        self.stages = (
            StageFacts(name="lazy", input_side=32, output_side=64),
            StageFacts(name="sharp", input_side=64, output_side=256),
        )

    def refine(self, name, low, ask, aspect=1.0):
        assert ask.settings.num_steps == self.steps
        self.asked.append((name, ask.concepts, aspect, ask.seed))
        if name == "lazy":
            return enlarge(low, 2)
        sharp = np.zeros((256, 256), np.float32)
        sharp[CONTENT] = frame(np.random.default_rng([ask.seed, 3]))
        return sharp


@pytest.fixture(scope="module")
def real():
    """60 adults and 16 children, a patient each, and a source's style."""
    rng = np.random.default_rng(0)
    ages = [ADULT] * 60 + [CHILD] * 16
    return RealSet(
        images=Stored(frame(rng) for _ in ages),
        concepts=[(XRAY, CHEST, age, "style:made") for age in ages],
        patients=[f"p{i}" for i in range(len(ages))],
    )


@pytest.fixture(scope="module")
def measured(real):
    """The table of the hazy chain, and the chain."""
    engine = Chain(real)
    options = OctaveOptions(
        settings=Settings(num_steps=7), kinds=(kind_of("adult chest x-ray"),), each=30, seed=4
    )
    return compare_octaves(engine, real, {"bands": space}, options), engine


def test_haze_is_believed_up_to_its_own_side(measured):
    (kind,) = measured[0].report["kinds"]
    found = kind["spaces"]["bands"]
    assert list(found["octaves"]) == [str(side) for side in SIDES]
    assert found["told_apart_at"] == 128
    for side, octave in found["octaves"].items():
        floor, generated = octave["floor"], octave["generated"]
        assert floor["low"] < 0.05 and abs(floor["kid"]) < 0.3
        assert (generated["kid"] > 0.3) is (int(side) > 64)


def test_only_images_of_the_kind_are_compared(measured, real):
    (kind,) = measured[0].report["kinds"]
    assert (kind["kind"], kind["n"]) == ("chest x-ray, adult", 30)
    _, engine = measured
    assert {ADULT in concepts for _, concepts, *_ in engine.asked} == {True}


def test_each_stage_gets_real_input_with_its_labels_style_and_frame(measured):
    found, engine = measured
    assert Counter(name for name, *_ in engine.asked) == {"lazy": 30, "sharp": 30}
    assert {aspect for _, _, aspect, _ in engine.asked} == {256 / 192}
    assert all("style:made" in concepts for _, concepts, *_ in engine.asked)
    assert len({seed for *_, seed in engine.asked}) == 30
    lazy, sharp = found.report["kinds"][0]["stages"]
    assert (lazy["input_side"], lazy["output_side"]) == (32, 64)
    lazy, sharp = (stage["spaces"]["bands"] for stage in (lazy, sharp))
    assert lazy["stage"] == pytest.approx(lazy["cubic"], abs=1e-6, rel=0.05)
    assert lazy["stage"]["kid"] > 10 * abs(lazy["floor"]["kid"])
    assert sharp["stage"]["high"] < 1 < sharp["cubic"]["low"]


def test_the_report_shows_every_figure_and_is_whole_json(measured, tmp_path):
    found, _ = measured
    page = write_octaves(tmp_path, found).read_text(encoding="utf-8")
    assert json.loads((tmp_path / "octaves.json").read_text()) == found.report
    (kind,) = found.report["kinds"]
    for octave in kind["spaces"]["bands"]["octaves"].values():
        generated, floor = octave["generated"], octave["floor"]
        assert f"{generated['kid']:.3f} ({floor['kid']:.3f})" in page
        assert f"[{generated['low']:.3f}, {generated['high']:.3f}]" in page
    assert "128x128" in page and "sharp, 64 to 256" in page and "enlarged by cubics" in page


def test_without_stages_the_page_says_so(real, tmp_path):
    found = compare_octaves(Haze(), real, {"bands": space}, OctaveOptions(each=30))
    assert found.report["stages"] == [] == found.report["kinds"][0]["stages"]
    assert "does not draw in stages" in octave_tables(found.report)[-1].note
    assert "does not draw in stages" in write_octaves(tmp_path, found).read_text()
    assert [kind["kind"] for kind in found.report["kinds"]] == ["chest x-ray"]


class Larger(Haze):
    """Doubles what it gets, with the finest octave or without; draws larger images without."""

    stages = (StageFacts(name="double", input_side=192, output_side=384),)

    def __init__(self):
        super().__init__()
        self.sizes = []

    def generate(self, ask):
        if ask.settings.size is None:
            return super().generate(ask)
        self.sizes.append(ask.settings.size)
        return cubic(large_frame(np.random.default_rng([ask.seed, 9])), 2)

    def refine(self, name, low, ask, aspect=1.0):
        assert (name, low.shape, aspect) == ("double", (192, 192), 384 / 288)
        drawn = np.zeros((384, 384), np.float32)
        drawn[48:336] = large_frame(np.random.default_rng([ask.seed, 3]))
        return drawn


def large_frame(rng):
    """Of pixels as fine as those of `frame`, half as many again on a side."""
    return np.tile(scene(rng), (2, 2))[:288, :384]


def test_a_stage_that_draws_more_is_measured_on_real_images_so_large(real, tmp_path):
    rng, options = np.random.default_rng(7), OctaveOptions(each=30)
    engine, count = Larger(), 60
    large = RealSet(
        images=Stored(large_frame(rng) for _ in range(count)),
        concepts=[(XRAY, CHEST, ADULT, "style:made")] * count,
        patients=[f"l{i}" for i in range(count)],
    )
    found = compare_octaves(engine, real, {"bands": space}, options, large=large)
    ((stage,),) = [kind["stages"] for kind in found.report["kinds"]]
    assert stage["n"] == 30 and engine.sizes == [(384, 288)] * 30
    figures = stage["spaces"]["bands"]
    assert figures["cubic"]["low"] > 1 > figures["stage"]["high"]
    assert figures["drawn"]["kid"] == pytest.approx(figures["cubic"]["kid"], rel=0.3)
    page = write_octaves(tmp_path, found).read_text(encoding="utf-8")
    assert "double, 192 to 384" in page and f"{figures['drawn']['kid']:.3f}" in page
    assert "drawn by the whole model" in page
    few = large.take(range(40))
    for too_few in (None, few):
        without = compare_octaves(engine, real, {"bands": space}, options, large=too_few)
        assert without.report["kinds"][0]["stages"] == []


def test_training_gets_plain_figures_of_arrays():
    rng = np.random.default_rng(1)
    scenes = np.zeros((24, 256, 256), np.float32)
    for square in scenes:
        square[CONTENT] = frame(rng)
    real, other = scenes[:12], scenes[12:]
    haze = np.stack([hazy(image, 4) for image in other])
    found = octave_kid(haze, real, space)
    assert list(found) == list(SIDES) and found[256] > 1 > 0.2 > found[32]
    levels = [np.round(images * 255).astype(np.uint8) for images in (other, real)]
    same = octave_kid(*levels, space, (256,))
    assert same == pytest.approx(octave_kid(other, real, space, (256,)), rel=1e-3)
    got = distances(real, {"a": haze, "b": other}, space, 128, resamples=20)
    assert got["a"].estimate == found[128] and got["a"].low < got["a"].estimate < got["a"].high


def test_an_octave_keeps_the_letterbox_and_what_the_side_holds():
    image = frame(np.random.default_rng(2))
    (whole,) = at_octave([image], 256)
    assert np.array_equal(whole[CONTENT], image) and whole[:32].max() == 0
    (coarse,) = at_octave([image], 32)
    assert coarse.shape == (256, 256) and coarse[:24].max() == 0
    assert np.allclose(coarse, cubic(whole, 8), atol=1e-6)
    with pytest.raises(InvalidInput, match="divide 256"):
        at_octave([image], 48)


@pytest.mark.parametrize(
    ("text", "words"),
    [("chest xqzy", "not understood"), ("pneumothorax of", None), ("adult", "body part")],
)
def test_a_kind_is_read_or_refused(text, words):
    if words is None:
        assert kind_of(text).body_part == CHEST  # completed, as a prompt is
        return
    with pytest.raises(InvalidInput, match=words):
        kind_of(text)


def test_one_patient_never_makes_a_half(real):
    whose = [*real.patients[:60], *["often"] * 16]
    crowded = RealSet(images=real.images, concepts=real.concepts, patients=whose)
    options = OctaveOptions(kinds=(kind_of("chest x-ray"),), each=38)
    found = compare_octaves(Haze(), crowded, {}, options)
    assert found.report["kinds"][0]["n"] == 32  # of 60 patients and 5 of the 16 images


def test_too_few_images_are_refused_with_their_number(real):
    for kinds, words in (
        ((kind_of("chest x-ray, child"),), "16 real images.* 8 each"),
        ((kind_of("knee x-ray"),), "0 real images"),
    ):
        with pytest.raises(InvalidInput, match=words):
            compare_octaves(Haze(), real, {"t": space}, OctaveOptions(kinds=kinds, each=30))
    with pytest.raises(InvalidInput, match="give more data"):
        compare_octaves(Haze(), real.take(range(50)), {"t": space}, OctaveOptions(each=30))
    with pytest.raises(InvalidInput, match="needs 30 images"):
        OctaveOptions(each=10)


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs the command on made-up data, with an engine and a judge put at the seams."""
    from click.testing import CliRunner

    from radsmith.cli import cli
    from radsmith.engines import choice as engines
    from radsmith.evaluation import judge_files
    from tests.augmentation.test_augment import write_split

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_split(tmp_path, "test", 130)
    for module in ("api.model", "generation.run"):
        import_module(f"radsmith.{module}")  # they keep the loader they find at their first import
    monkeypatch.setattr(engines, "load_engine", lambda choice: FakeEngine())
    monkeypatch.setattr(judge_files, "load_judge", lambda path: FakeJudge())

    def run(*arguments):
        asked = ("evaluate", "--data", tmp_path, "-o", tmp_path / "out", "--octaves", *arguments)
        return CliRunner().invoke(cli, list(map(str, asked)), catch_exceptions=False)

    return run


def test_the_command_prints_and_writes_the_table(command, tmp_path):
    found = command("--features", "pixels,judge", "--kind", "knee", "-n", 30, "--seed", 5)
    assert found.exit_code == 0
    report = json.loads((tmp_path / "out/octaves.json").read_text())
    assert (report["split"], report["settings"]["seed"]) == ("test", 5)
    (kind,) = report["kinds"]
    assert (kind["kind"], kind["n"], set(kind["spaces"])) == ("knee x-ray", 30, {"pixels", "judge"})
    assert "told" in found.output and "does not draw in stages" in found.output
    assert (tmp_path / "out/octaves.html").is_file()
    assert not (tmp_path / "out/report.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--per-kind", 40), "--per-kind cannot be given with --octaves"),
        (("--no-copies",), "--copies cannot be given with --octaves"),
        (("--steps", "4,8"), "one number"),
        (("--kind", "blorb x-ray"), "not understood"),
    ],
)
def test_options_that_would_say_nothing_are_refused(command, tmp_path, arguments, words):
    with pytest.raises(InvalidInput, match=words):
        command(*arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [("--kind", "knee x-ray"), ("-n", "30")])
def test_options_of_the_table_are_refused_without_it(tmp_path, arguments):
    from click.testing import CliRunner

    from radsmith.cli import cli

    with pytest.raises(InvalidInput, match="of --octaves"):
        CliRunner().invoke(
            cli, ["evaluate", "--data", str(tmp_path), *arguments], catch_exceptions=False
        )
