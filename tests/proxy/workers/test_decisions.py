"""When a worker is replaced, and who accepts for a slot that has none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.workers.decisions import Backoff, Change, Timing, stand_ins

TIMING = Timing(first_delay_s=0.5, longest_delay_s=4.0, stable_s=60.0)


def test_the_first_replacement_comes_at_once_and_each_further_one_waits_longer_up_to_a_limit() -> None:
    backoff = Backoff(TIMING)
    assert [backoff.delay_s(served_s=1.0) for _ in range(7)] == [0.0, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_after_a_stable_minute_the_next_replacement_comes_at_once_again() -> None:
    backoff = Backoff(TIMING)
    for _ in range(5):
        backoff.delay_s(served_s=0.0)
    assert backoff.delay_s(served_s=60.0) == 0.0
    assert backoff.delay_s(served_s=59.9) == 0.5


def test_a_slot_without_a_worker_gets_a_stand_in() -> None:
    assert stand_ins(2, {0}, {}) == [Change(1, None, 0)]


def test_a_stand_in_is_released_when_the_slots_own_worker_serves_again() -> None:
    assert stand_ins(2, {0, 1}, {1: 0}) == [Change(1, 0, None)]


def test_a_stand_in_that_has_gone_is_replaced_by_another() -> None:
    assert stand_ins(3, {2}, {1: 0}) == [Change(0, None, 2), Change(1, 0, 2)]


def test_while_nobody_serves_nobody_stands_in_and_the_first_who_does_takes_all() -> None:
    assert stand_ins(2, set(), {1: 0}) == [Change(1, 0, None)]
    assert stand_ins(3, {1}, {}) == [Change(0, None, 1), Change(2, None, 1)]


def test_stand_ins_share_the_work() -> None:
    changes = stand_ins(4, {0, 1}, {})
    assert {change.slot: change.new for change in changes} == {2: 0, 3: 1}


SLOTS = st.integers(1, 6)


@given(st.data(), SLOTS)
def test_each_slot_ends_up_with_a_worker_of_its_own_or_one_that_stands_in(
    data: st.DataObject, slots: int
) -> None:
    slot = st.integers(0, slots - 1)
    standing_in: dict[int, int] = {}
    for _ in range(data.draw(st.integers(1, 5))):
        serving = data.draw(st.sets(slot))
        for change in stand_ins(slots, serving, standing_in):
            assert standing_in.pop(change.slot, None) == change.old
            if change.new is not None:
                standing_in[change.slot] = change.new
        assert stand_ins(slots, serving, standing_in) == []
        for number in range(slots):
            own, other = number in serving, standing_in.get(number)
            assert (other in serving) == (not own and bool(serving))
            assert not (own and other is not None)
