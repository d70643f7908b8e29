"""What the change feed lets a worker believe: claims, as long as feed and history vouch for them."""

from __future__ import annotations

import asyncio

from lookup.assignment import NO_EPOCH
from lookup.changes import FRESH_FOR_S
from lookup.moves import Position
from lookup.ports import KeyMove
from lookup.resolution import Hint
from tests.lookup.asynchronous import asynchronous, settle, until
from tests.lookup.fakes import NOW_S, FakeFeed, FakeStore, home
from tests.lookup.feed_follower import Worker, beat, claim, following, moved
from tests.lookup.model.standing_loop import StandingLoop


@asynchronous
async def test_claims_are_believed_from_the_first_heartbeat_on_and_not_before() -> None:
    feed = FakeFeed()
    async with following(FakeStore(home("user:1")), feed) as worker:
        assert not worker.believes("user:1", claim())
        assert worker.follower.fresh_as_of_s < 0
        feed.send(beat(7))
        await until(lambda: worker.believes("user:1", claim()))
        assert worker.follower.is_caught_up
        assert worker.follower.gaps == 0


@asynchronous
async def test_the_history_at_the_start_overrules_older_claims() -> None:
    feed = FakeFeed()
    feed.moves = [KeyMove("user:1", 2, NOW_S - 50, "cell-a")]
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7))
        await until(lambda: worker.believes("user:2", claim()))
        assert not worker.believes("user:1", claim())


@asynchronous
async def test_a_history_that_is_too_short_leaves_older_claims_to_be_confirmed() -> None:
    feed = FakeFeed()
    feed.covers_since_s = NOW_S - 50
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7))
        await until(lambda: worker.believes("user:1", Hint("cell-a", 1, NOW_S)))
        assert not worker.believes("user:1", claim())


@asynchronous
async def test_a_history_that_claims_to_begin_in_a_far_future_is_believed_for_an_hour_at_most() -> None:
    feed = FakeFeed()
    feed.covers_since_s = NOW_S + 1e8
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7))
        await until(lambda: worker.follower.is_caught_up)
        assert not worker.believes("user:1", Hint("cell-a", 1, NOW_S + 60)), "its clock may be that late"
        worker.now_s += 3700.0
        feed.send(beat(7))
        await until(lambda: worker.believes("user:1", Hint("cell-a", 1, worker.now_s)))


@asynchronous
async def test_a_move_from_a_far_future_overrules_no_claim_that_is_issued_long_after_it_was_told() -> None:
    feed = FakeFeed()
    feed.moves = [KeyMove("user:1", 2, NOW_S + 1e8, "cell-a")]
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7))
        feed.send(moved(8, home("user:2", "cell-b", 2, NOW_S + 1e8)))
        await until(lambda: worker.follower.position == Position("g1", 8))
        for key in ("user:1", "user:2"):
            assert not worker.believes(key, Hint("cell-a", NO_EPOCH, NOW_S + 60))
        worker.now_s += 3700.0
        feed.send(beat(8))
        await until(lambda: worker.follower.is_caught_up)
        for key in ("user:1", "user:2"):
            assert worker.believes(key, Hint("cell-a", NO_EPOCH, worker.now_s))


@asynchronous
async def test_the_history_of_an_evacuation_is_learnt_in_short_turns_and_believed_as_a_whole() -> None:
    feed = FakeFeed()
    feed.moves = [KeyMove(f"user:{number}", 2, NOW_S - 50, "cell-a") for number in range(20_000)]
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7))
        await until(lambda: feed.follows == 1)
        turns = 0
        while not worker.follower.is_caught_up:
            assert not worker.believes("user:x", claim())
            turns += 1
            await asyncio.sleep(0)
        assert turns > 20
        assert not worker.believes("user:19999", claim())
        assert worker.believes("user:x", claim())


@asynchronous
async def test_a_silent_feed_ends_the_belief_in_claims() -> None:
    feed = FakeFeed()
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7))
        await until(lambda: worker.follower.is_caught_up)
        assert worker.follower.fresh_as_of_s == NOW_S
        worker.now_s += FRESH_FOR_S
        assert not worker.believes("user:1", claim())
        assert not worker.follower.is_caught_up
        feed.send(beat(7))
        await until(lambda: worker.believes("user:1", claim()))


@asynchronous
async def test_a_clock_that_is_set_back_keeps_no_silent_feed_alive() -> None:
    feed = FakeFeed()
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7))
        await until(lambda: worker.follower.is_caught_up)
        worker.now_s -= 60.0
        assert worker.follower.position == Position("g1", 7)
        worker.stopwatch_s += FRESH_FOR_S
        assert not worker.follower.is_caught_up
        await until(lambda: worker.follower.position is None)
        feed.send(beat(7))
        await until(lambda: worker.follower.position is not None)


def test_a_feed_that_says_nothing_is_followed_anew_as_it_may_be_elsewhere_by_now() -> None:
    loop = StandingLoop()

    async def main() -> None:
        feed = FakeFeed()
        async with following(FakeStore(), feed) as worker:
            feed.send(beat(7))
            await settle()
            loop.now_s += FRESH_FOR_S - 0.1
            await settle()
            assert (feed.follows, worker.pauses_s) == (1, [])
            loop.now_s += 0.2
            await settle()
            assert (feed.follows, len(worker.pauses_s)) == (2, 1)

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def test_a_clock_that_is_set_back_prolongs_no_belief_in_claims() -> None:
    loop = StandingLoop()

    async def pass_time(worker: Worker) -> None:
        worker.now_s -= 10.0
        worker.stopwatch_s += 1.0
        loop.now_s += 1.0
        await settle()

    async def main() -> None:
        feed = FakeFeed()
        async with following(FakeStore(), feed) as worker:
            feed.send(beat(7))
            await settle()
            for _ in range(3):
                assert worker.believes("user:1", claim()), "the feed was heard less than 3 s ago"
                await pass_time(worker)
            assert not worker.believes("user:1", claim())
            await pass_time(worker)
            assert not worker.believes("user:1", claim()), "set back once more"
            feed.send(beat(7))
            await settle()
            assert worker.believes("user:1", claim())

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
