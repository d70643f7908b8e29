"""The embedded store, in which a writer can die before or after a write, or leave one on its way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TypeVar

from lookup.stores.sqlite import SqliteStore
from lookup.stores.sqlite_feed import FeedBounds

T = TypeVar("T")


class Crash(Exception):  # noqa: N818 -- it is what happens to a process, not an error of it
    """The writer is dead."""


class Fate(Enum):
    """What becomes of a write: DONE in time; the writer dies BEFORE or AFTER it; or dies while it is LATE."""

    DONE = "done"
    BEFORE = "before"
    AFTER = "after"
    LATE = "late"


class FragileStore(SqliteStore):
    """`fates` are those of the next writes; when they are used up, writes are DONE.

    late   writes that were on their way when their writer died: they may still land
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, create=True, feed_bounds=FeedBounds())
        self.fates: list[Fate] = []
        self.late: list[Callable[[sqlite3.Connection], object]] = []

    async def hurry(self) -> None:
        """Don't wait for the disk: power cuts are not among the crashes here."""
        await self._run(lambda connection: connection.execute("PRAGMA synchronous = OFF"))

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        fate = self.fates.pop(0) if self.fates else Fate.DONE
        if fate is Fate.BEFORE:
            raise Crash
        if fate is Fate.LATE:
            self.late.append(job)
            raise Crash
        written = await super()._write(job)
        if fate is Fate.AFTER:
            raise Crash
        return written

    async def land(self, number: int) -> None:
        """A late write arrives; whoever wanted it does not hear what came of it."""
        await super()._write(self.late.pop(number))
