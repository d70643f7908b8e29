"""The change feed and the shared cache on a real Redis, with relays, as a stage. The truth is in memory, the
log of moves in a real embedded store."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

from bench.servers.redis import RedisServer
from lookup import feed_event
from lookup.assignment import Assignment
from lookup.feed_event import FeedEvent
from lookup.moves import Position
from lookup.outbox import FeedLostError
from lookup.ports import Change, History, StoreUnavailableError
from lookup.redis_clients import RedisSettings
from lookup.redis_feed import RedisFeed
from lookup.redis_feed_scripts import FeedNames
from lookup.redis_publisher import FeedKeeping, RedisPublisher
from lookup.redis_tier import RedisTier
from lookup.relay import Relay
from tests.lookup.model.fates import Crash, Fates
from tests.lookup.model.memory_leases import MemoryLeases
from tests.lookup.model.outbox_truth import OutboxTruth
from tests.lookup.model.sqlite_stage import FatedStore
from tests.lookup.model.traffic import Traffic
from tests.lookup.model.worker import REMEMBERED_S

KEEPING: Final = FeedKeeping(keep_events=12)
"""Few, so that slow workers are overtaken by the trim."""


class FatedPublisher(RedisPublisher):
    """Each of its writes meets its fate."""

    def __init__(self, settings: RedisSettings, fates: Fates) -> None:
        super().__init__(settings, keeping=KEEPING)
        self._fates = fates

    async def publish(self, events: Sequence[FeedEvent]) -> None:
        await self._fates.meet(lambda: super(FatedPublisher, self).publish(events))

    async def begin(self, covers_since_s: float) -> bool:
        return await self._fates.meet(lambda: super(FatedPublisher, self).begin(covers_since_s))

    async def complete(self) -> None:
        await self._fates.meet(super().complete)


class RedisStage:
    """Implements model.stage.Stage. Two relays take turns."""

    def __init__(self, server: RedisServer, traffic: Traffic, clock: Callable[[], float]) -> None:
        settings = RedisSettings(((server.host, server.port),))
        self.fates = Fates(traffic)
        self._server = server
        self._folder = tempfile.TemporaryDirectory()
        self._publishers = [FatedPublisher(settings, self.fates) for _ in range(3)]
        self.store = OutboxTruth(self.fates, self._publishers[0], clock)
        self.log = FatedStore(Path(self._folder.name) / "moves.sqlite", self.fates)
        self.leases = MemoryLeases(self.fates, self._where)
        self.shared = RedisTier(settings, Random(1))
        self._feed = RedisFeed(settings)
        self._relays = [
            Relay(self.store, publisher, clock, Random(1), keep_s=REMEMBERED_S)
            for publisher in self._publishers[1:]
        ]
        self._told_of = ("", 0)

    def follow(self) -> AsyncGenerator[Change, None]:
        return self._feed.follow()

    async def history(self, since_s: float) -> History:
        return await self._feed.history(since_s)

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return await self.store.read(keys)

    async def truth(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return await self.store.read(keys)

    async def tell(self) -> None:
        """Each relay takes a turn; one of them begins the feed anew when it was lost."""
        for relay in self._relays:
            with suppress(StoreUnavailableError, Crash):
                await relay.turn()
        await self._publishers[0].position()
        await self._publishers[0].beat()

    async def harm_feed(self, dice: Random) -> None:
        """Redis drops its connections, or loses everything with or without notice."""
        if dice.random() < 0.1:
            self._server.kill()
            self._server.start()
            self._server.wait_ready()
            return
        harm = dice.random()
        with self._server.client() as client:
            if harm < 0.6:
                client.flushall()
            if harm > 0.2:
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def told(self) -> list[Assignment]:
        names = FeedNames()
        with self._server.client() as client:
            generation = client.hget(names.head, "generation")
            if generation is None:
                return []
            entries = client.xrange(names.events(str(generation)))
        known = self._told_of[1] if self._told_of[0] == generation else 0
        new = [(int(fields["s"]), fields["c"]) for _, fields in entries if int(fields["s"]) > known]
        numbers = [number for number, _ in new]
        if new:
            assert numbers == list(range(numbers[0], numbers[-1] + 1)), "the feed has a hole"
            assert numbers[0] == known + 1, "the feed lost an event"
            self._told_of = (str(generation), numbers[-1])
        events = [feed_event.decode("", change) for _, change in new]
        return [event.assignment for event in events if event.assignment is not None]

    async def close(self) -> None:
        await self.shared.close()
        await self._feed.close()
        for publisher in self._publishers:
            await publisher.close()
        self.log.connection.close()
        await self.log.close()
        self._folder.cleanup()

    async def _where(self, key: str) -> Position:
        event = self.store.made_by.get(key)
        if event is not None:
            await self._publishers[0].publish([event])
        return await self._publishers[0].position()


def redis_stage(server: RedisServer) -> Callable[[Traffic, Callable[[], float]], Awaitable[RedisStage]]:
    """Builds stages on that server, each with nothing in it and a feed that was begun."""

    async def build(traffic: Traffic, clock: Callable[[], float]) -> RedisStage:
        with server.client() as client:
            client.flushall()
        stage = RedisStage(server, traffic, clock)
        with suppress(FeedLostError):
            await stage.tell()
        return stage

    return build
