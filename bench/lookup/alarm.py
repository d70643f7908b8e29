"""Wakes a task at a time, more exactly than the loop's own timers, which know whole milliseconds only."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from math import ceil
from time import perf_counter
from types import TracebackType
from typing import Final, Self

_MONOTONIC: Final = 1
_ITIMERSPEC: Final = "qqqq"
_NS_PER_S: Final = 1_000_000_000
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Alarm:
    """A timer of the kernel (timerfd_create(2)) that the running loop watches; for one task at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd: Final = _checked(_LIBC.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
        self._waiter: asyncio.Future[None] | None = None
        self._loop.add_reader(self._fd, self._ring)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    async def wait_until(self, time_s: float) -> None:
        """By perf_counter. A time that is over gives the loop one turn."""
        ns = ceil((time_s - perf_counter()) * _NS_PER_S)
        if ns <= 0:
            await asyncio.sleep(0)
            return
        self._waiter = self._loop.create_future()
        spec = struct.pack(_ITIMERSPEC, 0, 0, *divmod(ns, _NS_PER_S))
        _checked(_LIBC.timerfd_settime(self._fd, 0, spec, None))
        await self._waiter

    def _ring(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # set anew since it rang
            return
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
