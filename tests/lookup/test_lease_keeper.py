"""A worker's lease: renewed while the feed is fresh, given back when nothing of it may still be running."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import pytest

from lookup.assignment import NO_EPOCH, Assignment, State
from lookup.fence import Fence
from lookup.lease_keeper import LeaseKeeper
from lookup.leases import LEASE_S, Lease
from lookup.moves import Position
from lookup.ports import StoreUnavailableError
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S


class Book:
    """Keeps what it is told; refuses or fails when told to."""

    def __init__(self) -> None:
        self.renewals: list[Lease] = []
        self.ended: list[str] = []
        self.grants = True
        self.available = True
        self.on_renewal: Callable[[], None] = lambda: None

    async def position(self, key: str = "", epoch: int = NO_EPOCH) -> Position:
        raise NotImplementedError

    async def renew_lease(self, lease: Lease) -> bool:
        if not self.available:
            raise StoreUnavailableError("the test took the store away")
        self.renewals.append(lease)
        self.on_renewal()
        return self.grants

    async def end_lease(self, worker: str) -> None:
        self.ended.append(worker)

    async def leases(self) -> Sequence[Lease]:
        raise NotImplementedError

    async def in_the_way(self, key: str, fence: Position, now_s: float, skew_s: float) -> Sequence[Lease]:
        raise NotImplementedError


class Worker:
    """A follower that is where the test says, a fence and a keeper; by `watch_s` and `unix_s`."""

    def __init__(self) -> None:
        self.position: Position | None = Position("g1", 7)
        self.watch_s = 100.0
        self.unix_s = NOW_S
        self.book = Book()
        self.fence = Fence(30.0)
        self.keeper = LeaseKeeper(
            "w1", self.book, self, self.fence, lambda: self.unix_s, lambda: self.watch_s
        )

    def wait(self, seconds: float) -> None:
        """By both clocks."""
        self.watch_s += seconds
        self.unix_s += seconds

    def has_held_since(self, begun_s: float) -> bool:
        return self.fence.has_held_since(begun_s, self.watch_s, self.unix_s)


@asynchronous
async def test_a_renewal_says_where_the_worker_is_and_what_it_holds() -> None:
    worker = Worker()
    worker.fence.enter("user:1")
    worker.fence.changed(Assignment("user:1", "cell-a", "eu", 2, State.MOVING, "cell-b"))
    assert await worker.keeper.renew()
    assert worker.book.renewals == [
        Lease("w1", 1, Position("g1", 7), frozenset({"user:1"}), NOW_S + LEASE_S, 30.0)
    ]
    assert worker.fence.lease_until_s == 100.0 + LEASE_S


@asynchronous
async def test_a_lease_has_held_since_its_first_renewal_as_long_as_each_came_in_time() -> None:
    worker = Worker()
    await worker.keeper.renew()
    worker.wait(LEASE_S - 0.1)
    await worker.keeper.renew()
    worker.wait(1.0)
    assert worker.has_held_since(100.0)
    assert not worker.has_held_since(99.9), "a request that came before the lease"
    worker.wait(LEASE_S)
    assert not worker.has_held_since(100.0), "the lease is over"


@pytest.mark.parametrize(("slept_s", "set_back_s"), [(LEASE_S, 0.0), (0.0, LEASE_S)])
@asynchronous
async def test_a_lease_ends_by_the_clock_that_goes_on_when_the_other_stands_still_or_is_set_back(
    slept_s: float, set_back_s: float
) -> None:
    worker = Worker()
    await worker.keeper.renew()
    worker.unix_s += slept_s  # the machine was suspended: the stopwatch stood still
    worker.watch_s += set_back_s  # the clock was set back by as much meanwhile
    assert not worker.fence.holds(worker.watch_s, worker.unix_s)
    worker.watch_s += 0.5
    await worker.keeper.renew()
    assert worker.fence.holds(worker.watch_s, worker.unix_s)
    assert not worker.has_held_since(100.0), "there was a gap in between"
    assert worker.has_held_since(worker.watch_s)


@pytest.mark.parametrize("refused", [False, True])
@asynchronous
async def test_a_lease_that_was_interrupted_holds_only_since_it_was_granted_again(refused: bool) -> None:
    worker = Worker()
    await worker.keeper.renew()
    if refused:
        worker.book.grants = False
        await worker.keeper.renew()
        worker.book.grants = True
        worker.wait(0.5)
    else:
        worker.wait(LEASE_S)
    await worker.keeper.renew()
    assert not worker.has_held_since(100.0)
    assert worker.has_held_since(worker.watch_s)


@asynchronous
async def test_without_a_fresh_feed_nothing_is_renewed() -> None:
    worker = Worker()
    worker.position = None
    assert not await worker.keeper.renew()
    assert worker.book.renewals == []
    assert worker.fence.lease_until_s == -inf


@asynchronous
async def test_a_lease_lasts_from_when_it_was_asked_for_however_late_the_book_answers() -> None:
    worker = Worker()
    worker.book.on_renewal = lambda: worker.wait(2.0)
    await worker.keeper.renew()
    for seconds, holds in ((LEASE_S - 2.1, True), (0.1, False)):
        worker.wait(seconds)
        assert worker.fence.holds(worker.watch_s, NOW_S) is holds
        assert worker.fence.holds(100.0, worker.unix_s) is holds


@asynchronous
async def test_a_lease_that_is_not_granted_is_over_at_once_and_one_that_failed_runs_out() -> None:
    worker = Worker()
    await worker.keeper.renew()
    worker.book.available = False
    worker.watch_s += 1.0
    with pytest.raises(StoreUnavailableError):
        await worker.keeper.renew()
    assert worker.fence.lease_until_s == 100.0 + LEASE_S
    worker.book.available = True
    worker.book.grants = False
    assert not await worker.keeper.renew()
    assert worker.fence.lease_until_s == -inf


@asynchronous
async def test_a_lease_is_not_given_back_while_a_cell_may_go_on_with_what_was_cut_off() -> None:
    worker = Worker()
    await worker.keeper.renew()
    worker.fence.enter("user:1")
    worker.fence.leave("user:1", True, 100.0)
    await worker.keeper.end()
    assert worker.book.ended == []


@asynchronous
async def test_a_lease_is_given_back_unless_something_may_still_be_running() -> None:
    worker = Worker()
    await worker.keeper.renew()
    worker.fence.enter("user:1")
    await worker.keeper.end()
    assert worker.book.ended == []
    assert worker.fence.lease_until_s == -inf
    worker.fence.leave("user:1", False, 100.0)
    await worker.keeper.end()
    assert worker.book.ended == ["w1"]
