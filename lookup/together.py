"""Does for many at once what each would else do alone: who asks meanwhile is in the next round."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from lookup.tasks import take_note

T = TypeVar("T")
R = TypeVar("R")

_LONG_S: Final = 0.1
"""A round that takes longer (a server that is frozen) keeps the next one waiting no more."""


class Together(Generic[T, R]):
    """Rounds of one kind of work, for one event loop. A round begins after all who are in it have asked.

    work  gives the answers to so many questions, in their order; what it raises all of that round get
    """

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._work = work
        self._asked: list[tuple[T, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None
        self._rounds: set[asyncio.Task[None]] = set()

    async def ask(self, question: T) -> R:
        """The answer. Who is cancelled leaves, the round goes on."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(take_note)
        self._asked.append((question, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                under_way = asyncio.create_task(self._round(asked))
                self._rounds.add(under_way)
                under_way.add_done_callback(self._rounds.discard)
                await asyncio.wait((under_way,), timeout=_LONG_S)
        finally:
            self._running = None

    async def _round(self, asked: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            found = await self._work([question for question, _ in asked])
        except Exception as failure:
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(failure)
        else:
            for (_, answer), one in zip(asked, found, strict=True):
                if not answer.done():
                    answer.set_result(one)
