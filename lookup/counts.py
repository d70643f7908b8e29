"""How many users live in each cell, as far as one process knows: counted now and then, in the background."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from math import inf
from typing import Final

from lookup.ports import Store, StoreUnavailableError

_log: Final = logging.getLogger(__name__)

QUICK_S: Final = 0.02
_SHARE_OF_TIME: Final = 0.02
"""One for which counting is work is asked so rarely that it takes at most this share of the time."""


class CellCounts:
    """Built inside the running loop.

    counted_at_s   Unix seconds of the count, -inf before the first
    quick_s        a store that has counted in less is asked each time
    """

    def __init__(self, store: Store, clock: Callable[[], float], quick_s: float = QUICK_S) -> None:
        self.counted_at_s = -inf
        self._store = store
        self._clock = clock
        self._quick_s = quick_s
        self._loop = asyncio.get_running_loop()
        self._users: Counter[str] = Counter()
        self._due_s = -inf
        self._took_s = 0.0
        self._counting: asyncio.Task[None] | None = None

    async def users(self) -> Mapping[str, int]:
        """A new count, or where counting takes long the last one, with those placed since.

        Raises StoreUnavailableError when there never was a count.
        """
        if self._counting is None and self._loop.time() >= self._due_s:
            self._counting = self._loop.create_task(self._count())
        if self._counting is not None and (self.counted_at_s == -inf or self._took_s < self._quick_s):
            await asyncio.shield(self._counting)
        if self.counted_at_s == -inf:
            raise StoreUnavailableError("the users of the cells could not be counted")
        return self._users

    def placed(self, cell: str) -> None:
        """One more lives there since."""
        self._users[cell] += 1

    async def close(self) -> None:
        """End a count under way."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)

    async def _count(self) -> None:
        begun_s, begun_at_s = self._loop.time(), self._clock()
        try:
            self._users = Counter(await self._store.count_by_cell())
            self.counted_at_s = begun_at_s
        except StoreUnavailableError as failure:
            _log.warning("the users of the cells could not be counted: %s", failure)
        finally:
            now_s = self._loop.time()
            self._took_s = now_s - begun_s
            is_work = self._took_s >= self._quick_s and self.counted_at_s > -inf
            self._due_s = now_s + self._took_s / _SHARE_OF_TIME if is_work else -inf
            self._counting = None
