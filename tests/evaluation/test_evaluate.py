"""Evaluation, probe and copy detection on small made-up images with known truth."""

import json
from collections import Counter
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from onnx import TensorProto, helper

from radsmith.engines.engine import ModelFacts
from radsmith.errors import InvalidInput, NotFound
from radsmith.evaluation.copies import check_copies, near_copies, nearest, variants
from radsmith.evaluation.features import onnx_space, pixel_space
from radsmith.evaluation.fidelity import FidelityOptions, evaluate, mean_of_told
from radsmith.evaluation.judge import Judge, Judgement
from radsmith.evaluation.metrics import auroc
from radsmith.evaluation.probe import PROMPTS, probe
from radsmith.evaluation.real_set import OF_ONE_PATIENT, RealSet, halves, kinds_of
from radsmith.evaluation.report_page import write_evaluation, write_probe
from radsmith.images.letterbox import letterboxed
from radsmith.images.provenance import Settings
from radsmith.images.stored import Stored
from radsmith.language.prompt import NORMAL, Finding, prompt_of, render

pytestmark = pytest.mark.slow


XRAY, CHEST, KNEE = "modality:x-ray", "body_part:chest", "body_part:knee"
SICK = "finding:pneumonia"
LEFT, RIGHT = "side:left", "side:right"


def picture(concepts, rng):
    """Chests are wide and bright, knees tall and dim; pneumonia is a spot, left is a dark side."""
    image = rng.uniform(0, 0.05, (48, 64) if CHEST in concepts else (64, 48))
    image += 0.5 if CHEST in concepts else 0.1
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    for across, down in rng.uniform(12, 40, (4, 2)):
        image += 0.2 * np.exp(-((rows - down) ** 2 + (columns - across) ** 2) / 60)
    if SICK in concepts:
        image[:8, :8] = 1
    if LEFT in concepts:
        image[:, -8:] = 0
    return np.clip(image, 0, 1).astype(np.float32)


class FakeEngine:
    def __init__(self, copied=None):
        pairs = {(XRAY, CHEST): 500, (XRAY, KNEE): 500, (CHEST, SICK): 200}
        pairs |= {(KNEE, LEFT): 200, (KNEE, RIGHT): 200, (XRAY, CHEST, SICK): 150}
        self.facts = ModelFacts(
            name="fake",
            digest="0",
            images={XRAY: 1000, CHEST: 500, KNEE: 500, SICK: 200, NORMAL: 300},
            together={" ".join(ids): n for ids, n in pairs.items()},
        )
        self.copied = copied

    def generate(self, ask):
        if self.copied:
            same = [i for i, ids in enumerate(self.copied.concepts) if ids[1] in ask.concepts]
            return self.copied.images[same[ask.seed % len(same)]]
        return picture(ask.concepts, np.random.default_rng([ask.seed, ask.settings.num_steps]))


class FakeJudge:
    groups: ClassVar = {
        "modality": [XRAY, "modality:ct"],
        "body_part": [CHEST, KNEE],
        "view": [],
        "side": [LEFT, RIGHT],
        "age_group": [],
        "severity": [],
        "finding": [SICK],
    }
    facts: ClassVar = {
        "accuracy": {"findings": {SICK: {"auroc": 1.0, "n_present": 5, "n_absent": 5}}}
    }
    knows = Judge.knows

    def judge(self, images):
        small = np.stack([letterboxed(image, 32) for image in images])
        flat = small.reshape(len(small), -1)
        chest = np.array([float(image.shape[1] > image.shape[0]) for image in images])
        sick = np.array([float(image[:8, :8].mean() > 0.95) for image in images])
        left = np.array([float(image[:, -8:].max() < 0.05) for image in images])
        ones = np.ones(len(flat))
        return Judgement(
            probability={
                XRAY: ones * 0.9,
                "modality:ct": ones * 0.1,
                CHEST: chest,
                KNEE: 1 - chest,
                LEFT: left,
                RIGHT: 1 - left,
                SICK: sick,
            },
            features=flat[:, ::17],
        )


def real_set(count, seed, first=0):
    rng = np.random.default_rng(seed)
    concepts = [
        (XRAY, CHEST, SICK if i % 4 == 0 else NORMAL) if i % 2 == 0 else (XRAY, KNEE, RIGHT)
        for i in range(count)
    ]
    return RealSet(
        images=Stored(picture(ids, rng) for ids in concepts),
        concepts=concepts,
        patients=[f"p{first + i // 2}" for i in range(count)],
    )


