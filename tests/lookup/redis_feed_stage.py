"""A feed on a real Redis with its publisher and its relay; followers of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from random import Random

from bench.servers.redis import RedisServer
from lookup.feed_event import FeedEvent
from lookup.ports import Change, StoreUnavailableError
from lookup.redis_clients import RedisSettings
from lookup.redis_feed import RedisFeed
from lookup.redis_feed_scripts import FeedNames
from lookup.redis_publisher import FeedKeeping, RedisPublisher
from lookup.relay import Relay
from lookup.tasks import end_tasks
from tests.lookup.fake_outbox import FakeOutbox, change
from tests.lookup.fakes import NOW_S, home


class Stage:
    """A publisher, a feed and a relay that runs; `outbox` is the truth behind them."""

    def __init__(self, settings: RedisSettings, keeping: FeedKeeping | None = None) -> None:
        self.outbox = FakeOutbox()
        self.publisher = RedisPublisher(settings, keeping=keeping)
        self.feed = RedisFeed(settings)
        self.relays_publisher = RedisPublisher(settings)
        self.relay = Relay(self.outbox, self.relays_publisher, time.time, Random(1), keep_s=1e10)
        self._running = asyncio.create_task(self.relay.run())

    async def end_relay(self) -> None:
        """From now on nobody keeps the feed alive."""
        await end_tasks([self._running])


@asynccontextmanager
async def staged(settings: RedisSettings, keeping: FeedKeeping | None = None) -> AsyncIterator[Stage]:
    stage = Stage(settings, keeping)
    try:
        yield stage
    finally:
        await stage.end_relay()
        await stage.feed.close()
        await stage.publisher.close()
        await stage.relays_publisher.close()


def settings_of(server: RedisServer) -> RedisSettings:
    return RedisSettings(((server.host, server.port),))


@asynccontextmanager
async def following(feed: RedisFeed) -> AsyncIterator[AsyncGenerator[Change, None]]:
    """Followed as soon as the feed lives; the first heartbeat is taken."""
    while True:
        async with aclosing(feed.follow()) as changes:
            try:
                await anext(changes)
            except StoreUnavailableError:
                await asyncio.sleep(0.05)
                continue
            yield changes
            return


async def next_change(changes: AsyncGenerator[Change, None]) -> Change:
    async for told in changes:
        if told.assignment is not None or told.flag is not None:
            return told
    raise AssertionError("the feed ended")


async def next_beat(changes: AsyncGenerator[Change, None]) -> Change:
    async for told in changes:
        if told.assignment is None and told.flag is None:
            return told
    raise AssertionError("the feed ended")


async def drain(changes: AsyncGenerator[Change, None]) -> None:
    """Take what comes until the feed breaks."""
    async for _ in changes:
        pass


async def until_lost(changes: AsyncGenerator[Change, None], generation: str) -> None:
    """Take what comes until the feed breaks, or is another one already."""
    with suppress(StoreUnavailableError):
        async for told in changes:
            if told.generation != generation:
                break


def has_copied(replica: RedisServer, sequence: int) -> bool:
    """Whether the replica holds the feed up to there: else it is promoted with less than followers heard."""
    with replica.client() as client:
        return bool(client.hget(FeedNames().head, "sequence") == str(sequence))


def moves(count: int, first: int = 0) -> list[FeedEvent]:
    """Each moves a key of its own to epoch 2."""
    return [
        change(f"op-{number}", home(f"user:{number}", epoch=2, at_s=NOW_S + number), "cell-z")
        for number in range(first, first + count)
    ]
