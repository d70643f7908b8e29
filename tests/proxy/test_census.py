"""Users of each cell reach the meters from a store that keeps count."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from lookup.placement import CellRoom, ShareLimits
from lookup.placer import PlacementPlan
from lookup.ports import StoreUnavailableError
from proxy.census import Census
from proxy.observe.meters import Meters
from proxy.observe.rows import CellUsers, RowBank
from tests.lookup.asynchronous import asynchronous
from tests.support.homes import HomeStore

PLAN = PlacementPlan(
    (CellRoom("eu-1", "eu", 1.0, 2000), CellRoom("eu-2", "eu", 1.0, None)), {}, ShareLimits(warning=0.9)
)


class CountingStore(HomeStore):
    """Counts what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Mapping[str, int] = {"eu-1": 2000, "eu-2": 1000, "gone-1": 1000}

    async def count_by_cell(self) -> Mapping[str, int]:
        if not self.available:
            raise StoreUnavailableError("the test took the store away")
        return self.counts


@asynchronous
async def test_users_capacity_and_warnings_are_told_and_stand_while_the_store_is_away() -> None:
    store, row = CountingStore(), RowBank(2).open_row()
    meters = Meters(row.counters)
    seen: list[object] = []

    async def pause(_pause_s: float) -> None:
        meters.publish()
        seen.append(row.census())
        if len(seen) == 3:
            raise asyncio.CancelledError
        store.available = len(seen) != 1
        store.counts = {"eu-1": 1500, "eu-2": 1000}

    with pytest.raises(asyncio.CancelledError):
        await Census(store, PLAN, ["eu-1", "eu-2"], meters, pause).run()
    first = (4000, [CellUsers(2000, 2000, True), CellUsers(1000, -1, False)])
    then = (2500, [CellUsers(1500, 2000, False), CellUsers(1000, -1, False)])
    assert seen == [first, first, then]
    row.close()
