"""Laws of the seam: any engine gives gray of the size asked and leaves known pixels alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsmith.editing.extend import extend
from radsmith.editing.operations import Source, Task
from radsmith.engines.choice import chosen, load_engine, load_facts, settings_for
from radsmith.engines.default.onnx_engine import OnnxEngine
from radsmith.engines.engine import Completion, ModelFacts, check_size
from radsmith.errors import InvalidInput
from radsmith.evaluation.probe import Answer
from radsmith.generation.plan import make, plan
from radsmith.images.image import Image
from radsmith.images.provenance import Request, Settings
from radsmith.images.regions import through_square
from radsmith.images.resize import fitted
from radsmith.language.prompt import in_words
from radsmith.language.reading import read_prompt

UNKNOWN = ModelFacts(
    name="somebody's", digest="0", images=None, together=None, engine="fake", notes=("a note",)
)
EMPTY = ModelFacts(name="new", digest="0", images={}, together={})
ASKED = "chest x-ray, moderate right pleural effusion, no pneumothorax, 67-year-old"


def test_nothing_is_said_to_be_unlearned_where_nobody_knows():
    assert any("never learned" in w for w in plan(ASKED, EMPTY).warnings)
    planned = plan(ASKED, UNKNOWN, strict=True)
    assert planned.warnings == ("a note",)
    assert "severity:moderate" in planned.concepts
    assert "severity:moderate" not in plan(ASKED, EMPTY).concepts
    assert (UNKNOWN.count("modality:x-ray"), EMPTY.count("modality:x-ray")) == (None, 0)


def test_the_probe_says_unknown_and_not_never():
    planned = plan("knee x-ray", UNKNOWN)
    answer = Answer(
        plan=planned, images=(), modality=(), body_part=(), known=True, training_images=None
    )
    assert answer.standing == "unknown"


@pytest.mark.parametrize(("facts", "flagged"), [(UNKNOWN, False), (EMPTY, True)])
def test_extending_flags_what_is_known_to_be_unlearned(facts, flagged):
    class Gray:
        def fill(self, given, ask):
            pixels = np.full(given.mask.shape, 0.5, np.float32)
            return Completion(pixels=pixels, concepts=())

    engine = Gray()
    engine.facts = facts
    task = Task(engine=engine, planned=None, request=Request(prompt="", seed=0), created="")
    source = Source(image=Image(pixels=np.full((64, 48), 90, np.uint8), unit="stored value"))
    shown = read_prompt("right knee x-ray").prompt
    flags = " ".join(extend(source, shown, "leg", task).flags)
    assert ("training images" in flags) == flagged


def test_words_of_a_prompt_keep_what_its_concepts_lose():
    prompt = read_prompt(ASKED).prompt
    shown, absent = in_words(prompt.concepts, prompt.absent, prompt)
    assert shown == "chest x-ray, 67-year-old, moderate right pleural effusion"
    assert absent == "pneumothorax"


def test_words_of_concepts_alone_leave_out_what_is_implied():
    prompt = read_prompt("wrist x-ray, scaphoid fracture").prompt
    assert "finding:fracture" in prompt.concepts
    shown, absent = in_words((*prompt.concepts, "style:somewhere"), ("finding:normal",), None)
    assert (shown, absent) == ("wrist x-ray, scaphoid fracture", "normal")
    assert in_words((), (), None) == ("", "")


def test_an_engine_is_handed_the_prompt_itself():
    class Listening:
        facts = UNKNOWN

        def generate(self, ask):
            self.heard = ask.prompt
            return np.zeros((64, 64), np.float32)

    engine, planned = Listening(), plan(ASKED, UNKNOWN)
    _, record = make(engine, planned, Request(prompt=ASKED, seed=1), "")
    assert engine.heard == planned.prompt
    assert (record.engine, record.warnings) == ("fake", ("a note",))


@given(
    st.integers(8, 90),
    st.integers(8, 90),
    st.sampled_from((8, 16, 64)),
    st.integers(0, 2**32 - 1),
)
def test_a_square_window_leaves_known_pixels_and_shows_the_hole(height, width, side, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.random((height, width), np.float32)
    mask = np.zeros((height, width), bool)
    top, left = rng.integers(0, height), rng.integers(0, width)
    mask[top : top + rng.integers(1, height + 1), left : left + rng.integers(1, width + 1)] = True

    def draw(known, hole):
        assert known.shape == hole.shape == (side, side)
        assert hole.any()
        return np.full_like(known, 0.5)

    found = through_square(pixels, mask, side, draw)
    assert found.dtype == np.float32 and found.shape == pixels.shape
    assert np.array_equal(found[~mask], pixels[~mask])
    assert found.min() >= 0 and found.max() <= 1


def test_a_square_window_is_at_full_detail_where_it_can_be():
    pixels = np.random.default_rng(0).random((200, 300), np.float32)
    mask = np.zeros(pixels.shape, bool)
    mask[90:110, 280:300] = True
    seen = []
    through_square(pixels, mask, 64, lambda known, hole: seen.append((known, hole)) or known)
    known, hole = seen[0]
    assert hole.sum() == 400
    assert np.array_equal(known[:, :40], pixels[68:132, 236:276])


def test_no_hole_asks_nobody():
    pixels = np.zeros((9, 9), np.float32)
    assert through_square(pixels, pixels > 0, 8, lambda *_: 1 / 0) is pixels


def test_fitted_cuts_and_never_squeezes():
    ramp = np.tile(np.arange(40, dtype=np.float32), (40, 1))
    cut = fitted(ramp, 20, 40)
    assert np.array_equal(cut, ramp[:, 10:30])
    assert fitted(ramp, 30, 90).shape == (90, 30)


def test_names_of_engines(tmp_path):
    assert chosen(None, None) is None
    assert chosen("onnx", tmp_path) == tmp_path
    assert chosen("diffusers:some/where", None) == "diffusers:some/where"
    for wrong in ("dalle", "diffusers:", "openai"):
        with pytest.raises(InvalidInput, match="an engine is"):
            chosen(wrong, None)
    with pytest.raises(InvalidInput, match="--model"):
        chosen("openai:m@http://localhost", tmp_path)


def test_settings_follow_the_engine_unless_asked():
    assert settings_for(None, None, None) == Settings()
    assert settings_for("diffusers:x", None, None).num_steps == 30
    assert settings_for("diffusers:x", 2, 1.0) == Settings(num_steps=2, guidance_scale=1.0)


def test_the_default_engine_by_its_name():
    assert load_facts(chosen("onnx", None)).engine == "onnx"
    assert isinstance(load_engine(None), OnnxEngine)


def test_sizes_are_the_engine_s_own():
    check_size((1024, 512), (64, 1024))
    with pytest.raises(InvalidInput, match="64-256"):
        check_size((1024, 512), (64, 256))


def test_images_of_a_kind_with_a_finding_are_counted_and_of_older_models_bounded():
    ct, film, chest, nodule = "modality:ct", "modality:x-ray", "body_part:chest", "finding:nodule"
    older = replace(
        EMPTY,
        images={ct: 50, film: 900, chest: 950, nodule: 160},
        together={f"{ct} {chest}": 50, f"{film} {chest}": 900, f"{chest} {nodule}": 160},
    )
    assert older.count(ct, chest, nodule) == 50, "no more than there are of the kind"
    assert older.count(film, chest, nodule) == 160
    counted = {f"{ct} {chest} {nodule}": 30, f"{film} {chest} {nodule}": 130}
    newer = replace(older, together={**older.together, **counted})
    assert newer.count(ct, chest, nodule) == 30 and newer.count(film, chest, nodule) == 130
    assert newer.count(film, chest, "finding:mass") == 0
    assert newer.count(chest, nodule) == 160 and newer.count(nodule) == 160
    assert replace(older, images=None, together=None).count(ct, chest, nodule) is None
