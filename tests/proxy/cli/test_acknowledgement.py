"""Waiting for the workers' word, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import Sequence

from lookup.flags import Flag, FlagRecord
from proxy.cli.acknowledgement import WAIT_S, Acknowledged, WorkerFlags, acknowledged, wait_until_applied
from proxy.cli.cell_flag import acknowledgement_text

RECORD = FlagRecord("eu-1", Flag.DOWN, 3, "x", "anna", set_at_s=100.0)


def worker(version: int, applied_ms: int = 0, ready: bool = True) -> WorkerFlags:
    return WorkerFlags(slot=0, ready=ready, flags={"eu-1": version}, applied_ms=applied_ms)


class Clock:
    """Time passes only by pausing."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> None:
        self.now_s += seconds


def test_a_newer_version_counts_as_applied_and_an_older_does_not() -> None:
    assert acknowledged(RECORD, [worker(4, 100_031), worker(2, 100_999)]) == Acknowledged(
        1, 2, 100.031 - 100.0
    )


def test_a_worker_whose_clock_is_behind_was_not_quicker_than_light() -> None:
    assert acknowledged(RECORD, [worker(3, 99_000)]).slowest_s == 0.0


def test_no_worker_at_all_is_not_complete() -> None:
    assert not acknowledged(RECORD, []).complete


def test_waiting_ends_when_all_have_it() -> None:
    answers = iter([[worker(2)], [worker(2)], [worker(3)]])
    clock = Clock()
    assert wait_until_applied(RECORD, lambda: next(answers), clock, clock.pause).complete
    assert 0 < clock.now_s < WAIT_S


def test_waiting_has_an_end() -> None:
    asked = 0

    def ask() -> Sequence[WorkerFlags]:
        nonlocal asked
        asked += 1
        return [worker(2)]

    clock = Clock()
    assert wait_until_applied(RECORD, ask, clock, clock.pause) == Acknowledged(0, 1, 0.0)
    assert WAIT_S <= clock.now_s < WAIT_S + 0.1
    assert asked > 10


def test_the_text_says_how_many_and_how_slow() -> None:
    others = "; other edges on that store follow within a second"
    all_of_them = f"applied on 2 of 2 workers of edge-1, slowest 31 ms{others}"
    assert acknowledgement_text(Acknowledged(2, 2, 0.031), "edge-1") == all_of_them
    assert (
        acknowledgement_text(Acknowledged(0, 1, 0.0), "edge-1")
        == f"applied on 0 of 1 worker of edge-1{others}"
    )
