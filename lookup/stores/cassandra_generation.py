"""Which generation of the feed counts: a row in Cassandra, written by whoever begins one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from lookup.stores.cassandra_cluster import SHARED_NOTE, SHARED_READ
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.together import Together

_PRESENT: Final = "present"
"""In place of a fleet: programs that do not know this row never ask for it."""


class GenerationRow:
    """Implements present_feed.PresentGeneration. Both at a quorum: who reads after it was written sees it."""

    def __init__(self, session: CassandraSession, settings: CassandraSettings) -> None:
        self._session = session
        table = f"{settings.keyspace}.feed_generation"
        self._write = f"INSERT INTO {table} (fleet, ordinal, generation) VALUES (?, 0, ?) USING TIMESTAMP ?"
        self._reading: Together[None, str] = Together(self._read_for_all)
        self._read = f"SELECT generation, WRITETIME(generation) FROM {table} WHERE fleet = ? AND ordinal = 0"

    def statements(self) -> list[str]:
        """All that are used often."""
        return [self._read]

    async def begin(self, generation: str) -> None:
        """PresentGeneration.begin; later than what is there, whatever the clocks say."""
        rows = await self._session.ask(self._read, (_PRESENT,), SHARED_READ)
        after_us = rows[0][1] + 1 if rows else 0
        timestamp_us = max(round(time.time() * 1e6), after_us)
        await self._session.ask(self._write, (_PRESENT, generation, timestamp_us), SHARED_NOTE)

    async def read(self) -> str:
        """PresentGeneration.read; those who ask while a reading is under way share the next one."""
        return await self._reading.ask(None)

    async def _read_for_all(self, asked: Sequence[None]) -> list[str]:
        rows = await self._session.ask(self._read, (_PRESENT,), SHARED_READ)
        found: str = rows[0][0] if rows else ""
        return [found] * len(asked)
