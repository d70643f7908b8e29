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

RECOUNT_S: Final = 60.0
_SHARE_OF_TIME: Final = 0.02
"""A store for which counting is work is asked so rarely that it takes at most this share of its time."""


class CellCounts:
    """Built inside the running loop.

    counted_at_s   Unix seconds of the count, -inf before the first
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self.counted_at_s = -inf
        self._store = store
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._users: Counter[str] = Counter()
        self._due_s = -inf
        self._counting: asyncio.Task[None] | None = None

    async def users(self) -> Mapping[str, int]:
        """The last count, with those placed since; waits only for the first. Raises StoreUnavailableError."""
        if self._counting is None and self._loop.time() >= self._due_s:
            self._counting = self._loop.create_task(self._count())
        if self._counting is not None and self.counted_at_s == -inf:
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
            took_s = self._loop.time() - begun_s
            known = self.counted_at_s > -inf
            self._due_s = self._loop.time() + (max(RECOUNT_S, took_s / _SHARE_OF_TIME) if known else 0.0)
            self._counting = None
