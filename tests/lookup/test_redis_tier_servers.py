"""The shared cache on a Redis with password and TLS, on Sentinel and on Cluster."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bench.servers.certificates import make_certificates
from bench.servers.redis import RedisServer, start_redis
from bench.servers.redis_cluster import RedisClusterNodes
from bench.servers.redis_sentinel import SentinelGroup
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisSettings, RedisTls, Topology
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import home
from tests.lookup.redis_tier_stage import (
    PREFIX,
    held,
    tier_on,
    until_it_answers,
)
from tests.support.servers import needed

pytestmark = pytest.mark.slow


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
            assert await until_it_answers(tier, "user:2") < 30.0
            assert group.master() is not master
            assert held(group.master(), "user:2") is not None
    finally:
        group.stop()


@asynchronous
async def test_sentinels_with_a_password_of_their_own_are_asked_with_it(tmp_path: Path) -> None:
    with needed():
        group = SentinelGroup(tmp_path, password="secret", sentinel_password="watchword")
    try:
        good = RedisSettings(
            tuple(group.addresses()),
            Topology.SENTINELS,
            password="secret",
            sentinel_password="watchword",
        )
        assert "watchword" not in repr(good)
        async with tier_on(good) as tier:
            await until_it_answers(tier, "user:1")
        for bad in (None, "secret"):
            async with tier_on(replace(good, sentinel_password=bad)) as tier:
                with pytest.raises(StoreUnavailableError, match="refuses the login") as refusal:
                    await tier.read(["user:1"])
            said = str(refusal.value)
            assert all(f"{host}:{port}" in said for host, port in group.addresses())
            assert "sentinel_password_file" in said
            assert "connection_pool" not in said
        async with tier_on(replace(good, service="other")) as tier:
            with pytest.raises(StoreUnavailableError, match="no Sentinel names the master other"):
                await tier.read(["user:1"])
    finally:
        group.stop()


@asynchronous
async def test_sentinels_that_speak_tls_only_are_asked_by_tls(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "certificates")
    with needed():
        group = SentinelGroup(tmp_path, sentinel_password="watchword", certificates=certificates)
    other = make_certificates(tmp_path / "others")
    try:
        good = RedisSettings(
            tuple(group.addresses()),
            Topology.SENTINELS,
            tls=RedisTls(certificates.authority),
            sentinel_password="watchword",
        )
        async with tier_on(good) as tier:
            await until_it_answers(tier, "user:1")
        for bad in (None, RedisTls(other.authority)):
            async with tier_on(replace(good, tls=bad)) as tier:
                with pytest.raises(StoreUnavailableError, match="no Sentinel names the master"):
                    await tier.read(["user:1"])
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
