"""One worker's lookups on real servers, wired by the proxy itself but without HTTP, under a steady load."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from bench.lookup.edge import sections
from bench.lookup.edge_settings import edge_settings
from lookup.changes import FlagListener
from lookup.observer import SILENT
from lookup.redis_clients import RedisSettings
from lookup.redis_tier import RedisTier
from lookup.resolution import TIER_LABELS, Outcome, Tier
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.tasks import end_tasks
from proxy.config import Settings
from proxy.lookups import make_following, make_lookups, make_memory
from proxy.tiers import Tiers, open_tiers, redis_settings
from proxy.wiring import lookup_settings

USERS: Final = 2_000
HOT_USERS: Final = 100
PER_S: Final = 200
WRITES: Final = 0.2
"""Share of requests with an unsafe method."""

_REDIS_TTL_S: Final = 20.0
"""Short, so that Redis and Cassandra both are asked all the time: a user comes about as often."""

_TICK_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it began (time.monotonic()), how long its lookup took, and who answered.

    answer   a label of resolution.TIER_LABELS, "confirmed" (a write, by the store), or "503"
    """

    begun_s: float
    took_ms: float
    is_write: bool
    answer: str


class Edge:
    """Memory, Redis and Cassandra behind one resolver; built inside the running loop.

    What runs beside it is what runs in a worker: relay, feed, lease, and the watch for wrong answers.
    """

    def __init__(self, settings: Settings) -> None:
        worker, random = f"bench/0/{os.getpid()}-{id(self)}", Random(1)
        memory, moved = make_memory(lookup_settings(settings), random)
        self._tiers = open_tiers(settings)
        self._spare = _shorten(self._tiers, settings)
        self._lookups = make_lookups(settings, self._tiers, memory, moved, worker, SILENT, random)
        follower, self._keeper = make_following(
            settings, self._tiers, self._lookups, worker, FlagListener(), random
        )
        assert self._keeper is not None, "this store has a book of leases"
        assert self._tiers.relay is not None, "and a feed"
        works = (self._tiers.relay.run(), follower.run(), self._keeper.run(), self._lookups.watch.run())
        self._running = [asyncio.create_task(work) for work in works]

    @property
    def is_whole(self) -> bool:
        """Whether writes need no confirming."""
        return self._lookups.fence.holds(time.perf_counter(), time.time())

    async def ask(self, key: str, is_write: bool) -> Sample:
        """One request, as the proxy would look its home up."""
        begun_s = time.monotonic()
        if is_write and not self.is_whole:
            found = await self._lookups.confirmations.confirm(key, time.time())
            answer = "confirmed"
        else:
            resolver = self._lookups.resolver
            recalled = resolver.recall(key, None, time.time(), not is_write)
            found = recalled or await resolver.resolve(key, None, time.time(), not is_write)
            answer = TIER_LABELS[found.tier]
        if found.outcome is Outcome.UNAVAILABLE:
            answer = "503"
        assert found.outcome is not Outcome.UNKNOWN, f"{key} has a home, and the lookup denies it"
        return Sample(begun_s, (time.monotonic() - begun_s) * 1e3, is_write, answer)

    async def close(self) -> None:
        """End everything."""
        await end_tasks(self._running)
        await self._lookups.confirmations.close()
        await self._lookups.resolver.close()
        await self._tiers.close()
        await self._spare.close()


def _shorten(tiers: Tiers, settings: Settings) -> RedisTier:
    """Let homes stay in Redis for a short time only; the tier that is now used, to be closed."""
    assert settings.redis is not None
    prefix = f"{settings.redis.prefix}:home:"
    tier = RedisTier(redis_settings(settings.redis), Random(1), prefix, ttl_s=_REDIS_TTL_S)
    tiers.shared = tier
    return tier


class Load:
    """`samples` of the requests that have ended. Half of them are of a few users, half of anybody."""

    def __init__(self, edge: Edge) -> None:
        self.samples: list[Sample] = []
        self._edge = edge
        self._random = Random(7)
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Begin PER_S requests a second until cancelled, whatever becomes of them."""
        begun_s, sent = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - begun_s) * PER_S)
            for _ in range(due - sent):
                task = asyncio.create_task(self._one())
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            sent = due
            await asyncio.sleep(_TICK_S)

    async def _one(self) -> None:
        users = HOT_USERS if self._random.random() < 0.5 else USERS
        key = f"user:{self._random.randrange(users)}"
        self.samples.append(await self._edge.ask(key, self._random.random() < WRITES))

    async def drain(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._under_way)


@asynccontextmanager
async def loaded(cassandra: CassandraSettings, redis: RedisSettings) -> AsyncIterator[tuple[Edge, Load]]:
    """An edge that is whole, with the load running."""
    with tempfile.TemporaryDirectory() as folder:
        settings = edge_settings(Path(folder), sections(cassandra, redis), 2 * HOT_USERS)
    edge = Edge(settings)
    load = Load(edge)
    running = asyncio.create_task(load.run())
    try:
        while not edge.is_whole:  # noqa: ASYNC110 -- what makes it so is far away
            await asyncio.sleep(0.05)
        yield edge, load
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await load.drain()
        await edge.close()


STALE: Final = TIER_LABELS[Tier.STALE]
