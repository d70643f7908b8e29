"""What can become of a step that a process is about to take: done, lost, or the end of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum
from random import Random
from typing import Final, TypeVar

from lookup.ports import StoreUnavailableError
from tests.lookup.model.traffic import Traffic

T = TypeVar("T")


class Crash(Exception):  # noqa: N818 -- it is what happens to a process, not an error of it
    """The writer is dead."""


class Fate(Enum):
    """DONE     in time
    BEFORE   the writer dies before it
    AFTER    the writer dies after it
    LATE     the writer dies while it is on its way: it may still land
    REFUSED  it is not done, and the writer hears that nobody answers
    UNHEARD  it is done, and the writer hears that nobody answers
    STRAYED  the writer hears that nobody answers, while it is on its way
    SLOW     it is on its way for long, and the writer waits
    """

    DONE = "done"
    BEFORE = "before"
    AFTER = "after"
    LATE = "late"
    REFUSED = "refused"
    UNHEARD = "unheard"
    STRAYED = "strayed"
    SLOW = "slow"


MISHAPS: Final = (Fate.BEFORE, Fate.AFTER, Fate.LATE, Fate.REFUSED, Fate.UNHEARD, Fate.STRAYED)


class Fates:
    """`coming` are those of the next steps; when they are used up, steps are DONE.

    late   steps that are on their way: they may still land
    """

    def __init__(self, traffic: Traffic) -> None:
        self.coming: list[Fate] = []
        self._traffic = traffic
        self.late: list[Callable[[], Awaitable[object]]] = []

    def draw(self, dice: Random, mishaps: float, steps: int) -> None:
        """Fates for the next steps; that share of them are mishaps."""
        self.coming = [
            dice.choice(MISHAPS) if dice.random() < mishaps else Fate.DONE
            for _ in range(dice.randint(0, steps))
        ]

    async def meet(self, step: Callable[[], Awaitable[T]]) -> T:
        """Take the step, as fate wants it."""
        fate = self.coming.pop(0) if self.coming else Fate.DONE
        if fate is Fate.BEFORE:
            raise Crash
        if fate is Fate.REFUSED:
            raise StoreUnavailableError("nobody answers")
        if fate in (Fate.LATE, Fate.STRAYED):
            self.late.append(step)
            raise Crash if fate is Fate.LATE else StoreUnavailableError("nobody answers")
        if fate is Fate.SLOW:
            await self._on_its_way()
        done = await step()
        if fate is Fate.AFTER:
            raise Crash
        if fate is Fate.UNHEARD:
            raise StoreUnavailableError("nobody answers")
        return done

    async def _on_its_way(self) -> None:
        arrived = asyncio.Event()

        async def arrive() -> None:
            arrived.set()

        self.late.append(arrive)
        async with self._traffic.uncounted():
            await arrived.wait()
