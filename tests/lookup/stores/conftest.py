"""One Cassandra node with an empty store, and the Redis of its feed."""

from __future__ import annotations

import asyncio

import pytest

from bench.servers.cassandra import CassandraRing
from bench.servers.redis import RedisServer
from lookup.redis_clients import RedisSettings
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.stores.cassandra_stage import settings_of
from tests.support.on_cassandra import empty


@pytest.fixture
def settings(shared_cassandra: CassandraRing) -> CassandraSettings:
    """Of an empty store."""
    found = settings_of(shared_cassandra)
    asyncio.run(empty(found))
    return found


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisSettings:
    """Of an empty Redis."""
    return RedisSettings(((redis_server.host, redis_server.port),))
