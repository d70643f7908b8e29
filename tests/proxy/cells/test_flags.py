"""The board of flags: the newest record of each cell counts, until it expires."""

from __future__ import annotations

from typing import Final

from lookup.flags import Flag, FlagRecord
from proxy.cells.flags import FlagBoard

NOW_S: Final = 1_800_000_000.0


def record(
    cell: str, flag: Flag = Flag.DOWN, version: int = 1, expires_at_s: float | None = None
) -> FlagRecord:
    return FlagRecord(cell, flag, version, "broken", "anna", NOW_S, expires_at_s)


def test_a_board_without_records_takes_nobody_out_of_service() -> None:
    board = FlagBoard((), NOW_S)
    assert (board.down, board.versions, board.expires_at_s) == (frozenset(), {}, None)


def test_down_is_out_of_service_and_serving_is_not() -> None:
    board = FlagBoard([record("eu-1"), record("eu-2", Flag.SERVING, 7)], NOW_S)
    assert board.down == {"eu-1"}
    assert board.versions == {"eu-1": 1, "eu-2": 7}


def test_a_newer_record_counts_and_the_old_board_stays() -> None:
    old = FlagBoard([record("eu-1")], NOW_S)
    new = old.with_record(record("eu-1", Flag.SERVING, 2), NOW_S)
    assert old.down == {"eu-1"}
    assert new.down == frozenset()
    assert new.versions == {"eu-1": 2}


def test_a_record_that_is_not_newer_changes_nothing() -> None:
    board = FlagBoard([record("eu-1", version=5)], NOW_S)
    assert board.with_record(record("eu-1", Flag.SERVING, 5), NOW_S) is board
    assert board.with_record(record("eu-1", Flag.SERVING, 4), NOW_S) is board


def test_a_record_of_one_cell_leaves_the_others() -> None:
    board = FlagBoard([record("eu-1")], NOW_S).with_record(record("eu-2"), NOW_S)
    assert board.down == {"eu-1", "eu-2"}


def test_a_flag_expires_to_serving() -> None:
    board = FlagBoard([record("eu-1", expires_at_s=NOW_S + 10), record("eu-2")], NOW_S)
    assert board.expires_at_s == NOW_S + 10
    assert board.as_of(NOW_S + 9) is board
    later = board.as_of(NOW_S + 10)
    assert board.down == {"eu-1", "eu-2"}
    assert later.down == {"eu-2"}
    assert later.expires_at_s is None
    assert later.versions == board.versions


def test_the_next_expiry_is_the_earliest_to_come() -> None:
    board = FlagBoard(
        [
            record("a", expires_at_s=NOW_S + 20),
            record("b", expires_at_s=NOW_S + 10),
            record("c", expires_at_s=NOW_S - 1),
        ],
        NOW_S,
    )
    assert board.expires_at_s == NOW_S + 10
    assert board.down == {"a", "b"}
    assert board.as_of(NOW_S + 15).expires_at_s == NOW_S + 20


def test_a_flag_that_a_clock_ahead_of_time_ended_is_in_force_again_when_that_is_set_right() -> None:
    board = FlagBoard(
        [record("eu-1", expires_at_s=NOW_S + 10), record("eu-2", expires_at_s=NOW_S - 1)], NOW_S
    )
    ahead = board.as_of(NOW_S + 3600)
    assert ahead.down == frozenset()
    right = ahead.as_of(NOW_S + 1)
    assert right.down == {"eu-1"}
    assert right.as_of(NOW_S + 2) is right
    assert right.as_of(NOW_S + 10).down == frozenset()


def test_a_record_that_came_too_late_is_known_but_not_in_force() -> None:
    board = FlagBoard((), NOW_S).with_record(record("eu-1", expires_at_s=NOW_S - 1), NOW_S)
    assert board.down == frozenset()
    assert board.versions == {"eu-1": 1}


def test_an_expired_flag_can_be_renewed() -> None:
    board = FlagBoard([record("eu-1", expires_at_s=NOW_S + 10)], NOW_S).as_of(NOW_S + 11)
    assert board.down == frozenset()
    assert board.with_record(record("eu-1", version=2), NOW_S + 11).down == {"eu-1"}
