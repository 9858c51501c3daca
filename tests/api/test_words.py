"""A vocabulary is a value: two models in one process do not share words."""

import json
import pickle
import threading

import pytest

import radsmith
from radsmith.engines.model_files import default_folder
from radsmith.generation.plan import plan
from radsmith.language.reading import read_prompt
from radsmith.language.vocabulary import (
    default_vocabulary,
    grown,
    learn_concepts,
    shipped_vocabulary,
    speaking,
    use,
)

SLING = '[finding.wing-sling]\nname = "wing sling"\n'
OTHER = '[finding.wing-sling]\nname = "wing sling"\nforms = ["loop of the wing"]\n'


def model_with(folder, words):
    """The shipped model's description with words of its own; no weights are needed to plan."""
    folder.mkdir()
    config = json.loads((default_folder() / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(config | {"vocabulary": words}))
    return radsmith.load_model(folder)


@pytest.fixture
def words():
    """What this process knows, as it was, afterwards."""
    before = default_vocabulary()
    yield before
    use(before)


def test_two_models_in_one_process_do_not_share_words(tmp_path, words):
    one = model_with(tmp_path / "one", SLING)
    two = model_with(tmp_path / "two", OTHER)
    third = radsmith.load_model()
    for _ in range(2):
        assert "finding:wing-sling" in one.plan("chest x-ray, wing sling").concepts
        assert "loop" in one.plan("chest x-ray, loop of the wing").not_understood
        assert "finding:wing-sling" in two.plan("chest x-ray, loop of the wing").concepts
        assert third.plan("chest x-ray, wing sling").not_understood
    assert default_vocabulary() is words


def test_a_vocabulary_is_given_to_the_reader(words):
    own, (sling,) = grown(shipped_vocabulary(), SLING)
    assert sling.id not in shipped_vocabulary().concepts
    assert read_prompt("chest x-ray, wing sling", own).unknown == ()
    assert read_prompt("chest x-ray, wing sling").unknown
    facts = radsmith.load_model().facts
    assert sling.id in plan("chest x-ray, wing sling", facts, vocabulary=own).concepts
    assert grown(own, SLING)[0] is own
    with pytest.raises(radsmith.InvalidInput, match="learned with other words"):
        grown(own, OTHER)


def test_what_is_learned_in_a_block_stays_there(words):
    with speaking(shipped_vocabulary()):
        learn_concepts(SLING)
        assert default_vocabulary().find("wing sling")
        with speaking(None):
            assert default_vocabulary().find("wing sling")
    assert default_vocabulary() is words


def test_what_ships_is_not_sent_to_another_process():
    assert pickle.loads(pickle.dumps(shipped_vocabulary())) is shipped_vocabulary()
    own, _ = grown(shipped_vocabulary(), SLING)
    again = pickle.loads(pickle.dumps(own))
    assert again.find("wing sling") == ("finding:wing-sling",)
    assert set(again.concepts) == set(own.concepts)


def test_a_command_learns_for_its_whole_process(words):
    learn_concepts(SLING)
    heard = []
    thread = threading.Thread(target=lambda: heard.append(default_vocabulary().find("wing sling")))
    thread.start()
    thread.join()
    assert heard == [("finding:wing-sling",)]
