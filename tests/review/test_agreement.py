"""Agreement beyond chance: published values, oracles, and laws."""

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsmith.errors import InvalidInput
from radsmith.review.agreement import (
    LEVELS,
    Ratings,
    all_coefficients,
    cohen_kappa,
    fleiss_kappa,
    gwet_ac,
    krippendorff_alpha,
    table_of,
)

X = math.nan
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, X, X, X],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, X, 3],
        [X, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, X],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, X],
    ]
).T
"""Krippendorff 2011: 12 units, 4 observers."""
FLEISS = """0 0 0 6 0;0 3 0 0 3;0 1 4 0 1;0 0 0 0 6;0 3 0 3 0;2 0 4 0 0;0 0 4 0 2;2 0 3 1 0
2 0 0 4 0;0 0 0 0 6;1 0 0 5 0;1 1 0 4 0;0 3 3 0 0;1 0 0 5 0;0 2 0 3 1;0 0 5 0 1
3 0 0 1 2;5 1 0 0 0;0 2 0 4 0;1 0 2 0 3;0 0 0 0 6;0 1 0 5 0;0 2 0 1 3;2 0 0 4 0
1 0 0 4 1;0 5 0 1 0;4 0 0 0 2;0 2 0 4 0;1 0 5 0 0;0 0 0 0 6""".replace("\n", ";")
TEXTBOOK = """0 0 0 0 14;0 2 6 4 2;0 0 3 5 6;0 3 9 2 0;2 2 8 1 1;7 7 0 0 0;3 2 6 3 0;2 5 3 2 2
6 5 2 1 0;0 2 2 3 7""".replace("\n", ";")


def of_counts(text):
    """A table of ratings from counts of each category."""
    rows = [[int(n) for n in row.split()] for row in text.split(";")]
    return np.array([[k for k, n in enumerate(row) for _ in range(n)] for row in rows], float)


def of_table(table):
    cells = np.ndindex(*np.shape(table))
    return np.array([cell for cell in cells for _ in range(table[cell[0]][cell[1]])], float)


def near(coefficient, expected, places=5):
    assert coefficient.value == pytest.approx(expected, abs=0.5 * 10**-places)


@pytest.mark.parametrize(
    ("level", "alpha"),
    [("nominal", 0.743421), ("ordinal", 0.815388), ("interval", 0.849107), ("ratio", 0.797403)],
)
def test_krippendorffs_own_example(level, alpha):
    near(krippendorff_alpha(Ratings(values=KRIPPENDORFF, level=level)), alpha, 6)


def test_gwets_coefficients_on_krippendorffs_example():
    ratings = Ratings(values=KRIPPENDORFF, level="ordinal")
    ac1 = gwet_ac(ratings, weighted=False)
    near(ac1, 0.77544)
    near(gwet_ac(ratings, weighted=True), 0.91400)
    near(fleiss_kappa(ratings), 0.76117)
    near(cohen_kappa(ratings), 0.76207)
    half = 0.14295 * 2.200985  # the error times Student's quantile of 11 degrees
    assert ac1.interval[0] == pytest.approx(0.77544 - half, abs=2e-5)
    assert ac1.interval[1] == 1


def test_gwets_three_categories():
    table = [[13, 0, 0], [0, 20, 7], [0, 4, 56]]
    ratings = Ratings(values=of_table(table))
    kappa, ac1 = cohen_kappa(ratings), gwet_ac(ratings, weighted=False)
    near(kappa, 0.7964094, 7)
    assert kappa.interval == pytest.approx(
        (0.7964094 - 1.959964 * 0.0589107, 0.7964094 + 1.959964 * 0.0589107), abs=1e-6
    )
    near(fleiss_kappa(ratings), 0.79624)  # Scott's pi at two readers
    near(krippendorff_alpha(ratings), 0.79726)
    near(ac1, 0.84933)
    error = 0.04322 * math.sqrt(100 / 99)  # the published one, of a table, divides by n
    assert (ac1.interval[1] - ac1.interval[0]) / 2 == pytest.approx(error * 1.984217, abs=2e-5)


def test_fleiss_1971_and_the_textbook():
    ratings = Ratings(values=of_counts(FLEISS))
    near(fleiss_kappa(ratings), 0.430245, 6)
    near(gwet_ac(ratings, weighted=False), 0.44788)
    near(krippendorff_alpha(ratings), 0.43341)
    near(fleiss_kappa(Ratings(values=of_counts(TEXTBOOK))), 0.209931, 6)