@pytest.fixture(scope="module")
def honest():
    options = FidelityOptions(per_finding=6, more_steps=(2,), settings=Settings(num_steps=1))
    spaces = {"pixels": pixel_space}
    training = real_set(240, 5, first=1000)
    return evaluate(FakeEngine(), real_set(120, 1), training, spaces, FakeJudge(), options)


def test_a_model_that_draws_as_nature_does_is_as_near_as_real_images(honest):
    for kind in honest.report["kinds"]:
        pixels = kind["spaces"]["pixels"]
        assert 0.7 < pixels["fd_ratio"] < 1.4
        assert pixels["kid"]["low"] < 1e-3
        assert kind["judge"]["body_part"] == {"n": kind["n"], "generated": 1.0, "real": 1.0}
    assert set(honest.report["kinds"][0]["steps"]) == {"2"}


def test_findings_and_sides_are_scored_by_prompt(honest):
    (finding,) = honest.report["findings"]
    assert finding["finding"] == SICK and finding["auroc"] == 1 == finding["negation_right"]
    assert finding["training_images"] == 150, "of chest radiographs, not of all chests"
    assert finding["auroc_real"] == 1, "on the real chest radiographs of this run"
    assert honest.report["findings_mean"] == {"n": 1, "of": 1, "auroc": 1, "negation_right": 1}
    (sides,) = honest.report["sides"]
    assert sides["right"] == 1


def test_what_is_too_rare_in_the_kind_is_left_out_and_what_the_judge_cannot_tell_is_not_counted():
    class Blind(FakeJudge):
        def judge(self, images):
            judged = super().judge(images)
            flat = np.full(len(images), 0.5)
            return replace(judged, probability={**judged.probability, SICK: flat})

    options, spaces = FidelityOptions(per_finding=3), {"pixels": pixel_space}
    rare = FakeEngine()
    rare.facts = replace(rare.facts, together={**rare.facts.together, f"{XRAY} {CHEST} {SICK}": 99})
    report = evaluate(rare, real_set(120, 1), None, spaces, FakeJudge(), options).report
    assert report["findings"] == []
    report = evaluate(FakeEngine(), real_set(120, 1), None, spaces, Blind(), options).report
    (finding,) = report["findings"]
    assert finding["auroc_real"] == 0.5
    few = [{"auroc_real": None, "auroc": 1.0, "negation_right": 1.0}]
    for entries in (report["findings"], few):
        assert mean_of_told(entries) == {"n": 0, "of": 1, "auroc": None, "negation_right": None}


def test_a_model_that_ignores_the_prompt_is_found_out():
    class Stubborn(FakeEngine):
        def generate(self, ask):
            return picture((XRAY, CHEST), np.random.default_rng(ask.seed))

    options = FidelityOptions(per_finding=6)
    found = evaluate(
        Stubborn(), real_set(120, 1), None, {"pixels": pixel_space}, FakeJudge(), options
    ).report
    knee = next(k for k in found["kinds"] if k["kind"] == "knee x-ray")
    assert knee["judge"]["body_part"]["generated"] == 0
    assert knee["spaces"]["pixels"]["fd_ratio"] < 0.2
    assert found["findings"][0]["auroc"] == 0.5
    assert found["sides"][0]["right"] == 0
    assert "copies" not in found


def test_copies_are_found_and_honest_images_are_not(honest):
    training = real_set(240, 5, first=1000)
    copying = evaluate(
        FakeEngine(copied=training),
        real_set(120, 1),
        training,
        {"pixels": pixel_space},
        FakeJudge(),
        FidelityOptions(per_finding=5),
    )
    assert copying.report["copies"]["pixels"]["nearer"] == 1
    assert honest.report["copies"]["pixels"]["nearer"] < 0.15
    assert copying.closest[0][4] < 0.01


def test_no_patient_is_in_both_halves():
    real = real_set(200, 2)
    for index in kinds_of(real.concepts).values():
        one, two = halves(real, index, 60, 0)
        assert len(one.images) == len(two.images) == 30
        assert not set(one.patients) & set(two.patients)


def test_one_patient_cannot_fill_a_half():
    real = replace(real_set(60, 2), patients=["one"] * 30 + [str(i) for i in range(30)])
    for side in halves(real, range(60), 60, 0):
        assert max(Counter(side.patients).values()) <= OF_ONE_PATIENT


def test_too_few_real_images_are_refused():
    with pytest.raises(InvalidInput, match="40 images"):
        evaluate(FakeEngine(), real_set(60, 1), None, {}, FakeJudge(), FidelityOptions())


