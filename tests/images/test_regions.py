"""Laws of holes and of what is drawn into them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsmith.images.regions import CLOSE, joined

SIDE = 64


def box(top, left, bottom, right):
    hole = np.zeros((SIDE, SIDE), np.bool_)
    hole[top:bottom, left:right] = True
    return hole


def edge(image, hole):
    """Mean signed step over the hole's edge, outside less inside."""
    steps = []
    for axis in (0, 1):
        across, inside = np.diff(image, axis=axis), np.diff(hole.astype(np.int8), axis=axis)
        steps.append(-across[inside != 0] * inside[inside != 0])
    return float(np.concatenate(steps).mean())


@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(4, 24),
    st.integers(4, 24),
    st.integers(0, 9),
)
def test_known_pixels_are_never_touched(top, left, height, width, seed):
    hole = box(top, left, min(SIDE, top + height), min(SIDE, left + width))
    known, drawn = np.random.default_rng(seed).random((2, SIDE, SIDE), np.float32)
    found = joined(drawn, known, hole)
    assert np.array_equal(found[~hole], known[~hole])
    assert np.isfinite(found).all()


@pytest.mark.parametrize("shift", [-0.4, 0.3])
def test_a_constant_step_is_taken_away_at_the_edge_and_fades_with_distance(shift):
    hole = box(12, 12, 52, 52)
    smooth = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None].repeat(SIDE, 1)
    off = joined(smooth + np.float32(shift), smooth, hole) - smooth
    assert abs(edge(smooth + off, hole) - edge(smooth, hole)) < 0.05 * abs(shift)
    assert abs(off[32, 32]) > 2 * np.abs(off[12, 20:44]).max()


def test_half_of_a_close_step_is_left_as_edges_of_their_own_have_it():
    hole = box(16, 16, 48, 48)
    stripes = (np.arange(SIDE) // 8 % 2).astype(np.float32)[None].repeat(SIDE, 0)
    found = joined(np.full_like(stripes, 0.5), stripes, hole)
    step = np.abs(stripes[15, 16:48] - found[16, 16:48]).mean()
    assert 0.4 * (1 - CLOSE[2]) < step < 0.4


def test_detail_is_kept():
    rng = np.random.default_rng(0)
    hole = box(8, 8, 56, 56)
    known = np.zeros((SIDE, SIDE), np.float32)
    drawn = rng.normal(0, 0.1, (SIDE, SIDE)).astype(np.float32)
    middle = (slice(20, 44), slice(20, 44))
    kept = np.corrcoef(joined(drawn, known, hole)[middle].ravel(), drawn[middle].ravel())[0, 1]
    assert kept > 0.99
