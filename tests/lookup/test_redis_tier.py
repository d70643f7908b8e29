"""The shared cache on a real Redis: what it answers, what it never answers, and how it survives a bad one."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from bench.servers.certificates import make_certificates
from bench.servers.redis import RedisServer, start_redis
from bench.servers.redis_cluster import RedisClusterNodes
from bench.servers.redis_sentinel import SentinelGroup
from lookup import redis_value
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisSettings, RedisTls, Topology
from lookup.redis_tier import RedisTier
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import home
from tests.support.servers import needed

pytestmark = pytest.mark.slow

PREFIX = "test:"


@asynccontextmanager
async def tier_on(settings: RedisSettings, ttl_s: float = 3600.0) -> AsyncIterator[RedisTier]:
    tier = RedisTier(settings, Random(7), PREFIX, ttl_s)
    try:
        yield tier
    finally:
        await tier.close()


def settings_of(server: RedisServer) -> RedisSettings:
    return RedisSettings(((server.host, server.port),), password=server.password or None)


def held(server: RedisServer, key: str) -> str | None:
    with server.client() as client:
        value = client.get(PREFIX + key)
    assert value is None or isinstance(value, str)
    return value


def put(server: RedisServer, key: str, value: bytes | str) -> None:
    with server.client() as client:
        client.set(PREFIX + key, value)


def commands_since_reset(server: RedisServer) -> dict[str, int]:
    with server.client() as client:
        return {name: stats["calls"] for name, stats in client.info("commandstats").items()}


def reset_statistics(server: RedisServer) -> None:
    with server.client() as client:
        client.config_resetstat()


@asynchronous
async def test_what_was_filled_is_read_and_what_was_not_is_absent(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        records = {key: home(key, f"cell-{key}", 3) for key in ("user:1", "user:ö", "tenant:x")}
        await tier.fill(list(records.values()))
        assert await tier.read([*records, "user:none"]) == records
        assert await tier.read([]) == {}


@asynchronous
async def test_all_keys_of_a_reading_go_in_one_command(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        keys = [f"user:{number}" for number in range(1000)]
        await tier.fill([home(key) for key in keys])
        reset_statistics(redis_server)
        assert len(await tier.read(keys)) == 1000
        assert commands_since_reset(redis_server)["cmdstat_mget"] == 1


@asynchronous
async def test_a_fill_never_replaces_a_higher_epoch(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        await tier.fill([home("user:1", "cell-new", 10)])
        await tier.fill([home("user:1", "cell-old", 9), home("user:2", "cell-a", 1)])
        assert await tier.read(["user:1", "user:2"]) == {
            "user:1": home("user:1", "cell-new", 10),
            "user:2": home("user:2", "cell-a", 1),
        }
        await tier.fill([home("user:1", "cell-newest", 11), home("user:1", "cell-old", 2)])
        assert (await tier.read(["user:1"]))["user:1"].cell == "cell-newest"


@asynchronous
async def test_concurrent_fills_end_with_the_highest_epoch(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as one, tier_on(settings_of(redis_server)) as two:
        epochs = list(range(1, 200))
        Random(3).shuffle(epochs)
        await asyncio.gather(
            *((one, two)[epoch % 2].fill([home("user:1", epoch=epoch)]) for epoch in epochs[:16])
        )
        assert (await one.read(["user:1"]))["user:1"].epoch == max(epochs[:16])


@asynchronous
async def test_a_wrong_value_is_a_counted_miss_and_is_replaced(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        put(redis_server, "user:1", redis_value.encode(home("user:2", "cell-of-another")))
        put(redis_server, "user:3", b"\xff\x00 nonsense")
        put(redis_server, "user:4", redis_value.encode(home("user:4")))
        assert list(await tier.read(["user:1", "user:3", "user:4"])) == ["user:4"]
        assert tier.wrong_values == 2
        await tier.fill([home("user:3", "cell-b", 1)])
        assert (await tier.read(["user:3"]))["user:3"].cell == "cell-b"


@asynchronous
async def test_values_expire_at_different_times_within_the_last_fifth(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server), ttl_s=1000.0) as tier:
        keys = [f"user:{number}" for number in range(100)]
        await tier.fill([home(key) for key in keys])
    with redis_server.client() as client:
        left_ms = [client.pttl(PREFIX + key) for key in keys]
    assert len(set(left_ms)) > 90
    assert 790_000 < min(left_ms) < 830_000
    assert 970_000 < max(left_ms) <= 1_000_000


@asynchronous
async def test_ten_thousand_cancelled_readings_hand_nobody_anothers_answer(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        keys = [f"user:{number}" for number in range(500)]
        await tier.fill([home(key, f"cell-{key}") for key in keys])
        random = Random(11)
        cancelled = wrong = right = 0
        while cancelled < 10_000:
            readings = [(key, asyncio.create_task(tier.read([key]))) for key in random.choices(keys, k=10)]
            for _ in range(random.randrange(12)):
                await asyncio.sleep(0)
            for _, reading in readings[:8]:
                cancelled += reading.cancel()
            for key, reading in readings:
                try:
                    found = await reading
                except asyncio.CancelledError:
                    continue
                wrong += found != {key: home(key, f"cell-{key}")}
                right += 1
        with redis_server.client() as client:
            dialled = client.info("stats")["total_connections_received"]
    assert right >= 2500
    assert wrong == 0
    assert tier.wrong_values == 0
    assert dialled < 100, "a cancelled call must not cost a connection"


@asynchronous
async def test_a_redis_that_is_not_there_is_unavailable_at_once_and_hardly_dialled() -> None:
    settings = RedisSettings((("127.0.0.1", 1),))
    async with tier_on(settings) as tier:
        begun_s = time.monotonic()
        for _ in range(500):
            with pytest.raises(StoreUnavailableError):
                await tier.read(["user:1"])
        assert time.monotonic() - begun_s < 2.0


@asynchronous
async def test_a_closed_tier_is_unavailable(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        await tier.close()
        with pytest.raises(StoreUnavailableError, match="closed"):
            await tier.read(["user:1"])
        with pytest.raises(StoreUnavailableError, match="closed"):
            await tier.fill([home("user:1")])


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that the test may break."""
    with needed():
        server = start_redis(tmp_path / "redis")
    yield server
    server.stop()


