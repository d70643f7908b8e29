"""Writes under way and moves that were published, as tables in Cassandra, by the time of the write."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from lookup import feed_event
from lookup.feed_event import FeedEvent
from lookup.outbox import Intent
from lookup.stores.cassandra_cluster import NOTE, READ
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings

_BUCKET_S: Final = 10
_HOT_BUCKETS: Final = 3
"""So many of the latest are looked into each time, and one that a clock ahead of ours may have begun."""

_OLDER_EVERY_S: Final = 5.0
_OLDER_AT_ONCE: Final = 60
_SWEPT_AFTER_S: Final = 180.0
"""An empty bucket of that age is never looked into again: no clock is that far behind."""

_FIRST_SWEEP_S: Final = 3600.0
_PUBLISHED_BUCKET_S: Final = 3600
_SWEPT: Final = "swept"
_COVERED: Final = "covered"


class OutboxTables:
    """Statements about tables `outbox`, `published` and `mark`."""

    def __init__(self, session: CassandraSession, settings: CassandraSettings) -> None:
        self._session = session
        self._older_at_s = 0.0
        keyspace = settings.keyspace
        self._note = (
            f"INSERT INTO {keyspace}.outbox (bucket, operation, noted_at_s, change) VALUES (?, ?, ?, ?)"
        )
        self._look = f"SELECT operation, noted_at_s, change FROM {keyspace}.outbox WHERE bucket IN ?"
        self._drop = f"DELETE FROM {keyspace}.outbox WHERE bucket = ? AND operation = ?"
        self._publish = f"INSERT INTO {keyspace}.published (bucket, operation, change) VALUES (?, ?, ?)"
        self._hours = f"SELECT DISTINCT bucket FROM {keyspace}.published"
        self._published = f"SELECT operation, change FROM {keyspace}.published WHERE bucket = ?"
        self._mark = f"INSERT INTO {keyspace}.mark (name, time_s) VALUES (?, ?) USING TIMESTAMP ?"
        self._marked = f"SELECT time_s FROM {keyspace}.mark WHERE name = ?"

    def statements(self) -> list[str]:
        """All that are used often."""
        return [self._note, self._look, self._drop, self._publish, self._mark, self._marked]

    async def note(self, event: FeedEvent) -> Intent:
        """Before the write: that it is about to happen."""
        intent = Intent(event, time.time())
        values = (
            _bucket(intent.noted_at_s),
            UUID(event.operation),
            intent.noted_at_s,
            feed_event.encode(event),
        )
        await self._session.ask(self._note, values, NOTE)
        return intent

    async def pending(self, now_s: float) -> list[Intent]:
        """The latest intents each time; older ones every few seconds, since whose time all is finished."""
        last = _bucket(now_s) + 1
        hot = list(range(last - _HOT_BUCKETS, last + 1))
        intents = await self._look_into(hot)
        if now_s >= self._older_at_s:
            intents = await self._older(hot[0], now_s) + intents
            self._older_at_s = now_s + _OLDER_EVERY_S
        return intents

    async def finish(self, intent: Intent, published: FeedEvent | None) -> None:
        """First among the published, then not pending any more: a relay that begins the feed anew, and reads
        the tables in the other order, can't miss it."""
        operation = UUID(intent.event.operation)
        if published is not None and published.moved_at_s is not None:
            bucket = int(published.moved_at_s) // _PUBLISHED_BUCKET_S
            await self._session.ask(self._publish, (bucket, operation, feed_event.encode(published)), NOTE)
        await self._session.ask(self._drop, (_bucket(intent.noted_at_s), operation), NOTE)

    async def moves_since(self, since_s: float) -> AsyncIterator[FeedEvent]:
        """The published moves, hour by hour; the table forgets them after days, so that hours are few."""
        buckets = [row[0] async for page in self._session.scan(self._hours, ()) for row in page]
        for bucket in sorted(bucket for bucket in buckets if (bucket + 1) * _PUBLISHED_BUCKET_S > since_s):
            async for page in self._session.scan(self._published, (bucket,)):
                for operation, change in page:
                    yield feed_event.decode(operation.hex, change)

    async def covers_since_s(self) -> float:
        """Moves up to then are not among the published."""
        return await self._read_mark(_COVERED, 0.0)

    async def cover_since(self, time_s: float) -> None:
        """Moves up to then may be missing from now on."""
        await self._raise_mark(_COVERED, time_s)

    async def _older(self, first_hot: int, now_s: float) -> list[Intent]:
        first = _bucket(await self._read_mark(_SWEPT, now_s - _FIRST_SWEEP_S))
        intents: list[Intent] = []
        swept = first
        for start in range(first, first_hot, _OLDER_AT_ONCE):
            buckets = list(range(start, min(first_hot, start + _OLDER_AT_ONCE)))
            found = await self._look_into(buckets)
            if not found and not intents:
                swept = buckets[-1] + 1
            intents += found
        finished = min(swept, _bucket(now_s - _SWEPT_AFTER_S))
        if finished > first:
            await self._raise_mark(_SWEPT, float(finished * _BUCKET_S))
        return intents

    async def _look_into(self, buckets: list[int]) -> list[Intent]:
        rows = await self._session.ask(self._look, (buckets,), READ)
        return [
            Intent(feed_event.decode(operation.hex, change), noted_at_s)
            for operation, noted_at_s, change in rows
        ]

    async def _read_mark(self, name: str, default_s: float) -> float:
        rows = await self._session.ask(self._marked, (name,), READ)
        found: float = rows[0][0] if rows else default_s
        return found

    async def _raise_mark(self, name: str, time_s: float) -> None:
        await self._session.ask(self._mark, (name, time_s, round(time_s * 1e6)), NOTE)


def _bucket(time_s: float) -> int:
    return int(time_s) // _BUCKET_S
