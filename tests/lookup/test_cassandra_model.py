"""Moves with the whole database on a real Cassandra and the feed on a real Redis: a short run of the model.

As test_redis_model; here it is the statements to Cassandra whose answers are lost, or that arrive late.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bench.servers.cassandra import CassandraRing
from bench.servers.redis import RedisServer
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.model.cassandra_stage import cassandra_stage
from tests.lookup.model.machine import SEEDED, crowd
from tests.lookup.stores.cassandra_stage import settings_of
from tests.support.on_cassandra import empty

pytestmark = pytest.mark.slow


@pytest.fixture
def empty_tables(shared_cassandra: CassandraRing) -> CassandraSettings:
    """Of a keyspace that the model has to itself, whose outbox is small."""
    settings = replace(settings_of(shared_cassandra, "model"), outbox_parts=2)
    asyncio.run(empty(settings))
    return settings


def test_no_lost_or_late_answer_of_cassandra_sends_a_write_to_the_wrong_cell(
    own_redis: RedisServer, empty_tables: CassandraSettings
) -> None:
    crowd(cassandra_stage(empty_tables, own_redis), examples=6, moments=60, dice=SEEDED)
