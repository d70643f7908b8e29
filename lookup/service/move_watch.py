"""Finds open moves that nobody carries out, because a service or a command died, and has them carried on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from lookup.move_hold import HOLD_S
from lookup.move_log import MoveLog
from lookup.moves import Move, Step
from lookup.outage import Outage
from lookup.ports import StoreUnavailableError
from lookup.service.move_drivers import MAX_MOVES, MoveDrivers

_log: Final = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 5.0
_AGAIN_S: Final = 60.0
"""A move that stands still although it was taken over is not taken over again before."""

_MOST_QUEUED: Final = MAX_MOVES // 2
"""Moves that nobody waits for yet, as no write of theirs is refused, leave room for new ones."""

_LISTED: Final = 10_000

Tell = Callable[[int, int], None]


class MoveWatch:
    """`run` looks until it is cancelled, the first time at once.

    may_carry_on  whether this service may do what a move still needs
    tell          is told how many moves are open, and how many of them stand still without a driver
    clock         Unix seconds
    """

    def __init__(
        self,
        log: MoveLog,
        drivers: MoveDrivers,
        may_carry_on: Callable[[Move], bool],
        tell: Tell,
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._log = log
        self._drivers = drivers
        self._may_carry_on = may_carry_on
        self._tell = tell
        self._clock = clock
        self._pause = pause
        self._taken_at_s: dict[str, float] = {}
        self._outage = Outage(clock)

    async def run(self) -> None:
        """Look, and again a little later, whatever comes of it."""
        while True:
            try:
                await self.look()
                if self._outage.mended():
                    _log.warning("open moves are looked for again")
            except StoreUnavailableError as failure:
                if self._outage.failed():
                    _log.warning("open moves can't be looked for: %s", failure)
            except Exception:  # who stops looking would never find one again
                _log.exception("open moves can't be looked for")
            await self._pause(LOOK_EVERY_S)

    async def look(self) -> None:
        """Take over what nobody carries out: whose users' writes are refused first, then the oldest."""
        moves = await self._log.moves(open_only=True, limit=_LISTED)
        now_s = self._clock()
        left = [move for move in moves if lacks_driver(move, now_s) and not self._is_driving(move)]
        left.sort(key=lambda move: (move.step is Step.INTENDED, move.begun_at_s))
        still = sum(not self._take_over(move, now_s) for move in left)
        still_open = {move.order.operation for move in moves}
        self._taken_at_s = {name: at_s for name, at_s in self._taken_at_s.items() if name in still_open}
        self._tell(len(moves), still)

    def _take_over(self, move: Move, now_s: float) -> bool:
        operation = move.order.operation
        room = _MOST_QUEUED if move.step is Step.INTENDED else MAX_MOVES
        if not self._may_carry_on(move) or self._drivers.count >= room:
            return False
        if now_s < self._taken_at_s.get(operation, -_AGAIN_S) + _AGAIN_S:
            return False
        _log.warning("operation %s is carried on here: nobody did, and it is %s", operation, move.step)
        self._taken_at_s[operation] = now_s
        self._drivers.start(operation)
        return True

    def _is_driving(self, move: Move) -> bool:
        return self._drivers.is_driving(move.order.operation)


def lacks_driver(move: Move, now_s: float) -> bool:
    """Whether nobody carries it out, and nobody is about to.

    One that is only noted may wait for its turn elsewhere, but not for long. `homecell moves bulk`, whose
    operations hold a slash, begins those that it has noted by itself, whenever it is run again.
    """
    if move.is_over or (move.holder and move.held_until_s > now_s):
        return False
    if move.step is not Step.INTENDED:
        return True
    return "/" not in move.order.operation and move.begun_at_s + HOLD_S <= now_s
