"""One user's move on the embedded store: noted hooks, workers' leases, and one clock for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path

from lookup.assignment import NO_EPOCH
from lookup.hooks import HookFailedError
from lookup.leases import CONFIRMING, Lease
from lookup.mover import MoveListener, Mover, Patience
from lookup.moves import Move, MoveOrder, Position, Step
from lookup.stores.sqlite import SqliteStore
from tests.lookup.fakes import NOW_S, home

SKEW_S = 5.0
RUNS_S = 33.0
"""The longest that a write takes from the answer that confirmed its home."""

ORDER = MoveOrder("op-1", "user:1", "cell-b", "copy", "verify", "ann", "the cell is full")


class Bench(MoveListener):
    """A store with one user, and drivers whose hooks are noted; `now_s` is everybody's clock."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.now_s = NOW_S
        self.hooks: list[tuple[str, Step]] = []
        self.attempts: list[int] = []
        self.failing = ""
        self.gate = asyncio.Event()
        self.gate.set()
        self._time_goes = asyncio.Event()
        self._time_goes.set()
        self.steps: list[Step] = []
        self.waited_for: list[str] = []
        self.outlasted_s = 0.0
        self.renewals = 0
        self.hooked_at_s: list[float] = []
        self.fenced_at_s = inf

    async def run(self, hook: str, move: Move) -> None:
        self.hooks.append((hook, move.step))
        self.attempts.append(move.attempt)
        self.hooked_at_s.append(self.now_s)
        await self.gate.wait()
        if hook == self.failing:
            raise HookFailedError(f"{hook} went wrong")

    def stepped(self, move: Move) -> None:
        self.steps.append(move.step)
        if move.step is Step.FENCING:
            self.fenced_at_s = move.changed_at_s

    def waiting(self, _move: Move, leases: object) -> None:
        assert isinstance(leases, list)
        self.waited_for = [lease.worker for lease in leases]

    def outlasting(self, _move: Move, until_s: float) -> None:
        self.outlasted_s = until_s

    async def pause(self, pause_s: float) -> None:
        await self._time_goes.wait()
        self.now_s += pause_s
        await asyncio.sleep(0)

    def mover(self, holder: str = "ann", acknowledge_s: float = 60.0) -> Mover:
        patience = Patience(acknowledge_s, SKEW_S)
        store = self.store
        return Mover(store, store, store, self, holder, lambda: self.now_s, patience, self, self.pause)

    async def lease(self, position: Position, *held: str, worker: str = "w1") -> None:
        """No time passes for the drivers meanwhile, however long the disk takes."""
        self.renewals += 1
        lease = Lease(worker, self.renewals, position, frozenset(held), self.now_s + 1000.0, 30.0)
        self._time_goes.clear()
        try:
            assert await self.store.renew_lease(lease)
        finally:
            self._time_goes.set()

    async def announce(self, holder: str, valid_s: float) -> None:
        says = Lease(holder, 1, CONFIRMING, frozenset(), self.now_s + valid_s, RUNS_S)
        assert await self.store.renew_lease(says)


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    store = await SqliteStore.open(folder / "home.sqlite", create=True)
    try:
        await store.compare_and_set(home("user:1"), NO_EPOCH)
        yield Bench(store)
    finally:
        await store.close()
