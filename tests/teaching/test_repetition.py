"""What comes back, and when."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from radsmith.teaching.repetition import Seen, due

DAY = 86400.0
ANSWERS = st.lists(
    st.builds(Seen, item=st.sampled_from("abc"), correct=st.booleans(), at=st.floats(0, 1e9)),
    max_size=12,
)


@given(ANSWERS)
def test_only_what_was_missed_comes_back_and_later_than_it_was_asked(answers):
    found = due(answers)
    assert {one.item for one in found} == {a.item for a in answers if not a.correct}
    for one in found:
        assert one.at > max(a.at for a in answers if a.item == one.item)
        assert one.lapses == sum(not a.correct for a in answers if a.item == one.item)
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert due(reversed(answers)) == found or len({a.at for a in answers}) < len(answers)


def test_what_is_known_comes_back_ever_later_and_what_is_not_soon():
    answers, gaps = [Seen(item="a", correct=False, at=0.0)], []
    for _ in range(6):
        (one,) = due(answers)
        gaps.append(one.at - answers[-1].at)
        answers.append(Seen(item="a", correct=True, at=one.at))
    assert gaps[0] < 3600
    assert gaps[2] >= DAY
    assert all(later > 1.5 * before for before, later in pairwise(gaps[2:]))
    (known,) = due(answers)
    (forgotten,) = due([*answers[:-1], Seen(item="a", correct=False, at=answers[-1].at)])
    assert forgotten.at - answers[-1].at < 3600 < known.at - answers[-1].at
