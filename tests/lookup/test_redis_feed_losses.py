"""A feed on a real Redis from which events were taken, by an eviction or a command: nobody goes by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from bench.servers.redis import RedisServer
from lookup.outbox import FeedLostError
from lookup.redis_feed import RedisFeed
from lookup.redis_feed_scripts import FeedNames
from lookup.redis_publisher import FeedKeeping, RedisPublisher
from tests.lookup.asynchronous import asynchronous
from tests.lookup.redis_feed_stage import following, moves, next_beat, next_change, settings_of, staged

pytestmark = pytest.mark.slow

_HEAD = FeedNames().head


def _evict(client: redis.Redis, events: str) -> None:
    client.unlink(events)  # as Redis itself does by allkeys-lru


def _trim(client: redis.Redis, events: str) -> None:
    client.xtrim(events, maxlen=3, approximate=False)


def _cut_out(client: redis.Redis, events: str) -> None:
    client.xdel(events, _ids(client, events)[2])


def _cut_off(client: redis.Redis, events: str) -> None:
    client.xdel(events, _ids(client, events)[-1])


def _ids(client: redis.Redis, events: str) -> list[str]:
    return [str(entry_id) for entry_id, _ in client.xrange(events) or []]


losses = pytest.mark.parametrize("lose", [_evict, _trim, _cut_out, _cut_off])
Lose = Callable[[redis.Redis, str], None]


def _events(client: redis.Redis) -> str:
    return FeedNames().events(str(client.hget(_HEAD, "generation")))


@losses
@asynchronous
async def test_who_reads_or_writes_a_feed_that_misses_events_is_told_that_it_is_lost(
    redis_server: RedisServer, lose: Lose
) -> None:
    publisher, feed = RedisPublisher(settings_of(redis_server)), RedisFeed(settings_of(redis_server))
    assert await publisher.begin(0.0)
    await publisher.publish(moves(5))
    await publisher.complete()
    await publisher.beat()
    assert len((await feed.history(0.0)).moves) == 5
    with redis_server.client() as client:
        lose(client, _events(client))
    with pytest.raises(FeedLostError, match="events of the change feed are gone"):
        await feed.history(0.0)
    with pytest.raises(FeedLostError, match="events of the change feed are gone"):
        await anext(feed.follow())
    with pytest.raises(FeedLostError):
        await publisher.position()
    with pytest.raises(FeedLostError):
        await publisher.beat()
    with pytest.raises(FeedLostError):
        await publisher.publish(moves(1, 5))
    await feed.close()
    await publisher.close()


@losses
@asynchronous
async def test_a_relay_begins_it_anew_from_the_truth_and_followers_hear_of_that(
    redis_server: RedisServer, lose: Lose
) -> None:
    async with staged(settings_of(redis_server)) as stage, following(stage.feed) as changes:
        await stage.publisher.publish(moves(5))
        stage.outbox.published = moves(5)
        before = [await next_change(changes) for _ in range(5)][-1]
        with redis_server.client() as client:
            lose(client, _events(client))
        beat = await next_beat(changes)
        while beat.generation == before.generation:
            beat = await next_beat(changes)
        history = await stage.feed.history(0.0)
        assert {move.key for move in history.moves} == {f"user:{number}" for number in range(5)}
        assert stage.relay.rebuilt == 2, "the first begins the feed on an empty Redis"


@asynchronous
async def test_what_publishers_trim_is_no_loss(redis_server: RedisServer) -> None:
    async with staged(settings_of(redis_server), FeedKeeping(keep_events=3)) as stage:
        async with following(stage.feed):
            await stage.publisher.publish(moves(9))
            await stage.relays_publisher.beat()
            assert len((await stage.feed.history(0.0)).moves) == 3
        with redis_server.client() as client:
            assert client.hget(_HEAD, "first") == "7"
        assert stage.relay.rebuilt == 1


@asynchronous
async def test_a_feed_of_an_older_program_goes_on_and_losses_are_noticed_from_the_next_beat_on(
    redis_server: RedisServer,
) -> None:
    publisher = RedisPublisher(settings_of(redis_server), keeping=FeedKeeping(keep_events=4))
    feed = RedisFeed(settings_of(redis_server))
    assert await publisher.begin(0.0)
    await publisher.publish(moves(6))
    await publisher.complete()
    with redis_server.client() as client:
        client.hdel(_HEAD, "first")  # which that one did not note
        assert len((await feed.history(0.0)).moves) == 4
        await publisher.beat()
        assert client.hget(_HEAD, "first") == "3"
        _trim(client, _events(client))
    with pytest.raises(FeedLostError, match="events of the change feed are gone"):
        await feed.history(0.0)
    await feed.close()
    await publisher.close()


@asynchronous
async def test_an_older_programs_feed_of_which_nothing_is_left_is_lost(redis_server: RedisServer) -> None:
    publisher, feed = RedisPublisher(settings_of(redis_server)), RedisFeed(settings_of(redis_server))
    assert await publisher.begin(0.0)
    await publisher.publish(moves(2))
    await publisher.complete()
    with redis_server.client() as client:
        client.hdel(_HEAD, "first")
        _evict(client, _events(client))
    with pytest.raises(FeedLostError, match="events of the change feed are gone"):
        await feed.history(0.0)
    assert await publisher.begin(0.0)
    await feed.close()
    await publisher.close()


@asynchronous
async def test_a_redis_that_may_evict_the_feed_is_a_danger_and_one_that_evicts_the_cache_alone_is_none(
    own_redis: RedisServer,
) -> None:
    publisher = RedisPublisher(settings_of(own_redis))
    with own_redis.client() as client:
        for policy in ("allkeys-lru", "allkeys-random"):
            client.config_set("maxmemory-policy", policy)
            assert f"its maxmemory-policy is {policy}" in await publisher.danger()
        for policy in ("noeviction", "volatile-lru", "volatile-ttl"):
            client.config_set("maxmemory-policy", policy)
            assert await publisher.danger() == ""
    await publisher.close()
