"""The data set's own rules: split, slices, windows, faults, likeness, rows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radsmith.datasets.entry import (
    COLUMNS,
    Entry,
    alike,
    bits_apart,
    ct_windows,
    fault,
    plan_slices,
    same_picture,
    split_of,
    spread,
    thumbnail,
    windowed,
)
from radsmith.errors import InvalidInput
from radsmith.images.image import Window


def picture(seed=0, side=96):
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (6, 6))
    return np.kron(coarse, np.ones((side // 6, side // 6))).astype(np.uint8)


@given(st.text(min_size=1), st.floats(0, 0.9))
def test_a_patient_lies_on_one_side(patient, share):
    assert split_of(patient, share) == split_of(patient, share)
    assert split_of(patient, 0) == "train"


def test_the_split_has_the_share_asked_for():
    sides = [split_of(f"patient {n}", 0.2) for n in range(2000)]
    assert 0.17 < sides.count("test") / 2000 < 0.23
    with pytest.raises(InvalidInput):
        split_of("x", 1.0)


@given(st.integers(1, 400), st.integers(0, 50))
def test_slices_are_different_inside_and_at_most_as_many_as_wanted(count, wanted):
    plan = plan_slices(count, wanted)
    assert plan == sorted(set(plan))
    assert plan[0] >= 0 and plan[-1] < count
    assert len(plan) == (count if wanted == 0 or count <= wanted else len(plan))
    assert wanted == 0 or len(plan) <= wanted
    if 1 < wanted < count // 2:
        assert plan[0] >= (count - 1) // 10 and plan[-1] <= math.ceil(0.9 * (count - 1))


def test_windows_follow_the_body_part():
    assert ct_windows("chest") == ("lung window", "soft-tissue window")
    assert ct_windows("chest", ["bone window"]) == ("bone window",)
    with pytest.raises(InvalidInput, match="there are"):
        ct_windows("chest", ["red window"])
    values = np.array([[-1000, 40, 240, 3000]])
    assert windowed(values, Window(center=40, width=400)).tolist() == [[0, 128, 255, 255]]
    assert spread(np.full((4, 4), 7)).max() == 0


def test_faults():
    radiograph = np.full((200, 160), 10, np.uint8)
    radiograph[20:-20, 25:-25] = 180 + picture(1, 120)[:1, :1] // 10
    radiograph[40:160, 40:120] = 200 + picture(2, 120)[:, :80] // 5
    assert fault(radiograph, "x-ray") == ""
    assert fault(255 - radiograph, "x-ray").startswith("looks inverted")
    assert fault(255 - radiograph, "ct") == ""
    assert fault(np.full((64, 64), 9, np.uint8), "ct").startswith("blank")
    assert "only 10x64" in fault(picture()[:64, :10], "ct")


def test_near_copies_differ_in_few_bits_and_others_in_many():
    one = picture(3)
    lighter = np.clip(one.astype(int) + 12, 0, 255).astype(np.uint8)
    smaller = one.reshape(48, 2, 48, 2).mean((1, 3)).astype(np.uint8)
    for copy in (lighter, smaller):
        assert bits_apart(alike(one), alike(copy)) <= 3
        assert same_picture(thumbnail(one), thumbnail(copy))
    assert bits_apart(alike(one), alike(picture(4))) > 12
    body = picture(5) // 2 + 60  # the same shape with other detail, as of another person
    other = (body + np.random.default_rng(0).normal(0, 25, body.shape)).clip(0, 255)
    assert not same_picture(thumbnail(body), thumbnail(other.astype(np.uint8)))


def test_rows_hold_ids_and_cap_the_age():
    entry = Entry(
        key="k",
        width=2,
        height=1,
        modality="ct",
        patient_id="p",
        source="s",
        age=97,
        labels={"finding:pneumonia": 1.0, "finding:fracture": math.nan, "finding:mass": 0.0},
        severity="severity:mild",
        spacing=(0.5, 0.25),
    )
    row = entry.row("train-0.tar")
    assert tuple(row) == COLUMNS
    assert row["findings"] == "finding:pneumonia;severity:mild"
    assert row["labels"] == '{"finding:pneumonia":1,"finding:fracture":null,"finding:mass":0}'
    assert (row["age"], row["age_group"], row["spacing"]) == ("90", "older-adult", "0.5x0.25")
    with pytest.raises(InvalidInput, match="unknown concepts"):
        Entry(key="k", width=1, height=1, modality="ct", patient_id="p", source="s",
              labels={"finding:nonsense": 1.0})  # fmt: skip
