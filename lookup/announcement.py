"""Tells moves beforehand that writes go by confirmed answers here, without a lease: they wait for those."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from lookup.assignment import Assignment
from lookup.fence import Fence
from lookup.leases import CONFIRMING, Lease, LeaseBook
from lookup.tasks import take_note
from lookup.tier_reader import Read

ANNOUNCED_S: Final = 10.0
"""For so long one announcement counts: under a steady flow of such writes there is one each ten seconds."""


class Announcement:
    """For one event loop. It is said of all keys: a move that begins meanwhile waits for `linger_s`.

    holder    a name that no other worker ever has
    linger_s  how long a write may take from the answer that confirmed its home to its end in the cell; who
              asks for others may hear of longer ones, and the longest that was heard of counts from then on
    clock     Unix seconds, which movers compare; stopwatch is the fence's, time.perf_counter
    """

    def __init__(
        self,
        holder: str,
        book: LeaseBook,
        linger_s: float,
        clock: Callable[[], float],
        stopwatch: Callable[[], float],
    ) -> None:
        self._holder = holder
        self._book = book
        self._linger_s = linger_s
        self.clock = clock
        self.stopwatch = stopwatch
        self._announced_s = 0.0
        self._until_s = stopwatch()
        self._until_unix_s = clock()
        self._number = 0
        self._writing: asyncio.Future[None] | None = None

    async def announce(self, linger_s: float = 0.0) -> None:
        """Return when the book has it, of writes that take up to `linger_s` if that is longer; only what is
        asked of the truth after that may decide about a write.

        A move that does not find it there had made its record MOVING before, and the truth says so.
        Raises StoreUnavailableError.
        """
        self._linger_s = max(self._linger_s, linger_s)
        while not self._is_announced(linger_s):
            if self._writing is None or self._writing.done():
                self._writing = asyncio.ensure_future(self._write())
                self._writing.add_done_callback(take_note)
            await asyncio.shield(self._writing)

    def _is_announced(self, linger_s: float) -> bool:
        holds = self.stopwatch() < self._until_s and self.clock() < self._until_unix_s
        return holds and self._announced_s >= linger_s

    async def _write(self) -> None:
        begun_s, linger_s = self.stopwatch(), self._linger_s
        self._number += 1
        expires_at_s = self.clock() + ANNOUNCED_S
        await self._book.renew_lease(
            Lease(self._holder, self._number, CONFIRMING, frozenset(), expires_at_s, linger_s)
        )
        self._announced_s = linger_s
        self._until_s = begun_s + ANNOUNCED_S
        self._until_unix_s = expires_at_s


def announced(confirm: Read, announcement: Announcement, fence: Fence) -> Read:
    """`confirm` for a worker that has leases: what it confirms while it holds one, moves wait for anyway.

    Of an answer that came when the lease was over they would not know: it is asked for again.
    """

    def holds() -> bool:
        return fence.holds(announcement.stopwatch(), announcement.clock())

    async def read(keys: Sequence[str]) -> Mapping[str, Assignment]:
        if holds():
            answer = await confirm(keys)
            if holds():
                return answer
        await announcement.announce()
        return await confirm(keys)

    return read
