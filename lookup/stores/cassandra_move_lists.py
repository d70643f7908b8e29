"""Which moves there are, by the time when they were noted: an index, and the moves themselves decide.

A move is listed before it is noted, so that none is missing; what is listed and was never noted is skipped.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from math import inf
from typing import Final

from lookup.moves import Move
from lookup.stores.cassandra_cluster import SHARED_NOTE, SHARED_READ
from lookup.stores.cassandra_move_form import read
from lookup.stores.cassandra_session import CassandraSession, Row, gather_all
from lookup.stores.cassandra_settings import CassandraSettings

_DAY_S: Final = 86_400
_AT_ONCE: Final = 32


class MoveLists:
    """Statements about tables `move_noted` and `move_open`."""

    def __init__(self, session: CassandraSession, settings: CassandraSettings) -> None:
        self._session = session
        keyspace = settings.keyspace
        self._noted, self._open = f"{keyspace}.move_noted", f"{keyspace}.move_open"
        self._one = f"SELECT log FROM {keyspace}.move WHERE key = ? AND operation = ?"

    async def add(self, move: Move) -> None:
        """A move that is about to be noted."""
        columns = "(day, noted_at_s, operation, key) VALUES (?, ?, ?, ?)"
        for table in (self._noted, self._open):
            values = (*_place(move), move.order.key)
            await self._session.ask(f"INSERT INTO {table} {columns}", values, SHARED_NOTE)

    async def drop(self, move: Move) -> None:
        """A move that came to nothing."""
        for table in (self._noted, self._open):
            await self._remove(table, move)

    async def close(self, move: Move) -> None:
        """A move that is over."""
        await self._remove(self._open, move)

    async def listed(self, open_only: bool, limit: int, after: Move | None) -> list[Move]:
        """MoveLog.moves."""
        found: list[Move] = []
        async for rows in self._chunks(self._open if open_only else self._noted, after):
            moves = await gather_all(self._look_up(*row) for row in rows)
            found += [move for move in moves if move is not None and not (open_only and move.is_over)]
            if len(found) >= limit >= 0:
                return found[:limit]
        return found

    async def count_under(self, prefix: str) -> int:
        """How many operations are listed whose ids begin so; reads the whole list."""
        pages = self._session.scan(f"SELECT operation FROM {self._noted}", ())
        return len({row[0] async for page in pages for row in page if row[0].startswith(prefix)})

    async def _chunks(self, table: str, after: Move | None) -> AsyncIterator[list[Row]]:
        """The rows, latest first, a few at a time."""
        by_day = f"SELECT DISTINCT day FROM {table}"
        days = [row[0] async for page in self._session.scan(by_day, ()) for row in page]
        select = f"SELECT noted_at_s, operation, key FROM {table} WHERE day = ? AND noted_at_s <= ?"
        last_day, until_s, skipped = (inf, inf, "") if after is None else _place(after)
        for day in sorted((day for day in days if day <= last_day), reverse=True):
            async for page in self._session.scan(select, (day, until_s)):
                rows = [row for row in page if row[0] < until_s or row[1] > skipped]
                for start in range(0, len(rows), _AT_ONCE):
                    yield rows[start : start + _AT_ONCE]

    async def _look_up(self, noted_at_s: float, operation: str, key: str) -> Move | None:
        """None: it was never noted, or at another time."""
        rows = await self._session.ask(self._one, (key, operation), SHARED_READ)
        move = read(rows[0][0]) if rows else None
        return move if move is not None and move.begun_at_s == noted_at_s else None

    async def _remove(self, table: str, move: Move) -> None:
        where = "WHERE day = ? AND noted_at_s = ? AND operation = ?"
        await self._session.ask(f"DELETE FROM {table} {where}", _place(move), SHARED_NOTE)


def _place(move: Move) -> tuple[int, float, str]:
    return int(move.begun_at_s) // _DAY_S, move.begun_at_s, move.order.operation
