"""Laws of drawing long images in frames, whatever completes the frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radsmith.editing.long_images import FRAME, in_frames
from radsmith.engines.engine import Given
from radsmith.errors import InvalidInput


@st.composite
def long_images(draw):
    side = draw(st.integers(8, 24))
    length = draw(st.integers(1, 200))
    mask = np.zeros((side, side + length), bool)
    for _ in range(draw(st.integers(0, 3))):
        first = draw(st.integers(0, mask.shape[1] - 1))
        last = draw(st.integers(first, mask.shape[1]))
        low = draw(st.integers(0, side // 2))
        mask[low:, first:last] = True
    if draw(st.booleans()):
        mask[:] = ~mask
    pixels = np.random.default_rng(draw(st.integers(0, 9))).random(mask.shape, np.float32)
    return Given(pixels=pixels, mask=mask)


def halves(part, seed):
    """A fill that keeps known pixels and draws 0.5."""
    return np.where(part.mask, np.float32(0.5), part.pixels)


@settings(deadline=None)
@given(long_images(), st.booleans())
def test_all_of_the_hole_is_drawn_and_nothing_else(image, upright):
    if upright:
        image = Given(pixels=image.pixels.T.copy(), mask=image.mask.T.copy())
    found = in_frames(halves, image, 3)
    assert np.array_equal(found[~image.mask], image.pixels[~image.mask])
    assert np.allclose(found[image.mask], 0.5)


@settings(deadline=None)
@given(long_images())
def test_frames_are_near_square_and_see_what_is_known(image):
    seen = []

    def fill(part, seed):
        seen.append((part.mask.shape, bool((~part.mask).any()), seed))
        return halves(part, seed)

    in_frames(fill, image, 3)
    side, length = image.mask.shape
    if length <= 2 * side or not image.mask.any():
        assert [(s, n) for s, _, n in seen] == [((side, length), 3)]
        return
    assert all(shape == (side, min(length, round(FRAME * side))) for shape, _, _ in seen)
    assert seen[0][2] == 3 and len({seed for *_, seed in seen}) == len(seen)
    assert all(context for _, context, _ in seen[1:])


def test_frames_fade_into_each_other_without_a_step():
    mask = np.ones((16, 160), bool)
    mask[:, :20] = False
    pixels = np.zeros(mask.shape, np.float32)
    levels = iter(np.linspace(0.2, 0.8, 50, dtype=np.float32))

    def fill(part, seed):
        return np.where(part.mask, next(levels), part.pixels)

    row = in_frames(fill, Given(pixels=pixels, mask=mask), 0)[8]
    step = 0.6 / 49
    assert np.abs(np.diff(row[20:])).max() < 0.6 * step


def test_a_long_image_depends_on_its_seed_alone():
    def fill(part, seed):
        noise = np.random.default_rng(seed).random(part.mask.shape, np.float32)
        return np.where(part.mask, noise, part.pixels)

    image = Given(pixels=np.zeros((8, 80), np.float32), mask=np.ones((8, 80), bool))
    one, again, other = (in_frames(fill, image, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_a_strip_is_refused_before_anything_is_drawn():
    mask = np.ones((900, 16), bool)
    mask[:20] = False
    given_ = Given(pixels=np.zeros(mask.shape, np.float32), mask=mask)
    with pytest.raises(InvalidInput, match=r"880 pixels along an image only 16 wide.* 768 of them"):
        in_frames(lambda part, seed: pytest.fail("drawn"), given_, 0)
