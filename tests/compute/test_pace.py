"""What is late is told by what is usual."""

from radsmith.compute.pace import LATE, Pace
from radsmith.compute.tasks import over_tasks


def test_a_task_is_late_after_some_times_the_usual():
    pace = Pace()
    pace.begun(0, "a", 0.0)
    assert pace.usual is None and pace.late(10**6) == ()
    pace.ended(0, 10.0)
    pace.begun(1, "b", 100.0)
    pace.begun(2, "c", 95.0)
    assert pace.usual == 10.0 and pace.late(100.0 + 10 * LATE - 6) == []
    late = pace.late(100.0 + 10 * LATE + 1)
    assert [(one.number, one.where) for one in late] == [(2, "c"), (1, "b")]
    pace.lost(2)
    pace.ended(1, 200.0)
    assert pace.again == 1 and pace.late(10**6) == []


def test_each_late_task_is_told_once():
    told = []
    pace = Pace(told.append)
    pace.begun(0, "a", 0.0)
    pace.ended(0, 10.0)
    pace.begun(1, "b", 10.0)
    for now in (20.0, 50.0, 60.0):
        pace.look(now)
    assert [(one.number, one.where, one.seconds) for one in told] == [(1, "b", 40.0)]


def test_over_tasks_tells_it_of_each_task():
    for workers in (1, 2):
        pace = Pace()
        assert sorted(over_tasks(abs, [-3, 2, -1], workers, pace=pace)) == [1, 2, 3]
        assert pace.usual is None or pace.usual >= 0
        assert pace.late(float("inf")) in ((), [])
