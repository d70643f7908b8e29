"""Nobody tells a change to a feed that another one replaced, though a connection to it is still good."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from bench.servers.redis import RedisServer
from bench.servers.redis_sentinel import SentinelGroup
from lookup.outbox import FeedLostError, FeedNotBegunError
from lookup.ports import StoreUnavailableError
from lookup.present_feed import OtherFeedError, PresentFeed
from lookup.redis_clients import RedisSettings, Topology
from lookup.redis_feed import RedisFeed
from lookup.redis_publisher import RedisPublisher
from lookup.relay import Relay
from lookup.tasks import end_tasks
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fake_outbox import FakeOutbox
from tests.lookup.redis_feed_stage import following, has_copied, moves, next_beat, next_change, settings_of
from tests.support.servers import needed


class Truth:
    """Its word on which generation counts."""

    def __init__(self) -> None:
        self.present = ""
        self.failure: Exception | None = None

    async def begin(self, generation: str) -> None:
        self._fail()
        self.present = generation

    async def read(self) -> str:
        self._fail()
        return self.present

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


class Side:
    """A process that tells changes; `now_s` is its stopwatch."""

    def __init__(self, settings: RedisSettings, truth: Truth) -> None:
        self.now_s = 0.0
        self.publisher = RedisPublisher(settings)
        self.feed = PresentFeed(self.publisher, lambda: truth, lambda: self.now_s)


@asynccontextmanager
async def side(settings: RedisSettings, truth: Truth) -> AsyncIterator[Side]:
    made = Side(settings, truth)
    try:
        yield made
    finally:
        await made.publisher.close()


async def begin(feed: PresentFeed) -> None:
    assert await feed.begin(0.0)
    await feed.complete()
    await feed.beat()


@pytest.mark.slow
@asynchronous
async def test_a_change_told_to_the_former_master_is_told_to_the_promoted_one_as_well(tmp_path: Path) -> None:
    with needed():
        group = SentinelGroup(tmp_path)
    settings = RedisSettings(tuple(group.addresses()), Topology.SENTINELS)
    truth, outbox, followed = Truth(), FakeOutbox(), RedisFeed(settings)
    try:
        async with side(settings, truth) as keeper, side(settings, truth) as writer:
            relaying = asyncio.create_task(Relay(outbox, keeper.feed, time.time, Random(1)).run())
            try:
                async with following(followed) as changes:
                    await writer.feed.publish(moves(1))
                    before = await next_change(changes)
                former, replica = group.master(), group.replica()
                await until(lambda: has_copied(replica, 1))
                former.signal(signal.SIGSTOP)
                async with following(followed) as changes:
                    assert (await next_beat(changes)).generation != before.generation
                    former.signal(signal.SIGCONT)  # it takes itself for the master until a Sentinel says no
                    generation = await writer.feed.publish(moves(1, 1))
                    async with asyncio.timeout(30.0):
                        told = await next_change(changes)
                assert told.assignment is not None
                assert (told.assignment.key, told.generation) == ("user:1", generation)
            finally:
                await end_tasks([relaying])
    finally:
        await followed.close()
        group.stop()


@asynchronous
async def test_nothing_counts_as_told_in_a_feed_that_does_not_count(redis_server: RedisServer) -> None:
    truth = Truth()
    async with side(settings_of(redis_server), truth) as one:
        await begin(one.feed)
        assert await one.feed.publish(moves(1)) == truth.present
        truth.present = "another"
        with pytest.raises(OtherFeedError):
            await one.feed.publish(moves(1, 1))
        with pytest.raises(OtherFeedError):
            await one.feed.cover_since(1.0)


@asynchronous
async def test_where_no_generation_was_ever_noted_any_feed_counts(redis_server: RedisServer) -> None:
    truth = Truth()
    async with side(settings_of(redis_server), truth) as one:
        assert await one.publisher.begin(0.0)  # by a program that notes none
        await one.publisher.complete()
        await one.feed.beat()
        assert await one.feed.publish(moves(1)) == one.publisher.begun


@asynchronous
async def test_a_feed_that_does_not_count_is_silent_and_begun_anew_where_no_other_one_is_found(
    redis_server: RedisServer,
) -> None:
    truth = Truth()
    async with side(settings_of(redis_server), truth) as one:
        await begin(one.feed)
        former, truth.present = truth.present, "another"
        for one.now_s in (1.0, 15.0, 30.5):
            with pytest.raises(OtherFeedError):
                await one.feed.beat()
        one.now_s = 32.0
        with pytest.raises(FeedLostError):
            await one.feed.beat()
        await begin(one.feed)
        assert truth.present == one.publisher.begun != former
        one.now_s += 2.0
        await one.feed.beat()


@asynchronous
async def test_only_a_feed_that_has_not_counted_for_long_without_a_break_is_begun_anew(
    redis_server: RedisServer,
) -> None:
    truth = Truth()
    async with side(settings_of(redis_server), truth) as one:
        await begin(one.feed)
        own = truth.present
        for one.now_s, counts in ((1.0, False), (20.0, True), (32.0, False), (61.0, False)):
            truth.present = own if counts else "another"
            if counts:
                await one.feed.beat()
            else:
                with pytest.raises(OtherFeedError):
                    await one.feed.beat()
        one.now_s = 63.0
        with pytest.raises(FeedLostError):
            await one.feed.beat()


@asynchronous
async def test_while_the_truth_is_away_the_feed_beats_on_and_takes_no_change_for_told(
    redis_server: RedisServer,
) -> None:
    truth = Truth()
    async with side(settings_of(redis_server), truth) as one:
        await begin(one.feed)
        truth.failure = StoreUnavailableError("away")
        one.now_s += 2.0
        await one.feed.beat()
        with pytest.raises(StoreUnavailableError, match="away"):
            await one.feed.publish(moves(1))


@asynchronous
async def test_a_generation_that_could_not_be_noted_at_once_is_noted_before_anything_is_told_in_it(
    redis_server: RedisServer,
) -> None:
    truth = Truth()
    truth.present = "former"
    async with side(settings_of(redis_server), truth) as one:
        truth.failure = StoreUnavailableError("away")
        with pytest.raises(StoreUnavailableError, match="away"):
            await one.feed.begin(0.0)
        truth.failure = None
        generation = await one.feed.publish(moves(1))
        assert truth.present == generation == one.publisher.begun


@asynchronous
async def test_a_feed_that_never_was_is_told_apart_from_one_that_is_lost(redis_server: RedisServer) -> None:
    """The first needs nothing but the first edge; what the truth can't say is taken for the second."""
    truth = Truth()
    async with side(settings_of(redis_server), truth) as a:
        with pytest.raises(FeedNotBegunError, match="first edge or lookup service that runs begins it"):
            await a.feed.publish(moves(1))
        truth.failure = StoreUnavailableError("away")
        with pytest.raises(FeedLostError) as told:
            await a.feed.publish(moves(1))
        assert not isinstance(told.value, FeedNotBegunError)
        truth.failure = None
        truth.present = "begun-long-ago"
        with pytest.raises(FeedLostError) as told:
            await a.feed.publish(moves(1))
        assert not isinstance(told.value, FeedNotBegunError)
