"""Drivers of moves that a cancellation does not reach at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lookup.mover import MoveListener, Mover, Patience
from lookup.moves import Move, Step
from lookup.service.move_drivers import MoveDrivers
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.deaf import Deaf
from tests.lookup.move_bench import ORDER, Bench, bench


class DeafMover(Mover):
    """Drives nothing, and loses the first cancellation."""

    def __init__(self, store: SqliteStore, b: Bench) -> None:
        super().__init__(store, store, store, b, "ann", lambda: b.now_s, Patience(), MoveListener())
        self.deaf = Deaf(times=1)
        self.times = 0

    async def drive(self, operation: str, known: Move | None = None) -> Move:
        self.times += 1
        if self.times > 1:
            return await super().drive(operation, known)
        await self.deaf.wait()
        raise AssertionError("never ends by itself")


def drivers(b: Bench, mover: Mover) -> MoveDrivers:
    return MoveDrivers(mover, b.store, "ann", 4, lambda: b.now_s, again_s=0.02)


@asynchronous
async def test_closing_ends_a_driver_that_lost_its_cancellation(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        mover = DeafMover(b.store, b)
        driving = drivers(b, mover)
        await mover.begin(ORDER)
        driving.start("op-1")
        await mover.deaf.waiting.wait()
        await driving.close()
        assert mover.deaf.heard == 2
        await asyncio.sleep(0)
        assert driving.count == 0


@asynchronous
async def test_a_move_is_given_up_although_its_driver_lost_the_cancellation(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        mover = DeafMover(b.store, b)
        driving = drivers(b, mover)
        await mover.begin(ORDER)
        driving.start("op-1")
        await mover.deaf.waiting.wait()
        assert (await driving.give_up("op-1", "no room")).step is Step.ABORTED
        assert mover.deaf.heard == 2
        await driving.close()
