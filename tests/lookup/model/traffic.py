"""What workers have under way with their tiers: counted, so that the model knows when all is quiet, and held
back on its way, so that changes can overtake it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from lookup.assignment import Assignment
from lookup.ports import SharedCache
from lookup.tier_reader import Read


class Traffic:
    """`busy` counts what will come to an end by itself; answers that are held back don't count."""

    def __init__(self) -> None:
        self.busy = 0
        self._open = asyncio.Event()
        self._histories_open = asyncio.Event()
        self.let_go()

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[None]:
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1

    @asynccontextmanager
    async def uncounted(self) -> AsyncIterator[None]:
        """Within `counted`: this will not come to an end by itself."""
        self.busy -= 1
        try:
            yield
        finally:
            self.busy += 1

    def hold_back(self) -> None:
        """Answers from now on arrive late."""
        self._open.clear()

    def hold_histories_back(self) -> None:
        """What the feed tells of the past arrives late, perhaps later than everything else."""
        self._histories_open.clear()

    def let_go(self) -> None:
        self._open.set()
        self._histories_open.set()

    @property
    def histories_are_late(self) -> bool:
        return not self._histories_open.is_set()

    async def history_arrives(self) -> None:
        """Return when histories are let through."""
        await self._histories_open.wait()

    def watched(self, read: Read) -> Read:
        """The reading takes its answer at once, and may be held back on its way home."""

        async def reading(keys: Sequence[str]) -> Mapping[str, Assignment]:
            async with self.counted():
                answer = await read(keys)
            await self._open.wait()
            return answer

        return reading

    async def settle(self) -> None:
        """Return when nothing moves any more."""
        quiet = 0
        while quiet < 12:
            await asyncio.sleep(0)
            quiet = 0 if self.busy else quiet + 1


class WatchedCache:
    """A shared cache whose readings and fillings are counted."""

    def __init__(self, cache: SharedCache, traffic: Traffic) -> None:
        self._cache = cache
        self._traffic = traffic
        self._read = traffic.watched(cache.read)

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return await self._read(keys)

    async def fill(self, assignments: Sequence[Assignment]) -> None:
        async with self._traffic.counted():
            await self._cache.fill(assignments)
