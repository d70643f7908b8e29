"""What can become of a step that a process is about to take: done, lost, or the end of the process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from random import Random
from typing import TypeVar

from lookup.ports import StoreUnavailableError

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
    """

    DONE = "done"
    BEFORE = "before"
    AFTER = "after"
    LATE = "late"
    REFUSED = "refused"
    UNHEARD = "unheard"
    STRAYED = "strayed"


class Fates:
    """`coming` are those of the next steps; when they are used up, steps are DONE.

    late   steps that are on their way: they may still land
    """

    def __init__(self) -> None:
        self.coming: list[Fate] = []
        self.late: list[Callable[[], Awaitable[object]]] = []

    def draw(self, dice: Random, mishaps: float, steps: int) -> None:
        """Fates for the next steps; that share of them is not DONE."""
        bad = tuple(Fate)[1:]
        self.coming = [
            dice.choice(bad) if dice.random() < mishaps else Fate.DONE for _ in range(dice.randint(0, steps))
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
        done = await step()
        if fate is Fate.AFTER:
            raise Crash
        if fate is Fate.UNHEARD:
            raise StoreUnavailableError("nobody answers")
        return done
