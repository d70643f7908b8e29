"""The row with skewed traffic: Zipf over many users; memory, Redis, Cassandra as after hours of service.

Several processes ask, as a proxy has several workers, each with a memory of its own.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing.synchronize import Barrier
from random import Random
from typing import Final

from bench.lookup import load
from bench.lookup.counted import CountedStore
from bench.lookup.figures import Figure
from bench.lookup.on_servers import P99_MS, SWITCH_INTERVAL_S, warm_up
from bench.lookup.openloop import Tally, drive
from bench.lookup.stage import HOMES, Stage, homes, run
from bench.peers.openloop import arrivals
from lookup.assignment import Assignment
from lookup.collector import short_passes
from lookup.memory import Memory
from lookup.moved import MovedSet
from lookup.observer import LookupObserver
from lookup.redis_clients import RedisSettings
from lookup.redis_tier import RedisTier
from lookup.resolution import Tier
from lookup.resolver import Resolver
from lookup.settings import LookupSettings
from lookup.stores.cassandra_settings import CassandraSettings

PER_S: Final = 100_000
CACHED_SHARE: Final = 0.99
"""Of all users, whatever their rank. Redis keeps a home for 48 to 60 minutes: of a million homes some 300
expire a second, and so many readings of the store this share gives."""

WARM_UP_S: Final = 3
_TOGETHER_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Part:
    """What one process does."""

    seed: int
    users: int
    per_s: float
    seconds: int
    cassandra: CassandraSettings
    redis: RedisSettings
    pids: Mapping[str, int]
    processes: int


@dataclass(slots=True)
class Outcome:
    """What one process saw; the warm-up is in none of it.

    hedges        readings of Redis that took so long that Cassandra was asked as well
    store_keys    that Cassandra was asked for
    load          how busy the machine was, by this process's account
    """

    tally: Tally
    hedges: int
    store_keys: int
    load: list[Figure]


class _Hedges(LookupObserver):
    count = 0

    def hedged(self, tier: int) -> None:
        self.count += tier == Tier.SHARED


def zipf(stage: Stage) -> list[Figure]:
    """100,000 lookups a second, open loop, by several processes at once."""
    asked = stage.asked
    per_s = PER_S / asked.processes
    stage.tell(f"drawing users of {asked.users:,}")
    seeds = range(1, asked.processes + 1)
    drawn: set[int] = set()
    for seed in seeds:
        drawn.update(draw(asked.users, len(_intended(per_s, asked.seconds, seed)), seed))
    cassandra = stage.cassandra(homes(key_of(rank) for rank in sorted(drawn)), spares_cores=True)
    stage.tell("filling Redis")
    redis = stage.redis(homes(key_of(rank) for rank in cached(drawn)))
    pids = stage.pids(spares_cores=True)
    parts = [
        Part(seed, asked.users, per_s, asked.seconds, cassandra, redis, pids, asked.processes)
        for seed in seeds
    ]
    stage.tell(f"{PER_S:,} lookups/s by {asked.processes} processes")
    outcomes = _together(parts)
    tally = Tally()
    for outcome in outcomes:
        tally = tally + outcome.tally
    return _figures(tally, outcomes)


def _figures(tally: Tally, outcomes: list[Outcome]) -> list[Figure]:
    store_keys = sum(outcome.store_keys for outcome in outcomes)
    return [
        Figure("rate", tally.rate_per_s, "lookups/s", 0.99 * PER_S, f"{len(outcomes)} processes, open loop"),
        *tally.tail("all lookups", P99_MS),
        Figure("not answered", tally.errors, "lookups", 0, tally.said_by()),
        Figure("keys that Cassandra was asked for", store_keys / tally.elapsed_s, "1/s"),
        Figure("slow readings of Redis", sum(outcome.hedges for outcome in outcomes), "readings"),
        *outcomes[0].load,
    ]


def key_of(rank: int) -> str:
    """The user of that rank, 0 the busiest."""
    return f"user:{rank}"


def draw(users: int, count: int, seed: int) -> list[int]:
    """Ranks by Zipf's law with exponent 1: the user of rank r comes 1 / (r + 1) as often as the first."""
    weights = list(accumulate(1 / (rank + 1) for rank in range(users)))
    return Random(seed).choices(range(users), cum_weights=weights, k=count)


def cached(ranks: set[int]) -> list[int]:
    """Those that Redis holds, the same for every run."""
    chance = Random(5)
    return [rank for rank in sorted(ranks) if chance.random() < CACHED_SHARE]


def _intended(per_s: float, seconds: int, seed: int) -> list[float]:
    return list(arrivals(per_s, WARM_UP_S + seconds, seed))


def _together(parts: list[Part]) -> list[Outcome]:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(parts))
    with ProcessPoolExecutor(len(parts), context, initializer=_meet, initargs=(barrier,)) as pool:
        return list(pool.map(_ask, parts))


_barrier: Barrier


def _meet(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _ask(part: Part) -> Outcome:
    """In a process of its own, set up as a worker of the proxy is."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with short_passes(time.monotonic):
        return run(_ask_on_loop(part))


async def _ask_on_loop(part: Part) -> Outcome:
    intended = arrivals(part.per_s, WARM_UP_S + part.seconds, part.seed)
    keys = [key_of(rank) for rank in draw(part.users, len(intended), part.seed)]
    settings, hedges = LookupSettings(), _Hedges()
    store, cache = await CountedStore.over(part.cassandra), RedisTier(part.redis, Random(part.seed))
    memory = _remembering(settings, part)
    moved = MovedSet(settings.moved_keys, settings.clock_skew_s)
    lookup = Resolver(memory, moved, store, cache, settings, hedges)
    unmeasured = sum(1 for at_s in intended if at_s < WARM_UP_S)
    _barrier.wait(_TOGETHER_S)
    await warm_up(store, keys[:unmeasured])
    try:
        await drive(lookup, keys[:unmeasured], intended[:unmeasured])
        hedges.count = store.keys = 0
        for number in range(unmeasured, len(intended)):
            intended[number] -= WARM_UP_S
        before = load.read(part.pids)
        tally = await drive(lookup, keys[unmeasured:], intended[unmeasured:])
        busy = load.figures(before, load.read(part.pids), part.processes)
        return Outcome(tally, hedges.count, store.keys, busy)
    finally:
        await lookup.close()
        await cache.close()
        await store.close()


def _remembering(settings: LookupSettings, part: Part) -> Memory:
    """Full, as traffic of the same kind leaves it: read at any time of the last minute, so that entries fall
    due for re-reading all the time."""
    memory = Memory(
        settings.memory_entries, settings.unknown_entries, settings.lifetimes(), Random(part.seed)
    )
    chance, now_s = Random(-part.seed), time.time()
    cell, jurisdiction = HOMES[0]
    for rank in set(draw(part.users, 3 * settings.memory_entries, part.seed + 1000)):
        read_at_s = now_s - chance.random() * settings.refresh_s / 2
        memory.learn(Assignment(key_of(rank), cell, jurisdiction, 1), read_at_s, 0)
    return memory