def test_the_paradox_of_rare_defects_shows_in_kappa_alone():
    ratings = Ratings(values=of_table([[118, 5], [2, 0]]))
    near(cohen_kappa(ratings), -0.02339)
    near(gwet_ac(ratings, weighted=False), 0.94078)


def test_statsmodels_agrees():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from statsmodels.stats.inter_rater import cohens_kappa
        from statsmodels.stats.inter_rater import fleiss_kappa as theirs
    random = np.random.default_rng(3)
    for _ in range(20):
        table = random.integers(1, 30, (4, 4))
        for weighted in (False, True):
            found = cohens_kappa(table, wt="quadratic" if weighted else None)
            ratings = Ratings(values=of_table(table), level="interval")
            mine = cohen_kappa(ratings, weighted=weighted)
            near(mine, found.kappa, 9)
            half = (mine.interval[1] - mine.interval[0]) / 2
            assert half == pytest.approx(1.959964 * found.std_kappa, rel=1e-5)
        counts = random.multinomial(6, [0.4, 0.3, 0.2, 0.1], 30)
        text = ";".join(" ".join(map(str, row)) for row in counts)
        near(fleiss_kappa(Ratings(values=of_counts(text))), theirs(counts), 9)


@given(st.integers(0, 2**32), st.sampled_from(LEVELS))
def test_laws(seed, level):
    """Order of cases and readers plays no part; perfect agreement is 1; never above 1."""
    random = np.random.default_rng(seed)
    values = random.integers(0, 4, (9, 3)).astype(float)
    values[random.random(values.shape) < 0.15] = np.nan
    values[0] = [0, 1, 3]
    one = all_coefficients(Ratings(values=values, level=level))
    turned = values[random.permutation(9)][:, random.permutation(3)]
    other = all_coefficients(Ratings(values=turned, level=level))
    for key, coefficient in one.items():
        assert coefficient.value == pytest.approx(other[key].value, abs=1e-9), key
        assert coefficient.value <= 1 + 1e-9
    same = np.repeat(random.permutation(6)[:, None].astype(float), 3, 1)
    for coefficient in all_coefficients(Ratings(values=same, level=level)).values():
        assert coefficient.value == pytest.approx(1)


def test_nominal_names_play_no_part():
    rows = [
        ("a", "r", "x"),
        ("a", "s", "x"),
        ("b", "r", "y"),
        ("b", "s", "x"),
        ("c", "r", "y"),
        ("c", "s", "y"),
    ]
    named = all_coefficients(table_of(rows, "nominal"))
    other = [(c, r, {"x": "zebra", "y": "ant"}[v]) for c, r, v in rows]
    for key, coefficient in all_coefficients(table_of(other, "nominal")).items():
        assert coefficient.value == pytest.approx(named[key].value)


def test_intervals_cover():
    """Alpha's jackknife interval holds the value of a large sample 19 times of 20, or nearly."""

    def sample(random, n):
        truth = random.random(n) < 0.3
        return (truth[:, None] ^ (random.random((n, 3)) < 0.15)).astype(float)

    truth = krippendorff_alpha(Ratings(values=sample(np.random.default_rng(1), 20_000))).value
    random = np.random.default_rng(2)
    held = 0
    for _ in range(300):
        low, high = krippendorff_alpha(Ratings(values=sample(random, 60))).interval
        held += low <= truth <= high
    assert 0.91 <= held / 300 <= 0.99


def test_what_cannot_be_told_is_said():
    same = all_coefficients(Ratings(values=np.ones((5, 2))))
    assert all(c.value is None and "no variation" in c.method for c in same.values())
    json.dumps([c.as_json() for c in same.values()], allow_nan=False)
    with pytest.raises(InvalidInput, match="no case was rated by two"):
        Ratings(values=np.array([[1, X], [X, 2]]))
    with pytest.raises(InvalidInput, match="two readers"):
        Ratings(values=np.ones((4, 1)))
    with pytest.raises(InvalidInput, match="twice"):
        table_of([("a", "r", "1"), ("a", "r", "2")], "nominal")
    with pytest.raises(InvalidInput, match="'good' is no number"):
        table_of([("a", "r", "good"), ("a", "s", "1")], "ordinal")
    with pytest.raises(InvalidInput, match="below 0"):
        Ratings(values=np.array([[-1.0, 2.0]]), level="ratio")
