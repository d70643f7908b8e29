"""Offers what the store said to the shared cache, in the background: nobody waits, nothing piles up.

A filling costs as much as a dozen more records in it: what comes within a moment goes together.
"""

from __future__ import annotations

import asyncio
from typing import Final

from lookup.assignment import Assignment
from lookup.observer import ERROR, LookupObserver
from lookup.ports import SharedCache, StoreUnavailableError
from lookup.resolution import Tier

GATHER_S: Final = 0.02

_MAX_WAITING: Final = 4096
"""Records beyond that are not offered: the next edge that misses them reads the store once more."""


class SharedFill:
    """One filling at a time; what comes meanwhile goes along with the next. Built inside the running loop."""

    def __init__(self, cache: SharedCache, observer: LookupObserver) -> None:
        self._cache = cache
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Assignment] = []
        self._filling: asyncio.Task[None] | None = None

    def offer(self, record: Assignment) -> None:
        """Send the record to the shared cache soon, or never when it can't keep up."""
        if len(self._waiting) < _MAX_WAITING:
            self._waiting.append(record)
        if self._filling is None:
            self._filling = self._loop.create_task(self._fill())

    async def close(self) -> None:
        """Drop what was not sent yet."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)

    async def _fill(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(GATHER_S)
                records, self._waiting = self._waiting, []
                await self._cache.fill(records)
        except StoreUnavailableError as error:
            self._observer.tier_failed(Tier.SHARED, ERROR, str(error))
        finally:
            self._filling = None
