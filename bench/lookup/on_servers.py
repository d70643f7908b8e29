"""Rows on the real Redis and Cassandra: store misses, a cold start, a stampede."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from time import perf_counter
from typing import Final

from bench.lookup import load
from bench.lookup.apart import apart
from bench.lookup.counted import CountedStore
from bench.lookup.figures import Figure
from bench.lookup.openloop import drive, saturate
from bench.lookup.stage import Stage, homes, run
from bench.peers.openloop import arrivals
from lookup.collector import short_passes
from lookup.redis_clients import RedisSettings
from lookup.redis_tier import RedisTier
from lookup.resolver import Resolver, build_resolver
from lookup.settings import LookupSettings
from lookup.stores.cassandra_settings import CassandraSettings

SWITCH_INTERVAL_S: Final = 0.0002
"""That of the proxy's workers: the driver's thread shares the interpreter with the loop."""

P99_MS: Final = 5.0
MISSES_PER_S: Final = 1000
COLD_USERS: Final = 50_000
COLD_PER_S: Final = 5000
STAMPEDE: Final = 10_000
WARM_UP_S: Final = 20.0
STEADY_S: Final = 30.0
"""Of the load that is measured then: Java compiles for what it is asked, which takes a core."""

_WARM_UP_KEYS: Final = 5_000
_WARM_UP_AT_ONCE: Final = 8


def store_misses(stage: Stage) -> list[Figure]:
    """Keys that only Cassandra knows, each once, 1,000 a second; without a cache before it, and with."""
    count = MISSES_PER_S * stage.asked.seconds * 5 // 4  # Poisson: some more may come
    alone, behind = _users("alone", count), _users("behind", count)
    records = homes([*alone, *behind, *_users("warm", _WARM_UP_KEYS)])
    cassandra, redis = stage.cassandra(records), stage.redis()
    stage.tell("store misses")
    run(_keep_asking(cassandra))
    figures: list[Figure] = []
    for cache, keys in ((None, alone), (redis, behind)):
        figures += run(_store_misses(cassandra, cache, keys, stage.asked.seconds, stage.pids()))
    return figures


async def _store_misses(
    cassandra: CassandraSettings,
    redis: RedisSettings | None,
    keys: Sequence[str],
    seconds: int,
    pids: Mapping[str, int],
) -> list[Figure]:
    what = "Cassandra alone" if redis is None else "Redis asked first"
    async with _tiers(cassandra, redis, LookupSettings()) as (lookup, store):
        await _ask_each(store, _users("warm", _WARM_UP_KEYS))
        requests, asked, begun = store.requests.begun, store.keys, store.readings.begun
        with apart(pids.values()):
            before = load.read(pids)
            tally = await drive(lookup, keys, arrivals(MISSES_PER_S, seconds, 1)[: len(keys)])
            busy = load.figures(before, load.read(pids))
        readings, read = store.readings.begun - begun, store.keys - asked
        requests = store.requests.begun - requests
    return [
        Figure(f"{what}: rate", tally.rate_per_s, "lookups/s", note=f"{tally.errors} without an answer"),
        *tally.tail(what, P99_MS),
        Figure(f"{what}: CPU of the process, a miss", tally.cpu_s / len(tally.latencies_s) * 1e6, "µs"),
        Figure(f"{what}: keys in a request", read / requests, "keys", note=f"{readings:,} readings"),
        *busy,
    ]


async def _keep_asking(cassandra: CassandraSettings) -> None:
    """First as hard as it goes, then at the rate that is measured."""
    keys = _users("warm", _WARM_UP_KEYS)
    async with _tiers(cassandra, None, LookupSettings()) as (_, store):
        await warm_up(store, keys)
        for _ in range(round(STEADY_S * MISSES_PER_S / len(keys))):
            await _ask_each(store, keys)


async def _ask_each(store: CountedStore, keys: Sequence[str]) -> None:
    """By a resolver that remembers nothing yet."""
    lookup = build_resolver(store, LookupSettings(), Random(1))
    await drive(lookup, keys, arrivals(MISSES_PER_S, 2 * len(keys) / MISSES_PER_S, 2)[: len(keys)])
    await lookup.close()


def cold_start(stage: Stage) -> list[Figure]:
    """A platform's users come back all at once, and neither memory nor Redis knows any of them."""
    keys = _users("cold", COLD_USERS)
    cassandra, redis = stage.cassandra(homes([*keys, *_users("warm", _WARM_UP_KEYS)])), stage.redis()
    stage.tell("cold start")
    return run(_cold_start(cassandra, redis, keys))


