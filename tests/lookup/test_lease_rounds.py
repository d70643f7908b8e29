"""However many moves wait for acknowledgements, the leases are read once a round."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from lookup.assignment import NO_EPOCH
from lookup.lease_rounds import LeaseRounds
from lookup.leases import Lease
from lookup.moves import Position
from lookup.ports import StoreUnavailableError
from tests.lookup.asynchronous import asynchronous

WORKER = Lease("w1", 1, Position("g", 7), frozenset(), 10.0, 1.0)


class Book:
    """Counts what is read; no more is asked of it here."""

    def __init__(self) -> None:
        self.readings = 0
        self.failure: StoreUnavailableError | None = None

    async def position(self, key: str = "", epoch: int = NO_EPOCH) -> Position:
        assert (key, epoch) == ("", NO_EPOCH)
        return Position("g", 7)

    async def leases(self) -> Sequence[Lease]:
        self.readings += 1
        if self.failure is not None:
            raise self.failure
        return [WORKER]

    async def renew_lease(self, lease: Lease) -> bool:
        raise AssertionError(lease)

    async def end_lease(self, worker: str) -> None:
        raise AssertionError(worker)

    async def in_the_way(self, key: str, fence: Position, now_s: float, skew_s: float) -> Sequence[Lease]:
        raise AssertionError((key, fence, now_s, skew_s))


@asynchronous
async def test_one_reading_serves_all_who_wait_and_the_next_round_reads_anew() -> None:
    book = Book()
    rounds = LeaseRounds(book, asyncio.sleep)
    seen = await asyncio.gather(*(rounds.next() for _ in range(50)))
    assert book.readings == 1
    assert {(one.position, one.leases[0].worker) for one in seen} == {(Position("g", 7), "w1")}
    await rounds.next()
    assert book.readings == 2


@asynchronous
async def test_a_failure_is_told_to_all_and_forgotten() -> None:
    book = Book()
    rounds = LeaseRounds(book, asyncio.sleep)
    book.failure = StoreUnavailableError("away")
    outcomes = await asyncio.gather(rounds.next(), rounds.next(), return_exceptions=True)
    assert list(outcomes) == [book.failure] * 2
    book.failure = None
    assert (await rounds.next()).leases == [WORKER]


@asynchronous
async def test_one_who_leaves_takes_the_round_from_nobody_else() -> None:
    rounds = LeaseRounds(Book(), asyncio.sleep)
    leaving, staying = asyncio.create_task(rounds.next()), asyncio.create_task(rounds.next())
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).leases == [WORKER]
    with pytest.raises(asyncio.CancelledError):
        await leaving
