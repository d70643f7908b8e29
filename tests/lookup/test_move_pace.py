"""Turns come evenly and never faster than asked for; a few failures stop nothing, many do."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookup.move_pace import Pace, too_many_failed


class Time:
    """Stands still, except for those who wait for their turn."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def clock(self) -> float:
        return self.now_s


def turns(per_s: float | None, gaps_s: list[float]) -> list[float]:
    """When each got its turn, of callers of whom each comes so long after the one before had it."""

    async def take() -> list[float]:
        time = Time()
        pace = Pace(per_s, time.clock)

        async def pause(pause_s: float) -> None:
            time.now_s += pause_s

        taken = []
        for gap_s in gaps_s:
            time.now_s += gap_s
            await pace.turn(pause)
            taken.append(time.now_s)
        return taken

    return asyncio.run(take())


@given(
    per_s=st.floats(0.1, 1000.0),
    gaps_s=st.lists(st.floats(0.0, 3.0), min_size=2, max_size=50),
)
def test_no_two_turns_are_nearer_than_the_rate_allows(per_s: float, gaps_s: list[float]) -> None:
    taken = turns(per_s, gaps_s)
    for former, later in pairwise(taken):
        assert later - former >= 1 / per_s - 1e-6


def test_those_who_wait_get_exactly_the_rate() -> None:
    assert turns(20.0, [0.0] * 5) == pytest.approx([1000.0, 1000.05, 1000.1, 1000.15, 1000.2])


def test_time_that_was_not_used_is_not_made_up_for() -> None:
    assert turns(1.0, [0.0, 60.0, 0.0, 0.0]) == pytest.approx([1000.0, 1060.0, 1061.0, 1062.0])


def test_without_a_rate_nobody_waits() -> None:
    assert turns(None, [0.0] * 3) == [1000.0] * 3


def test_callers_at_the_same_time_get_turns_one_after_the_other() -> None:
    async def take() -> list[float]:
        pace = Pace(10.0, lambda: 0.0)
        pauses: list[float] = []

        async def pause(pause_s: float) -> None:
            pauses.append(pause_s)
            await asyncio.sleep(0)

        await asyncio.gather(*(pace.turn(pause) for _ in range(4)))
        return pauses

    assert asyncio.run(take()) == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("failed", "ended", "stops"),
    [(10, 10, False), (11, 11, True), (11, 109, True), (11, 110, False), (200, 1000, True)],
)
def test_many_failures_are_too_many_when_they_exceed_their_share(
    failed: int, ended: int, stops: bool
) -> None:
    assert too_many_failed(failed, ended, 0.1) is stops
