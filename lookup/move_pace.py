"""How fast moves may begin, and how many may fail before no more begin. Decides; moves nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

_FEW: Final = 10
"""So many failures say nothing about the rest."""


class Pace:
    """Gives moves their turn, at most `per_s` a second and evenly; time that was not used is not made up for.

    `clock` gives seconds that only grow.
    """

    def __init__(self, per_s: float | None, clock: Callable[[], float]) -> None:
        self._every_s = 0.0 if per_s is None else 1.0 / per_s
        self._clock = clock
        self._next_s = -inf

    async def turn(self, pause: Callable[[float], Awaitable[None]]) -> bool:
        """Return when one more may begin, and whether that had to be waited for; `pause` waits for some
        seconds."""
        now_s = self._clock()
        due_s = max(now_s, self._next_s)
        self._next_s = due_s + self._every_s
        if due_s > now_s:
            await pause(due_s - now_s)
        return due_s > now_s


def too_many_failed(failed: int, ended: int, share: float) -> bool:
    """Whether more than that share (0 to 1) of the moves that ended have failed, and not just a few."""
    return failed > _FEW and failed > share * ended
