"""What owners of tasks need: to gather several, to end them for sure, no word of failures that were told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Final, TypeVar

T = TypeVar("T")

_AGAIN_S: Final = 1.0
"""Enough for what closes a connection."""


async def end_tasks(tasks: Iterable[asyncio.Task[object]], again_s: float = _AGAIN_S) -> None:
    """Cancel these tasks until all have ended. How they ended is not told.

    again_s  so long they may take to put things in order before they are told again, which cuts that short

    One cancellation can get lost, and who waits for its task then waits for ever: `asyncio.wait_for` of
    Python 3.11 drops one that comes in the turn in which what it waits for ends, and redis-py sends each
    command through it.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_s)


def take_note(ended: asyncio.Future[T]) -> None:
    """For `add_done_callback` of what several may wait for: a failure is told to those who do; when nobody
    does any more, it is nobody's business."""
    if not ended.cancelled():
        ended.exception()


async def gather_all(requests: Iterable[Awaitable[T]]) -> list[T]:
    """The answers in order; of failures the first, when all have ended: none goes on by itself."""
    asked = list(requests)
    if len(asked) == 1:
        return [await asked[0]]  # the usual case: a task of its own would cost a tenth of a reading
    answers = await asyncio.gather(*asked, return_exceptions=True)
    found: list[T] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        found.append(answer)
    return found
