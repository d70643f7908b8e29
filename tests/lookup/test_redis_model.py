"""Moves with the change feed and the shared cache on a real Redis, which forgets, trims and restarts.

As test_moves_model, with a truth that tells the feed by an outbox: writers and relays may die between any two
of their steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.servers.redis import RedisServer, start_redis
from tests.lookup.model.machine import SEEDED, crowd, explore
from tests.lookup.model.redis_stage import redis_stage
from tests.support.servers import needed

pytestmark = pytest.mark.slow


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that the model may break."""
    with needed():
        server = start_redis(tmp_path / "redis")
    yield server
    server.stop()


def test_nothing_that_befalls_the_feed_sends_a_write_to_the_wrong_cell(own_redis: RedisServer) -> None:
    crowd(redis_stage(own_redis), examples=12, moments=100, dice=SEEDED)
    explore(redis_stage(own_redis), examples=6, steps=15, dice=SEEDED)
