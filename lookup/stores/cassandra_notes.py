"""Unconditional writes of one kind: those that wait together go together, one request for each partition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lookup.chunks import chunks
from lookup.stores.cassandra_session import CassandraSession
from lookup.tasks import gather_all
from lookup.together import Together

_AT_ONCE: Final = 10
"""Rows per request: Cassandra warns of more than 5 KB."""

Values = Sequence[object]


class Notes:
    """Rows of one statement whose first value is the partition.

    profile  one of unconditional writes; see cassandra_cluster
    """

    def __init__(self, session: CassandraSession, statement: str, profile: str) -> None:
        self.statement: Final = statement
        self._session = session
        self._profile = profile
        self._together: Together[Values, None] = Together(self._write_all)

    async def write(self, *values: object) -> None:
        """Return when that row is written. Raises StoreUnavailableError: it may be, or may yet be."""
        await self._together.ask(values)

    async def _write_all(self, rows: Sequence[Values]) -> list[None]:
        await gather_all(self._write(each) for each in _by_partition(rows))
        return [None] * len(rows)

    async def _write(self, rows: Sequence[Values]) -> None:
        if len(rows) == 1:
            await self._session.ask(self.statement, rows[0], self._profile)
        else:
            await self._session.write_together(self.statement, rows, self._profile)


def _by_partition(rows: Sequence[Values]) -> Iterator[list[Values]]:
    partitions: dict[object, list[Values]] = {}
    for row in rows:
        partitions.setdefault(row[0], []).append(row)
    for those in partitions.values():
        yield from chunks(those, _AT_ONCE)
