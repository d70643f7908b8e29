"""What a worker says of its unsafe requests, and which leases a move waits for."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from lookup.assignment import Assignment, State
from lookup.fence import Fence
from lookup.leases import CONFIRMING, LEASE_S, Lease, stands_in_way
from lookup.moves import Position
from tests.lookup.fakes import NOW_S, home

FENCE_AT = Position("g1", 10)


def moving(key: str) -> Assignment:
    return Assignment(key, "cell-a", "eu", 2, State.MOVING, "cell-b")


def test_a_key_is_held_while_an_unsafe_request_that_began_before_the_move_is_under_way() -> None:
    fence = Fence(linger_s=30.0)
    fence.enter("user:1")
    fence.enter("user:1")
    fence.enter("user:2")
    fence.changed(moving("user:1"))
    assert fence.held(0.0) == {"user:1"}
    fence.leave("user:1", False, 1.0)
    assert fence.held(1.0) == {"user:1"}
    fence.leave("user:1", False, 2.0)
    news = [fence.news]
    assert fence.held(2.0) == frozenset()
    assert [*news, fence.news] == [True, False]
    assert not fence.quiet
    fence.leave("user:2", False, 3.0)
    assert fence.quiet


def test_who_confirms_writes_is_gone_when_those_are_over_however_long_ago_that_was_said() -> None:
    confirming = Lease("w1", 1, CONFIRMING, frozenset(), NOW_S + 10.0, 1.0, unrenewed_s=15.0)
    assert not confirming.is_gone(NOW_S + 15.9, 5.0)
    assert confirming.is_gone(NOW_S + 16.0, 5.0)


def test_a_confirmed_write_began_before_the_fence_and_before_the_announcement_ran_out() -> None:
    confirming = Lease("w1", 1, CONFIRMING, frozenset(), NOW_S + 10.0, 1.0)
    assert confirming.runs_until_s(NOW_S + 2.0) == NOW_S + 3.0
    assert confirming.runs_until_s(NOW_S + 20.0) == NOW_S + 11.0


def test_a_key_of_which_nothing_is_under_way_is_not_held() -> None:
    fence = Fence(linger_s=30.0)
    fence.changed(moving("user:1"))
    assert fence.news
    assert fence.held(0.0) == frozenset()


def test_a_placement_and_a_safe_return_hold_nothing() -> None:
    fence = Fence(linger_s=30.0)
    fence.enter("user:1")
    fence.changed(home("user:1", epoch=3))
    assert not fence.news
    assert fence.held(0.0) == frozenset()


def test_who_is_cut_off_again_lingers_on_and_keeps_nobody_else() -> None:
    fence = Fence(linger_s=30.0)
    for key, at_s in (("user:1", 0.0), ("user:2", 10.0), ("user:1", 20.0)):
        fence.enter(key)
        fence.leave(key, True, at_s)
    for key in ("user:1", "user:2"):
        fence.changed(moving(key))
    assert fence.held(39.0) == {"user:1", "user:2"}
    assert fence.held(41.0) == {"user:1"}
    assert not fence.held(51.0)


def test_a_request_that_was_cut_off_counts_as_running_until_the_cells_own_limit() -> None:
    fence = Fence(linger_s=30.0)
    fence.enter("user:1")
    fence.leave("user:1", True, 100.0)
    fence.changed(moving("user:1"))
    assert fence.held(129.9) == {"user:1"}
    assert fence.held(130.0) == frozenset()
    assert fence.quiet


def test_the_last_of_several_cut_off_requests_counts() -> None:
    fence = Fence(linger_s=30.0)
    for at_s in (100.0, 120.0):
        fence.enter("user:1")
        fence.leave("user:1", True, at_s)
    fence.changed(moving("user:1"))
    assert fence.held(130.0) == {"user:1"}
    assert fence.held(150.0) == frozenset()


def test_when_changes_may_have_been_missed_every_key_under_way_is_held() -> None:
    fence = Fence(linger_s=30.0)
    fence.enter("user:1")
    fence.enter("user:2")
    fence.leave("user:2", True, 0.0)
    fence.lose_continuity()
    assert fence.held(1.0) == {"user:1", "user:2"}


def lease(sequence: int = 10, held: str = "", generation: str = "g1") -> Lease:
    return Lease("w", 1, Position(generation, sequence), frozenset({held} - {""}), NOW_S, 30.0)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (lease(), False),
        (lease(11), False),
        (lease(9), True),
        (lease(11, held="user:1"), True),
        (lease(11, held="user:2"), False),
        (lease(99, generation="g0"), True),
    ],
)
def test_a_move_waits_for_a_worker_that_is_behind_or_holds_the_key(said: Lease, expected: bool) -> None:
    assert stands_in_way(said, "user:1", FENCE_AT, NOW_S - 1, 5.0) is expected


def test_a_lease_that_ran_out_counts_until_what_was_sent_has_ended_and_clocks_may_differ() -> None:
    assert stands_in_way(lease(9), "user:1", FENCE_AT, NOW_S + 34.9, 5.0)
    assert not stands_in_way(lease(9), "user:1", FENCE_AT, NOW_S + 35.0, 5.0)


@pytest.mark.parametrize("expires_at_s", [NOW_S + 86_400.0, inf])
def test_a_lease_of_a_clock_that_was_far_ahead_counts_until_it_was_not_renewed_for_long(
    expires_at_s: float,
) -> None:
    said = replace(lease(9), expires_at_s=expires_at_s)
    over_s = LEASE_S + 30.0 + 2 * 5.0
    assert stands_in_way(replace(said, unrenewed_s=over_s - 0.1), "user:1", FENCE_AT, NOW_S, 5.0)
    assert not stands_in_way(replace(said, unrenewed_s=over_s), "user:1", FENCE_AT, NOW_S, 5.0)
