"""Publishing to the feed on a real Redis: by many at once, and by relays that begin it anew."""

from __future__ import annotations

import asyncio

import pytest

from bench.servers.redis import RedisServer
from lookup.feed_event import FeedEvent
from lookup.outbox import FeedLostError
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisSettings
from lookup.redis_feed import RedisFeed
from lookup.redis_feed_scripts import FeedNames
from lookup.redis_publisher import RedisPublisher
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.redis_feed_stage import moves, settings_of

pytestmark = pytest.mark.slow


@asynchronous
async def test_more_publishers_than_connections_wait_for_each_other(redis_server: RedisServer) -> None:
    publisher = RedisPublisher(RedisSettings(((redis_server.host, redis_server.port),), connections=4))
    assert await publisher.begin(0.0)
    await publisher.complete()
    events = [FeedEvent(f"{number:032x}", assignment=home(f"user:{number}")) for number in range(200)]
    await asyncio.gather(*(publisher.publish([event]) for event in events))
    positions = await asyncio.gather(*(publisher.position() for _ in range(50)))
    assert {position.sequence for position in positions} == {200}
    await publisher.close()


class ForgetfulPublisher(RedisPublisher):
    """The replies to its next `lost` scripts don't arrive."""

    lost = 0

    async def _run(self, script: str, names: list[str], arguments: list[str]) -> object:
        answer = await super()._run(script, names, arguments)
        if self.lost:
            self.lost -= 1
            raise StoreUnavailableError("the test lost the reply")
        return answer


@asynchronous
async def test_a_relay_that_did_not_hear_that_it_has_begun_goes_on_at_once(redis_server: RedisServer) -> None:
    publisher = ForgetfulPublisher(settings_of(redis_server))
    for attempt in range(2):
        publisher.lost = 1
        with pytest.raises(StoreUnavailableError):
            await publisher.begin(NOW_S + attempt)
    assert await publisher.begin(NOW_S + 5)
    await publisher.publish(moves(1))
    await publisher.complete()
    await publisher.beat()
    feed = RedisFeed(settings_of(redis_server))
    assert (await feed.history(0.0)).covers_since_s == NOW_S + 5, "as far as the relay tells in the end"
    await feed.close()
    await publisher.close()


@asynchronous
async def test_a_relay_completes_no_generation_but_the_one_that_it_began(redis_server: RedisServer) -> None:
    one, two = (RedisPublisher(settings_of(redis_server)) for _ in range(2))
    assert await one.begin(0.0)
    await one.publish(moves(1))
    pass_time(redis_server, 6.0)
    assert await two.begin(0.0)
    await one.publish(moves(2))
    with pytest.raises(FeedLostError, match="before it was complete"):
        await one.complete()
    await two.complete()
    await one.close()
    await two.close()


@asynchronous
async def test_who_completes_a_generation_has_time_as_long_as_it_adds_to_it(
    redis_server: RedisServer,
) -> None:
    one, two, writer = (RedisPublisher(settings_of(redis_server)) for _ in range(3))
    assert await one.begin(0.0)
    for number in range(3):
        pass_time(redis_server, 3.0)
        await one.publish(moves(1, first=number))
        assert not await two.begin(0.0)
    pass_time(redis_server, 3.0)
    await writer.publish(moves(1, first=9))  # anybody may add to it
    assert not await two.begin(0.0)
    pass_time(redis_server, 3.0)
    assert await two.begin(0.0), "the first has added nothing for six seconds"
    for publisher in (one, two, writer):
        await publisher.close()


def pass_time(server: RedisServer, seconds: float) -> None:
    """As seen by whoever looks how long a relay has had for its generation."""
    name = FeedNames().head
    with server.client() as client:
        begun_at_s = float(client.hget(name, "begun_at_s") or 0.0)
        client.hset(name, "begun_at_s", f"{begun_at_s - seconds:.3f}")


@asynchronous
async def test_a_generation_begun_later_than_now_is_taken_over_as_an_old_one(
    redis_server: RedisServer,
) -> None:
    """Redis's clock was set back by an hour, and the relay that began it has died."""
    one, two = (RedisPublisher(settings_of(redis_server)) for _ in range(2))
    assert await one.begin(0.0)
    pass_time(redis_server, -3600.0)
    assert await two.begin(0.0)
    await one.close()
    await two.close()
