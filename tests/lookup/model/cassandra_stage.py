"""The whole database on a real Cassandra with its feed on a real Redis, as a stage.

All worlds share one keyspace: their names differ, and the clock of each is ahead of the former one's.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from itertools import count
from random import Random
from typing import Final

from bench.servers.redis import RedisServer
from lookup.assignment import Assignment
from lookup.ports import Change, History
from lookup.relay import SETTLE_S, Relay
from lookup.stores.cassandra_cluster import DECIDING, NOTE, SHARED_NOTE
from lookup.stores.cassandra_session import CassandraSession, Row
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.stores.cassandra_truth import CassandraTruth
from tests.lookup.model.fates import Fates
from tests.lookup.model.redis_side import RedisSide
from tests.lookup.model.redis_stage import turns
from tests.lookup.model.traffic import Traffic

_KEEP_S: Final = 1e10
_numbers: Final = count(1)


class FatedSession(CassandraSession):
    """Each of its writes meets its fate."""

    def __init__(self, settings: CassandraSettings, fates: Fates) -> None:
        super().__init__(settings)
        self._fates = fates

    async def ask(
        self, statement: str, values: Sequence[object], profile: str, routing_key: bytes | None = None
    ) -> list[Row]:
        if not profile.startswith((DECIDING, NOTE, SHARED_NOTE)):
            return await super().ask(statement, values, profile, routing_key)
        return await self._fates.meet(
            lambda: super(FatedSession, self).ask(statement, values, profile, routing_key)
        )


class CassandraStage:
    """Implements model.stage.Stage. The relays' clock is the real one, by which intents are noted; every
    other turn it is so far ahead that intents of the dead are settled."""

    def __init__(self, settings: CassandraSettings, server: RedisServer, traffic: Traffic) -> None:
        self.tag = f"{next(_numbers)}-"
        self.fates = Fates(traffic)
        self._redis = RedisSide(server, self.fates)
        session = FatedSession(settings, self.fates)
        self.store = self.log = self.leases = CassandraTruth(session, settings, self._redis.writer)
        self.shared = self._redis.cache
        self._ahead_s = 0.0
        self._relays = [
            Relay(self.store, publisher, self._relays_clock, Random(1), keep_s=_KEEP_S)
            for publisher in self._redis.relays
        ]

    def _relays_clock(self) -> float:
        return time.time() + self._ahead_s

    def follow(self) -> AsyncGenerator[Change, None]:
        return self._redis.feed.follow()

    async def history(self, since_s: float) -> History:
        return await self._redis.feed.history(since_s)

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return await self.store.confirm(keys)

    async def truth(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return await self.store.confirm(keys)

    async def tell(self) -> None:
        """As model.redis_stage."""
        self._ahead_s = SETTLE_S + 15.0 - self._ahead_s
        await turns(self._relays)
        await self._redis.writer.position()
        await self._redis.writer.beat()

    async def harm_feed(self, dice: Random) -> None:
        await self._redis.harm(dice)

    async def told(self) -> list[Assignment]:
        return [record for record in self._redis.told() if record.key.startswith(f"user:{self.tag}")]

    async def close(self) -> None:
        await self._redis.close()
        await self.store.close()


def cassandra_stage(
    settings: CassandraSettings, server: RedisServer
) -> Callable[[Traffic, Callable[[], float]], Awaitable[CassandraStage]]:
    """Builds stages on tables that exist."""

    async def build(traffic: Traffic, clock: Callable[[], float]) -> CassandraStage:  # noqa: ARG001
        with server.client() as client:
            client.flushall()
        stage = CassandraStage(settings, server, traffic)
        await stage.tell()
        return stage

    return build