async def until_it_answers(tier: RedisTier, key: str) -> float:
    """Seconds until a filled key is read."""
    begun_s = time.monotonic()
    while True:
        try:
            await tier.fill([home(key)])
            if key in await tier.read([key]):
                return time.monotonic() - begun_s
        except StoreUnavailableError:
            await asyncio.sleep(0.01)


async def fails(tier: RedisTier, seconds: float) -> tuple[int, float]:
    """How many readings failed in that time, and the longest one's seconds."""
    failed, longest_s, end_s = 0, 0.0, time.monotonic() + seconds
    while time.monotonic() < end_s:
        begun_s = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await tier.read(["user:1"])
        failed += 1
        longest_s = max(longest_s, time.monotonic() - begun_s)
        await asyncio.sleep(0.005)
    return failed, longest_s


@asynchronous
async def test_a_killed_redis_is_noticed_and_used_again_when_it_is_back(own_redis: RedisServer) -> None:
    async with tier_on(settings_of(own_redis)) as tier:
        await until_it_answers(tier, "user:1")
        own_redis.kill()
        failed, longest_s = await fails(tier, 1.0)
        assert failed > 50
        assert longest_s < 0.5
        await asyncio.to_thread(own_redis.start)
        assert await until_it_answers(tier, "user:1") < 4.0


@asynchronous
async def test_a_frozen_redis_delays_nobody_longer_than_its_timeout_and_is_dialled_rarely(
    own_redis: RedisServer,
) -> None:
    async with tier_on(settings_of(own_redis)) as tier:
        await until_it_answers(tier, "user:1")
        own_redis.signal(signal.SIGSTOP)
        failed, longest_s = await fails(tier, 3.0)
        own_redis.signal(signal.SIGCONT)
        assert failed > 5
        assert longest_s < 1.2
        assert await until_it_answers(tier, "user:1") < 4.0
    with own_redis.client() as client:
        assert client.info("stats")["total_connections_received"] < 25


@asynchronous
async def test_password_and_tls_are_used_and_a_wrong_one_is_unavailable(tmp_path: Path) -> None:
    with needed():
        certificates = make_certificates(tmp_path / "certificates")
        server = start_redis(
            tmp_path / "redis", password="open sesame".replace(" ", "-"), certificates=certificates
        )
    other = make_certificates(tmp_path / "others")
    try:
        address = ((server.host, server.port),)
        good = RedisSettings(address, password=server.password, tls=RedisTls(certificates.authority))
        async with tier_on(good) as tier:
            await tier.fill([home("user:1")])
            assert list(await tier.read(["user:1"])) == ["user:1"]
        for bad in (
            RedisSettings(address, password="wrong", tls=RedisTls(certificates.authority)),
            RedisSettings(address, password=server.password, tls=RedisTls(other.authority)),
            RedisSettings(address, password=server.password),
        ):
            async with tier_on(bad) as tier:
                with pytest.raises(StoreUnavailableError):
                    await tier.read(["user:1"])
        assert server.password not in repr(good)
    finally:
        server.stop()


@asynchronous
async def test_after_a_failover_the_sentinels_new_master_is_used(tmp_path: Path) -> None:
    with needed():
        group = SentinelGroup(tmp_path, password="secret")
    try:
        settings = RedisSettings(tuple(group.addresses()), Topology.SENTINELS, password="secret")
        async with tier_on(settings) as tier:
            await until_it_answers(tier, "user:1")
            master = group.master()
            master.kill()
            assert await until_it_answers(tier, "user:2") < 15.0
            assert group.master() is not master
            assert held(group.master(), "user:2") is not None
    finally:
        group.stop()


@asynchronous
async def test_a_cluster_is_read_by_slot_and_a_dead_node_costs_only_its_own_keys(tmp_path: Path) -> None:
    with needed():
        cluster = RedisClusterNodes(tmp_path)
    try:
        settings = RedisSettings(tuple(cluster.addresses()), Topology.CLUSTER)
        async with tier_on(settings) as tier:
            keys = [f"user:{number}" for number in range(300)]
            await tier.fill([home(key) for key in keys])
            assert len(await tier.read(keys)) == 300
            await tier.fill([home(key, epoch=2) for key in keys[:100]])
            assert (await tier.read(keys))["user:0"].epoch == 2
            own = [key for key in keys if held_in_cluster(cluster.nodes[1], key)]
            cluster.nodes[1].kill()
            found = await tier.read(keys)
            assert set(found) == set(keys) - set(own)
            assert tier.partial_reads == 1
            await asyncio.to_thread(cluster.nodes[1].start)
            await asyncio.to_thread(cluster.nodes[1].wait_ready)
            for key in own[:3]:
                assert await until_it_answers(tier, key) < 10.0
    finally:
        cluster.stop()


def held_in_cluster(node: RedisServer, key: str) -> bool:
    with node.client() as client:
        return (PREFIX + key) in client.keys(PREFIX + "*")
