"""Moves with the change feed and the shared cache on a real Redis, which forgets, trims and restarts.

As test_moves_model, with a truth that tells the feed by an outbox: writers and relays may die between any two
of their steps.
"""

from __future__ import annotations

import pytest

from bench.servers.redis import RedisServer
from tests.lookup.model.machine import SEEDED, crowd, explore
from tests.lookup.model.redis_stage import redis_stage

pytestmark = pytest.mark.slow


def test_nothing_that_befalls_the_feed_sends_a_write_to_the_wrong_cell(own_redis: RedisServer) -> None:
    crowd(redis_stage(own_redis), examples=12, moments=100, dice=SEEDED)
    explore(redis_stage(own_redis), examples=6, steps=15, dice=SEEDED)
