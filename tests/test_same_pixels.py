"""The shipped model draws what it drew when `golden/pixels.json` was written."""

import base64
import json

import numpy as np
import pytest

from tests.golden.make import SIDE, STORED, digest_of_model, drawn, machine

LEVELS, ON_AVERAGE = 8, 2
"""Of 8 bits, by which a cell of a thumbnail and a whole one may differ on other machines: their
sums round otherwise, which strong guidance makes larger (4 and 1 between two processors)."""


def test_what_is_stored_was_drawn_by_the_shipped_model():
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    mend = "another model ships: look at its images, then run `python -m tests.golden.make`"
    assert stored["model_digest"] == digest_of_model(), mend


@pytest.mark.slow
def test_images_and_records_are_the_same(tmp_path):
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    if stored["model_digest"] != digest_of_model():
        pytest.skip("stored of another model, which the test above says")
    images, other, exact = dict(stored["images"]), [], stored["machine"] == machine()
    for image in drawn(tmp_path):
        kept = images.pop(image.name)
        before = np.frombuffer(base64.b64decode(kept["thumbnail"]), np.uint8).reshape(SIDE, SIDE)
        apart = np.abs(image.thumbnail().astype(int) - before)
        if apart.max() > LEVELS or apart.mean() > ON_AVERAGE:
            other.append(f"{image.name}: {apart.max()} levels apart, {apart.mean():.2f} on average")
        if exact and image.kept()["pixels"] != kept["pixels"]:
            other.append(f"{image.name}: not to the last bit")
        if image.said() != kept["record"]:
            other.append(f"{image.name}: another record, {image.record}")
    assert not images, f"no longer drawn: {list(images)}"
    assert not other, "\n".join(other)
