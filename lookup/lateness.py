"""Tells a late answer from a late loop.

A loop that was held up runs its due timers before it looks at what arrived meanwhile. Judged by those
timers alone, every answer is late once a turn takes longer than the deadline; and as refusing takes its time
too, that could go on for as long as the callers come back.
"""

from __future__ import annotations

import asyncio
from typing import Final

_TURNS: Final = 8
"""A thread's answer takes four: the loop wakes, the future is set, the wait ends, the reading goes on."""


async def loop_turns() -> None:
    """Let the loop take in what has already arrived."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