async def _cold_start(
    cassandra: CassandraSettings, redis: RedisSettings, keys: Sequence[str]
) -> list[Figure]:
    async with _tiers(cassandra, redis, LookupSettings()) as (lookup, store):
        await warm_up(store, _users("warm", _WARM_UP_KEYS))
        begun, asked = store.requests.begun, store.keys
        store.requests.most = store.readings.most = 0
        intended_s = arrivals(COLD_PER_S, 2 * COLD_USERS / COLD_PER_S, 1)[:COLD_USERS]
        tally = await drive(lookup, keys, intended_s)
        requests, read = store.requests.begun - begun, store.keys - asked
    limit = LookupSettings().readings
    return [
        Figure("rate", tally.rate_per_s, "lookups/s", note=f"{COLD_USERS:,} users, each once"),
        Figure("not answered", tally.errors, "lookups", 0, tally.said_by()),
        Figure("readings in flight, at most", store.readings.most, "readings", limit),
        Figure("requests in flight at Cassandra, at most", store.requests.most, "requests"),
        Figure("requests at Cassandra a second", requests / tally.elapsed_s, "1/s"),
        Figure("keys read, a user", read / COLD_USERS, "keys", 1.05, f"{read / requests:.1f} in a request"),
        *tally.tail("callers", None),
    ]


def stampede(stage: Stage) -> list[Figure]:
    """Everybody asks for one key that neither memory nor Redis has."""
    cassandra, redis = stage.cassandra(homes(["user:famous", *_users("warm", _WARM_UP_KEYS)])), stage.redis()
    stage.tell("stampede")
    return run(_stampede(cassandra, redis))


async def _stampede(cassandra: CassandraSettings, redis: RedisSettings) -> list[Figure]:
    async with _tiers(cassandra, redis, LookupSettings()) as (lookup, store):
        await warm_up(store, _users("warm", _WARM_UP_KEYS))
        begun, requests = store.readings.begun, store.requests.begun
        tally = await saturate(lookup, ["user:famous"] * STAMPEDE, STAMPEDE)
        readings, requests = store.readings.begun - begun, store.requests.begun - requests
    return [
        Figure("readings of the store", readings, "readings", 1),
        Figure("requests at Cassandra", requests, "requests", 1),
        Figure("not answered", tally.errors, "lookups", 0, f"of {STAMPEDE:,}"),
        Figure("all answered within", tally.elapsed_s * 1e3, "ms"),
        Figure("CPU of the process, a caller", tally.cpu_s / STAMPEDE * 1e6, "µs"),
    ]


async def warm_up(store: CountedStore, keys: Sequence[str]) -> None:
    """A Java program that was just started is slow, and takes a core for compiling itself."""
    chance = Random(4)
    end_s = perf_counter() + WARM_UP_S

    async def read() -> None:
        while perf_counter() < end_s:
            await store.read(chance.sample(keys, chance.randint(1, _WARM_UP_AT_ONCE)))

    await asyncio.gather(*(read() for _ in range(LookupSettings().readings)))


@asynccontextmanager
async def _tiers(
    cassandra: CassandraSettings, redis: RedisSettings | None, settings: LookupSettings
) -> AsyncIterator[tuple[Resolver, CountedStore]]:
    """As a worker of the proxy has them, with nothing in memory."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    store = await CountedStore.over(cassandra)
    cache = None if redis is None else RedisTier(redis, Random(1))
    lookup = build_resolver(store, settings, Random(1), cache)
    try:
        with short_passes(time.monotonic):
            yield lookup, store
    finally:
        await lookup.close()
        if cache is not None:
            await cache.close()
        await store.close()


def _users(kind: str, count: int) -> list[str]:
    """In an order that says nothing of where they are stored."""
    keys = [f"user:{kind}-{number}" for number in range(count)]
    Random(3).shuffle(keys)
    return keys
