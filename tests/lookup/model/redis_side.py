"""What two stages have on a real Redis: the feed, its publishers, and what befalls them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Final

from bench.servers.redis import RedisServer
from lookup import feed_event
from lookup.assignment import Assignment
from lookup.feed_event import FeedEvent
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisSettings
from lookup.redis_feed import RedisFeed
from lookup.redis_feed_scripts import FeedNames
from lookup.redis_publisher import FeedKeeping, RedisPublisher
from lookup.redis_tier import RedisTier
from tests.lookup.model.fates import Fates

_TRIMMING: Final = FeedKeeping(keep_events=1)
RELAYS: Final = 2


class FatedPublisher(RedisPublisher):
    """Each of its writes meets its fate. `last` is what was published last."""

    def __init__(self, settings: RedisSettings, fates: Fates) -> None:
        super().__init__(settings)
        self.last: list[FeedEvent] = []
        self._fates = fates

    async def publish(self, events: Sequence[FeedEvent]) -> str:
        self.last = list(events[-1:])
        return await self._fates.meet(lambda: super(FatedPublisher, self).publish(events))

    async def begin(self, covers_since_s: float) -> bool:
        return await self._fates.meet(lambda: super(FatedPublisher, self).begin(covers_since_s))

    async def complete(self) -> None:
        await self._fates.meet(super().complete)


class RedisSide:
    """`writer` publishes for the store, each of `relays` for a relay."""

    def __init__(self, server: RedisServer, fates: Fates) -> None:
        settings = RedisSettings(((server.host, server.port),))
        self.writer = FatedPublisher(settings, fates)
        self.relays = [FatedPublisher(settings, fates) for _ in range(RELAYS)]
        self.feed = RedisFeed(settings)
        self.cache = RedisTier(settings, Random(1))
        self._trimmer = RedisPublisher(settings, keeping=_TRIMMING)
        self._server = server
        self._told_of = ("", 0)

    async def harm(self, dice: Random) -> None:
        """Redis drops its connections, or loses the events or everything with or without notice, or begins
        anew; or its oldest events are trimmed."""
        if dice.random() < 0.3:
            with suppress(StoreUnavailableError):
                for _ in range(dice.randint(1, 4)):
                    await self._trimmer.publish(self.writer.last)  # known already: nothing is appended
            return
        harm = dice.random()
        if harm > 0.9:
            self._server.kill()
            self._server.start()
            self._server.wait_ready()
            return
        with self._server.client() as client:
            if harm < 0.25:
                client.unlink(FeedNames().events(str(client.hget(FeedNames().head, "generation"))))
            elif harm < 0.5:
                client.flushall()
            if harm > 0.1:
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def told(self) -> list[Assignment]:
        """What the feed has told since the last call."""
        names = FeedNames()
        with self._server.client() as client:
            generation = client.hget(names.head, "generation")
            if generation is None:
                return []
            entries = client.xrange(names.events(str(generation)))
        known = self._told_of[1] if self._told_of[0] == generation else 0
        new = [(int(fields["s"]), fields["c"]) for _, fields in entries if int(fields["s"]) > known]
        numbers = [number for number, _ in new]
        assert numbers == list(range(known + 1, known + 1 + len(new))), "the feed has a hole"
        self._told_of = (str(generation), known + len(new))
        events = [feed_event.decode("", change) for _, change in new]
        return [event.assignment for event in events if event.assignment is not None]

    async def close(self) -> None:
        await self.cache.close()
        await self.feed.close()
        for publisher in (self.writer, self._trimmer, *self.relays):
            await publisher.close()