def test_labels_become_the_prompt_that_asks_for_them():
    ids = (XRAY, KNEE, "view:pa", "finding:osteoarthritis", "severity:severe", LEFT, "style:a")
    prompt = prompt_of(ids)
    assert set(ids) - {"style:a"} <= set(prompt.concepts)
    both = prompt_of(("modality:ultrasound", "body_part:fetal-head", NORMAL, SICK))
    assert both.findings == (Finding(concept=SICK),)


def test_a_report_names_every_kind_and_is_whole_json(honest, tmp_path):
    page = write_evaluation(tmp_path, honest).read_text(encoding="utf-8")
    assert "knee x-ray" in page and "chest x-ray" in page and "training image" in page
    assert json.loads((tmp_path / "report.json").read_text()) == honest.report


def test_the_probe_asks_17_prompts_and_hides_nothing(tmp_path):
    engine = FakeEngine()
    answers = probe(engine, FakeJudge(), 2, Settings(num_steps=1), 0, "")
    assert [a.plan.text for a in answers] == list(PROMPTS) and len(PROMPTS) == 17
    by_text = {a.plan.text: a for a in answers}
    chest, liver = by_text["An x-ray of the chest"], by_text["CT of the liver"]
    assert (chest.right, chest.standing, chest.known) == (2, "learned", True)
    assert (liver.standing, liver.known) == ("never learned", False)
    (tmp_path / "images").mkdir()
    page = write_probe(tmp_path, "fake", answers).read_text(encoding="utf-8")
    assert "never learned" in page and "judge cannot tell" in page
    rows = json.loads((tmp_path / "probe.json").read_text())["prompts"]
    assert [r["right"] for r in rows if r["prompt"] == "An x-ray of the knee"] == [2]
    assert len(list((tmp_path / "images").glob("*.png"))) == 34
    assert (tmp_path / "probe.png").is_file()


