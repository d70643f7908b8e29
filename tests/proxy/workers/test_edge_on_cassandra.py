"""An edge on real Cassandra and Redis, both of which are killed: what clients and operators see."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from bench.servers.cassandra import CassandraRing
from bench.servers.ports import free_port
from bench.servers.redis import RedisServer, start_redis
from proxy.rooms.mint import write_demo_keys
from tests.proxy.workers.stage import (
    CELL,
    HOMECELL,
    USER,
    Stage,
    homecell,
    running,
    runs,
    started,
    until,
    write_config,
)
from tests.support.on_cassandra import empty_keyspace, sections
from tests.support.servers import needed

pytestmark = pytest.mark.slow

KEYSPACE: Final = "edge"
LEASE_OVER_S: Final = 4.0
"""Longer than a lease, and than the silence after which claims are no more believed."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One that may be killed."""
    with needed():
        server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def servers(mortal_cassandra: CassandraRing, redis: RedisServer) -> Iterator[dict[str, object]]:
    """The config's sections, of an empty store; whatever was killed runs again afterwards."""
    with redis.client() as client:
        client.flushall()
    empty_keyspace(mortal_cassandra, KEYSPACE)
    yield sections(mortal_cassandra, redis, KEYSPACE)
    redis.revive()


async def store_state(stage: Stage) -> Mapping[str, object]:
    """What /-/ready says of the store."""
    told: Mapping[str, object] = json.loads((await stage.admin("/-/ready")).body)["store"]
    return told


async def feed_is(state: str, stage: Stage) -> bool:
    return (await store_state(stage))["state"] == state


async def answers(stage: Stage, method: str, status: int) -> bool:
    return (await stage.ask("/", method)).status == status


