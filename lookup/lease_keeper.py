"""Keeps a worker's lease: renews it while the feed is fresh, and at once when a move waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf
from typing import Final, Protocol

from lookup.fence import Fence
from lookup.leases import LEASE_S, RENEW_EVERY_S, Lease, LeaseBook
from lookup.moves import Position
from lookup.ports import StoreUnavailableError

_log: Final = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 0.02
"""How late a move may hear of this worker; also the shortest time between two renewals."""


class Follower(Protocol):
    """What is asked of lookup.changes.ChangeFollower."""

    @property
    def position(self) -> Position | None: ...


class LeaseKeeper:
    """`run` until cancelled, then `end`. Only the loop's thread uses it.

    clock      Unix seconds, which others compare
    stopwatch  time.perf_counter, which never goes back. By whichever of both comes first the worker itself
               ends its lease
    """

    def __init__(
        self,
        worker: str,
        book: LeaseBook,
        follower: Follower,
        fence: Fence,
        clock: Callable[[], float],
        stopwatch: Callable[[], float],
    ) -> None:
        self._worker = worker
        self._book = book
        self._follower = follower
        self._fence = fence
        self._clock = clock
        self._stopwatch = stopwatch
        self._number = 0
        self._failing = False

    async def run(self) -> None:
        """Renew again and again. A renewal that fails costs the lease only when all do until it is over."""
        due_s = -inf
        while True:
            if self._fence.news or self._stopwatch() >= due_s:
                begun_s = self._stopwatch()
                try:
                    if await self.renew():
                        due_s = begun_s + RENEW_EVERY_S
                    self._failing = False
                except StoreUnavailableError as failure:
                    if not self._failing:
                        _log.warning("the lease could not be renewed: %s", failure)
                    self._failing = True
                    due_s = begun_s + RENEW_EVERY_S
            await asyncio.sleep(_LOOK_EVERY_S)

    async def renew(self) -> bool:
        """Renew now, if the feed is fresh; whether the lease was granted. Raises StoreUnavailableError."""
        position = self._follower.position
        if position is None:
            return False
        begun_s, begun_unix_s = self._stopwatch(), self._clock()
        fence = self._fence
        self._number += 1
        lease = Lease(
            self._worker,
            self._number,
            position,
            fence.held(begun_s),
            begun_unix_s + LEASE_S,
            fence.linger_s,
        )
        granted = await self._book.renew_lease(lease)
        if granted:
            fence.grant(begun_s, begun_unix_s, LEASE_S)
        else:
            fence.lease_until_s = -inf
        return granted

    async def end(self) -> None:
        """Give the lease back, unless something that was sent may still be running: then it runs out."""
        self._fence.lease_until_s = -inf
        if not self._fence.quiet:
            return
        try:
            await self._book.end_lease(self._worker)
        except StoreUnavailableError as failure:
            _log.warning("the lease could not be given back: %s", failure)
