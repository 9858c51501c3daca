"""The laws of `radsmith.testing`: the engines that are here keep them, and each can be broken."""

from dataclasses import replace

import numpy as np
import pytest

from radsmith.engines.choice import load_engine, load_facts
from radsmith.engines.engine import Ask, Completion, ModelFacts, check_size
from radsmith.generation.plan import plan
from radsmith.images.provenance import Settings
from radsmith.testing import LAWS, SEED_LAWS

KNEE = Ask(concepts=("modality:x-ray", "body_part:knee"), seed=3, settings=Settings(num_steps=1))
PNEUMONIA = plan("chest x-ray, left pneumonia", load_facts()).ask(3, Settings(num_steps=1))
EVERY = [*LAWS, *SEED_LAWS]


class Honest:
    """Noise of its seed: the least that keeps every law."""

    facts = ModelFacts(name="noise", digest="1", images=None, together=None, engine="noise")

    def generate(self, ask):
        check_size(ask.settings.size, self.facts.sides)
        width, height = ask.settings.size or (80, 70)
        return np.random.default_rng(ask.seed).random((height, width), np.float32)

    def fill(self, given, ask):
        drawn = np.random.default_rng(ask.seed).random(given.mask.shape, np.float32)
        pixels = np.where(given.mask, drawn, given.pixels)
        return Completion(pixels=pixels, concepts=ask.concepts)


def breaking(**parts):
    """An engine that is honest but for these."""
    return type("Broken", (Honest,), parts)()


def facts(**changes):
    return {"facts": replace(Honest.facts, **changes)}


def other_fill(change):
    def fill(self, given, ask):
        completion = Honest.fill(self, given, ask)
        return replace(completion, pixels=change(completion.pixels, given, ask))

    return {"fill": fill}


def other_image(change):
    return {"generate": lambda self, ask: change(Honest.generate(self, ask), ask)}


def unchecked(self, ask):
    width, height = ask.settings.size or (80, 70)
    return np.zeros((height, width), np.float32)


BROKEN = {
    "the_facts_name_the_model": [facts(digest=""), facts(sides=(9, 4)), facts(images={})],
    "an_image_has_the_size_asked": [
        other_image(lambda p, ask: p.T),
        other_image(lambda p, ask: p.astype(np.float64)),
        other_image(lambda p, ask: p * 2),
        other_image(lambda p, ask: p * np.float32(np.nan)),
    ],
    "an_image_has_a_size_of_its_own": [
        other_image(lambda p, ask: np.zeros((2000, 8), np.float32)),
        other_image(lambda p, ask: -p),
    ],
    "a_size_beyond_its_sides_is_refused": [{"generate": unchecked}],
    "known_pixels_stay": [
        other_fill(lambda p, given, ask: np.clip(p + np.float32(1e-6), 0, 1)),
        other_fill(lambda p, given, ask: np.ascontiguousarray(p[:-1])),
        {"fill": lambda self, given, ask: given.pixels},
    ],
    "nothing_to_draw_changes_nothing": [other_fill(lambda p, given, ask: p[::-1])],
    "a_whole_image_is_drawn_at_its_size": [
        {
            "fill": lambda self, given, ask: Completion(
                pixels=Honest.generate(self, ask), concepts=()
            )
        }
    ],
    "a_seed_gives_one_image": [
        other_image(lambda p, ask: np.zeros_like(p)),
        {"generate": lambda self, ask: np.random.default_rng().random((70, 80), np.float32)},
    ],
    "a_seed_gives_one_completion": [
        other_fill(lambda p, given, ask: np.where(given.mask, given.pixels, p))
    ],
}


@pytest.fixture(scope="module")
def shipped():
    return load_engine()


@pytest.mark.parametrize("law", EVERY, ids=lambda law: law.__name__)
@pytest.mark.parametrize("ask", [KNEE, PNEUMONIA], ids=["learned", "by rule"])
def test_the_shipped_model_keeps(law, ask, shipped):
    law(shipped, ask)


@pytest.mark.parametrize("law", EVERY, ids=lambda law: law.__name__)
def test_a_broken_engine_is_found_out_by(law):
    law(Honest(), KNEE)
    for parts in BROKEN[law.__name__]:
        with pytest.raises(AssertionError):
            law(breaking(**parts), KNEE)
