"""Questions and how answers are marked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radsmith.errors import InvalidInput
from radsmith.review.blinding import on_square
from radsmith.teaching.items import GRID, Item, mark, mask_of, on_grid, runs_of
from radsmith.teaching.quiz import Given, class_of, coming, order_for, progress_of


def item(kind="finding", number=0, **changes):
    values = {"pictures": ("p",), "revealed": ("p",)}
    if kind == "order":
        four = tuple("abcd")
        values = {"pictures": four, "revealed": four, "answer": tuple("cabd")}
    elif kind == "where":
        square = np.zeros((GRID, GRID), bool)
        square[32:64, 64:96] = True
        values["region"] = runs_of(square)
    else:
        values |= {"choices": ("one", "two"), "answer": ("two",)}
    return Item(id=f"{kind}-{number}", kind=kind, question="?", **(values | changes))


@given(arrays(bool, (GRID, GRID), elements=st.booleans()))
def test_a_mask_survives_its_runs(mask):
    assert (mask_of(runs_of(mask)) == mask).all()


def test_masks_of_nothing_and_of_all():
    for mask in (np.zeros((GRID, GRID), bool), np.ones((GRID, GRID), bool)):
        assert (mask_of(runs_of(mask)) == mask).all()
    with pytest.raises(InvalidInput):
        mask_of((5, 5))


@given(
    st.tuples(st.integers(30, 400), st.integers(30, 400)),
    st.floats(0, 0.999),
    st.floats(0, 0.999),
)
def test_a_click_on_the_finding_is_right_whatever_the_image(shape, down, across):
    """The mask lies on the square where the picture does: bars beside it, size and aspect apart."""
    row, column = int(down * shape[0]), int(across * shape[1])
    mask = np.zeros(shape, bool)
    mask[row, column] = True
    place = on_square((column + 0.5, row + 0.5), shape)
    asked = item("where", region=runs_of(on_grid(mask)))
    assert mark(asked, {"point": list(place)}).correct
    far = [1 - place[0] if abs(place[0] - 0.5) > 0.1 else 0.9, place[1]]
    assert not mark(asked, {"point": far}).correct


def test_clicks():
    where = item("where")
    for point, right in (
        ([0.6, 0.4], True),
        ([0.49, 0.4], True),
        ([0.45, 0.4], False),
        ([1, 1], False),
    ):
        found = mark(where, {"point": point})
        assert (found.correct, found.score) == (right, float(right))
    for wrong in ([0.5], [2, 0], "x", None, [float("nan"), 0]):
        with pytest.raises(InvalidInput, match="a point is"):
            mark(where, {"point": wrong})


@given(st.permutations("abcd"))
def test_an_order_counts_its_pairs(order):
    found = mark(item("order"), {"order": order})
    right = "cabd"
    pairs = [order.index(x) < order.index(y) for i, x in enumerate(right) for y in right[i + 1 :]]
    assert found.score == sum(pairs) / 6
    assert found.correct == (order == list(right))


def test_choices():
    assert mark(item(), {"choice": "two"}).correct
    assert not mark(item(), {"choice": "one"}).correct
    with pytest.raises(InvalidInput, match="choose one of one, two"):
        mark(item(), {"choice": "three"})
    with pytest.raises(InvalidInput, match="names each picture"):
        mark(item("order"), {"order": ["a", "b"]})


@pytest.mark.parametrize(
    "wrong",
    [
        {"answer": ()},
        {"answer": ("one", "two")},
        {"kind": "guess"},
        {"pictures": ()},
        {"kind": "where", "region": ()},
    ],
)
def test_an_item_that_cannot_be_asked_is_none(wrong):
    values = {"id": "x", "kind": "finding", "question": "?", "pictures": ("p",), "revealed": ("p",)}
    with pytest.raises(InvalidInput):
        Item(**(values | {"choices": ("one", "two"), "answer": ("two",)} | wrong))


def test_json_and_what_is_told_before():
    for kind in ("finding", "where", "order"):
        asked = item(kind, told="the answer")
        assert Item.from_json(asked.to_json()) == asked
        assert not {"answer", "told", "region", "revealed", "needs"} & set(asked.asked())


ITEMS = [item("finding", n) for n in range(6)] + [item("source", n) for n in range(3)]


def given_by(learner, number, correct, at):
    return Given(item=ITEMS[number].id, learner=learner, correct=correct, score=correct, at=at)


def test_each_learner_has_an_order_with_the_veiled_first():
    orders = {name: order_for(name, "set", ITEMS) for name in ("ann", "bob", "cal")}
    assert len({tuple(i.id for i in order) for order in orders.values()}) == 3
    for name, order in orders.items():
        assert [i.kind for i in order[:3]] == ["source"] * 3
        assert order == order_for(name, "set", ITEMS)
        assert {i.id for i in order} == {i.id for i in ITEMS}


def test_first_answers_count():
    told = [
        given_by("ann", 0, False, 2.0),
        given_by("ann", 0, True, 3.0),
        given_by("ann", 1, True, 1),
    ]
    progress = progress_of("ann", ITEMS, told)
    assert (progress.answered, progress.right, progress.total) == (2, 1, 9)
    left = coming("ann", "set", ITEMS, told)
    assert {i.id for i in ITEMS} - {i.id for i in left} == {ITEMS[0].id, ITEMS[1].id}
    found = class_of(ITEMS, [*told, given_by("bob", 0, True, 5.0)])
    assert (found.items[0].answered, found.items[0].right) == (2, 1)
    assert list(found.learners) == ["ann", "bob"]
    assert class_of(ITEMS, []).learners == {}
