"""The edge that is killed and frozen around does what a worker of the proxy does: on real servers."""

from __future__ import annotations

import time

import pytest

from bench.lookup.edge_under_load import USERS, loaded
from bench.servers.cassandra import CassandraRing
from bench.servers.redis import RedisServer
from lookup.redis_clients import RedisSettings
from lookup.redis_feed_scripts import FeedNames
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_fed import FedCassandra
from lookup.writer import spread
from tests.lookup.asynchronous import until, within
from tests.lookup.stores.cassandra_stage import settings_of
from tests.support.on_cassandra import empty

pytestmark = pytest.mark.slow


@within(60.0)
async def test_without_a_lease_writes_are_confirmed_after_the_book_of_leases_was_told(
    shared_cassandra: CassandraRing, own_redis: RedisServer
) -> None:
    cassandra = settings_of(shared_cassandra)
    redis = RedisSettings(((own_redis.host, own_redis.port),))
    await empty(cassandra)
    store = await CassandraStore.open(cassandra, None)
    await store.load(spread((f"user:{number}" for number in range(USERS)), [("cell-a", "eu")], time.time()))
    await store.close()
    async with loaded(cassandra, redis) as (edge, load):
        await until(lambda: any(sample.is_write and sample.answer != "503" for sample in load.samples))
        with own_redis.client() as client:  # the duty is taken anew each turn, and over when one is slow
            await until(lambda: client.exists(FeedNames("homecell").duty) == 1)
        assert edge.is_whole
        own_redis.kill()
        await until(lambda: any(sample.answer == "confirmed" for sample in load.samples))
    book = FedCassandra.over(cassandra, redis, FeedNames())
    try:
        assert [lease.worker for lease in await book.leases() if lease.confirms] != []
    finally:
        await book.close()
