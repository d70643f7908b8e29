from __future__ import annotations

import pytest

from lookup.stores.cassandra_hedging import HedgePace, PacedHedging

LEAST_S, LONGEST_S = 0.02, 0.5


def paced(*answers_s: float, rounds: int = 100) -> HedgePace:
    """After these answers, again and again."""
    pace = HedgePace(LEAST_S, LONGEST_S)
    for _ in range(rounds):
        for after_s in answers_s:
            pace.answered(after_s)
    return pace


def test_a_healthy_ring_is_hedged_after_the_least_delay() -> None:
    assert HedgePace(LEAST_S, LONGEST_S).delay_s == LEAST_S
    assert paced(0.001, 0.003, 0.002).delay_s == LEAST_S


def test_a_ring_that_is_slow_as_a_whole_is_hedged_later() -> None:
    assert paced(0.03, 0.04, 0.05).delay_s == pytest.approx(2 * 0.04, rel=0.2)
    assert paced(1.0, 2.0).delay_s == LONGEST_S


def test_one_frozen_node_of_three_delays_no_hedge() -> None:
    assert paced(0.003, 0.003, LEAST_S + 0.003).delay_s == pytest.approx(LEAST_S, rel=0.1)


def test_a_ring_that_is_quick_again_is_hedged_early_again() -> None:
    pace = paced(0.1)
    assert pace.delay_s > 0.15
    for _ in range(100):
        pace.answered(0.002)
    assert pace.delay_s == LEAST_S


def test_the_driver_is_told_the_delay_twice_and_then_to_stop() -> None:
    plan = PacedHedging(paced(0.05)).new_plan("homecell", None)
    next_execution = plan.next_execution  # type: ignore[attr-defined]  # of the driver, which has no types
    assert [next_execution(None) for _ in range(3)] == [pytest.approx(0.1, rel=0.2)] * 2 + [-1]
