from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from bench.servers.cassandra import CassandraRing
from bench.servers.redis import RedisServer
from lookup.backup import BackupStore
from lookup.redis_clients import RedisSettings
from lookup.redis_feed import RedisFeed
from lookup.redis_feed_scripts import FeedNames
from lookup.redis_publisher import RedisPublisher
from lookup.relay import Relay
from lookup.stores.cassandra_fed import FedCassandra
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.stores.backup_contract import BackupContract, OpenBackupStore, Wipe
from tests.lookup.stores.cassandra_stage import empty, settings_of, until_alive
from tests.support.servers import needed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraRing]:
    with needed():
        started = CassandraRing(tmp_path_factory.mktemp("cassandra"))
        started.start()
    yield started
    started.stop()


@pytest.fixture
def cassandra(ring: CassandraRing) -> CassandraSettings:
    settings = settings_of(ring)
    asyncio.run(empty(settings))
    return settings


@pytest.fixture
def wipe(cassandra: CassandraSettings) -> Wipe:
    return lambda: empty(cassandra)


@pytest.fixture
def open_backup_store(cassandra: CassandraSettings, redis_server: RedisServer) -> OpenBackupStore:
    redis = RedisSettings(((redis_server.host, redis_server.port),))
    return lambda: opened(cassandra, redis)


@asynccontextmanager
async def opened(cassandra: CassandraSettings, redis: RedisSettings) -> AsyncIterator[BackupStore]:
    """The store as a command has it, beside a relay as an edge has it."""
    names = FeedNames()
    store, publisher, feed = (
        FedCassandra.over(cassandra, redis, names),
        RedisPublisher(redis),
        RedisFeed(redis),
    )
    relay = Relay(store, publisher, time.time, Random(1), keep_s=1e10)
    relaying = asyncio.create_task(relay.run())
    try:
        await until_alive(feed)
        yield store
    finally:
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)
        await store.close()
        await publisher.close()
        await feed.close()


class TestCassandraBackup(BackupContract):
    """Backups of a real Cassandra whose feed is on a real Redis."""
