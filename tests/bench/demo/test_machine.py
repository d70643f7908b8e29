"""A machine is busy when it is so for a while, and being busy excuses no delay for ever."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench.demo.machine import Crowd, Patience, runnable_threads


def crowd_that_saw(*runnable: int, cores: int = 2) -> Crowd:
    crowd = Crowd(cores, iter(runnable).__next__)
    for _ in runnable:
        crowd.look()
    return crowd


@pytest.mark.parametrize(
    ("seen", "cores", "is_busy"),
    [
        ((), 2, False),
        ([3] * 20, 2, True),
        ([3] * 20, 4, False),
        ([0] * 19 + [40], 2, False),
        ([9] * 20 + [1] * 20, 2, False),
    ],
)
def test_busy_is_who_had_too_much_to_do_over_the_last_two_seconds(
    seen: Sequence[int], cores: int, is_busy: bool
) -> None:
    assert crowd_that_saw(*seen, cores=cores).is_busy is is_busy


def test_how_many_threads_want_a_core_is_read_from_the_kernel() -> None:
    assert 0 <= runnable_threads() < 100_000


def lasted_s(*, was_busy: bool) -> int:
    patience = Patience(5.0, 30.0, 0.0)
    return next(second for second in range(1, 100) if not patience.lasts(float(second), was_busy))


def test_time_of_a_busy_machine_does_not_count_and_still_ends() -> None:
    assert lasted_s(was_busy=False) == 5
    assert lasted_s(was_busy=True) == 30
