from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from bench.servers.redis import RedisServer
from bench.servers.redis_cluster import RedisClusterNodes
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisSettings, Topology
from lookup.redis_emptying import empty_cache
from lookup.redis_tier import RedisTier
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import home
from tests.support.servers import needed

pytestmark = pytest.mark.slow

KEYS = [f"user:{number}" for number in range(1200)]


async def empty_and_look(settings: RedisSettings) -> None:
    """Fill two caches, empty one of them; a name in it has a star."""
    tiers = [RedisTier(settings, Random(1), prefix) for prefix in ("a*:home:", "ab:home:")]
    for tier in tiers:
        await tier.fill([home(key, epoch=9) for key in KEYS])
    assert await empty_cache(settings, "a*:home:") == len(KEYS)
    assert await tiers[0].read(KEYS) == {}
    assert len(await tiers[1].read(KEYS)) == len(KEYS)
    await tiers[0].fill([home("user:1", epoch=2)])
    assert (await tiers[0].read(["user:1"]))["user:1"].epoch == 2
    for tier in tiers:
        await tier.close()


@asynchronous
async def test_every_home_of_one_cache_is_forgotten_and_nothing_else(redis_server: RedisServer) -> None:
    await empty_and_look(RedisSettings(((redis_server.host, redis_server.port),)))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisClusterNodes]:
    with needed():
        nodes = RedisClusterNodes(tmp_path)
    yield nodes
    nodes.stop()


@asynchronous
async def test_also_on_every_node_of_a_cluster(cluster: RedisClusterNodes) -> None:
    await empty_and_look(RedisSettings(tuple(cluster.addresses()), Topology.CLUSTER))


@asynchronous
async def test_a_redis_that_is_away_is_told_of() -> None:
    with pytest.raises(StoreUnavailableError):
        await empty_cache(RedisSettings((("127.0.0.1", 1),)), "x:")
