"""The embedded store as a stage: the real file and statements, run at once, not on the store's thread."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final, TypeVar

from lookup.assignment import Assignment
from lookup.ports import Change, History
from lookup.stores import sqlite_counts, sqlite_feed, sqlite_records
from lookup.stores.sqlite import SqliteStore
from lookup.stores.sqlite_feed import FeedBounds
from lookup.stores.sqlite_file import open_file
from tests.lookup.model.fates import Fates
from tests.lookup.model.memory_cache import MemoryCache
from tests.lookup.model.traffic import Traffic

T = TypeVar("T")

FEED_ROWS: Final = 12
"""Few, so that slow workers are overtaken by the trim; more than one step of the model writes."""


class FatedStore(SqliteStore):
    """Each of its writes meets its fate."""

    def __init__(self, path: Path, fates: Fates, clock: Callable[[], float]) -> None:
        super().__init__(path, create=True, feed_bounds=FeedBounds(keep_rows=FEED_ROWS, clock=clock))
        self.connection = open_file(path, create=True)
        sqlite_counts.keep_counts(self.connection)
        self.connection.execute("PRAGMA synchronous = OFF")  # power cuts are not among the crashes here
        self._fates = fates

    async def _run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return job(self.connection)

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return await self._fates.meet(lambda: self._run(job))


class SqliteStage:
    """Implements model.stage.Stage."""

    tag = ""

    def __init__(self, traffic: Traffic, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.fates = Fates(traffic)
        self.shared = MemoryCache()
        self._folder = tempfile.TemporaryDirectory()
        self.store = self.log = self.leases = FatedStore(
            Path(self._folder.name) / "home.sqlite", self.fates, clock
        )
        self._told = 0

    async def follow(self) -> AsyncGenerator[Change, None]:
        connection = self.store.connection
        head = sqlite_feed.head(connection)
        sequence = head.last_sequence
        yield Change(head.generation, sequence)
        while True:
            for change in sqlite_feed.changes_after(connection, sequence, head.generation):
                yield change
                sequence = change.sequence
            yield Change(head.generation, sequence)

    async def history(self, since_s: float) -> History:
        return await self.store.history(since_s)

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return await self.store.read(keys)

    async def truth(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return sqlite_records.read_homes(self.store.connection, keys)

    async def tell(self) -> None:
        """Nothing: every change is written together with its event."""

    async def harm_feed(self, dice: Random) -> None:
        """It is trimmed as far as it goes; the shared cache may be lost as well."""
        if dice.random() < 0.3:
            self.shared.empty()
        head = sqlite_feed.head(self.store.connection)
        keep = dice.randint(0, 3)
        for _ in range(FEED_ROWS):
            bounds = FeedBounds(keep_rows=keep, clock=self._clock)
            sqlite_feed.trim(self.store.connection, bounds, head.last_sequence, 0.0)

    async def told(self) -> list[Assignment]:
        head = sqlite_feed.head(self.store.connection)
        changes = sqlite_feed.changes_after(self.store.connection, self._told, head.generation)
        numbers = [change.sequence for change in changes]
        assert numbers == list(range(self._told + 1, head.last_sequence + 1)), "the feed has a hole"
        self._told = head.last_sequence
        return [change.assignment for change in changes if change.assignment is not None]

    async def close(self) -> None:
        self.store.connection.close()
        await self.store.close()
        self._folder.cleanup()


async def sqlite_stage(traffic: Traffic, clock: Callable[[], float]) -> SqliteStage:
    """A stage with an empty store."""
    return SqliteStage(traffic, clock)
