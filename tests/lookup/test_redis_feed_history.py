"""How far a feed on a real Redis may be believed, whatever happens to it meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bench.servers.redis import RedisServer
from lookup import redis_feed
from lookup.outbox import FeedLostError
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisClient
from lookup.redis_feed import RedisFeed
from lookup.redis_feed_scripts import FeedNames, FeedPosition, read_position
from lookup.redis_publisher import FeedKeeping, RedisPublisher
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S
from tests.lookup.redis_feed_stage import moves, settings_of

pytestmark = pytest.mark.slow


async def begun(publisher: RedisPublisher, count: int) -> None:
    assert await publisher.begin(0.0)
    await publisher.publish(moves(count))
    await publisher.complete()


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[None]]) -> None:
    """Between the first and the second look at where the feed stands."""
    looks = 0

    async def look(client: RedisClient, names: FeedNames) -> FeedPosition:
        nonlocal looks
        looks += 1
        if looks == 2:
            await act()
        return await read_position(client, names)

    monkeypatch.setattr(redis_feed, "read_position", look)


@asynchronous
async def test_what_is_trimmed_while_the_history_is_read_is_not_claimed(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(redis_server)
    publisher, feed = RedisPublisher(settings, keeping=FeedKeeping(1e10, 4)), RedisFeed(settings)
    await begun(publisher, 4)

    async def trim() -> None:
        await publisher.publish(moves(2, 4))

    meanwhile(monkeypatch, trim)
    assert (await feed.history(0.0)).covers_since_s == NOW_S + 1
    await feed.close()
    await publisher.close()


@asynchronous
async def test_a_history_that_is_begun_anew_while_it_is_read_is_none(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(redis_server)
    publisher, feed = RedisPublisher(settings), RedisFeed(settings)
    await begun(publisher, 4)

    async def begin_anew() -> None:
        await publisher.abandon()
        await begun(publisher, 4)

    meanwhile(monkeypatch, begin_anew)
    with pytest.raises(StoreUnavailableError, match="being rebuilt"):
        await feed.history(0.0)
    await feed.close()
    await publisher.close()


@asynchronous
async def test_moves_up_to_one_that_this_program_can_not_read_are_not_claimed(
    redis_server: RedisServer,
) -> None:
    settings, names = settings_of(redis_server), FeedNames()
    publisher, feed = RedisPublisher(settings), RedisFeed(settings)
    await begun(publisher, 4)
    with redis_server.client() as client:
        events = names.events(str(client.hget(names.head, "generation")))
        told = client.xadd(events, {"s": "5", "c": "of a later version", "m": repr(NOW_S + 9)})
        client.hset(names.head, mapping={"sequence": "5", "last_id": str(told)})
    history = await feed.history(0.0)
    assert (history.covers_since_s, len(history.moves)) == (NOW_S + 9, 4)
    await feed.close()
    await publisher.close()


@asynchronous
async def test_a_feed_that_redis_kept_over_its_restart_is_lost_all_the_same(own_redis: RedisServer) -> None:
    """What was told after it had written the file is missing, without a hole to see."""
    publisher = RedisPublisher(settings_of(own_redis))
    await begun(publisher, 4)
    with own_redis.client() as client:
        client.save()
    own_redis.kill()
    own_redis.start()
    own_redis.wait_ready()
    with own_redis.client() as client:
        assert client.hget(FeedNames().head, "sequence") == "4"
    await publisher.redial()
    with pytest.raises(FeedLostError, match="restarted"):
        await publisher.position()
    await publisher.close()


@asynchronous
async def test_no_move_may_go_by_where_a_feed_stands_that_is_not_complete(redis_server: RedisServer) -> None:
    publisher = RedisPublisher(settings_of(redis_server))
    assert await publisher.begin(0.0)
    with pytest.raises(FeedLostError, match="not complete"):
        await publisher.position()
    await publisher.complete()
    assert (await publisher.position()).generation == publisher.begun
    await publisher.close()


@asynchronous
async def test_who_beats_in_a_generation_that_was_replaced_beats_in_the_new_one(
    redis_server: RedisServer,
) -> None:
    settings, names = settings_of(redis_server), FeedNames()
    former, present = RedisPublisher(settings), RedisPublisher(settings)
    await begun(former, 1)
    await former.beat()
    await present.abandon()
    await begun(present, 1)
    await former.beat()
    with redis_server.client() as client:
        assert client.exists(names.beats(present.begun))
        assert not client.exists(names.beats(former.begun))
    await former.close()
    await present.close()
