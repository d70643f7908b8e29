"""A change feed that tells one worker only as much as the model lets it, and can lose what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from lookup.ports import Change, ChangeFeed, History
from tests.lookup.model.traffic import Traffic


class Tap:
    """Implements ports.ChangeFeed.

    told     the highest epoch of each key that came through
    losing   so many of the next changes are lost on their way
    """

    def __init__(self, feed: ChangeFeed, traffic: Traffic) -> None:
        self.told: dict[str, int] = {}
        self.losing = 0
        self._feed = feed
        self._traffic = traffic
        self._wanted = 0
        self._more = asyncio.Event()
        self._rests = asyncio.Event()
        self._followed = False
        self._waits_for_history = False

    async def follow(self) -> AsyncGenerator[Change, None]:
        self._followed = True
        try:
            async with aclosing(self._feed.follow()) as changes:
                while True:
                    await self._wait_for_leave()
                    async with self._traffic.counted():
                        change = await anext(changes)
                    is_heartbeat = change.assignment is None and change.flag is None
                    self._wanted = 0 if is_heartbeat else self._wanted - 1
                    if is_heartbeat or not self._lose():
                        self._note(change)
                        yield change
        finally:
            self._followed = False
            self._wanted = 0
            self._rests.set()

    async def history(self, since_s: float) -> History:
        """Taken at once; while it is held back, the worker stays where it is, whatever it may hear."""
        async with self._traffic.counted():
            history = await self._feed.history(since_s)
        if self._traffic.histories_are_late:
            self._waits_for_history = True
            self._wanted = 0
            self._rests.set()
            try:
                await self._traffic.history_arrives()
            finally:
                self._waits_for_history = False
        return history

    async def let_through(self, changes: int) -> None:
        """Return when the worker has taken so many, or all that there are and a heartbeat, or follows no
        longer."""
        if self._followed and not self._waits_for_history:
            self._wanted = changes
            self._rests.clear()
            self._more.set()
            await self._rests.wait()

    async def _wait_for_leave(self) -> None:
        while not self._wanted:
            self._rests.set()
            self._more.clear()
            await self._more.wait()

    def _lose(self) -> bool:
        if not self.losing:
            return False
        self.losing -= 1
        return True

    def _note(self, change: Change) -> None:
        record = change.assignment
        if record is not None:
            self.told[record.key] = max(record.epoch, self.told.get(record.key, 0))
