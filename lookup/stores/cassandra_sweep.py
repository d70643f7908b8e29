"""Which buckets of the outbox hold anything, however old they are: asks the whole table, a part at a time.

No mark says from when on to look. Whatever a mark is raised by, some clock, crash or link between datacentres
is further behind, and what lies before the mark is never seen again.
"""

from __future__ import annotations

from math import inf
from typing import Final

from lookup.chunks import chunks
from lookup.stores.cassandra_requests import TooManyTombstonesError
from lookup.stores.cassandra_session import CassandraSession
from lookup.tasks import gather_all

ROUND_S: Final = 60.0
"""So long takes the way through the table."""

_AT_ONCE: Final = 16
_FIRST_TOKEN: Final = -(2**63)
_TOKENS: Final = 2**64


class OutboxSweep:
    """Goes round the table for ever, as fast as time passes; all of it at once when that was long ago.

    parts  of the table. Finished intents leave tombstones for minutes; each answer has to pass those of its
           part only
    """

    def __init__(self, session: CassandraSession, keyspace: str, parts: int) -> None:
        self._session = session
        self._parts = parts
        self._swept_until_s = -inf
        self._next = 0
        self._buckets = (
            f"SELECT DISTINCT bucket FROM {keyspace}.outbox WHERE token(bucket) > ? AND token(bucket) <= ?"
        )

    async def buckets(self, now_s: float) -> set[int]:
        """Those of the parts that are due, that hold an intent. Parts of a failed call stay due."""
        elapsed_s = now_s - self._swept_until_s
        is_anew = not 0.0 <= elapsed_s < ROUND_S
        part_s = ROUND_S / self._parts
        due = self._parts if is_anew else int(elapsed_s / part_s)
        found: set[int] = set()
        for parts in chunks(range(self._next, self._next + due), _AT_ONCE):
            for buckets in await gather_all(self._in_part(part % self._parts) for part in parts):
                found |= buckets
        self._next = (self._next + due) % self._parts
        self._swept_until_s = now_s if is_anew else self._swept_until_s + due * part_s
        return found

    async def _in_part(self, part: int) -> set[int]:
        first, after = (_FIRST_TOKEN + number * _TOKENS // self._parts for number in (part, part + 1))
        return await self._between(first, min(after, 2**63 - 1))

    async def _between(self, first: int, last: int) -> set[int]:
        """By halves where there are too many tombstones for one answer."""
        try:
            return {row[0] async for page in self._session.scan(self._buckets, (first, last)) for row in page}
        except TooManyTombstonesError:
            if last - first < 2:
                raise
            middle = (first + last) // 2
            return await self._between(first, middle) | await self._between(middle, last)
