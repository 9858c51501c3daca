"""What training does to an image before it is shown."""

import math

import numpy as np
import pytest

from radsmith.training.batches import MOST_TURNED, _place

NONE = np.zeros(4, np.float32)


def of(content, crop, angle):
    """What is seen, cut out of its square."""
    square, (left, top, right, bottom) = _place(content, crop, angle)
    return square[top:bottom, left:right]


def test_an_image_is_turned_about_its_middle_and_nothing_from_beyond_it_is_seen():
    y, x = np.mgrid[:200, :256]
    content = np.where(np.abs(y - 100 + 0.0 * x) < 3, 255, 100).astype(np.uint8)
    content[:4] = content[-4:] = 0  # would be smeared over what lies beyond
    crop = np.full(4, 0.06, np.float32)
    turned = of(content, crop, MOST_TURNED / 2)
    bright = np.argmax(turned, 0)
    slope = np.polyfit(np.arange(20, 236), bright[20:236], 1)[0]
    assert abs(math.atan(slope)) == pytest.approx(MOST_TURNED / 2, abs=0.005)
    assert turned.min() > 0.3, "the rim stayed outside"


def test_what_cannot_be_turned_within_itself_is_turned_less():
    content = np.full((200, 256), 100, np.uint8)
    content[:2] = 0
    little = np.array([0.01, 0.03, 0.01, 0.01], np.float32)
    assert of(content, little, MOST_TURNED).min() > 0.3
    assert np.array_equal(of(content, NONE, MOST_TURNED), of(content, NONE, 0.0)), "without a crop"


@pytest.mark.parametrize("shape", [(1, 256), (256, 1), (3, 256)])
def test_slivers_are_turned_too(shape):
    crop = np.full(4, 0.05, np.float32)
    assert of(np.full(shape, 200, np.uint8), crop, MOST_TURNED).max() > 0.7
