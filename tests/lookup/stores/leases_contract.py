"""What every book of leases must do: subclasses say how to open one. Run against the real thing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from lookup.assignment import NO_EPOCH
from lookup.leases import CONFIRMING, Lease
from lookup.moves import Position
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.contract import next_change
from tests.lookup.stores.truth import OpenTruth

LINGER_S = 30.0
SKEW_S = 5.0


def lease(
    worker: str, position: Position, *held: str, number: int = 1, expires_at_s: float = NOW_S + 3
) -> Lease:
    return Lease(worker, number, position, frozenset(held), expires_at_s, LINGER_S)


def after(position: Position, events: int = 1) -> Position:
    return Position(position.generation, position.sequence + events)


def workers(leases: Sequence[Lease]) -> list[str]:
    return sorted(lease.worker for lease in leases)


class LeaseBookContract:
    """Each test begins with an empty store; each call of fixture `open_truth` opens that one store."""

    @asynchronous
    async def test_a_renewal_that_was_overtaken_changes_nothing_and_none_shortens_a_lease(
        self, open_truth: OpenTruth
    ) -> None:
        async with open_truth() as one, open_truth() as two:
            position = await one.position()
            for truth, number, lasts_s, key in (
                (one, 2, 5, "user:1"),
                (two, 1, 3, "user:2"),
                (one, 3, 4, "ö"),
            ):
                renewed = lease("w1", position, key, number=number, expires_at_s=NOW_S + lasts_s)
                assert await truth.renew_lease(renewed)
            assert list(await two.leases()) == [lease("w1", position, "ö", number=3, expires_at_s=NOW_S + 5)]
            await two.end_lease("w1")
            await two.end_lease("w2")
            assert list(await one.leases()) == []

    @asynchronous
    async def test_a_move_waits_for_those_who_are_behind_or_hold_the_key(self, open_truth: OpenTruth) -> None:
        async with open_truth() as one, open_truth() as two:
            position = await one.position()
            fence = after(position)
            await one.renew_lease(lease("behind", position))
            await two.renew_lease(lease("holds", fence, "user:1"))
            await two.renew_lease(lease("holds-another", fence, "user:2"))
            await one.renew_lease(lease("beyond", after(fence)))
            await one.renew_lease(lease("over", position, expires_at_s=NOW_S - LINGER_S - SKEW_S))
            found = await one.in_the_way("user:1", fence, NOW_S, SKEW_S)
            assert workers(found) == ["behind", "holds"]
            assert await two.renew_lease(lease("another-behind", position)), "the move has not gone on"

    @asynchronous
    async def test_a_lease_that_is_over_counts_until_no_clock_can_think_otherwise(
        self, open_truth: OpenTruth
    ) -> None:
        async with open_truth() as truth:
            position = await truth.position()
            await truth.renew_lease(lease("w1", position, expires_at_s=NOW_S))
            over_s = NOW_S + LINGER_S + SKEW_S
            fence = after(position)
            assert workers(await truth.in_the_way("user:1", fence, over_s - 0.01, SKEW_S)) == ["w1"]
            assert await truth.in_the_way("user:1", fence, over_s, SKEW_S) == []

    @asynchronous
    async def test_whom_a_move_did_not_wait_for_gets_no_lease_before_it_has_caught_up(
        self, open_truth: OpenTruth
    ) -> None:
        async with open_truth() as one, open_truth() as two:
            position = await one.position()
            assert await one.in_the_way("user:1", after(position, 7), NOW_S, SKEW_S) == []
            assert await two.in_the_way("user:2", after(position, 3), NOW_S, SKEW_S) == []
            for truth in (one, two):
                assert not await truth.renew_lease(lease("late", after(position, 6)))
            assert await two.renew_lease(lease("late", after(position, 7), number=2))

    @asynchronous
    async def test_who_confirms_each_write_is_kept_whatever_the_feed_does_and_stands_in_no_way(
        self, open_truth: OpenTruth
    ) -> None:
        async with open_truth() as one, open_truth() as two:
            position = await one.position()
            assert await one.in_the_way("user:1", after(position, 7), NOW_S, SKEW_S) == []
            says = lease("w1/confirms", CONFIRMING)
            assert await two.renew_lease(says)
            assert list(await one.leases()) == [says]
            assert await one.in_the_way("user:2", after(position, 8), NOW_S, SKEW_S) == []

    @asynchronous
    async def test_a_renewal_and_a_move_at_once_never_both_go_on(self, open_truth: OpenTruth) -> None:
        async with open_truth() as one, open_truth() as two:
            position = await one.position()
            went_on = {"worker": 0, "move": 0}
            for turn in range(25):
                behind, fence = after(position, 2 * turn), after(position, 2 * turn + 1)
                granted, found = await asyncio.gather(
                    one.renew_lease(lease(f"w{turn}", behind)),
                    two.in_the_way("user:1", fence, NOW_S, SKEW_S),
                )
                assert not (granted and not found)
                went_on["worker"] += granted
                went_on["move"] += not found
                await one.end_lease(f"w{turn}")
            assert sum(went_on.values()) > 0

    @asynchronous
    async def test_the_position_of_a_key_is_that_of_its_last_change_or_later(
        self, open_truth: OpenTruth
    ) -> None:
        async with open_truth() as one, open_truth() as two, aclosing(two.follow()) as changes:
            start = await anext(changes)
            await one.compare_and_set(home("user:1"), NO_EPOCH)
            changed = home("user:1", "cell-a", 2)
            await one.compare_and_set(changed, 1)
            position = await two.position("user:1")
            assert position == Position(start.generation, start.sequence + 2)
            told = [await next_change(changes) for _ in range(2)]
            assert told[1].assignment == changed
            assert told[1].sequence <= position.sequence
            assert await one.position("user:unknown") == position
