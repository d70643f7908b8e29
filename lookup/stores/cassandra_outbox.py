"""Writes under way and moves that were published, as tables in Cassandra, by the time of the write."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID

from lookup import feed_event
from lookup.chunks import chunks
from lookup.feed_event import FeedEvent
from lookup.outbox import Intent
from lookup.stores.cassandra_cluster import NOTE, READ
from lookup.stores.cassandra_notes import Notes
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.stores.cassandra_sweep import OutboxSweep

_BUCKET_S: Final = 10
_HOT_BUCKETS: Final = 3
"""So many of the latest are looked into each time, and one that a clock ahead of ours may have begun."""

_RECENT_EVERY_S: Final = 5.0
_RECENT_S: Final = 180.0
"""Up to that age they are looked into so often, for writers that are slow or whose clock is behind."""

_AT_ONCE: Final = 60
_FULL_PAGE_ROWS: Final = 5000
"""The driver's default: an answer of so many rows is not all there is."""

_PUBLISHED_BUCKET_S: Final = 3600
_COVERED: Final = "covered"
"""The mark of how far back the published reach. Its time only grows, so where a clock that was far ahead has
raised it, another mark takes its place: `covered-2`, and so on. The last one counts."""


class OutboxTables:
    """Statements about tables `outbox`, `published` and `mark`."""

    def __init__(self, session: CassandraSession, settings: CassandraSettings) -> None:
        self._session = session
        self._recent_at_s = 0.0
        self._known: set[int] = set()
        self._sweep = OutboxSweep(session, settings.keyspace, settings.outbox_parts)
        keyspace = settings.keyspace
        into_outbox = f"{keyspace}.outbox (bucket, operation, noted_at_s, change) VALUES (?, ?, ?, ?)"
        self._note = Notes(session, f"INSERT INTO {into_outbox}", NOTE)
        self._look = f"SELECT operation, noted_at_s, change FROM {keyspace}.outbox WHERE bucket IN ?"
        where = "WHERE bucket = ? AND operation = ?"
        self._drop = Notes(session, f"DELETE FROM {keyspace}.outbox {where}", NOTE)
        into_published = f"{keyspace}.published (bucket, operation, change) VALUES (?, ?, ?)"
        self._publish = Notes(session, f"INSERT INTO {into_published}", NOTE)
        self._hours = f"SELECT DISTINCT bucket FROM {keyspace}.published"
        self._published = f"SELECT operation, change FROM {keyspace}.published WHERE bucket = ?"
        self._mark = f"INSERT INTO {keyspace}.mark (name, time_s) VALUES (?, ?) USING TIMESTAMP ?"
        self._marks = f"SELECT name, time_s FROM {keyspace}.mark"

    def statements(self) -> list[str]:
        """All that are used often."""
        noted = [self._note.statement, self._drop.statement, self._publish.statement]
        return [*noted, self._look, self._mark]

    async def note(self, event: FeedEvent) -> Intent:
        """Before the write: that it is about to happen."""
        intent = Intent(event, time.time())
        at_s = intent.noted_at_s
        await self._note.write(_bucket(at_s), UUID(event.operation), at_s, feed_event.encode(event))
        return intent

    async def pending(self, now_s: float) -> list[Intent]:
        """Each time the latest buckets and those where something was left; the recent ones every few seconds;
        and the whole table, at first at once and then ever again, a part at a time."""
        last = _bucket(now_s) + 1
        buckets = {*range(last - _HOT_BUCKETS, last + 1), *self._known}
        if is_recent_due := now_s >= self._recent_at_s:
            buckets.update(range(_bucket(now_s - _RECENT_S), last))
        buckets |= await self._sweep.buckets(now_s)
        self._known = buckets  # whatever fails below, they are looked into again
        intents: list[Intent] = []
        left: set[int] = set()
        for together in chunks(sorted(buckets), _AT_ONCE):
            found = await self._look_into(together)
            left.update(_bucket(intent.noted_at_s) for intent in found)
            if len(found) >= _FULL_PAGE_ROWS:
                left.update(together)
            intents += found
        self._known = left
        if is_recent_due:
            self._recent_at_s = now_s + _RECENT_EVERY_S
        return intents

    async def finish(self, intent: Intent, published: FeedEvent | None) -> None:
        """First among the published, then not pending any more: a relay that begins the feed anew, and reads
        the tables in the other order, can't miss it."""
        operation = UUID(intent.event.operation)
        if published is not None and published.moved_at_s is not None:
            bucket = int(published.moved_at_s) // _PUBLISHED_BUCKET_S
            await self._publish.write(bucket, operation, feed_event.encode(published))
        await self._drop.write(_bucket(intent.noted_at_s), operation)

    async def moves_since(self, since_s: float) -> AsyncIterator[FeedEvent]:
        """The published moves, hour by hour; the table forgets them after days, so that hours are few."""
        buckets = [row[0] async for page in self._session.scan(self._hours, ()) for row in page]
        for bucket in sorted(bucket for bucket in buckets if (bucket + 1) * _PUBLISHED_BUCKET_S > since_s):
            async for page in self._session.scan(self._published, (bucket,)):
                for operation, change in page:
                    yield feed_event.decode(operation.hex, change)

    async def covers_since_s(self) -> float:
        """Moves up to then are not among the published."""
        return (await self._covered())[1]

    async def cover_since(self, time_s: float) -> None:
        """Moves up to then may be missing from now on."""
        number, _ = await self._covered()
        await self._raise_mark(number, time_s)

    async def mend_covered(self, latest_s: float) -> bool:
        """Where the mark says a time after `latest_s`, which is yet to come; whether it did."""
        number, covered_s = await self._covered()
        if covered_s > latest_s:
            await self._raise_mark(number + 1, latest_s)
        return covered_s > latest_s

    async def _look_into(self, buckets: Sequence[int]) -> list[Intent]:
        rows = await self._session.ask(self._look, (list(buckets),), READ)
        return [
            Intent(feed_event.decode(operation.hex, change), noted_at_s)
            for operation, noted_at_s, change in rows
        ]

    async def _covered(self) -> tuple[int, float]:
        """Number and time of the last mark."""
        rows = [row async for page in self._session.scan(self._marks, ()) for row in page]
        marks = [(_number(name), time_s) for name, time_s in rows if name.startswith(_COVERED)]
        return max(marks, default=(1, 0.0))

    async def _raise_mark(self, number: int, time_s: float) -> None:
        name = _COVERED if number == 1 else f"{_COVERED}-{number}"
        await self._session.ask(self._mark, (name, time_s, round(time_s * 1e6)), NOTE)


def _number(name: str) -> int:
    return int(name.partition("-")[2] or 1)


def _bucket(time_s: float) -> int:
    return int(time_s) // _BUCKET_S
