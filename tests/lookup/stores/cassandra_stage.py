"""A Cassandra store with its feed on Redis and a relay between: what an edge and a relay make together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from bench.servers.cassandra import DATACENTRE, PASSWORD, USER, CassandraRing
from lookup.ports import Change, History, StoreUnavailableError
from lookup.redis_clients import RedisSettings
from lookup.redis_feed import RedisFeed
from lookup.redis_publisher import RedisPublisher
from lookup.relay import Relay
from lookup.stores.cassandra_schema import init
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings, CassandraTls
from lookup.stores.cassandra_truth import CassandraTruth

TABLES = (
    "alias",
    "home",
    "flag",
    "outbox",
    "published",
    "mark",
    "ownership",
    "past",
    "move",
    "move_key",
    "move_noted",
    "move_open",
    "lease",
    "lease_floor",
    "feed_generation",
)


class FedCassandra(CassandraTruth):
    """The store and the feed as one object, as the contract wants it."""

    feed: RedisFeed

    def follow(self) -> AsyncGenerator[Change, None]:
        return self.feed.follow()

    async def history(self, since_s: float) -> History:
        return await self.feed.history(since_s)

    async def close(self) -> None:
        await self.feed.close()
        await super().close()


def settings_of(ring: CassandraRing, keyspace: str = "homecell") -> CassandraSettings:
    """For the ring as it was started, with or without login and TLS."""
    node = ring.nodes[0].settings
    return CassandraSettings(
        tuple(ring.addresses()),
        ring.port,
        keyspace,
        DATACENTRE,
        username=USER if node.authenticates else None,
        password=PASSWORD if node.authenticates else None,
        tls=None if node.certificates is None else CassandraTls(node.certificates.authority),
    )


async def empty(settings: CassandraSettings) -> None:
    """Tables that exist and hold nothing."""
    await init(settings, {DATACENTRE: 1})
    session = await CassandraSession.connect(settings)
    await asyncio.gather(*(session.ask_plain(f"TRUNCATE {settings.keyspace}.{table}") for table in TABLES))
    await session.close()


@asynccontextmanager
async def opened(settings: CassandraSettings, redis: RedisSettings) -> AsyncIterator[FedCassandra]:
    """A store whose feed lives: its relay has begun it."""
    publisher, relays_publisher = RedisPublisher(redis), RedisPublisher(redis)
    store = await FedCassandra.open(settings, publisher)
    store.feed = RedisFeed(redis)
    relay = Relay(store, relays_publisher, time.time, Random(1), keep_s=1e10)
    relaying = asyncio.create_task(relay.run())
    try:
        await until_alive(store.feed)
        yield store
    finally:
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)
        await store.close()
        await publisher.close()
        await relays_publisher.close()


async def until_alive(feed: RedisFeed) -> None:
    """Return when the feed can be followed and has its history."""
    while True:
        try:
            await feed.history(0.0)
        except StoreUnavailableError:
            await asyncio.sleep(0.02)
        else:
            return
