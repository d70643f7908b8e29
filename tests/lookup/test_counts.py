from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from lookup.counts import CellCounts
from lookup.ports import StoreUnavailableError
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, FakeStore, home


class CountingStore(FakeStore):
    """Counts when `gate` lets it; `counted` times so far."""

    counted = 0

    async def count_by_cell(self) -> Mapping[str, int]:
        self.counted += 1
        found = await super().count_by_cell()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return found


def counts_of(store: FakeStore, quick_s: float = 10.0) -> CellCounts:
    """Of a store that counts quickly, unless told otherwise."""
    return CellCounts(store, lambda: NOW_S, quick_s)


@asynchronous
async def test_a_store_that_counts_quickly_is_asked_each_time() -> None:
    store = CountingStore(home("user:1"))
    counts = counts_of(store)
    assert await counts.users() == {"cell-a": 1}
    store.records["user:2"] = home("user:2", "cell-b")
    assert await counts.users() == {"cell-a": 1, "cell-b": 1}
    assert (store.counted, counts.counted_at_s) == (2, NOW_S)


@asynchronous
async def test_a_slow_count_is_used_again_with_those_placed_since() -> None:
    store = CountingStore(home("user:1"))
    counts = counts_of(store, quick_s=0.0)
    store.gate.clear()
    asking = asyncio.create_task(counts.users())
    await asyncio.sleep(0.05)  # how long the store takes, so that it is asked again 2.5 s later
    store.gate.set()
    assert await asking == {"cell-a": 1}
    counts.placed("cell-b")
    assert await counts.users() == {"cell-a": 1, "cell-b": 1}
    assert store.counted == 1


@asynchronous
async def test_many_who_ask_at_once_are_told_one_count() -> None:
    store = CountingStore(home("user:1"))
    counts = counts_of(store)
    assert await asyncio.gather(*(counts.users() for _ in range(50))) == [{"cell-a": 1}] * 50
    assert store.counted == 1


@asynchronous
async def test_a_store_that_went_away_leaves_the_last_count() -> None:
    store = CountingStore(home("user:1"))
    counts = counts_of(store)
    await counts.users()
    store.failure = StoreUnavailableError("gone")
    assert await counts.users() == {"cell-a": 1}
    never = counts_of(store)
    with pytest.raises(StoreUnavailableError, match="could not be counted"):
        await never.users()


@asynchronous
async def test_a_count_that_fails_is_not_begun_again_at_once() -> None:
    store = CountingStore()
    store.failure = StoreUnavailableError("a page timed out")
    counts = counts_of(store)
    for _ in range(20):
        with pytest.raises(StoreUnavailableError, match="could not be counted"):
            await counts.users()
    assert store.counted == 1


@asynchronous
async def test_who_can_not_wait_for_the_first_count_is_told_so_and_finds_it_later() -> None:
    store = CountingStore(home("user:1"))
    counts = counts_of(store)
    store.gate.clear()
    for _ in range(3):
        with pytest.raises(StoreUnavailableError, match="not counted yet"):
            await counts.users(patience_s=0.01)
    store.gate.set()
    assert await counts.users() == {"cell-a": 1}
    assert store.counted == 1
