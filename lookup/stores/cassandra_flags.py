"""Cells' flags in Cassandra: one partition, each cell's version decided by compare-and-set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from lookup.flags import Flag, FlagRecord, flag_read
from lookup.stores.cassandra_cluster import READ, confirming, deciding_again
from lookup.stores.cassandra_session import CassandraSession, Row
from lookup.stores.cassandra_settings import CassandraSettings

_FLEET: Final = "all"


@dataclass(frozen=True, slots=True)
class FlagRow:
    """A flag, and the operation that wrote it. Version 0: only a fence, no flag yet."""

    record: FlagRecord
    operation: UUID


class Flags:
    """Statements about table `flag`."""

    def __init__(self, session: CassandraSession, settings: CassandraSettings) -> None:
        self._session = session
        owner = None if settings.owners is None else settings.owners.placing
        self._deciding, self._confirming = deciding_again(owner), confirming(owner)
        table = f"{settings.keyspace}.flag"
        columns = "cell, flag, version, reason, author, set_at_s, expires_at_s"
        self._all = f"SELECT {columns} FROM {table} WHERE fleet = ?"
        self._one = f"SELECT {columns}, operation FROM {table} WHERE fleet = ? AND cell = ?"
        self._first = (
            f"INSERT INTO {table} (flag, version, reason, author, set_at_s, expires_at_s, operation, fleet, "
            "cell) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS"
        )
        self._next = (
            f"UPDATE {table} SET flag = ?, version = ?, reason = ?, author = ?, set_at_s = ?, "
            "expires_at_s = ?, operation = ? WHERE fleet = ? AND cell = ? IF version = ? AND operation = ?"
        )

    async def read_all(self) -> dict[str, FlagRecord]:
        """The current flag of every cell that ever had one."""
        rows = await self._session.ask(self._all, (_FLEET,), READ)
        return {row[0]: _record(row) for row in rows if row[2] > 0}

    async def confirm(self, cell: str) -> FlagRow | None:
        """What is decided of the cell, and by which operation."""
        rows = await self._session.ask(self._one, (_FLEET, cell), self._confirming)
        return FlagRow(_record(rows[0]), rows[0][7]) if rows else None

    async def fence(self, cell: str, present: FlagRow | None) -> bool:
        """See to it that no write begun before is decided from now on. False: the row has changed."""
        record = FlagRecord(cell, Flag.SERVING, 0, "", "", 0.0) if present is None else present.record
        return await self.change(record, present, uuid4())

    async def change(self, record: FlagRecord, former: FlagRow | None, operation: UUID) -> bool:
        """Write the record in place of `former`; False: another write was quicker."""
        values: tuple[object, ...] = (
            record.word,
            record.version,
            record.reason,
            record.author,
            record.set_at_s,
            record.expires_at_s,
            operation,
            _FLEET,
            record.cell,
        )
        if former is None:
            rows = await self._session.ask(self._first, values, self._deciding)
        else:
            rows = await self._session.ask(
                self._next, (*values, former.record.version, former.operation), self._deciding
            )
        return bool(rows[0][0])


def _record(row: Row) -> FlagRecord:
    cell, flag, version, reason, author, set_at_s, expires_at_s = row[:7]
    return flag_read(cell, flag, version, reason, author, set_at_s, expires_at_s)
