"""What records were before: each is noted here before a write replaces it."""

from __future__ import annotations

from lookup.assignment import Assignment, State
from lookup.stores.cassandra_cluster import NOTE, READ
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings


class Past:
    """Statements about table `past`."""

    def __init__(self, session: CassandraSession, settings: CassandraSettings) -> None:
        self._session = session
        columns = "key, cell, jurisdiction, epoch, state, moved_to, updated_at_s"
        table = f"{settings.keyspace}.past"
        self._note = f"INSERT INTO {table} ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._of_key = f"SELECT {columns} FROM {table} WHERE key = ?"

    def statements(self) -> list[str]:
        """All that are used often."""
        return [self._note]

    async def note(self, record: Assignment) -> None:
        """A record that is decided, and about to be replaced; noted twice it is noted once."""
        values = (
            record.key,
            record.cell,
            record.jurisdiction,
            record.epoch,
            int(record.state),
            record.moved_to,
            record.updated_at_s,
        )
        await self._session.ask(self._note, values, NOTE)

    async def of(self, key: str) -> list[Assignment]:
        """What the key's record was, oldest first; perhaps also what it is."""
        rows = await self._session.ask(self._of_key, (key,), READ)
        return [
            Assignment(key, cell, jurisdiction, epoch, State(state), moved_to, updated_at_s)
            for key, cell, jurisdiction, epoch, state, moved_to, updated_at_s in rows
        ]
