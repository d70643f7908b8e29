"""The change feed on a real Redis: order, heartbeats, holes, trims, loss and failover."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from bench.servers.redis import RedisServer
from bench.servers.redis_sentinel import SentinelGroup
from lookup.feed_event import FeedEvent
from lookup.flags import Flag, FlagRecord
from lookup.outbox import FeedLostError
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisSettings, Topology
from lookup.redis_feed import RedisFeed
from lookup.redis_feed_scripts import FeedNames
from lookup.redis_publisher import FeedKeeping, RedisPublisher
from lookup.tasks import end_tasks
from tests.lookup.asynchronous import asynchronous, stalls, until
from tests.lookup.fake_outbox import change
from tests.lookup.fakes import NOW_S, home
from tests.lookup.redis_feed_stage import (
    drain,
    following,
    has_copied,
    moves,
    next_beat,
    next_change,
    settings_of,
    staged,
    until_lost,
)
from tests.support.servers import needed

pytestmark = pytest.mark.slow


@asynchronous
async def test_events_come_in_order_with_dense_numbers_whoever_appends(
    redis_server: RedisServer,
) -> None:
    settings = settings_of(redis_server)
    async with staged(settings) as stage, following(stage.feed) as changes:
        other = RedisPublisher(settings)
        events = moves(700)
        for start in range(0, 700, 7):
            publisher = stage.publisher if start % 2 else other
            await publisher.publish(events[start : start + 7])
        told = [await next_change(changes) for _ in events]
        assert [said.sequence for said in told] == list(range(1, 701))
        assert len({said.generation for said in told}) == 1
        assert [said.assignment for said in told] == [event.assignment for event in events]
        assert {said.left_cell for said in told} == {"cell-z"}
        await other.close()


@asynchronous
async def test_a_repeated_operation_is_appended_once(redis_server: RedisServer) -> None:
    async with staged(settings_of(redis_server)) as stage, following(stage.feed) as changes:
        one, two = moves(2)
        await stage.publisher.publish([one, one])
        await stage.publisher.publish([one, two])
        assert (await next_change(changes)).assignment == one.assignment
        second = await next_change(changes)
        assert (second.sequence, second.assignment) == (2, two.assignment)


@asynchronous
async def test_flags_travel_too(redis_server: RedisServer) -> None:
    async with staged(settings_of(redis_server)) as stage, following(stage.feed) as changes:
        record = FlagRecord("cell-a", Flag.DOWN, 3, "fire", "ann", NOW_S, NOW_S + 60)
        await stage.publisher.publish([FeedEvent("op-f", flag=record)])
        assert (await next_change(changes)).flag == record


@asynchronous
async def test_an_idle_feed_beats_at_least_every_second(redis_server: RedisServer) -> None:
    async with staged(settings_of(redis_server)) as stage, following(stage.feed) as changes:
        await stage.publisher.publish(moves(1))
        last = await next_change(changes)
        for _ in range(4):
            async with stalls() as stalled:
                begun_s = time.monotonic()
                beat = await next_beat(changes)
                assert time.monotonic() - begun_s < 1.0 + stalled.seconds
            assert (beat.generation, beat.sequence) == (last.generation, last.sequence)


@asynchronous
async def test_without_a_relay_there_is_no_heartbeat_and_following_ends(redis_server: RedisServer) -> None:
    async with staged(settings_of(redis_server)) as stage, following(stage.feed) as changes:
        await stage.end_relay()
        with pytest.raises(StoreUnavailableError, match="nobody has kept the feed alive"):
            await next_change(changes)
        with pytest.raises(StoreUnavailableError, match="nobody has kept the feed alive"):
            await anext(stage.feed.follow())


@asynchronous
async def test_events_alone_do_not_stand_for_a_relay(redis_server: RedisServer) -> None:
    async with staged(settings_of(redis_server)) as stage, following(stage.feed) as changes:
        await stage.end_relay()

        async def publish() -> None:
            for event in moves(1000):
                await stage.publisher.publish([event])
                await asyncio.sleep(0.05)

        publishing = asyncio.create_task(publish())
        with pytest.raises(StoreUnavailableError, match="nobody has kept the feed alive"):
            await drain(changes)
        await end_tasks([publishing])


@asynchronous
async def test_a_follower_that_a_trim_overtook_sees_the_hole(redis_server: RedisServer) -> None:
    keeping = FeedKeeping(keep_events=50)
    async with staged(settings_of(redis_server), keeping) as stage, following(stage.feed) as changes:
        await stage.publisher.publish(moves(1))
        assert (await next_change(changes)).sequence == 1
        for start in range(1, 601, 10):
            await stage.publisher.publish(moves(10, start))
        told = await next_change(changes)
        assert told.sequence > 2


@asynchronous
async def test_the_history_tells_moves_and_how_far_it_reaches_after_a_trim(redis_server: RedisServer) -> None:
    keeping = FeedKeeping(keep_events=10)
    async with staged(settings_of(redis_server), keeping) as stage, following(stage.feed):
        await stage.publisher.publish([change("first", home("user:x", epoch=1, at_s=NOW_S))])
        for event in moves(30):
            await stage.publisher.publish([event])
        history = await stage.feed.history(0.0)
        assert [move.key for move in history.moves] == [f"user:{number}" for number in range(20, 30)]
        assert history.covers_since_s == NOW_S + 19
        assert {move.left_cell for move in history.moves} == {"cell-z"}
        later = await stage.feed.history(NOW_S + 27)
        assert [move.epoch for move in later.moves] == [2, 2]
        assert later.covers_since_s == NOW_S + 27


@asynchronous
async def test_a_move_by_a_clock_that_is_far_ahead_hides_no_later_ones_when_it_is_trimmed(
    redis_server: RedisServer,
) -> None:
    async with staged(settings_of(redis_server), FeedKeeping(keep_events=3)) as stage, following(stage.feed):
        wrong_s = time.time() + 1e8
        await stage.publisher.publish([change("wrong", home("user:x", epoch=2, at_s=wrong_s))])
        for event in moves(5):
            await stage.publisher.publish([event])
        covers_since_s = (await stage.feed.history(0.0)).covers_since_s
        assert time.time() < covers_since_s <= time.time() + 3600


@asynchronous
async def test_what_was_loaded_shortens_the_history(redis_server: RedisServer) -> None:
    async with staged(settings_of(redis_server)) as stage, following(stage.feed):
        await stage.publisher.cover_since(NOW_S + 5)
        await stage.publisher.cover_since(NOW_S)
        assert (await stage.feed.history(0.0)).covers_since_s == NOW_S + 5


@asynchronous
async def test_old_events_are_trimmed_by_age(redis_server: RedisServer) -> None:
    async with staged(settings_of(redis_server), FeedKeeping(keep_s=0.3)) as stage, following(stage.feed):
        await stage.publisher.publish(moves(3))
        await asyncio.sleep(0.4)
        await stage.publisher.publish(moves(1, 3))
        history = await stage.feed.history(0.0)
        assert [move.key for move in history.moves] == ["user:3"]


@asynchronous
async def test_a_redis_that_lost_everything_gets_a_new_generation_with_the_moves_of_the_truth(
    own_redis: RedisServer,
) -> None:
    async with staged(settings_of(own_redis)) as stage:
        async with following(stage.feed) as changes:
            await stage.publisher.publish(moves(3))
            before = await next_change(changes)
            stage.outbox.published = moves(3)
            stage.outbox.note(change("unpublished", home("user:77", epoch=4)), time.time(), committed=True)
            own_redis.kill()
            await asyncio.to_thread(own_redis.start)
            await until_lost(changes, before.generation)
        async with following(stage.feed) as changes:
            history = await stage.feed.history(0.0)
            assert {move.key for move in history.moves} == {"user:0", "user:1", "user:2", "user:77"}
            await stage.publisher.publish(moves(1, 9))
            after = await next_change(changes)
            assert after.generation != before.generation
        assert stage.relay.rebuilt == 2, "the first begins the feed on an empty Redis"


@asynchronous
async def test_a_frozen_redis_ends_following_and_nothing_is_lost_when_it_thaws(
    own_redis: RedisServer,
) -> None:
    async with staged(settings_of(own_redis)) as stage:
        async with following(stage.feed) as changes:
            await stage.publisher.publish(moves(1))
            before = await next_change(changes)
            own_redis.signal(signal.SIGSTOP)
            with pytest.raises(StoreUnavailableError):
                await drain(changes)
            own_redis.signal(signal.SIGCONT)
        async with following(stage.feed) as changes:
            while True:
                try:
                    await stage.publisher.publish(moves(1, 1))
                    break
                except StoreUnavailableError:
                    await asyncio.sleep(0.05)
            after = await next_change(changes)
        assert (after.generation, after.sequence) == (before.generation, before.sequence + 1)


@asynchronous
async def test_a_promoted_replica_gets_a_new_generation(tmp_path: Path) -> None:
    with needed():
        group = SentinelGroup(tmp_path)
    try:
        async with staged(RedisSettings(tuple(group.addresses()), Topology.SENTINELS)) as stage:
            async with following(stage.feed) as changes:
                await stage.publisher.publish(moves(2))
                before = await next_change(changes)
                stage.outbox.published = moves(2)
                replica = group.replica()
                await until(lambda: has_copied(replica, 2))
                group.master().kill()
                await until_lost(changes, before.generation)
            async with following(stage.feed) as changes:
                beat = await next_beat(changes)
                assert beat.generation != before.generation
                assert len((await stage.feed.history(0.0)).moves) == 2
    finally:
        group.stop()


@asynchronous
async def test_only_a_relay_may_begin_a_feed(redis_server: RedisServer) -> None:
    publisher = RedisPublisher(settings_of(redis_server))
    with pytest.raises(FeedLostError):
        await publisher.publish(moves(1))
    with pytest.raises(FeedLostError):
        await publisher.beat()
    await publisher.close()


@asynchronous
async def test_a_generation_that_its_relay_did_not_complete_never_beats(redis_server: RedisServer) -> None:
    settings = settings_of(redis_server)
    one, two = RedisPublisher(settings), RedisPublisher(settings)
    assert await one.begin(0.0)
    assert not await two.begin(0.0), "the first has its time"
    await two.publish(moves(1))
    for publisher in (one, two):
        with pytest.raises(FeedLostError, match="not complete"):
            await publisher.beat()
    feed = RedisFeed(settings)
    with pytest.raises(StoreUnavailableError, match="rebuilt"):
        await feed.history(0.0)
    assert await one.begin(0.0), "its own attempt it may repeat"
    await one.complete()
    await one.beat()
    assert not await one.begin(0.0)
    for closing in (one, two, feed):
        await closing.close()


@asynchronous
async def test_a_heartbeat_later_than_now_is_no_fresh_one(redis_server: RedisServer) -> None:
    """Redis's clock was set back by an hour, and no relay has beaten since."""
    publisher, feed = RedisPublisher(settings_of(redis_server)), RedisFeed(settings_of(redis_server))
    assert await publisher.begin(0.0)
    await publisher.complete()
    await publisher.beat()
    with redis_server.client() as client:
        client.hset(FeedNames().head, "beat_at_s", f"{time.time() + 3600.0:.3f}")
    with pytest.raises(StoreUnavailableError, match="nobody has kept the feed alive"):
        await anext(feed.follow())
    await feed.close()
    await publisher.close()
