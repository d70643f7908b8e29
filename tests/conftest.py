"""How Hypothesis searches: no deadlines anywhere, and in CI the same examples every time.

And the real servers, each started once for all tests of a session that break nothing, or mend it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bench.servers.cassandra import CassandraRing
from bench.servers.redis import RedisServer, start_redis
from tests.support.servers import needed

settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", parent=settings.get_profile("local"), derandomize=True, database=None, print_blob=True
)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for every test that breaks nothing."""
    with needed():
        server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """That Redis, empty."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that the test may break."""
    with needed():
        server = start_redis(tmp_path / "redis")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_cassandra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraRing]:
    """One node, in plain, for every test that uses a keyspace of its own or empties what it finds."""
    with needed():
        ring = CassandraRing(tmp_path_factory.mktemp("cassandra"), short_lived=True)
        ring.start()
    yield ring
    ring.stop()


@pytest.fixture
def mortal_cassandra(shared_cassandra: CassandraRing) -> Iterator[CassandraRing]:
    """That node for a test that kills or freezes it; afterwards it serves again."""
    yield shared_cassandra
    shared_cassandra.nodes[0].revive()
