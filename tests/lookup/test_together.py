"""What many ask for at once is done once, and nobody gets an answer that is older than its question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from lookup.ports import StoreUnavailableError
from lookup.together import Together
from tests.lookup.asynchronous import asynchronous, settle


class Work:
    """Notes its rounds; each ends when `go_on` is called."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.failure: StoreUnavailableError | None = None
        self._gates: list[asyncio.Event] = []

    async def __call__(self, questions: Sequence[int]) -> list[int]:
        self.rounds.append(list(questions))
        gate = asyncio.Event()
        self._gates.append(gate)
        await gate.wait()
        if self.failure is not None:
            raise self.failure
        return [10 * question for question in questions]

    def go_on(self, number: int) -> None:
        self._gates[number].set()


@asynchronous
async def test_who_asks_meanwhile_is_in_the_next_round() -> None:
    work = Work()
    together = Together(work)
    first = asyncio.create_task(together.ask(1))
    await settle()
    others = [asyncio.create_task(together.ask(number)) for number in (2, 3, 4)]
    await settle()
    assert work.rounds == [[1]]
    work.go_on(0)
    assert await first == 10
    await settle()
    assert work.rounds == [[1], [2, 3, 4]]
    work.go_on(1)
    assert await asyncio.gather(*others) == [20, 30, 40]


@asynchronous
async def test_a_round_that_hangs_keeps_nobody_else_waiting() -> None:
    work = Work()
    together = Together(work)
    hanging = asyncio.create_task(together.ask(1))
    await settle()
    other = asyncio.create_task(together.ask(2))
    while len(work.rounds) < 2:  # noqa: ASYNC110 - the test's own deadline ends a wait in vain
        await asyncio.sleep(0.001)
    work.go_on(1)
    assert await other == 20
    assert not hanging.done()
    work.go_on(0)
    assert await hanging == 10


@asynchronous
async def test_a_failure_is_told_to_those_of_its_round_and_forgotten() -> None:
    work = Work()
    together = Together(work)
    work.failure = StoreUnavailableError("away")
    asked = [asyncio.create_task(together.ask(number)) for number in (1, 2)]
    await settle()
    work.go_on(0)
    assert await asyncio.gather(*asked, return_exceptions=True) == [work.failure] * 2
    work.failure = None
    again = asyncio.create_task(together.ask(3))
    await settle()
    work.go_on(1)
    assert await again == 30


@asynchronous
async def test_one_who_leaves_takes_the_round_from_nobody_else() -> None:
    work = Work()
    together = Together(work)
    leaving, staying = (asyncio.create_task(together.ask(number)) for number in (1, 2))
    await settle()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    work.go_on(0)
    assert await staying == 20
