"""A prompt that asks for something else than its file shows is said to do so."""

from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from radsmith.editing.files import open_source
from radsmith.editing.wording import edit_plan, understood
from radsmith.engines.engine import ModelFacts
from radsmith.errors import InvalidInput
from radsmith.language.contradiction import contradictions
from radsmith.language.prompt import filled_in
from radsmith.language.reading import read_prompt
from radsmith.language.vocabulary import default_vocabulary

FACTS = ModelFacts(engine="tiny", name="tiny", digest="0", images=None, together=None)


def said(asked, shown):
    return list(contradictions(read_prompt(asked).prompt, read_prompt(shown).prompt))


@pytest.mark.parametrize(
    ("asked", "shown", "names"),
    [
        ("brain MRI", "chest x-ray", ["MRI", "brain"]),
        ("knee x-ray", "chest x-ray", ["knee"]),
        ("right knee x-ray", "left knee x-ray", ["right"]),
        ("chest x-ray, lateral", "chest x-ray, PA view", ["lateral"]),
        ("axial CT of the chest", "chest x-ray, PA view", ["CT", "axial"]),
        ("chest x-ray, male", "chest x-ray, female", ["male"]),
        ("ultrasound, pneumonia", "chest x-ray", ["ultrasound"]),
    ],
)
def test_another_image_is_noticed(asked, shown, names):
    found = said(asked, shown)
    assert len(found) == len(names)
    assert all(f"the prompt says {name}" in text for name, text in zip(names, found, strict=True))


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("pneumonia", "chest x-ray"),
        ("chest x-ray", ""),
        ("lung nodule of the lung", "chest CT"),
        ("head CT", "brain"),
        ("AP chest x-ray", "chest x-ray, PA view"),
        ("bilateral knee x-ray", "left knee x-ray"),
        ("scaphoid fracture of the wrist", "hand x-ray"),
        ("soft tissue ultrasound", "knee ultrasound"),
        ("whole body x-ray", "knee x-ray"),
        ("chest x-ray, no effusion", "chest x-ray, right pleural effusion"),
    ],
)
def test_what_fits_or_is_left_open_is_no_contradiction(asked, shown):
    assert said(asked, shown or "image") == []


@pytest.mark.parametrize("part", [c for c in default_vocabulary().concepts if "body_part:" in c])
def test_every_part_agrees_with_itself_and_its_findings(part):
    name = default_vocabulary()[part].name
    assert said(name, name) == []


def test_the_plan_of_an_edit_warns_and_strict_refuses():
    text, planned = edit_plan("brain MRI", "chest x-ray, PA view", FACTS)
    assert text == "brain MRI"
    assert any("the prompt says MRI, and the file x-ray" in w for w in planned.warnings)
    with pytest.raises(InvalidInput, match="the file x-ray"):
        edit_plan("brain MRI", "chest x-ray, PA view", FACTS, strict=True)
    _, planned = edit_plan("pneumonia", "chest x-ray, PA view", FACTS)
    assert not any("the prompt says" in w for w in planned.warnings)


def test_a_dicom_file_says_what_it_is():
    words = open_source(Path(get_testdata_file("CT_small.dcm"))).source.words
    _, planned = edit_plan("knee x-ray", words, FACTS)
    assert any("the prompt says x-ray, and the file CT" in w for w in planned.warnings)


def test_what_is_not_understood_in_the_prompt_of_an_edit_is_said():
    _, planned = edit_plan("blorp pneumonia", "chest x-ray", FACTS)
    assert planned.prompt.modality == "modality:x-ray"
    assert planned.not_understood == ("blorp",)
    assert any("blorp" in w for w in planned.warnings)
    with pytest.raises(InvalidInput, match="blorp"):
        understood("blorp pneumonia")
    with pytest.raises(InvalidInput, match="only English"):
        understood("pas de pneumothorax")
    with pytest.raises(InvalidInput, match="only English"):
        edit_plan("kein Pneumothorax", "chest x-ray", FACTS)
    assert understood("  ") == ""


def test_what_is_filled_in_comes_from_the_file():
    _, planned = edit_plan("fracture", "left knee x-ray", FACTS)
    assert filled_in(planned.prompt)[0].body_part == "body_part:knee"
