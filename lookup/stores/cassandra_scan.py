"""Walks through homes and aliases in Cassandra along the token ring, a bounded number of rows at a time."""

from __future__ import annotations

from typing import Final

from lookup.assignment import Alias, Assignment, State
from lookup.scan import FIRST, AliasPage, Page
from lookup.stores.cassandra_session import CassandraSession, Row
from lookup.stores.cassandra_settings import CassandraSettings

_BEFORE_ALL: Final = -(2**63)
"""No key has this token."""


class HomeScanner:
    """Statements about tables `home` and `alias`."""

    def __init__(self, session: CassandraSession, settings: CassandraSettings) -> None:
        columns = "key, cell, jurisdiction, epoch, state, moved_to, updated_at_s"
        self._homes = _Walk(session, f"{settings.keyspace}.home", columns)
        self._aliases = _Walk(session, f"{settings.keyspace}.alias", "key, home, epoch, updated_at_s")

    async def scan(self, cursor: str, limit: int) -> Page:
        """HomeScan.scan."""
        rows, after = await self._homes.page(cursor, limit)
        return Page([_record(row) for row in rows], after)

    async def scan_aliases(self, cursor: str, limit: int) -> AliasPage:
        """HomeScan.scan_aliases; a row that only fences a write is none."""
        rows, after = await self._aliases.page(cursor, limit)
        aliases = [Alias(*row[1:]) for row in rows]
        return AliasPage([alias for alias in aliases if alias.epoch > 0], after)


class _Walk:
    """Statements about one table. The cursor is the token of the last row, which each row begins with."""

    def __init__(self, session: CassandraSession, table: str, columns: str) -> None:
        self._session = session
        select = f"SELECT token(key), {columns} FROM {table} WHERE token(key)"
        self._after = f"{select} > ? LIMIT ?"
        self._at = f"{select} = ?"

    async def page(self, cursor: str, limit: int) -> tuple[list[Row], str | None]:
        """Rows, and the cursor behind them. Keys that share a token stay together: if there are more of them
        than `limit`, which is as good as impossible, so many are on the page."""
        after = _BEFORE_ALL if cursor == FIRST else int(cursor)
        rows = await self._rows(self._after, (after, limit + 1))
        if len(rows) <= limit:
            return rows, None
        cut = rows[limit][0]
        rows = [row for row in rows if row[0] != cut] or await self._rows(self._at, (cut,))
        return rows, str(rows[-1][0])

    async def _rows(self, statement: str, values: tuple[int, ...]) -> list[Row]:
        return [row async for page in self._session.scan(statement, values) for row in page]


def _record(row: Row) -> Assignment:
    _, key, cell, jurisdiction, epoch, state, moved_to, updated_at_s = row
    return Assignment(key, cell, jurisdiction, epoch, State(state), moved_to, updated_at_s)