class Worded(FakeEngine):
    """Somebody else's model: asked in words, of unknown training."""

    def __init__(self):
        super().__init__()
        self.facts = ModelFacts(
            name="words", digest="1", images=None, together=None, engine="diffusers",
            notes=("what it learned is unknown",),
        )  # fmt: skip
        self.asked = []

    def generate(self, ask):
        self.asked.append((render(ask.prompt), ask.settings.num_steps, ask.settings.guidance_scale))
        return super().generate(ask)


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Runs a command on made-up data, with an engine and a judge put at the seams."""
    from click.testing import CliRunner

    from radsmith.cli import cli
    from radsmith.engines import choice as engines
    from radsmith.evaluation import judge_files
    from tests.augmentation.test_augment import write_split

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for split in ("train", "test"):
        write_split(tmp_path, split, 100)
    engine, choices = Worded(), []
    monkeypatch.setattr(engines, "load_engine", lambda choice: choices.append(choice) or engine)
    monkeypatch.setattr(judge_files, "load_judge", lambda path: FakeJudge())

    def run(*arguments):
        found = CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)
        return found, engine, choices

    return run


def test_any_engine_can_be_evaluated_from_the_command_line(command, tmp_path):
    out = tmp_path / "report"
    arguments = ("evaluate", "--data", tmp_path, "-o", out, "--per-finding", 5)
    arguments += ("--features", "pixels", "--engine", "diffusers:somewhere", "--steps", "7,9")
    found, engine, choices = command(*arguments)
    assert found.exit_code == 0 and choices == ["diffusers:somewhere"]
    report = json.loads((out / "report.json").read_text())
    assert report["model"] == {
        "name": "words", "digest": "1", "engine": "diffusers",
        "notes": ["what it learned is unknown"],
    }  # fmt: skip
    assert {steps for _, steps, _ in engine.asked} == {7, 9}
    assert {guidance for _, _, guidance in engine.asked} == {7.0}  # usual for such an engine
    assert "knee x-ray, adult, female" in " ".join(text for text, _, _ in engine.asked)
    assert {k["training_images"] for k in report["kinds"]} == {None}
    assert {f["training_images"] for f in report["findings"]} == {None}
    page = (out / "index.html").read_text()
    assert "unknown" in page and ">None<" not in page
    assert report["copies"]["pixels"]["n"] == sum(k["n"] for k in report["kinds"])


def test_any_engine_can_be_probed_from_the_command_line(command, tmp_path):
    out = tmp_path / "probe"
    arguments = ("probe", "-n", 1, "-o", out, "--engine", "openai:words@http://127.0.0.1:9/v1")
    found, engine, choices = command(*arguments)
    assert found.exit_code == 0 and choices == ["openai:words@http://127.0.0.1:9/v1"]
    assert len(engine.asked) == 17 and engine.asked[1][0] == "chest x-ray"
    assert {row["standing"] for row in json.loads((out / "probe.json").read_text())["prompts"]} == {
        "unknown"
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--engine", "magic:x"), "an engine is"),
        (("--engine", "diffusers:x", "--model", "folder"), "leave out --engine"),
        (("--steps", "four"), "steps must be"),
        (("--features", "inception"), "no feature space"),
    ],
)
def test_bad_options_of_an_evaluation_are_said_before_any_work(command, tmp_path, arguments, words):
    with pytest.raises(InvalidInput, match=words):
        command("evaluate", "--data", tmp_path, "-o", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_near_copies_are_caught_through_mirror_and_crop():
    rng = np.random.default_rng(0)
    training = real_set(200, 3)
    null = variants(real_set(100, 4).images, pixel_space)
    known = pixel_space(training.images)
    mirrored = variants([image[:, ::-1] for image in training.images[:50]], pixel_space)
    near = variants(near_copies(training.images[:50], rng), pixel_space)
    assert check_copies(known, null, null, mirrored).sensitivity == 1
    check = check_copies(known, null, null, near)
    assert check.nearer == 0.01 and check.sensitivity > 0.4
    with pytest.raises(InvalidInput, match="at least 20"):
        check_copies(pixel_space(training.images), null[:5], null, null)


def test_nearest_equals_brute_force():
    rng = np.random.default_rng(1)
    known, queries = rng.normal(size=(30, 5)), rng.normal(size=(700, 3, 5))
    distance, index = nearest(known, queries)
    table = np.linalg.norm(queries[:, :, None] - known, axis=-1)
    assert np.allclose(distance, table.min((1, 2)))
    assert np.array_equal(index, table.min(1).argmin(1))


def test_auroc_is_the_share_of_ordered_pairs():
    rng = np.random.default_rng(2)
    scores, positive = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.4
    pairs = scores[positive][:, None] - scores[~positive]
    assert np.isclose(auroc(scores, positive), ((pairs > 0) + 0.5 * (pairs == 0)).mean())
    with pytest.raises(InvalidInput, match="both classes"):
        auroc(scores, np.ones(60, bool))


def encoder(channels=3, side=16):
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels, side, side])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", channels, side, side])
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [image], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    return model.SerializeToString()


def test_an_encoder_sees_normalised_images():
    images = [np.full((30, 30), 0.5), np.full((8, 8), 1.0)]
    features = onnx_space(encoder(), {"mean": [0.5, 0.25, 0], "std": 0.5})(images)
    assert np.allclose(features, [[0, 0.5, 1], [1, 1.5, 2]], atol=1e-6)


@pytest.mark.parametrize(
    ("model", "message"),
    [(b"no", "not an ONNX model"), (encoder(2), "1 or 3"), (encoder(3, "s"), "leaves its side")],
)
def test_other_encoders_are_refused(model, message):
    with pytest.raises(InvalidInput, match=message):
        onnx_space(model, {})


def test_letterboxing_keeps_aspect_and_refuses_nan():
    square = letterboxed(np.ones((20, 40)), 32)
    assert square[8:24].min() == 1 and square[:8].max() == 0 == square[24:].max()
    with pytest.raises(InvalidInput, match="finite"):
        letterboxed(np.full((4, 4), np.nan), 8)


def test_judge_and_encoder_files_are_checked(tmp_path):
    from radsmith.evaluation.judge_files import load_judge, load_spaces

    with pytest.raises(NotFound, match="no judge"):
        load_judge(tmp_path / "judge.json")
    (tmp_path / "judge.json").write_text('{"side": 8, "groups": {}, "digest": "0"}')
    (tmp_path / "judge.onnx").write_bytes(b"other")
    with pytest.raises(InvalidInput, match="was changed"):
        load_judge(tmp_path / "judge.json")
    (tmp_path / "mine.onnx").write_bytes(encoder())
    (tmp_path / "mine.json").write_text('{"std": 0.5}')
    spaces = load_spaces(f"pixels, {tmp_path / 'mine.onnx'}", FakeJudge())
    assert set(spaces) == {"pixels", "mine"}
    assert np.allclose(spaces["mine"]([np.full((4, 4), 0.25)]), 0.5)
    with pytest.raises(InvalidInput, match="no feature space"):
        load_spaces("inception", FakeJudge())
