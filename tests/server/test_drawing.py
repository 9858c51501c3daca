"""An edit goes to a worker as JSON and arrays, and is the same edit there."""

import json

import numpy as np
import pytest

from radsmith.editing.request import plan_edit
from radsmith.errors import InvalidInput
from radsmith.images.npy import npy_of
from radsmith.server.jobs.drawing import Kept, edit_of, edit_payload, made_of
from tests.editing.test_request import FACTS, REQUESTS, Listening, source


@pytest.mark.parametrize("operation", ["inpaint", "outpaint", "vary", "change", "extend"])
def test_an_edit_sent_to_a_worker_is_the_same_edit(operation):
    edit = plan_edit(REQUESTS[operation], source(), FACTS).varied(seed=9)
    kept = Kept(source=source(), origin=None, pixels="digest")
    mask = edit.request.mask
    payload = json.loads(json.dumps(edit_payload(edit, kept, None if mask is None else "digest")))
    again = edit_of(payload, {} if mask is None else {"mask": npy_of(mask)})
    assert again.planned == edit.planned
    engines = Listening(), Listening()
    here, there = (
        e.perform(source(), engine, "now") for e, engine in zip((edit, again), engines, strict=True)
    )
    assert here.record == there.record
    assert np.array_equal(here.image.pixels, there.image.pixels)
    (given, ask), (sent, asked) = (engine.heard[0] for engine in engines)
    assert ask == asked and (given.adds, given.strength) == (sent.adds, sent.strength)
    assert (operation == "change") == bool(given.adds)


def test_a_job_without_its_plan_is_to_be_asked_for_again():
    with pytest.raises(InvalidInput, match="ask for it again"):
        made_of(Listening(), {"operation": "generate", "prompt": "knee x-ray", "seed": 0}, {})
