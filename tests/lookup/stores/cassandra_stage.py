"""A Cassandra store with its feed on Redis and a relay between: what an edge and a relay make together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from bench.servers.cassandra import PASSWORD, USER, CassandraRing
from lookup.ports import StoreUnavailableError
from lookup.present_feed import PresentFeed
from lookup.redis_clients import RedisSettings
from lookup.redis_feed_scripts import FeedNames
from lookup.redis_publisher import RedisPublisher
from lookup.relay import Relay
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_fed import FedCassandra
from lookup.stores.cassandra_settings import CassandraSettings, CassandraTls
from lookup.tasks import end_tasks


def settings_of(ring: CassandraRing, keyspace: str = "homecell") -> CassandraSettings:
    """For the ring as it was started, with or without login and TLS; near its first node."""
    node = ring.nodes[0].settings
    return CassandraSettings(
        tuple(ring.addresses()),
        ring.port,
        keyspace,
        node.datacentre,
        username=USER if node.authenticates else None,
        password=PASSWORD if node.authenticates else None,
        tls=None if node.certificates is None else CassandraTls(node.certificates.authority),
    )


@asynccontextmanager
async def opened(settings: CassandraSettings, redis: RedisSettings) -> AsyncIterator[FedCassandra]:
    """A store whose feed lives: its relay has begun it."""
    store, publisher = FedCassandra.over(settings, redis, FeedNames()), RedisPublisher(redis)
    relay = Relay(store, PresentFeed(publisher, lambda: store.generation), time.time, Random(1), keep_s=1e10)
    relaying = asyncio.create_task(relay.run())
    try:
        await until_alive(store)
        yield store
    finally:
        await end_tasks([relaying])
        await store.close()
        await publisher.close()


@asynccontextmanager
async def silent(settings: CassandraSettings) -> AsyncIterator[CassandraStore]:
    """A store that tells no feed: as if its process died after each write."""
    store = await CassandraStore.open(settings, None)
    try:
        yield store
    finally:
        await store.close()


async def until_alive(store: FedCassandra) -> None:
    """Return when the feed can be followed and has its history."""
    while True:
        try:
            await store.history(0.0)
        except StoreUnavailableError:
            await asyncio.sleep(0.02)
        else:
            return


async def nothing_pending(store: CassandraStore) -> None:
    """Return when relays have finished every intent."""
    while await store.pending(time.time()):  # noqa: ASYNC110 - another process would finish them
        await asyncio.sleep(0.05)
