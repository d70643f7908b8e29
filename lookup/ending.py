"""Ends tasks for sure: one cancellation can get lost, and who waits for its task then waits for ever.

`asyncio.wait_for` of Python 3.11 drops a cancellation that comes in the turn in which what it waits for ends;
redis-py sends each command through it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

_AGAIN_S: Final = 1.0
"""So long a task may take to put things in order before it is told again."""


async def end_tasks(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel these tasks until all have ended. How they ended is not told."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)
