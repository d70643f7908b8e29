"""The shared cache on a real Redis: what it answers, what it never answers, and how it survives a bad one."""

from __future__ import annotations

import asyncio
import signal
import statistics
import time
from collections.abc import Mapping, Sequence
from functools import partial
from random import Random

import pytest

from bench.servers.redis import RedisServer
from lookup import redis_value
from lookup.assignment import Assignment
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisSettings
from lookup.redis_tier import RedisTier
from tests.lookup.asynchronous import asynchronous, stalls, until
from tests.lookup.fakes import home
from tests.lookup.redis_tier_stage import (
    PREFIX,
    commands_since_reset,
    longest_failure_s,
    put,
    reset_statistics,
    settings_of,
    tier_on,
    until_it_answers,
)

pytestmark = pytest.mark.slow


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
        took_s = []
        for _ in range(500):
            begun_s = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                await tier.read(["user:1"])
            took_s.append(time.monotonic() - begun_s)
        assert statistics.median(took_s) < 0.004


@asynchronous
async def test_a_closed_tier_is_unavailable(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        await tier.close()
        with pytest.raises(StoreUnavailableError, match="closed"):
            await tier.read(["user:1"])
        with pytest.raises(StoreUnavailableError, match="closed"):
            await tier.fill([home("user:1")])


@asynchronous
async def test_a_killed_redis_is_noticed_and_used_again_when_it_is_back(own_redis: RedisServer) -> None:
    async with tier_on(settings_of(own_redis)) as tier:
        await until_it_answers(tier, "user:1")
        own_redis.kill()
        async with stalls() as stalled:
            longest_s = await longest_failure_s(tier, 1.0, least=50)
            assert longest_s < 0.5 + stalled.seconds
            await asyncio.to_thread(own_redis.start)
            assert await until_it_answers(tier, "user:1") < 4.0 + stalled.seconds


@asynchronous
async def test_a_frozen_redis_delays_nobody_longer_than_its_timeout_and_is_dialled_rarely(
    own_redis: RedisServer,
) -> None:
    async with tier_on(settings_of(own_redis)) as tier:
        await until_it_answers(tier, "user:1")
        own_redis.signal(signal.SIGSTOP)
        async with stalls() as stalled:
            longest_s = await longest_failure_s(tier, 3.0, least=6)
            own_redis.signal(signal.SIGCONT)
            assert longest_s < 1.2 + stalled.seconds
            assert await until_it_answers(tier, "user:1") < 4.0 + stalled.seconds
    with own_redis.client() as client:
        assert client.info("stats")["total_connections_received"] < 25


@asynchronous
async def test_readings_under_way_when_redis_dies_or_freezes_are_right_or_fail(
    own_redis: RedisServer,
) -> None:
    async with tier_on(settings_of(own_redis)) as tier:
        await until_it_answers(tier, "user:probe")
        keys = [f"user:{number}" for number in range(200)]
        await tier.fill([home(key, f"cell-{key}") for key in keys])
        for harm in (partial(own_redis.signal, signal.SIGSTOP), own_redis.kill):
            before = begun(tier, keys)
            await until(partial(one_ended, before))
            harm()
            answered, failed = await outcomes([*before, *begun(tier, keys)])
            assert answered >= 1
            assert failed >= len(keys)
            await asyncio.to_thread(own_redis.revive)
            await until_it_answers(tier, "user:probe")
        assert tier.wrong_values == 0


Readings = list[tuple[str, "asyncio.Task[Mapping[str, Assignment]]"]]


def begun(tier: RedisTier, keys: Sequence[str]) -> Readings:
    return [(key, asyncio.create_task(tier.read([key]))) for key in keys]


def one_ended(readings: Readings) -> bool:
    return any(reading.done() for _, reading in readings)


async def outcomes(readings: Readings) -> tuple[int, int]:
    """How many were answered, each with its own key's record, and how many failed."""
    answered = failed = 0
    for key, reading in readings:
        try:
            found = await reading
        except StoreUnavailableError:
            failed += 1
        else:
            assert found == {key: home(key, f"cell-{key}")}
            answered += 1
    return answered, failed
