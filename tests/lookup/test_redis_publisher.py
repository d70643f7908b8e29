"""Many publish at once, more than there are connections: all of them are heard."""

from __future__ import annotations

import asyncio

import pytest

from bench.servers.redis import RedisServer
from lookup.feed_event import FeedEvent
from lookup.redis_clients import RedisSettings
from lookup.redis_publisher import RedisPublisher
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import home

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
