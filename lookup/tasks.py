"""What owners of background tasks need: to end them for sure, and no word of failures that were told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, TypeVar

T = TypeVar("T")

_AGAIN_S: Final = 1.0
"""So long a task may take to put things in order before it is told again."""


async def end_tasks(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel these tasks until all have ended. How they ended is not told.

    One cancellation can get lost, and who waits for its task then waits for ever: `asyncio.wait_for` of
    Python 3.11 drops one that comes in the turn in which what it waits for ends, and redis-py sends each
    command through it.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)


def take_note(ended: asyncio.Future[T]) -> None:
    """For `add_done_callback` of what several may wait for: a failure is told to those who do; when nobody
    does any more, it is nobody's business."""
    if not ended.cancelled():
        ended.exception()
