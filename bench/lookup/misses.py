"""What a miss costs on the embedded store: keys per second, the tail, and a stampede on one key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from time import perf_counter, process_time, time
from typing import Final

from bench.lookup.figures import Figure, percentile
from lookup.assignment import Assignment
from lookup.resolution import Outcome
from lookup.resolver import Resolver, build_resolver
from lookup.settings import LookupSettings
from lookup.stores.sqlite import SqliteStore

CALLERS: Final = 64
STAMPEDE: Final = 10_000


class CountingStore(SqliteStore):
    """Counts the readings that reach it."""

    readings = 0

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """Store.read, counted."""
        self.readings += 1
        return await super().read(keys)


async def measure(store: CountingStore, users: int) -> list[Figure]:
    """Each of `users` seeded users once, cold, by concurrent callers; then all of a crowd for one key."""
    keys = [f"user:{number}" for number in range(users)]
    Random(3).shuffle(keys)
    return [*await _closed_loop(store, keys), *await _stampede(store, keys[0])]


async def _closed_loop(store: SqliteStore, keys: Sequence[str]) -> list[Figure]:
    lookup = build_resolver(store, LookupSettings(), Random(1))
    samples_ms: list[float] = []
    waiting = iter(keys)
    begun_s, begun_cpu_s = perf_counter(), process_time()
    await asyncio.gather(*(_caller(lookup, waiting, samples_ms) for _ in range(CALLERS)))
    took_s, cpu_s = perf_counter() - begun_s, process_time() - begun_cpu_s
    await lookup.close()
    return [
        Figure(f"misses on SQLite, {CALLERS} callers", len(keys) / took_s, "keys/s"),
        Figure("a miss, CPU of loop and store thread", cpu_s / len(keys) * 1e6, "us"),
        Figure("a miss, median", percentile(samples_ms, 0.5), "ms"),
        Figure("a miss, 99 %", percentile(samples_ms, 0.99), "ms"),
    ]


async def _caller(lookup: Resolver, keys: Iterator[str], samples_ms: list[float]) -> None:
    for key in keys:
        begun_s = perf_counter()
        found = await lookup.resolve(key, None, time(), True)
        samples_ms.append((perf_counter() - begun_s) * 1e3)
        assert found.outcome is Outcome.FOUND, found


async def _stampede(store: CountingStore, key: str) -> list[Figure]:
    before = store.readings
    lookup = build_resolver(store, LookupSettings(deadline_s=5.0), Random(1))
    begun_s = perf_counter()
    found = await asyncio.gather(*(lookup.resolve(key, None, time(), True) for _ in range(STAMPEDE)))
    took_ms = (perf_counter() - begun_s) * 1e3
    assert all(answer.outcome is Outcome.FOUND for answer in found)
    await lookup.close()
    return [
        Figure(f"{STAMPEDE:,} requests for one cold key: readings", store.readings - before, "readings", 1),
        Figure(f"{STAMPEDE:,} requests for one cold key: all answered in", took_ms, "ms"),
    ]
