"""Before a write is confirmed without a lease, moves are told that such writes are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from lookup.announcement import ANNOUNCED_S, Announcement, announced
from lookup.assignment import NO_EPOCH, Assignment
from lookup.fence import Fence
from lookup.leases import CONFIRMING, Lease
from lookup.moves import Position
from lookup.ports import StoreUnavailableError
from tests.lookup.asynchronous import asynchronous, settle
from tests.lookup.fakes import NOW_S, home

RUNS_S = 33.0


class Book:
    """Keeps what it is told once its gate is open; fails when told to."""

    def __init__(self) -> None:
        self.kept: list[Lease] = []
        self.available = True
        self.gate = asyncio.Event()
        self.gate.set()

    async def position(self, key: str = "", epoch: int = NO_EPOCH) -> Position:
        raise NotImplementedError

    async def renew_lease(self, lease: Lease) -> bool:
        await self.gate.wait()
        if not self.available:
            raise StoreUnavailableError("the test took the store away")
        self.kept.append(lease)
        return True

    async def end_lease(self, worker: str) -> None:
        raise NotImplementedError

    async def leases(self) -> Sequence[Lease]:
        raise NotImplementedError

    async def in_the_way(self, key: str, fence: Position, now_s: float, skew_s: float) -> Sequence[Lease]:
        raise NotImplementedError


class Holder:
    """An announcement into a book, and its stopwatch."""

    def __init__(self) -> None:
        self.watch_s = 100.0
        self.unix_s = NOW_S
        self.book = Book()
        self.says = Announcement("w1", self.book, RUNS_S, lambda: self.unix_s, lambda: self.watch_s)


@asynchronous
async def test_it_says_for_how_long_and_how_long_such_a_write_may_take() -> None:
    holder = Holder()
    await holder.says.announce()
    assert holder.book.kept == [Lease("w1", 1, CONFIRMING, frozenset(), NOW_S + ANNOUNCED_S, RUNS_S)]
    assert holder.book.kept[0].confirms


@asynchronous
async def test_it_is_said_again_only_when_it_has_run_out() -> None:
    holder = Holder()
    for waited_s, written in ((0.0, 1), (ANNOUNCED_S - 0.1, 1), (0.1, 2)):
        holder.watch_s += waited_s
        await holder.says.announce()
        assert [lease.number for lease in holder.book.kept] == list(range(1, written + 1))


@asynchronous
async def test_it_counts_from_when_it_was_begun_to_be_said_though_the_clock_is_set_back_meanwhile() -> None:
    holder = Holder()
    holder.book.gate.clear()
    asking = asyncio.create_task(holder.says.announce())
    await settle()
    holder.watch_s += 2.0
    holder.unix_s -= 5.0
    holder.book.gate.set()
    await asking
    for waited_s, written in ((ANNOUNCED_S - 2.1, 1), (0.1, 2)):
        holder.watch_s += waited_s
        await holder.says.announce()
        assert len(holder.book.kept) == written


@asynchronous
async def test_it_is_said_again_after_the_machine_was_suspended() -> None:
    holder = Holder()
    await holder.says.announce()
    holder.unix_s += ANNOUNCED_S  # the stopwatch stood still
    await holder.says.announce()
    assert [lease.expires_at_s for lease in holder.book.kept] == [
        NOW_S + ANNOUNCED_S,
        NOW_S + 2 * ANNOUNCED_S,
    ]


@asynchronous
async def test_who_hears_of_writes_that_take_longer_says_so_at_once_and_ever_after() -> None:
    holder = Holder()
    for linger_s, announced_s in ((RUNS_S - 1, [RUNS_S]), (60.0, [RUNS_S, 60.0]), (50.0, [RUNS_S, 60.0])):
        await holder.says.announce(linger_s)
        assert [lease.linger_s for lease in holder.book.kept] == announced_s
    holder.watch_s += ANNOUNCED_S
    await holder.says.announce()
    assert holder.book.kept[-1].linger_s == 60.0, "the longer writes may still be running"


@asynchronous
async def test_what_is_being_said_of_shorter_writes_does_not_serve_a_longer_one() -> None:
    holder = Holder()
    holder.book.gate.clear()
    asking = [asyncio.create_task(holder.says.announce(linger_s)) for linger_s in (0.0, 60.0)]
    await asyncio.sleep(0)
    holder.book.gate.set()
    await asyncio.gather(*asking)
    assert holder.book.kept[-1].linger_s == 60.0


@asynchronous
async def test_many_who_ask_at_once_wait_for_one_writing_and_one_who_leaves_ends_it_for_nobody() -> None:
    holder = Holder()
    holder.book.gate.clear()
    asking = [asyncio.create_task(holder.says.announce()) for _ in range(5)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.wait(asking[:1])
    assert not any(task.done() for task in asking[1:])
    holder.book.gate.set()
    await asyncio.gather(*asking[1:])
    assert len(holder.book.kept) == 1


@asynchronous
async def test_what_could_not_be_said_is_said_by_the_next_who_asks() -> None:
    holder = Holder()
    holder.book.available = False
    with pytest.raises(StoreUnavailableError):
        await holder.says.announce()
    holder.book.available = True
    await holder.says.announce()
    assert len(holder.book.kept) == 1


@pytest.mark.parametrize("leased", [False, True])
@asynchronous
async def test_a_worker_announces_before_it_confirms_unless_it_holds_a_lease(leased: bool) -> None:
    holder = Holder()
    fence = Fence(30.0)
    if leased:
        fence.grant(holder.watch_s, NOW_S, 60.0)
    seen: list[int] = []

    async def confirm(keys: Sequence[str]) -> Mapping[str, Assignment]:
        seen.append(len(holder.book.kept))
        return {key: home(key) for key in keys}

    read = announced(confirm, holder.says, fence)
    assert await read(["user:1"]) == {"user:1": home("user:1")}
    assert seen == [0 if leased else 1]


@asynchronous
async def test_what_was_confirmed_while_the_lease_ended_is_announced_and_confirmed_again() -> None:
    holder = Holder()
    fence = Fence(30.0)
    fence.grant(holder.watch_s, holder.unix_s, 3.0)
    told: list[int] = []

    async def confirm(_keys: Sequence[str]) -> Mapping[str, Assignment]:
        told.append(len(holder.book.kept))
        holder.watch_s += 3.0
        return {"user:1": home("user:1", "cell-a", len(told))}

    answer = await announced(confirm, holder.says, fence)(["user:1"])
    assert told == [0, 1]
    assert answer["user:1"].epoch == 2


@asynchronous
async def test_a_worker_that_can_not_announce_confirms_nothing() -> None:
    holder = Holder()
    holder.book.available = False

    async def confirm(_keys: Sequence[str]) -> Mapping[str, Assignment]:
        raise AssertionError("nobody may ask the truth")

    with pytest.raises(StoreUnavailableError):
        await announced(confirm, holder.says, Fence(30.0))(["user:1"])
