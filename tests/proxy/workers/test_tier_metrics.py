"""A real scrape tells of the tiers behind memory: their failures, writes on their way, users by cell."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.servers.ports import free_port
from bench.servers.redis import RedisServer
from tests.proxy.workers.stage import CELL, homecell, running, started, until
from tests.support.on_cassandra import empty_keyspace, sections

pytestmark = pytest.mark.slow


def test_a_shared_cache_that_is_away_and_the_users_of_each_cell(tmp_path: Path) -> None:
    async def scenario() -> None:
        nobody = {"redis": {"addresses": [f"127.0.0.1:{free_port()}"]}}
        async with running(tmp_path, sections=nobody) as stage:
            await started(stage)

            async def skipped() -> bool:
                for user in range(20):
                    await stage.ask(f"/{user}")
                metrics = await stage.metrics()
                return bool(
                    metrics.total("homecell_tier_failures_total", tier="redis", kind="error") >= 1
                    and metrics.value("homecell_cell_users", cell=CELL) == 1
                )

            await until(skipped, "the failures of Redis and the cell's user are told")
            metrics = await stage.metrics()
            assert metrics.total("homecell_tier_failures_total", tier="store") == 0
            assert metrics.value("homecell_tier_circuits_open", tier="store") == 0
            assert metrics.value("homecell_cell_share", cell=CELL) == 1.0
            assert metrics.value("homecell_cell_crowded", cell=CELL) == 0
            assert metrics.value("homecell_relays") is None, "the embedded store needs none"

    asyncio.run(scenario())


def test_the_relay_of_a_database_with_a_feed_elsewhere(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ring = request.getfixturevalue("shared_cassandra")
    redis = request.getfixturevalue("redis_server")
    empty_keyspace(ring, "tier_metrics")

    async def scenario() -> None:
        async with running(tmp_path, sections=sections(ring, redis, "tier_metrics")) as stage:
            await started(stage)

            async def told() -> bool:
                metrics = await stage.metrics()
                lag_s = metrics.value("homecell_relay_lag_seconds")
                return metrics.value("homecell_relays") == 1 and lag_s is not None and lag_s < 5.0

            await until(told, "one worker is the relay and nothing waits for it")
            metrics = await stage.metrics()
            assert metrics.value("homecell_relay_pending") is not None
            assert metrics.value("homecell_relay_feed_evictable") == 0
            assert metrics.value("homecell_cell_users", cell=CELL) is None, "it would be a full scan"

    asyncio.run(scenario())


def test_a_redis_that_may_evict_the_feed_is_a_trouble_of_the_store_and_a_metric(
    tmp_path: Path, request: pytest.FixtureRequest, own_redis: RedisServer
) -> None:
    ring = request.getfixturevalue("shared_cassandra")
    empty_keyspace(ring, "evictable_feed")
    with own_redis.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")

    async def scenario() -> None:
        async with running(tmp_path, sections=sections(ring, own_redis, "evictable_feed")) as stage:
            await started(stage)

            async def told() -> bool:
                return (await stage.metrics()).value("homecell_relay_feed_evictable") == 1

            await until(told, "the relay looked at what its Redis may evict")
            status, said = await homecell(stage, "store", "status")
            assert (status, "trouble: Redis may evict the change feed" in said) == (1, True), said
            with own_redis.client() as client:
                client.config_set("maxmemory-policy", "volatile-lru")
            status, said = await homecell(stage, "store", "status")
            assert (status, "trouble" in said) == (0, False), said

    asyncio.run(scenario())
