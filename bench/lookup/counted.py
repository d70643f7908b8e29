"""A Cassandra store whose requests are counted: how many, and how many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lookup.assignment import Assignment
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_session import CassandraSession, Row
from lookup.stores.cassandra_settings import CassandraSettings


@dataclass(slots=True)
class Gauge:
    """Of things that begin and end."""

    begun: int = 0
    now: int = 0
    most: int = 0

    def begin(self) -> None:
        """One more."""
        self.begun += 1
        self.now += 1
        self.most = max(self.most, self.now)

    def end(self) -> None:
        """One less."""
        self.now -= 1


class CountedSession(CassandraSession):
    """Counts what is asked of Cassandra; preparing statements is not counted."""

    def __init__(self, settings: CassandraSettings) -> None:
        super().__init__(settings)
        self.requests = Gauge()

    async def ask(
        self, statement: str, values: Sequence[object], profile: str, routing_key: bytes | None = None
    ) -> list[Row]:
        """CassandraSession.ask, counted."""
        self.requests.begin()
        try:
            return await super().ask(statement, values, profile, routing_key)
        finally:
            self.requests.end()


class CountedStore(CassandraStore):
    """Made by `over`; `readings` are the resolver's, `requests` those that Cassandra gets.

    keys   in all readings together
    """

    keys = 0
    readings: Gauge
    requests: Gauge

    @classmethod
    async def over(cls, settings: CassandraSettings) -> CountedStore:
        """Connected, statements prepared."""
        session = CountedSession(settings)
        store = cls(session, settings, None)
        store.readings, store.requests = Gauge(), session.requests
        await session.connected()
        await session.prepare(store._statements())
        return store

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """Store.read, counted."""
        self.keys += len(keys)
        self.readings.begin()
        try:
            return await super().read(keys)
        finally:
            self.readings.end()
