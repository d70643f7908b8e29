"""Real Redis servers, each started once for all tests of a session and emptied before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.servers.redis import RedisServer, start_redis
from tests.support.servers import needed


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
