"""Walks through the homes in Cassandra along the token ring, a bounded number of rows at a time."""

from __future__ import annotations

from typing import Final

from lookup.assignment import Assignment, State
from lookup.scan import FIRST, Page
from lookup.stores.cassandra_session import CassandraSession, Row
from lookup.stores.cassandra_settings import CassandraSettings

_BEFORE_ALL: Final = -(2**63)
"""No key has this token."""


class HomeScanner:
    """Statements about table `home`. The cursor is the token of the last record."""

    def __init__(self, session: CassandraSession, settings: CassandraSettings) -> None:
        self._session = session
        columns = "token(key), key, cell, jurisdiction, epoch, state, moved_to, updated_at_s"
        select = f"SELECT {columns} FROM {settings.keyspace}.home WHERE token(key)"
        self._after = f"{select} > ? LIMIT ?"
        self._at = f"{select} = ?"

    async def scan(self, cursor: str, limit: int) -> Page:
        """HomeScan.scan. Keys that share a token stay together: if there are more of them than `limit`, which
        is as good as impossible, so many are on the page."""
        after = _BEFORE_ALL if cursor == FIRST else int(cursor)
        rows = await self._rows(self._after, (after, limit + 1))
        if len(rows) <= limit:
            return Page([_record(row) for row in rows], None)
        cut = rows[limit][0]
        rows = [row for row in rows if row[0] != cut] or await self._rows(self._at, (cut,))
        return Page([_record(row) for row in rows], str(rows[-1][0]))

    async def _rows(self, statement: str, values: tuple[int, ...]) -> list[Row]:
        return [row async for page in self._session.scan(statement, values) for row in page]


def _record(row: Row) -> Assignment:
    _, key, cell, jurisdiction, epoch, state, moved_to, updated_at_s = row
    return Assignment(key, cell, jurisdiction, epoch, State(state), moved_to, updated_at_s)
