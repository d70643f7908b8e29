"""Cassandra and the feed on Redis as one database."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Self

from lookup.outbox import FeedLostError
from lookup.ports import Change, History
from lookup.present_feed import PresentFeed, lost_or_not_begun
from lookup.redis_clients import RedisSettings
from lookup.redis_feed import RedisFeed
from lookup.redis_feed_scripts import FeedNames
from lookup.redis_publisher import RedisPublisher
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.stores.cassandra_truth import CassandraTruth


class FedCassandra(CassandraTruth):
    """Implements database.Database. Made by `over`; used by one event loop."""

    _feed: RedisFeed
    _teller: RedisPublisher

    @classmethod
    def over(cls, cassandra: CassandraSettings, redis: RedisSettings, names: FeedNames) -> Self:
        """Neither is asked yet; each connects when first used, and again when that fails."""
        teller = RedisPublisher(redis, names)
        store = cls.at(cassandra, PresentFeed(teller, lambda: store.generation))
        store._teller = teller
        store._feed = RedisFeed(redis, names)
        return store

    async def follow(self) -> AsyncGenerator[Change, None]:
        """ports.ChangeFeed.follow."""
        try:
            async with aclosing(self._feed.follow()) as changes:
                async for change in changes:
                    yield change
        except FeedLostError as failure:
            raise await lost_or_not_begun(failure, self.generation) from failure

    async def history(self, since_s: float) -> History:
        """ports.ChangeFeed.history."""
        return await self._feed.history(since_s)

    async def begin_anew(self, now_s: float) -> None:
        """BackupStore.begin_anew; the new generation begins when a relay finds that there is none."""
        await self._outbox.cover_since(now_s)
        await self._teller.abandon()

    async def mend(self) -> Sequence[str]:
        """BackupStore.mend; in the feed it is put right when a relay begins the new generation."""
        if not await self._outbox.mend_covered(time.time() + self._clock_skew_s):
            return ()
        await self._teller.abandon()
        return ["the feed's history began at a time that is yet to come"]

    async def close(self) -> None:
        """ports.Store.close; followers get StoreUnavailableError."""
        await self._feed.close()
        await self._teller.close()
        await super().close()
