"""Keys to be read again in the background: what falls due within a moment is read together.

A reading costs several times what one more key in it costs, and nobody waits for these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

GATHER_S: Final = 0.05


class DueKeys:
    """Built inside the running loop; only its thread uses it.

    begin  reads a key that fell due at that time (Unix seconds): called once for each, GATHER_S later at most
    """

    def __init__(self, begin: Callable[[str, float], None]) -> None:
        self._begin = begin
        self._loop = asyncio.get_running_loop()
        self._keys: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, key: str, now_s: float) -> None:
        """Read it soon; it is in already when another hit found it due."""
        self._keys.setdefault(key, now_s)
        if self._timer is None:
            self._timer = self._loop.call_later(GATHER_S, self._begin_all)

    def drop(self, key: str) -> None:
        """Somebody who waits has it read now."""
        self._keys.pop(key, None)

    def close(self) -> None:
        """Nothing is read any more."""
        self._keys.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _begin_all(self) -> None:
        self._timer = None
        keys, self._keys = self._keys, {}
        for key, now_s in keys.items():
            self._begin(key, now_s)
