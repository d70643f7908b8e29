"""What the store said goes to the shared cache, many records at a time."""

from __future__ import annotations

import asyncio

from lookup.observer import ERROR, SILENT
from lookup.ports import StoreUnavailableError
from lookup.resolution import Tier
from lookup.shared_fill import SharedFill
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import Counts, FakeStore, home

ONE, TWO, THREE = home("user:1"), home("user:2"), home("user:3")


@asynchronous
async def test_what_comes_within_a_moment_goes_together() -> None:
    shared = FakeStore()
    fill = SharedFill(shared, SILENT)
    fill.offer(ONE)
    for _ in range(3):
        await asyncio.sleep(0)
    fill.offer(TWO)
    await until(lambda: shared.fills != [])
    assert shared.fills == [[ONE, TWO]]
    fill.offer(THREE)
    await until(lambda: len(shared.fills) == 2)
    assert shared.fills[1] == [THREE]
    await fill.close()


@asynchronous
async def test_a_filling_that_fails_is_counted_and_the_next_one_is_tried() -> None:
    shared, counts = FakeStore(), Counts()
    shared.failure = StoreUnavailableError("down")
    fill = SharedFill(shared, counts)
    fill.offer(ONE)
    await until(lambda: counts.failures[Tier.SHARED, ERROR] == 1)
    shared.failure = None
    await until(lambda: len(shared.fills) == 1)
    fill.offer(TWO)
    await until(lambda: len(shared.fills) == 2)
    assert shared.fills[1] == [TWO]
    await fill.close()


@asynchronous
async def test_nobody_waits_at_the_end_for_what_was_not_sent() -> None:
    shared = FakeStore()
    fill = SharedFill(shared, SILENT)
    fill.offer(ONE)
    await fill.close()
    fill.offer(TWO)
    await fill.close()
    assert shared.fills == []
