"""A node that is frozen or killed, a feed that is lost, readings that are given up: what goes on."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import replace

import pytest

from bench.servers.cassandra import CassandraRing
from bench.servers.cassandra_config import COMMITLOG_SYNC_S
from bench.servers.redis import RedisServer
from lookup.assignment import NO_EPOCH
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisSettings
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.asynchronous import asynchronous, stalls
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.cassandra_stage import (
    nothing_pending,
    opened,
    silent,
    until_alive,
)

pytestmark = pytest.mark.slow


@asynchronous
async def test_a_lost_feed_is_begun_anew_with_the_moves_that_the_truth_remembers(
    settings: CassandraSettings, redis: RedisSettings, redis_server: RedisServer
) -> None:
    async with opened(settings, redis) as store:
        await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
        await store.compare_and_set(home("user:1", "cell-b", 2, NOW_S + 1), 1)
        await store.compare_and_set(home("user:2", "cell-b", 5, NOW_S + 9000), NO_EPOCH)
        with redis_server.client() as client:
            client.flushall()
        await until_alive(store)
        moves = (await store.history(0.0)).moves
        assert {(move.key, move.epoch, move.left_cell) for move in moves} == {
            ("user:1", 2, "cell-a"),
            ("user:2", 5, ""),
        }


@asynchronous
async def test_cancelled_readings_leave_their_places_to_others(
    settings: CassandraSettings,
) -> None:
    async with silent(replace(settings, in_flight=2)) as store:
        await store.load(home(f"user:{number}") for number in range(50))
        for _ in range(20):
            readings = [asyncio.create_task(store.read([f"user:{number}"])) for number in range(50)]
            await asyncio.sleep(0.005)
            for reading in readings:
                reading.cancel()
            await asyncio.gather(*readings, return_exceptions=True)
        assert list(await store.read(["user:7"])) == ["user:7"]


async def until_it_answers(store: CassandraStore, key: str) -> float:
    """Seconds until the key is read again."""
    begun_s = time.monotonic()
    while True:
        try:
            assert key in await store.read([key])
        except StoreUnavailableError:
            await asyncio.sleep(0.02)
        else:
            return time.monotonic() - begun_s


def test_a_frozen_node_delays_nobody_beyond_the_timeout_and_no_write_is_lost(
    settings: CassandraSettings, redis: RedisSettings, mortal_cassandra: CassandraRing
) -> None:
    node = mortal_cassandra.nodes[0]

    async def scenario() -> None:
        quick = replace(settings, request_timeout_s=1.0)
        async with opened(quick, redis) as store:
            await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
            node.signal(signal.SIGSTOP)
            begun_s = time.monotonic()
            async with stalls() as stalled:
                outcomes = await asyncio.gather(
                    store.read(["user:1"]),
                    store.compare_and_set(home("user:1", "cell-b", 2), 1),
                    return_exceptions=True,
                )
                assert all(isinstance(outcome, StoreUnavailableError) for outcome in outcomes)
                assert time.monotonic() - begun_s < 3.5 + stalled.seconds
            node.signal(signal.SIGCONT)
            await until_it_answers(store, "user:1")
            present = await store.confirm(["user:1"])
            if present["user:1"].epoch == 1:
                await store.compare_and_set(home("user:1", "cell-b", 2), 1)
            await until_alive(store)
            await nothing_pending(store)
            assert [(move.key, move.epoch) for move in (await store.history(0.0)).moves] == [("user:1", 2)]

    asyncio.run(asyncio.wait_for(scenario(), 90.0))


def test_a_killed_node_that_is_back_is_used_without_a_restart_of_ours(
    settings: CassandraSettings, redis: RedisSettings, mortal_cassandra: CassandraRing
) -> None:
    node = mortal_cassandra.nodes[0]

    async def scenario() -> None:
        async with opened(settings, redis) as store:
            await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
            await asyncio.sleep(2 * COMMITLOG_SYNC_S)  # until then the only copy is in the node's memory
            node.kill()
            with pytest.raises(StoreUnavailableError):
                await store.read(["user:1"])
            await asyncio.to_thread(node.start)
            await asyncio.to_thread(node.wait_ready)
            async with stalls() as stalled:
                assert await until_it_answers(store, "user:1") < 10.0 + stalled.seconds
            await store.compare_and_set(home("user:1", "cell-b", 2), 1)
            assert (await store.read(["user:1"]))["user:1"].epoch == 2
            await until_alive(store)
            assert [move.epoch for move in (await store.history(0.0)).moves] == [2]

    asyncio.run(asyncio.wait_for(scenario(), 90.0))
