"""Runs tests that are coroutines, each in a loop of its own and with a deadline; waits for conditions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Final, ParamSpec

P = ParamSpec("P")

DEADLINE_S: Final = 60.0


def within(
    deadline_s: float,
) -> Callable[[Callable[P, Coroutine[None, None, None]]], Callable[P, None]]:
    """Makes a test a plain function that fails when it takes longer than that."""

    def decorate(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
        @wraps(test)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            asyncio.run(asyncio.wait_for(test(*args, **kwargs), deadline_s))

        return run

    return decorate


def asynchronous(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """The test as a plain function that fails when it takes longer than the deadline."""
    return within(DEADLINE_S)(test)


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds; the test's own deadline ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 - what makes it true may be another thread or process
        await asyncio.sleep(0.001)


class Stalls:
    """`seconds` is for how long, all in all, a busy machine kept the loop from running."""

    _EVERY_S: Final = 0.01

    def __init__(self) -> None:
        self.seconds = 0.0

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + self._EVERY_S
            await asyncio.sleep(self._EVERY_S)
            self.seconds += loop.time() - due_s


@asynccontextmanager
async def stalls() -> AsyncIterator[Stalls]:
    """What is measured meanwhile may have taken so much longer."""
    found = Stalls()
    watching = asyncio.create_task(found.watch())
    try:
        yield found
    finally:
        watching.cancel()


async def settle() -> None:
    """Let everything run that can run without waiting for anything."""
    for _ in range(20):
        await asyncio.sleep(0)
