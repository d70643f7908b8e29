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
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_SHARE_OF_TIME: Final = 0.02
"""One for which counting is work, or that fails at it, is asked so rarely that it takes at most this share of
the time."""


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
        self._begun_s = -inf
        self._took_s = 0.0
        self._failures = 0
        self._counting: asyncio.Task[None] | None = None

    async def users(self, patience_s: float | None = None) -> Mapping[str, int]:
        """A new count, or where counting takes long the last one, with those placed since.

        `patience_s` with a count, from its beginning on; None: as long as it takes. Raises
        StoreUnavailableError when there is none by then.
        """
        if self._counting is None and self._loop.time() >= self._due_s:
            self._begun_s = self._loop.time()
            self._counting = self._loop.create_task(self._count())
        if self._counting is not None and (self.counted_at_s == -inf or self._took_s < self._quick_s):
            left_s = None
            if patience_s is not None:
                left_s = max(0.0, self._begun_s + patience_s - self._loop.time())
            await asyncio.wait((self._counting,), timeout=left_s)
        if self.counted_at_s == -inf:
            reason = "could not be counted" if self._counting is None else "are not counted yet"
            raise StoreUnavailableError(f"the users of the cells {reason}")
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
        begun_at_s = self._clock()
        self._failures += 1  # until it is known better
        try:
            self._users = Counter(await self._store.count_by_cell())
            self.counted_at_s = begun_at_s
            self._failures = 0
        except StoreUnavailableError as failure:
            _log.warning("the users of the cells could not be counted: %s", failure)
        finally:
            now_s = self._loop.time()
            self._took_s = now_s - self._begun_s
            self._due_s = now_s + self._pause_s()
            self._counting = None

    def _pause_s(self) -> float:
        work_s = self._took_s / _SHARE_OF_TIME if self._took_s >= self._quick_s else 0.0
        if not self._failures:
            return work_s
        return max(work_s, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 9)))
