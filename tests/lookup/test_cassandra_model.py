"""Moves with the whole database on a real Cassandra and the feed on a real Redis: a short run of the model.

As test_redis_model; here it is the statements to Cassandra whose answers are lost, or that arrive late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.servers.cassandra import CassandraRing
from bench.servers.redis import RedisServer, start_redis
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.model.cassandra_stage import cassandra_stage
from tests.lookup.model.machine import SEEDED, crowd
from tests.lookup.stores.cassandra_stage import empty, settings_of
from tests.support.servers import needed

pytestmark = pytest.mark.slow


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that the model may break."""
    with needed():
        server = start_redis(tmp_path / "redis")
    yield server
    server.stop()


@pytest.fixture
def empty_tables(tmp_path: Path) -> Iterator[CassandraSettings]:
    """Of one node."""
    with needed():
        ring = CassandraRing(tmp_path / "cassandra")
        ring.start()
    try:
        settings = settings_of(ring)
        asyncio.run(empty(settings))
        yield settings
    finally:
        ring.stop()


def test_no_lost_or_late_answer_of_cassandra_sends_a_write_to_the_wrong_cell(
    own_redis: RedisServer, empty_tables: CassandraSettings
) -> None:
    crowd(cassandra_stage(empty_tables, own_redis), examples=5, moments=60, dice=SEEDED)
