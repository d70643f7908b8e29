"""A store with users in cell-a, and runs of a bulk move whose hooks and time the test steers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from lookup.assignment import Assignment
from lookup.hooks import HookFailedError
from lookup.move_bulk import BulkMover
from lookup.move_fates import BulkOrder, Ending, Fate
from lookup.move_list import Wish
from lookup.move_pace import Pace
from lookup.move_targets import Targets
from lookup.mover import MoveListener, Mover, Patience
from lookup.moves import Move
from lookup.placement import CellRoom, ShareLimits
from lookup.placer import PlacementPlan
from lookup.stores.sqlite import SqliteStore
from tests.lookup.fakes import NOW_S, home

PLAN = PlacementPlan(
    [CellRoom(name, "eu") for name in ("cell-a", "cell-b", "cell-c")], {"eu": ("eu",)}, ShareLimits(1.0)
)
ORDER = BulkOrder("bulk-1", "copy", parallel=8)


class BulkBench:
    """`gate` holds hooks back while cleared; hooks of the keys in `failing` fail; `hooks` is whose ran."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.now_s = NOW_S
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing: set[str] = set()
        self.hooks: list[str] = []
        self.endings: list[Ending] = []

    async def run(self, _hook: str, move: Move) -> None:
        self.hooks.append(move.order.key)
        await self.gate.wait()
        if move.order.key in self.failing:
            raise HookFailedError("disk full")

    async def pause(self, pause_s: float) -> None:
        self.now_s += pause_s
        await asyncio.sleep(0)

    def bulk(
        self,
        order: BulkOrder = ORDER,
        *candidates: str,
        holder: str = "ann",
        per_s: float | None = None,
        store: SqliteStore | None = None,
        pause: Callable[[float], Awaitable[None]] | None = None,
    ) -> BulkMover:
        store = store or self.store
        targets = Targets(PLAN, candidates or ("cell-b",), "", {}, frozenset())
        one = Mover(store, store, store, self, holder, self.clock, Patience(), MoveListener(), self.pause)
        pace = Pace(per_s, self.clock)
        return BulkMover(
            store, store, one, targets, pace, order, self.endings.append, self.clock, pause or self.pause
        )

    def clock(self) -> float:
        return self.now_s

    def fates(self) -> Counter[Fate]:
        """Of those that ended since the last time."""
        found = Counter(ending.fate for ending in self.endings)
        self.endings.clear()
        return found

    async def record(self, key: str) -> Assignment:
        return (await self.store.read([key]))[key]

    async def insist_on_moved_once(self, keys: Sequence[str], cell: str = "cell-b") -> None:
        """Each is placed there by its third epoch: moved once and not twice."""
        records = await self.store.read(keys)
        assert {(records[key].cell, records[key].epoch, records[key].moved_to) for key in keys} == {
            (cell, 3, "")
        }


def users(count: int) -> list[str]:
    return [f"user:{number}" for number in range(count)]


async def wishes(*them: str | Wish) -> AsyncIterator[Wish]:
    for one in them:
        yield one if isinstance(one, Wish) else Wish(one)


@asynccontextmanager
async def bulk_bench(folder: Path, count: int) -> AsyncIterator[BulkBench]:
    """With so many users."""
    store = await SqliteStore.open(folder / "home.sqlite", create=True)
    try:
        await store.load(home(key) for key in users(count))
        yield BulkBench(store)
    finally:
        await store.close()
