"""Carries moves out in the background of the service, so many at once; decides nothing about any of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from lookup.move_log import MoveLog, MoveTakenError
from lookup.mover import Mover, MoveRefusedError
from lookup.moves import Move
from lookup.ports import StoreUnavailableError
from lookup.tasks import end_tasks

_log: Final = logging.getLogger(__name__)

MAX_MOVES: Final = 1000
"""Carried out or waiting for it in one service."""

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 15.0
_HOLD_SLACK_S: Final = 0.1
_AGAIN_S: Final = 15.0
"""More than Patience.again_s: a mover ends its step first, and then lets go of its move."""


class MoveDrivers:
    """One task for each move. Until a move has its turn, its user may write.

    holder  the name under which the mover drives
    most    moves driven at once
    again_s how long a driver that was told to stop may take before it is told again
    """

    def __init__(
        self,
        mover: Mover,
        log: MoveLog,
        holder: str,
        most: int,
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        again_s: float = _AGAIN_S,
    ) -> None:
        self._mover = mover
        self._log = log
        self._holder = holder
        self._clock = clock
        self._pause = pause
        self._again_s = again_s
        self._places = asyncio.Semaphore(most)
        self._queued: set[str] = set()
        self._driving: dict[str, asyncio.Task[None]] = {}
        self._ending: dict[str, asyncio.Task[Move]] = {}

    @property
    def count(self) -> int:
        """How many moves are carried out, or wait for it."""
        return len(self._driving)

    @property
    def has_room(self) -> bool:
        """Whether another move may be begun."""
        return self.count < MAX_MOVES

    def is_queued(self, operation: str) -> bool:
        """Whether it waits for its turn."""
        return operation in self._queued

    def is_driving(self, operation: str) -> bool:
        """Whether it is carried on here, or will be."""
        return operation in self._driving or operation in self._ending

    def start(self, operation: str) -> None:
        """Carry the move on until it is over, also through outages of the store; nothing if that is done."""
        if not self.is_driving(operation):
            self._start(operation)

    async def give_up(self, operation: str, reason: str) -> Move:
        """Mover.give_up; what was begun is ended even if nobody waits for it any more."""
        ending = self._ending.get(operation)
        if ending is None:
            ending = asyncio.get_running_loop().create_task(self._end(operation, reason))
            self._ending[operation] = ending
            ending.add_done_callback(lambda ended: self._ended(operation, ended))
        return await asyncio.shield(ending)

    async def close(self) -> None:
        """Stop where they are: every move stays open at its step, free for another driver."""
        await end_tasks([*self._driving.values(), *self._ending.values()], self._again_s)

    def _start(self, operation: str) -> None:
        task = asyncio.get_running_loop().create_task(self._drive(operation))
        self._driving[operation] = task
        task.add_done_callback(lambda _: self._driving.pop(operation, None))

    def _ended(self, operation: str, ended: asyncio.Task[Move]) -> None:
        del self._ending[operation]
        failure = None if ended.cancelled() else ended.exception()
        if failure is not None and not isinstance(failure, MoveRefusedError):
            _log.warning("move %s was not given up: %s", operation, failure)

    async def _drive(self, operation: str) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._wait_out(operation)
                await self._drive_in_turn(operation)
            except StoreUnavailableError as failure:
                _log.warning("move %s stands still for %g s: %s", operation, pause_s, failure)
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            except MoveTakenError as taken:
                _log.info("%s", taken)
            except Exception:
                _log.exception("move %s stands still", operation)
            return

    async def _drive_in_turn(self, operation: str) -> None:
        self._queued.add(operation)
        try:
            await self._places.acquire()
        finally:
            self._queued.discard(operation)
        try:
            await self._mover.drive(operation)
        finally:
            self._places.release()

    async def _wait_out(self, operation: str) -> None:
        """A driver that crashed holds its move for some seconds more; one that lives goes on holding it."""
        move = await self._log.move(operation)
        if move is not None and move.holder not in ("", self._holder):
            await self._pause(max(0.0, move.held_until_s - self._clock()) + _HOLD_SLACK_S)

    async def _end(self, operation: str, reason: str) -> Move:
        driving = self._driving.get(operation)
        if driving is not None:
            await end_tasks((driving,), self._again_s)
        try:
            return await self._mover.give_up(operation, reason)
        except MoveRefusedError:
            if driving is not None:
                self._start(operation)  # too late to give it up, so it goes on
            raise
