"""Findings are drawn against the same image without them, and where their place is named, there."""

import numpy as np
import pytest

from radsmith.engines.choice import load_engine
from radsmith.engines.default.conditional import Conditional
from radsmith.engines.default.focus import focus_of, placed
from radsmith.engines.default.stages import FINDING_GUIDANCE, BaseStage, Healthy
from radsmith.generation.plan import plan
from radsmith.images.letterbox import box_of
from radsmith.language.places import can_place, place_of
from radsmith.language.reading import read_prompt


def read(text):
    prompt = read_prompt(text).prompt
    return prompt, prompt.findings[0]


@pytest.mark.parametrize(
    ("text", "can"),
    [
        ("chest x-ray, right pleural effusion", True),
        ("chest x-ray, left upper lobe pneumonia", True),
        ("chest x-ray, pneumonia of the lower lobe", True),
        ("chest x-ray, pleural effusion", False),
        ("right knee x-ray, osteoarthritis", False),
        ("lateral chest x-ray, right pleural effusion", False),
        ("chest x-ray, normal", False),
    ],
)
def test_what_can_be_placed(text, can):
    prompt, finding = read(text)
    assert can_place(prompt, finding) == can


def test_the_patients_right_is_at_the_viewers_left_and_the_lower_lobe_below():
    for text, across, down in (
        ("chest x-ray, right pleural effusion", 0.25, 0.7),
        ("chest x-ray, left pleural effusion", 0.75, 0.7),
        ("chest x-ray, right upper lobe pneumonia", 0.25, 0.25),
    ):
        prompt, finding = read(text)
        left, top, right, bottom = place_of(prompt, finding)
        assert left < across < right
        assert top < down < bottom
        assert right <= 0.5 or left >= 0.5


def test_a_focus_lies_in_the_picture_and_fades():
    prompt, _ = read("chest x-ray, left pleural effusion")
    box = box_of(1.0)
    focus = focus_of(prompt, box, 32)
    assert focus.shape == (32, 32)
    assert focus.min() == 0
    assert focus.max() == 1
    assert not focus[:, :14].any()
    assert ((focus > 0) & (focus < 1)).any()
    wide = focus_of(prompt, box_of(2.0), 32)
    assert not wide[:8].any()  # the bar above a wide picture
    assert not wide[24:].any()


def test_one_finding_without_a_place_frees_all():
    assert placed(read("chest x-ray, right pleural effusion")[0])
    assert not placed(read("chest x-ray, right pleural effusion and cardiomegaly")[0])
    assert not placed(read("chest x-ray, normal")[0])


@pytest.fixture(scope="module")
def engine():
    return load_engine(None)


def asked(engine, text, seed=3):
    planned = plan(text, engine.facts)
    from radsmith.images.provenance import Settings

    return planned, planned.ask(seed, Settings())


def test_the_network_is_guided_where_the_focus_is_and_only_there(engine):
    class Network:
        def run(self, _, feed):
            return [np.full((1, 1, 32, 32), float(feed["concepts"][0, 0]), np.float32)]

    stage = BaseStage.__new__(BaseStage)
    stage._session, stage._prior, stage._floor = Network(), engine._model.prior, 0.05
    stage.side = 32
    ids, plain = (np.array([[n] + [0] * 15]) for n in (5, 2))
    focus = np.zeros((32, 32), np.float32)
    focus[:, 16:] = 1
    beside = Conditional(engine._model.prior, np.zeros(1024, np.float32), np.ones(1024, np.float32))
    x = np.zeros((32, 32), np.float32)

    def drawn(ids, healthy):
        return stage._denoiser(0, ids, beside, 1.0, healthy)(x, 0.5)

    healthy = Healthy(ids=plain, component=0, focus=focus)
    both, without = drawn(ids, healthy), drawn(plain, None)
    error = engine._model.prior.error(np.array([0.5], np.float32), np.array([0]))[0]
    assert both[:, :16] == pytest.approx(without[:, :16], abs=1e-5)
    expected = without[:, 16:] + error * FINDING_GUIDANCE * 3
    assert both[:, 16:] == pytest.approx(expected, abs=1e-4)


def test_findings_have_a_healthy_twin_and_nothing_else_has(engine):
    rng = np.random.default_rng(0)
    _, ask = asked(engine, "chest x-ray, adult, right pleural effusion")
    model = engine._model
    component = model.components.choose(model.components.scores(ask.concepts, (), None), rng)
    healthy = model.healthy(ask, component, box_of(1.0), rng)
    named = {c for c, row in model.table.items() if row in healthy.ids[0]}
    assert "finding:normal" in named
    assert "finding:pleural-effusion" not in named
    assert {"body_part:chest", "age_group:adult"} <= named
    assert healthy.focus.min() == 0
    _, ask = asked(engine, "chest x-ray, adult, pleural effusion")
    assert model.healthy(ask, component, box_of(1.0), rng).focus.min() == 1
    for text in ("chest x-ray, normal", "knee x-ray", "chest x-ray without effusion"):
        _, ask = asked(engine, text)
        assert model.healthy(ask, component, box_of(1.0), rng) is None


def test_where_a_finding_goes_is_said(engine):
    planned, _ = asked(engine, "chest x-ray, adult, right pleural effusion")
    assert any("map of usual places" in warning for warning in planned.warnings)
    planned, _ = asked(engine, "knee x-ray, right osteoarthritis of the medial compartment")
    assert not any("map of usual places" in warning for warning in planned.warnings)
