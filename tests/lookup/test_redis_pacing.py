"""How often a dead Redis is dialled."""

from __future__ import annotations

from lookup.redis_pacing import DialPacer


def dials(pacer: DialPacer, seconds: int, *, succeed: bool) -> int:
    """Somebody wants to dial each millisecond."""
    count = 0
    for millisecond in range(seconds * 1000):
        now_s = 100 + millisecond / 1000
        if pacer.permits(now_s):
            count += 1
            if succeed:
                pacer.succeeded()
            else:
                pacer.failed(now_s, 0.5)
    return count


def test_a_server_that_refuses_is_dialled_ever_more_rarely() -> None:
    assert 5 <= dials(DialPacer(8, 0.05, 2.0, 1000.0), 10, succeed=False) <= 15


def test_a_server_that_accepts_and_then_fails_is_not_dialled_more_than_so_often() -> None:
    assert 100 <= dials(DialPacer(8, per_second=10.0), 10, succeed=True) <= 110


def test_after_a_success_the_next_failure_costs_the_first_pause_again() -> None:
    pacer = DialPacer(8, 1.0, 100.0, 1000.0)
    for now_s in (10.0, 20.0, 40.0):
        assert pacer.permits(now_s)
        pacer.failed(now_s, 1.0)
    assert not pacer.permits(43.9)
    assert pacer.permits(44.1)
    pacer.succeeded()
    pacer.failed(50.0, 1.0)
    assert not pacer.permits(50.9)
    assert pacer.permits(51.1)


def test_the_pause_is_spread_over_its_second_half() -> None:
    for random, earliest_s in ((0.0, 1.0), (1.0, 2.0)):
        pacer = DialPacer(8, 2.0, 2.0)
        pacer.failed(10.0, random)
        assert not pacer.permits(10.0 + earliest_s - 0.01)
        assert pacer.permits(10.0 + earliest_s + 0.01)
