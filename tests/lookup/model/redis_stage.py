"""The change feed and the shared cache on a real Redis, with relays, as a stage. The truth is in memory, the
log of moves in a real embedded store."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

from bench.servers.redis import RedisServer
from lookup.assignment import Assignment
from lookup.moves import Position
from lookup.ports import Change, History, StoreUnavailableError
from lookup.relay import Relay
from tests.lookup.model.fates import Crash, Fates
from tests.lookup.model.memory_leases import MemoryLeases
from tests.lookup.model.outbox_truth import OutboxTruth
from tests.lookup.model.redis_side import RedisSide
from tests.lookup.model.sqlite_stage import FatedStore
from tests.lookup.model.traffic import Traffic
from tests.lookup.model.worker import CLAIM_LIFETIME_S


class RedisStage:
    """Implements model.stage.Stage. Two relays take turns."""

    tag = ""

    def __init__(self, server: RedisServer, traffic: Traffic, clock: Callable[[], float]) -> None:
        self.fates = Fates(traffic)
        self._redis = RedisSide(server, self.fates)
        self._folder = tempfile.TemporaryDirectory()
        self.store = OutboxTruth(self.fates, self._redis.writer, clock)
        self.log = FatedStore(Path(self._folder.name) / "moves.sqlite", self.fates, clock)
        self.leases = MemoryLeases(self.fates, self._where)
        self.shared = self._redis.cache
        self._relays = [
            Relay(self.store, publisher, clock, Random(1), keep_s=CLAIM_LIFETIME_S)
            for publisher in self._redis.relays
        ]

    def follow(self) -> AsyncGenerator[Change, None]:
        return self._redis.feed.follow()

    async def history(self, since_s: float) -> History:
        return await self._redis.feed.history(since_s)

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return await self.store.read(keys)

    async def truth(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return await self.store.read(keys)

    async def tell(self) -> None:
        """Each relay takes a turn; one of them begins the feed anew when it was lost."""
        await turns(self._relays)
        await self._redis.writer.position()
        await self._redis.writer.beat()

    async def harm_feed(self, dice: Random) -> None:
        await self._redis.harm(dice)

    async def told(self) -> list[Assignment]:
        return self._redis.told()

    async def close(self) -> None:
        await self._redis.close()
        self.log.connection.close()
        await self.log.close()
        self._folder.cleanup()

    async def _where(self, key: str) -> Position:
        event = self.store.made_by.get(key)
        if event is not None:
            await self._redis.writer.publish([event])
        return await self._redis.writer.position()


async def turns(relays: Sequence[Relay]) -> None:
    """One of each relay, whatever comes of it."""
    for relay in relays:
        with suppress(StoreUnavailableError, Crash):
            await relay.turn()


def redis_stage(server: RedisServer) -> Callable[[Traffic, Callable[[], float]], Awaitable[RedisStage]]:
    """Builds stages on that server, each with nothing in it and a feed that was begun."""

    async def build(traffic: Traffic, clock: Callable[[], float]) -> RedisStage:
        with server.client() as client:
            client.flushall()
        stage = RedisStage(server, traffic, clock)
        await stage.tell()
        return stage

    return build
