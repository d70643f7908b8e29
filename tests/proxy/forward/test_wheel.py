"""Deadlines are noticed at most a few ticks late, never early, and cost nothing while they move later.

An item that is not a connection can only complain when its deadline comes: that is how it is heard here.
"""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.forward.wheel import NEVER_S, TICK_S, DeadlineWheel, Timed

START_S: Final = 1000.0
LATE_S: Final = 4 * TICK_S

pytestmark = pytest.mark.filterwarnings("error")


def rang(item: Timed) -> bool:
    """Whether its last deadline has passed and was noticed."""
    return item.deadline_s == NEVER_S


def test_a_deadline_is_noticed_when_it_has_passed_and_not_before() -> None:
    wheel, item = DeadlineWheel(START_S), Timed()
    wheel.set_deadline(item, 5.0)
    wheel.advance(START_S + 4.99)
    assert not rang(item)
    wheel.advance(START_S + 5.0 + LATE_S)
    assert rang(item)


def test_it_rings_once(caplog: pytest.LogCaptureFixture) -> None:
    wheel, item = DeadlineWheel(START_S), Timed()
    wheel.set_deadline(item, 1.0)
    for step in range(100):
        wheel.advance(START_S + step * TICK_S)
    assert len(caplog.records) == 1


def test_a_deadline_moved_later_rings_at_the_later_time_only() -> None:
    wheel, item = DeadlineWheel(START_S), Timed()
    wheel.set_deadline(item, 1.0)
    wheel.advance(START_S + 0.9)
    wheel.set_deadline(item, 5.0)
    wheel.advance(START_S + 5.8)
    assert not rang(item)
    wheel.advance(START_S + 5.9 + LATE_S)
    assert rang(item)


def test_a_deadline_moved_earlier_rings_at_the_earlier_time(caplog: pytest.LogCaptureFixture) -> None:
    wheel, item = DeadlineWheel(START_S), Timed()
    wheel.set_deadline(item, 50.0)
    wheel.set_deadline(item, 1.0)
    wheel.advance(START_S + 1.0 + LATE_S)
    assert rang(item)
    wheel.advance(START_S + 100.0)
    assert len(caplog.records) == 1


def test_a_deadline_taken_back_never_rings() -> None:
    wheel, item = DeadlineWheel(START_S), Timed()
    wheel.set_deadline(item, 1.0)
    item.deadline_s = NEVER_S
    wheel.advance(START_S + 1000.0)
    wheel.set_deadline(item, 2.0)
    wheel.advance(START_S + 1001.9)
    assert not rang(item)
    wheel.advance(START_S + 1002.0 + LATE_S)
    assert rang(item)


def test_a_clock_that_leaps_misses_nobody() -> None:
    wheel = DeadlineWheel(START_S)
    items = [Timed() for _ in range(50)]
    for position, item in enumerate(items):
        wheel.set_deadline(item, position * 0.7)
    wheel.advance(START_S + 20.0)
    for position, item in enumerate(items):
        if position * 0.7 > 20.0:
            assert not rang(item)
        elif position * 0.7 < 20.0 - LATE_S:
            assert rang(item)


def test_one_that_fails_takes_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    wheel = DeadlineWheel(START_S)
    items = [Timed() for _ in range(3)]
    for item in items:
        wheel.set_deadline(item, 1.0)
    wheel.advance(START_S + 2.0)
    assert all(rang(item) for item in items)
    assert len(caplog.records) == 3
    assert all(record.exc_info is not None for record in caplog.records)


@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.floats(0.0, 3.0)), min_size=1, max_size=30))
def test_however_deadlines_move_the_last_one_is_kept(moves: list[tuple[float, float]]) -> None:
    """Each move sets a deadline so many seconds ahead, then time passes."""
    wheel, item = DeadlineWheel(START_S), Timed()
    now_s = START_S
    due_s = NEVER_S
    for after_s, passing_s in moves:
        wheel.set_deadline(item, after_s)
        due_s = wheel.now_s + after_s
        end_s = now_s + passing_s
        while now_s < end_s:
            now_s = min(end_s, now_s + TICK_S)
            wheel.advance(now_s)
            assert rang(item) or now_s < due_s + LATE_S
            assert not rang(item) or now_s >= due_s
    while now_s < due_s + LATE_S:
        now_s += TICK_S
        wheel.advance(now_s)
    assert rang(item)
