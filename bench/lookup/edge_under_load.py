"""One edge's lookup on real servers, as the proxy puts it together, and a steady load of requests on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Final

from lookup.changes import ChangeFollower, FlagListener
from lookup.confirm import Confirmations
from lookup.fence import Fence
from lookup.lease_keeper import LeaseKeeper
from lookup.observer import SILENT
from lookup.redis_clients import RedisSettings
from lookup.redis_feed_scripts import FeedNames
from lookup.redis_publisher import RedisPublisher
from lookup.redis_tier import RedisTier
from lookup.relay import Relay
from lookup.resolution import TIER_LABELS, Outcome, Tier
from lookup.resolver import Resolver, build_resolver
from lookup.settings import LookupSettings
from lookup.stores.cassandra_fed import FedCassandra
from lookup.stores.cassandra_settings import CassandraSettings

USERS: Final = 2_000
HOT_USERS: Final = 100
PER_S: Final = 200
WRITES: Final = 0.2
"""Share of requests with an unsafe method."""

_REDIS_TTL_S: Final = 20.0
"""Short, so that Redis and Cassandra both are asked all the time: a user comes about as often."""

_TICK_S: Final = 0.01
_LINGER_S: Final = 30.0


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
    """Memory, Redis and Cassandra behind one resolver; built inside the running loop."""

    def __init__(self, cassandra: CassandraSettings, redis: RedisSettings) -> None:
        names = FeedNames()
        settings = LookupSettings(memory_entries=2 * HOT_USERS)
        self.fence = Fence(_LINGER_S)
        self._store = FedCassandra.over(cassandra, redis, names)
        self._publisher = RedisPublisher(redis, names)
        self._cache = RedisTier(redis, Random(1), ttl_s=_REDIS_TTL_S)
        self._resolver: Resolver = build_resolver(self._store, settings, Random(1), self._cache)
        self._confirmations = Confirmations(self._store.confirm, settings, SILENT)
        self._follower = ChangeFollower(
            self._store,
            self._store,
            self._resolver,
            FlagListener(),
            settings.claim_lifetime_s,
            time.time,
            Random(1),
            fence=self.fence,
        )
        keeper = LeaseKeeper("edge", self._store, self._follower, self.fence, time.time, time.perf_counter)
        relay = Relay(self._store, self._publisher, time.time, Random(1))
        self._running = [asyncio.create_task(part.run()) for part in (relay, self._follower, keeper)]

    @property
    def is_whole(self) -> bool:
        """Whether writes need no confirming."""
        return self.fence.holds(time.perf_counter(), time.time())

    async def ask(self, key: str, is_write: bool) -> Sample:
        """One request, as the proxy would look its home up."""
        begun_s = time.monotonic()
        if is_write and not self.is_whole:
            found = await self._confirmations.confirm(key, time.time())
            answer = "confirmed"
        else:
            recalled = self._resolver.recall(key, None, time.time(), not is_write)
            found = recalled or await self._resolver.resolve(key, None, time.time(), not is_write)
            answer = TIER_LABELS[found.tier]
        if found.outcome is Outcome.UNAVAILABLE:
            answer = "503"
        assert found.outcome is not Outcome.UNKNOWN, f"{key} has a home, and the lookup denies it"
        return Sample(begun_s, (time.monotonic() - begun_s) * 1e3, is_write, answer)

    async def close(self) -> None:
        """End everything."""
        for part in self._running:
            part.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._resolver.close()
        await self._confirmations.close()
        await self._cache.close()
        await self._publisher.close()
        await self._store.close()


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
    edge = Edge(cassandra, redis)
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
