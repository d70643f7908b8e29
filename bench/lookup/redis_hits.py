"""The row in which Redis answers every lookup of one process: capacity in a closed loop, tail in an open one.

The store behind is the embedded one, which hardly anything reaches. Cassandra, just started and filled, takes
a core for itself for a while: on a machine of two, that is the one on which Redis answers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from random import Random
from typing import Final

from bench.lookup.figures import Figure
from bench.lookup.misses import CountingStore
from bench.lookup.on_servers import P99_MS, SWITCH_INTERVAL_S
from bench.lookup.openloop import Tally, drive, saturate
from bench.lookup.stage import Stage, homes, run
from bench.peers.openloop import arrivals
from lookup.collector import short_passes
from lookup.redis_clients import RedisSettings
from lookup.redis_tier import RedisTier
from lookup.resolver import build_resolver
from lookup.settings import LookupSettings

TARGET_PER_S: Final = 100_000
USERS: Final = 50_000
CALLERS: Final = 256
"""At the target's rate each waits 2.6 ms, whatever one does: their number divided by the rate. With 512 that
would be 5.1 ms, so that no resolver could reach both targets at once."""

_FORGETFUL: Final = LookupSettings(memory_entries=1000)
"""Remembers so few that each key is read again."""

_WARM_UP_KEYS: Final = 5_000
_PASSES: Final = 5
_SUSTAINED: Final = 0.7
"""Part of the measured capacity that the open loop gets, unless the target's rate is less."""


def redis_hits(stage: Stage) -> list[Figure]:
    """Each lookup is answered by Redis."""
    keys = [f"user:cached-{number}" for number in range(USERS)]
    Random(3).shuffle(keys)
    redis = stage.redis(homes(keys))
    stage.tell("Redis hits")
    return run(_measure(stage, redis, keys))


async def _measure(stage: Stage, redis: RedisSettings, keys: Sequence[str]) -> list[Figure]:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    store = await CountingStore.open(stage.folder / "behind-redis.sqlite", create=True)
    await store.load(homes(keys))
    cache = RedisTier(redis, Random(1))
    lookup = build_resolver(store, _FORGETFUL, Random(1), cache)
    try:
        with short_passes(time.monotonic):
            await saturate(lookup, keys[:_WARM_UP_KEYS], CALLERS)
            full = await saturate(lookup, list(keys) * _PASSES, CALLERS)
            per_s = min(TARGET_PER_S, _SUSTAINED * full.rate_per_s)
            intended_s = arrivals(per_s, stage.asked.seconds, 1)
            asked = [keys[number % len(keys)] for number in range(len(intended_s))]
            steady = await drive(lookup, asked, intended_s)
    finally:
        await lookup.close()
        await cache.close()
        await store.close()
    return _figures(full, steady, per_s, store.readings)


def _figures(full: Tally, steady: Tally, per_s: float, readings: int) -> list[Figure]:
    busy = 100 * steady.cpu_s / steady.elapsed_s
    return [
        Figure("keys", full.rate_per_s, "keys/s", TARGET_PER_S, f"{CALLERS} callers, closed loop"),
        Figure("CPU of the process, a key", full.cpu_s / len(full.latencies_s) * 1e6, "µs"),
        *full.tail(f"{CALLERS} callers", P99_MS),
        *steady.tail(f"open loop at {per_s:,.0f}/s", P99_MS),
        Figure("open loop: CPU of the process", round(busy), "% of a core", note="the generator's included"),
        Figure("not answered", full.errors + steady.errors, "lookups", 0, steady.said_by()),
        Figure("readings that reached the store", readings, "readings", note="hedged"),
    ]