async def all_answer(stage: Stage, method: str, status: int, for_s: float) -> None:
    """Every request, each on a connection of its own, gets that status."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + for_s
    while loop.time() < end_s:
        assert (await stage.ask("/", method)).status == status
        await asyncio.sleep(0.05)


async def both_know_the_user(stage: Stage) -> bool:
    """Whether each has served a request of it; sends one more."""
    assert (await stage.ask()).status == 200
    return {line["worker"] for line in stage.log_lines()} == {0, 1}


async def replace_workers(stage: Stage, number: signal.Signals) -> None:
    for slot in (0, 1):
        old = await stage.pid(slot)
        os.kill(old, number)
        await stage.replaced(slot, old)
        await until(partial(_ended, old), "the worker has ended")


async def _ended(pid: int) -> bool:
    return not runs(pid)


def tiers(stage: Stage, path: str) -> set[object]:
    return {line["tier"] for line in stage.log_lines() if line["path"] == path}


async def is_logged(stage: Stage, path: str) -> bool:
    return bool(tiers(stage, path))


async def logged(stage: Stage, path: str, tier: str) -> bool:
    return tier in tiers(stage, path)


def test_a_home_comes_from_the_store_then_from_redis_and_flags_reach_every_worker(
    tmp_path: Path, servers: dict[str, object], redis: RedisServer
) -> None:
    async def scenario() -> None:
        async with running(tmp_path, sections=servers) as stage:
            await started(stage)
            assert (await stage.ask("/first")).status == 200
            await until(lambda: logged(stage, "/first", "store"), "the store told the home")

            async def cached() -> bool:
                with redis.client() as client:
                    return bool(client.exists(f"homecell:home:user:{USER}"))

            await until(cached, "Redis holds the home")
            for path in ("/second", "/third", "/fourth"):  # a slow reading of Redis is raced by the store
                shutil.rmtree(tmp_path / "snapshots", ignore_errors=True)
                await replace_workers(stage, signal.SIGKILL)
                assert (await stage.ask(path)).status == 200
                await until(partial(is_logged, stage, path), "it is in the log")
                if tiers(stage, path) == {"redis"}:
                    break
            assert tiers(stage, path) == {"redis"}
            await until(partial(feed_is, "heard", stage), "the feed is heard")
            status, said = await homecell(stage, "cells", "flag", CELL, "down", "--reason", "test")
            assert (status, "applied on 2 of 2 workers" in said) == (0, True), said
            assert (await stage.ask("/", "POST")).status == 503
            assert (await homecell(stage, "cells", "flag", CELL, "serving"))[0] == 0
            assert (await stage.ask("/", "POST")).status == 200
            status, said = await homecell(stage, "store", "status", "--count")
            assert status == 0, said
            assert f"{CELL}  1" in said
            assert (await homecell(stage, "explain", f"user:{USER}"))[0] == 0

    asyncio.run(scenario())


def test_on_a_store_on_which_nothing_ran_yet_commands_work_and_say_once_who_begins_its_feed(
    tmp_path: Path, servers: dict[str, object]
) -> None:
    config = write_config(tmp_path, free_port(), free_port(), free_port(), 10.0, servers)
    write_demo_keys(tmp_path / "keys")
    for words, says in (
        (("store", "status"), "not begun: no edge or lookup service has run yet; the first one begins it"),
        (
            ("users", "place", "user:7", "--cell", CELL),
            "the first edge or lookup service that runs begins it",
        ),
        (("explain", "user:7"), "the first edge or lookup service that runs begins it"),
    ):
        done = subprocess.run(
            [HOMECELL, *words, "--config", config],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout.count(says)) == (0, 1), done.stdout
        assert "relay" not in done.stdout
        assert "broke" not in done.stdout
        assert "trouble" not in done.stdout


def test_without_redis_every_request_is_served_and_a_new_one_is_taken_up(
    tmp_path: Path, servers: dict[str, object], redis: RedisServer
) -> None:
    async def scenario() -> None:
        async with running(tmp_path, sections=servers) as stage:
            await started(stage)
            await until(partial(feed_is, "heard", stage), "the feed is heard")
            await asyncio.to_thread(redis.kill)
            await asyncio.gather(
                all_answer(stage, "GET", 200, LEASE_OVER_S), all_answer(stage, "POST", 200, LEASE_OVER_S)
            )
            await until(partial(feed_is, "silent", stage), "the feed is known to be silent")
            status, said = await homecell(stage, "store", "status")
            assert (status, "redis   does not answer" in said) == (1, True), said
            await asyncio.to_thread(redis.start)
            await asyncio.to_thread(redis.wait_ready)
            await until(partial(feed_is, "heard", stage), "the feed is heard again")
            status, said = await homecell(stage, "cells", "flag", CELL, "down", "--reason", "test")
            assert status == 0, said

    asyncio.run(scenario())


def test_without_cassandra_known_users_go_on_reading_and_writes_are_refused_once_leases_are_over(
    tmp_path: Path, servers: dict[str, object], mortal_cassandra: CassandraRing
) -> None:
    async def scenario() -> None:
        async with running(tmp_path, sections=servers) as stage:
            await started(stage)
            await until(partial(both_know_the_user, stage), "both workers have served the user")
            node = mortal_cassandra.nodes[0]
            await asyncio.to_thread(node.kill)
            await all_answer(stage, "GET", 200, LEASE_OVER_S)
            await until(partial(answers, stage, "POST", 503), "writes are refused")
            refused = await stage.ask("/", "POST")
            assert b"lookup-unavailable" in refused.body
            assert "retry-after" in refused.fields
            status, said = await homecell(stage, "store", "status")
            assert (status, "no Cassandra node answers" in said) == (3, True), said
            await asyncio.to_thread(node.start)
            await asyncio.to_thread(node.wait_ready)
            await until(partial(answers, stage, "POST", 200), "writes are served again")
            await until(partial(feed_is, "heard", stage), "the feed is heard again")

    asyncio.run(scenario())


def test_workers_started_without_both_serve_known_users_from_the_snapshot_until_they_are_back(
    tmp_path: Path, servers: dict[str, object], mortal_cassandra: CassandraRing, redis: RedisServer
) -> None:
    async def scenario() -> None:
        async with running(tmp_path, sections=servers, first_delay_s=0.1) as stage:
            await started(stage)
            await all_answer(stage, "GET", 200, 0.5)
            await until(partial(feed_is, "heard", stage), "the feed is heard")
            node = mortal_cassandra.nodes[0]
            await replace_workers(stage, signal.SIGTERM)  # which writes their snapshots
            await asyncio.to_thread(node.kill)
            await asyncio.to_thread(redis.kill)
            await replace_workers(stage, signal.SIGKILL)
            assert (await stage.ask("/safe")).status == 200
            await until(lambda: logged(stage, "/safe", "stale"), "the log says that the answer was stale")
            assert (await stage.ask("/", "POST")).status == 503
            await until(partial(feed_is, "silent", stage), "the feed is known to be silent")
            assert (await stage.admin("/-/ready")).status == 200
            await _start_without_snapshot_and_say_why(stage)
            for server in (node, redis):
                await asyncio.to_thread(server.start)
                await asyncio.to_thread(server.wait_ready)
            await until(stage.all_ready, "both workers serve again")
            await until(partial(answers, stage, "POST", 200), "writes are served again")

    asyncio.run(scenario())


async def _start_without_snapshot_and_say_why(stage: Stage) -> None:
    shutil.rmtree(stage.folder / "snapshots")
    for slot in (0, 1):
        os.kill(await stage.pid(slot), signal.SIGKILL)

    async def told() -> bool:
        return "no Cassandra node answers" in "".join(stage.said)

    await until(told, "the workers have said why they can't start")
