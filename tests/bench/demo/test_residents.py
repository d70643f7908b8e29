"""Whom a sample cell takes for its own while users come, go, stay after all and come back."""

from __future__ import annotations

from bench.demo.residents import Record, Residents

SEEDED, STRANGER = 4, 5


def residents() -> Residents:
    return Residents(lambda number: number == SEEDED)


def test_only_those_seeded_or_moved_here_are_at_home() -> None:
    cell = residents()
    assert cell.is_home(SEEDED, 0)
    assert not cell.is_home(STRANGER, 7)
    assert cell.leave(STRANGER, 2) is None
    cell.arrive(STRANGER, 2, Record("abc", 3))
    assert not cell.is_home(STRANGER, 2)
    assert cell.is_home(STRANGER, 3)
    assert cell.record(STRANGER) == Record("abc", 3)


def test_who_stays_after_all_is_served_and_only_edges_that_missed_it_are_refused() -> None:
    cell = residents()
    cell.leave(SEEDED, 2)
    assert [cell.is_home(SEEDED, epoch) for epoch in (1, 2, 3)] == [False, True, True]


def test_who_comes_back_brings_the_record_along() -> None:
    here, there = residents(), residents()
    locker = here.record(SEEDED).locker
    for source, target, epoch in ((here, there, 2), (there, here, 4)):
        left = source.leave(SEEDED, epoch)
        assert left is not None
        target.arrive(SEEDED, epoch, left)
        assert source.leave(SEEDED, epoch) is left, "a copy may be repeated"
    assert not here.is_home(SEEDED, 4)
    assert here.is_home(SEEDED, 5)
    assert here.record(SEEDED).locker == locker
