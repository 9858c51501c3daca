"""Figures of items: a published worked example, and laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radsmith.errors import InvalidInput
from radsmith.teaching.statistics import cronbach_alpha, item_figures, point_biserial

LSAT = (3, 6, 2, 11, 1, 1, 3, 4, 1, 8, 0, 16, 0, 3, 2, 15,
        10, 29, 14, 81, 3, 28, 15, 80, 16, 56, 21, 173, 11, 61, 28, 298)  # fmt: skip
"""Law School Admission Test, section 6: 1,000 answers to five items, by pattern 00000 to 11111.

Bock and Lieberman, Fitting a response model for n dichotomously scored items, Psychometrika 35
(1970) 179-197, table 1; also Thissen, Psychometrika 47 (1982) 175-186.
"""


def lsat():
    patterns = [[int(digit) for digit in f"{number:05b}"] for number in range(32)]
    return np.repeat(patterns, LSAT, axis=0).astype(float)


def test_the_published_example():
    """As `descript(LSAT)` of R's ltm prints it (Rizopoulos, Journal of Statistical Software 17(5),
    2006): proportions, point-biserial correlation with the total score, the item excluded, and
    Cronbach's alpha. Its correlations before version 1.1-1 divide by the sample's standard
    deviation: they are Pearson's times the square root of (n - 1) / n."""
    answers = lsat()
    found = item_figures(answers)
    assert [round(one.difficulty, 3) for one in found] == [0.924, 0.709, 0.553, 0.763, 0.870]
    as_printed = math.sqrt(999 / 1000)
    excluded = [round(one.discrimination * as_printed, 4) for one in found]
    assert excluded == [0.1128, 0.1531, 0.1727, 0.1444, 0.1215]
    total = answers.sum(axis=1)
    included = [round(point_biserial(item, total) * as_printed, 4) for item in answers.T]
    assert included == [0.3618, 0.5665, 0.6181, 0.5342, 0.4351]
    assert round(cronbach_alpha(answers), 4) == 0.2950
    assert np.bincount(total.astype(int)).tolist() == [3, 20, 85, 237, 357, 298]


def test_the_item_itself_is_taken_out():
    """Items of chance alone correlate with a total that holds them, and not with the rest."""
    answers = np.random.default_rng(1).integers(0, 2, (4000, 4)).astype(float)
    with_it = [point_biserial(item, answers.sum(axis=1)) for item in answers.T]
    assert min(with_it) > 0.4
    for one in item_figures(answers):
        assert abs(one.discrimination) < 0.05
        low, high = one.discrimination_interval
        assert low < one.discrimination < high


@given(arrays(float, (12, 5), elements=st.sampled_from([0.0, 1.0, np.nan])))
def test_any_class_has_figures(answers):
    for number, one in enumerate(item_figures(answers)):
        told = answers[:, number][np.isfinite(answers[:, number])]
        assert (one.answered, one.right) == (len(told), int(told.sum()))
        if one.answered:
            low, high = one.difficulty_interval
            assert 0 <= low <= one.difficulty <= high <= 1
        assert one.discrimination is None or -1 <= one.discrimination <= 1
        assert one.remark or one.discrimination >= 0.2


def test_who_answers_less_counts_by_what_he_answered():
    """The same answers of who answered all rank alike, whether sums or shares are correlated."""
    whole = lsat()[::7]
    rest = np.array([point_biserial(whole[:, i], whole.sum(1) - whole[:, i]) for i in range(5)])
    assert np.allclose([one.discrimination for one in item_figures(whole)], rest)
    more = np.vstack([whole, [np.nan, 1, np.nan, np.nan, np.nan]])
    figures = item_figures(more)
    assert figures[0] == item_figures(whole)[0]
    assert figures[1].answered == len(whole) + 1


def test_what_cannot_be_reckoned_is_none():
    same = np.ones((5, 3))
    assert [one.discrimination for one in item_figures(same)] == [None] * 3
    assert cronbach_alpha(same) is None
    assert cronbach_alpha(same[:1]) is None
    assert item_figures(np.zeros((0, 2)))[0].difficulty is None
    with pytest.raises(InvalidInput, match="1 right, 0 wrong"):
        item_figures(np.array([[0.5]]))
