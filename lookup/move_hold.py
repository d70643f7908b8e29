"""Who drives a move: one at a time, who says so again and again while it works."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from lookup.assignment import Assignment
from lookup.move_log import MoveLog, MoveTakenError
from lookup.moves import Move, MoveOrder
from lookup.tasks import end_tasks

T = TypeVar("T")

STOPPED: Final = "its driver was stopped"
HOLD_S: Final = 15.0
"""A driver that is not heard of for so long has crashed; another one may take over."""

_AGAIN_EVERY_S: Final = 5.0


class MoveHold:
    """One driver's holds, in the log of moves.

    holder  the driver's name, which no other one has
    clock   Unix seconds
    end_s   how long work that is no longer wanted may take to end, before it is told again
    """

    def __init__(self, log: MoveLog, holder: str, clock: Callable[[], float], end_s: float) -> None:
        self._log = log
        self._holder = holder
        self._clock = clock
        self._end_s = end_s

    async def take(self, operation: str, *, steal: bool) -> Move:
        """Hold the move from now on, or go on holding it. Raises MoveTakenError, StoreUnavailableError."""
        now_s = self._clock()
        return await self._log.hold_move(operation, self._holder, now_s, now_s + HOLD_S, steal)

    async def note(self, order: MoveOrder, record: Assignment) -> Move:
        """MoveLog.note_move, and hold the move from now on if it is new."""
        now_s = self._clock()
        try:
            return await self._log.note_move(order, record, now_s, self._holder, now_s + HOLD_S)
        except asyncio.CancelledError:
            await self.let_go(order.operation, STOPPED)
            raise

    async def renewed(self, move: Move) -> Move:
        """The move; held anew if that is due. Raises MoveTakenError, StoreUnavailableError."""
        if move.holder != self._holder or move.held_until_s < self._clock() + HOLD_S - _AGAIN_EVERY_S:
            return await self.take(move.order.operation, steal=False)
        return move

    async def let_go(self, operation: str, detail: str) -> None:
        """As far as the store can be reached; else the hold runs out."""
        with contextlib.suppress(Exception):
            await asyncio.shield(self._log.release_move(operation, self._holder, detail))

    async def keep(self, move: Move, work: Awaitable[T]) -> T:
        """Do the work and stay the move's holder meanwhile; the work ends when somebody else takes over.

        Raises what the work raises; MoveTakenError, StoreUnavailableError.
        """
        working = asyncio.ensure_future(work)
        try:
            while True:
                done, _ = await asyncio.wait((working,), timeout=_AGAIN_EVERY_S)
                if done:
                    return working.result()
                held = await self.take(move.order.operation, steal=False)
                if (held.step, held.attempt) != (move.step, move.attempt):  # others had it, and let it go
                    await self.let_go(move.order.operation, held.detail)
                    raise MoveTakenError(move.order.operation, "")
        finally:
            await end_tasks((working,), self._end_s)
