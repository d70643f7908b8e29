"""Whether this machine has more to do than its cores can: then not only the edge makes things late."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

_LOOK_EVERY_S: Final = 0.1
_LOOKS: Final = 20
_BUSY: Final = 1.5
"""So many threads for each core want it, on average over the last looks: a demo alone wants less than one."""


def runnable_threads() -> int:
    """How many threads of the machine run or wait for a core, this one not counted."""
    running = Path("/proc/loadavg").read_text(encoding="ascii").split()[3]
    return max(0, int(running.partition("/")[0]) - 1)


class Crowd:
    """How many threads want the cores of this machine; `follow` looks until it is cancelled."""

    def __init__(self, cores: int | None = None, runnable: Callable[[], int] = runnable_threads) -> None:
        self._cores = cores or os.cpu_count() or 1
        self._runnable = runnable
        self._looks: deque[int] = deque(maxlen=_LOOKS)

    @property
    def is_busy(self) -> bool:
        """Over the last two seconds."""
        return self._mean() >= _BUSY * self._cores

    def __str__(self) -> str:
        return f"{self._mean():.1f} threads want the machine's {self._cores} cores"

    def look(self) -> None:
        self._looks.append(self._runnable())

    async def follow(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(_LOOK_EVERY_S)

    def _mean(self) -> float:
        return sum(self._looks) / len(self._looks) if self._looks else 0.0


class Patience:
    """So long, without the time in which the machine was busy; and never longer than `at_last_s`."""

    def __init__(self, within_s: float, at_last_s: float, now_s: float) -> None:
        self._left_s = within_s
        self._end_s = now_s + at_last_s
        self._then_s = now_s

    def lasts(self, now_s: float, was_busy: bool) -> bool:
        """`was_busy`: since the last call."""
        if not was_busy:
            self._left_s -= now_s - self._then_s
        self._then_s = now_s
        return self._left_s > 0.0 and now_s < self._end_s
