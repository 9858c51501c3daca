"""One edit, asked in one word by every door: planned once, dispatched once."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsmith.editing.operations import Margins, Source, between, shares
from radsmith.editing.request import OPERATIONS, EditRequest, FindingChange, plan_edit
from radsmith.engines.engine import Completion, ModelFacts
from radsmith.errors import InvalidInput
from radsmith.generation.plan import Plan, plan
from radsmith.images.image import Image
from radsmith.language.prompt import Finding, Prompt, render
from tests.images.test_lungs import chest
from tests.language.test_prompt import prompts

FACTS = ModelFacts(name="listening", digest="0", images=None, together=None, engine="fake")
SHIPPED = replace(FACTS, images={}, together={})
MASK = np.zeros((40, 50), np.bool_)
MASK[10:20, 5:30] = True


class Listening:
    """Draws gray and remembers what it was asked."""

    facts = FACTS

    def __init__(self):
        self.heard = []

    def fill(self, given, ask):
        self.heard.append((given, ask))
        pixels = np.where(given.mask, np.float32(0.25), given.pixels)
        return Completion(pixels=pixels, concepts=ask.concepts)


def source(words="chest x-ray, PA view", seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, MASK.shape, np.uint8)
    return Source(image=Image(pixels=pixels, unit="stored value"), words=words)


REQUESTS = {
    "inpaint": EditRequest(operation="inpaint", prompt="knee x-ray", mask=MASK, seed=3),
    "outpaint": EditRequest(operation="outpaint", margins=Margins(left=4, bottom=9)),
    "vary": EditRequest(operation="vary", strength=0.3),
    "change": EditRequest(operation="change", finding=FindingChange(add="effusion@right")),
    "interpolate": EditRequest(operation="interpolate", other=source(seed=1), share=0.25),
    "extend": EditRequest(operation="extend", prompt="right knee x-ray", target="leg"),
}


def test_every_operation_is_performed_and_says_so():
    assert set(REQUESTS) == set(OPERATIONS)
    for operation, request in REQUESTS.items():
        engine = Listening()
        edited = plan_edit(request, source(), FACTS).perform(source(), engine, "")
        assert edited.record.operation == operation and engine.heard
        assert edited.record.seed == request.seed


@given(prompts())
def test_a_plan_survives_json(prompt):
    if not prompt.concepts:
        return
    planned = plan(render(prompt), FACTS)
    assert Plan.from_fields(json.loads(json.dumps(planned.to_fields()))) == planned


def test_the_words_of_a_file_fill_in_what_the_prompt_leaves_open():
    engine = Listening()
    request = EditRequest(operation="extend", prompt="adult, male", target="leg")
    edited = plan_edit(request, source("left knee x-ray"), FACTS).perform(source(), engine, "")
    assert "femur" in edited.record.edit and edited.distance is not None


def test_a_finding_has_its_place_and_label():
    asked = REQUESTS["change"].worded(source())
    assert (asked.label, asked.finding) == ("pleural effusion", None)
    columns = np.flatnonzero(asked.mask.any(0))
    assert columns.mean() < MASK.shape[1] / 2
    effusion = Finding(concept="finding:pleural-effusion", side="side:right")
    chest = Prompt(modality="modality:x-ray", body_part="body_part:chest", findings=(effusion,))
    assert render(chest) in asked.prompt.replace(", PA view", "")


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("shift", [-0.09, 0.09])
def test_a_finding_of_the_lungs_lies_in_those_that_are_there(shift, bits):
    pixels = np.round(chest(across=0.5 + shift, wide=0.6) * (2**bits - 1)).astype(np.uint16)
    given = Source(
        image=Image(pixels=pixels, unit="stored value"), bits=bits, words="chest x-ray, PA view"
    )
    for add, side in (("effusion@left", 1), ("mass@right", -1), ("nodule", -1)):
        request = EditRequest(operation="change", finding=FindingChange(add=add))
        asked = request.worded(given)
        columns = np.flatnonzero(asked.mask.any(0)) / pixels.shape[1]
        middle = 0.5 + shift + side * 0.28 * 0.6
        assert (columns.min() + columns.max()) / 2 == pytest.approx(middle, abs=0.05)
        assert not asked.notes
    for facts, wanted in ((SHIPPED, 0.4), (FACTS, 0.85)):
        engine = Listening()
        plan_edit(request, given, facts).perform(given, engine, "")
        assert engine.heard[0][0].strength == wanted, "a nodule is kept where it is put in by rule"


def test_lungs_that_are_not_found_are_said_and_a_mask_needs_none():
    planned = plan_edit(REQUESTS["change"], source(), FACTS).planned
    assert sum("no lungs were found" in warning for warning in planned.warnings) == 1
    masked = plan_edit(replace(REQUESTS["change"], mask=MASK), source(), FACTS).planned
    knee = EditRequest(operation="change", finding=FindingChange(add="osteoarthritis"))
    rib = EditRequest(operation="change", finding=FindingChange(add="rib fracture"))
    others = (plan_edit(knee, source("knee x-ray"), FACTS), plan_edit(rib, source(), FACTS))
    for other in (masked, *(edit.planned for edit in others)):
        assert not any("lungs" in warning for warning in other.warnings)


def test_what_is_asked_for_beats_what_a_finding_needs():
    for strength, finding, wanted in (
        (0.7, "nodule", 0.7),
        (None, "effusion", 0.5),
        (None, "cardiomegaly", 0.85),
    ):
        engine = Listening()
        change = FindingChange(add=finding)
        request = EditRequest(operation="change", finding=change, strength=strength)
        plan_edit(request, source(), SHIPPED).perform(source(), engine, "")
        assert engine.heard[0][0].strength == wanted


def test_a_rule_is_said_where_it_is_followed():
    def said(shows="chest x-ray, left lung nodule", **fields):
        request = EditRequest(**fields)
        planned = plan_edit(request, source(shows), SHIPPED).planned
        return sum("drawn by rule" in warning for warning in planned.warnings)

    assert said(operation="vary") == 0, "the nodule is in the pixels"
    assert said(operation="inpaint", mask=MASK) == 1
    assert said(operation="inpaint", mask=MASK, strength=0.5) == 0
    assert said(operation="change", finding=FindingChange(add="effusion@right")) == 1
    assert said(operation="change", finding=FindingChange(severity="severe")) == 0
    benign, breast = FindingChange(add="benign mass"), "breast ultrasound, normal"
    assert said(breast, operation="change", finding=benign) == 1
    assert said("breast ultrasound, benign mass", operation="inpaint", mask=MASK) == 0


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"operation": "paint"}, "an edit is one of inpaint"),
        ({"operation": "outpaint"}, "by how many pixels"),
        ({"operation": "interpolate"}, "the image to go to"),
    ],
)
def test_what_an_operation_needs_is_asked_for(fields, said):
    with pytest.raises(InvalidInput, match=said):
        EditRequest(**fields)


@given(st.integers(1, 30))
def test_shares_of_a_way_are_even_and_leave_out_the_ends(count):
    found = [0.0, *shares(count), 1.0]
    assert len(found) == count + 2 and np.allclose(np.diff(found), 1 / (count + 1))


@pytest.mark.parametrize("share", [0, 1, float("nan")])
def test_an_end_is_no_share_of_the_way(share):
    with pytest.raises(InvalidInput, match="share of the way"):
        between(source(), source(seed=1), share, None)
    with pytest.raises(InvalidInput, match="at least 1"):
        shares(0)


def test_fluid_has_the_corner_where_it_gathers():
    request = EditRequest(operation="change", finding=FindingChange(add="effusion@right"))
    mask = plan_edit(request, source(), FACTS).request.mask
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    assert mask[rows[-1], columns[0]], "the costophrenic angle"
    mass = replace(request, finding=FindingChange(add="mass@right lung"))
    small = plan_edit(mass, source(), FACTS).request.mask
    assert small.sum() < 0.75 * mask.sum()
    assert not small[np.flatnonzero(small.any(1))[0], np.flatnonzero(small.any(0))[0]]
