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
from lookup.stores.cassandra_notes import Notes
from lookup.stores.cassandra_requests import TooManyTombstonesError
from lookup.stores.cassandra_session import CassandraSession, Row
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.tasks import gather_all

_DAY_S: Final = 86_400
_AT_ONCE: Final = 32
_SHORTEST_SPAN_S: Final = 1.0


class MoveLists:
    """Statements about tables `move_noted` and `move_open`."""

    def __init__(self, session: CassandraSession, settings: CassandraSettings) -> None:
        self._session = session
        keyspace = settings.keyspace
        self._noted, self._open = f"{keyspace}.move_noted", f"{keyspace}.move_open"
        columns = "(day, noted_at_s, operation, key) VALUES (?, ?, ?, ?)"
        where = "WHERE day = ? AND noted_at_s = ? AND operation = ?"
        tables = (self._noted, self._open)
        self._adding = [Notes(session, f"INSERT INTO {table} {columns}", SHARED_NOTE) for table in tables]
        self._removing = {
            table: Notes(session, f"DELETE FROM {table} {where}", SHARED_NOTE) for table in tables
        }
        self._spans_s: dict[int, float] = {}
        self._one = f"SELECT log FROM {keyspace}.move WHERE key = ? AND operation = ?"

    async def add(self, move: Move) -> None:
        """A move that is about to be noted."""
        await gather_all(notes.write(*_place(move), move.order.key) for notes in self._adding)

    async def drop(self, move: Move) -> None:
        """A move that came to nothing."""
        await gather_all(notes.write(*_place(move)) for notes in self._removing.values())

    async def close(self, move: Move) -> None:
        """A move that is over."""
        await self._removing[self._open].write(*_place(move))

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
        last_day, until_s, skipped = (inf, inf, "") if after is None else _place(after)
        for day in sorted((day for day in await self._days(table) if day <= last_day), reverse=True):
            async for page in self._of_day(table, day, until_s):
                rows = [row for row in page if row[0] < until_s or row[1] > skipped]
                if rows:
                    until_s, skipped = rows[-1][:2]
                for start in range(0, len(rows), _AT_ONCE):
                    yield rows[start : start + _AT_ONCE]

    async def _days(self, table: str) -> list[int]:
        """Those with rows; perhaps others, where too many deleted rows hide which."""
        try:
            return await self._listed_days(table)
        except TooManyTombstonesError:
            return await self._listed_days(self._noted)  # every open move is in there, and ended ones stay

    async def _listed_days(self, table: str) -> list[int]:
        by_day = f"SELECT DISTINCT day FROM {table}"
        return [row[0] async for page in self._session.scan(by_day, ()) for row in page]

    async def _of_day(self, table: str, day: int, until_s: float) -> AsyncIterator[list[Row]]:
        """One day's rows, latest first, in spans of time as short as its deleted rows make necessary; where
        a span failed midway, the last rows come again."""
        select = (
            f"SELECT noted_at_s, operation, key FROM {table} "
            "WHERE day = ? AND noted_at_s <= ? AND noted_at_s > ?"
        )
        first_s = float(day * _DAY_S)
        to_s = min(until_s, first_s + _DAY_S)
        while to_s >= first_s:
            span_s = self._spans_s.get(day, 2.0 * _DAY_S)
            from_s = to_s - span_s
            try:
                async for page in self._session.scan(select, (day, to_s, from_s)):
                    if page:
                        yield page
                        to_s = page[-1][0]
            except TooManyTombstonesError:
                if span_s < _SHORTEST_SPAN_S:
                    raise
                self._spans_s[day] = min(span_s, _DAY_S) / 4
            else:
                to_s = from_s

    async def _look_up(self, noted_at_s: float, operation: str, key: str) -> Move | None:
        """None: it was never noted, or at another time."""
        rows = await self._session.ask(self._one, (key, operation), SHARED_READ)
        move = read(rows[0][0]) if rows else None
        return move if move is not None and move.begun_at_s == noted_at_s else None


def _place(move: Move) -> tuple[int, float, str]:
    return int(move.begun_at_s) // _DAY_S, move.begun_at_s, move.order.operation
