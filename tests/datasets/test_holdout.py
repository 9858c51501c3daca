"""Who is held out: whole patients, the same ones for every training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsmith.datasets.holdout import BUCKETS, bucket, held_out
from radsmith.errors import InvalidInput

people = st.lists(st.integers(0, 60).map("patient-{}".format), min_size=1, max_size=200)


def of(patients, out):
    return {p for p, o in zip(patients, out, strict=True) if o}


@given(people, st.floats(0, 0.99))
def test_patients_are_held_out_whole_and_hardly_more_than_asked(patients, share):
    out = held_out(patients, share)
    assert not of(patients, out) & of(patients, ~out)
    assert out.mean() <= max(share, 0.5) + 1e-9
    assert out.mean() <= share + 1e-9 or len(of(patients, out)) == 1
    if share == 0:
        assert not out.any()


@given(people, st.floats(0.05, 0.9), st.randoms())
def test_the_same_people_whatever_the_order_and_whoever_is_added(patients, share, rng):
    out = of(patients, held_out(patients, share))
    shuffled = list(patients)
    rng.shuffle(shuffled)
    assert of(shuffled, held_out(shuffled, share)) == out


def test_whoever_the_default_model_never_saw_comes_first():
    patients = [f"p{number}" for number in range(640)]
    default = of(patients, held_out(patients))
    assert default == {p for p in patients if bucket(p) == 0} and 8 < len(default) < 40
    assert default <= of(patients, held_out(patients, 0.1))
    assert of(patients, held_out(patients, 0.1)) <= of(patients, held_out(patients, 0.2))


def test_the_rule_of_the_default_model_is_what_it_was_trained_by():
    assert BUCKETS == 32
    known = {"a": 18, "patient-7": 5, "": 2}
    assert {name: bucket(name) for name in known} == known


def test_one_is_held_out_of_few_but_nobody_of_one():
    assert held_out(["a", "b", "b"], 0.1).tolist() == [True, False, False]
    assert not held_out(["one"] * 40, 0.1).any()
    assert not held_out([], 0.1).any()
    assert np.array_equal(held_out(["a", "b"], 0.0), [False, False])
    with pytest.raises(InvalidInput, match="below 1"):
        held_out(["a"], 1)
