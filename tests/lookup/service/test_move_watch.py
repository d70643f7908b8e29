"""Moves whose driver died are carried on by a service; those that it may not touch are counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from lookup.assignment import State
from lookup.hooks import ConfiguredHooks
from lookup.move_hold import HOLD_S
from lookup.mover import MoveListener, Mover, Patience
from lookup.moves import Move, MoveOrder, Step
from lookup.ports import StoreUnavailableError
from lookup.service.meters import ServiceMeters
from lookup.service.move_drivers import MoveDrivers
from lookup.service.move_watch import MoveWatch, lacks_driver
from lookup.service.moves import MoveAnswers, Moving
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import NOW_S, home
from tests.lookup.service.mover import PLAN, edges
from tests.proxy.workers.stage import until as until_true

NO_HOOKS: Final = ConfiguredHooks("", "", 1.0)
NOTED: Final = Move(MoveOrder("op", "user:1", "cell-b"), "cell-a", "eu", 1, Step.INTENDED, NOW_S, NOW_S)
COPYING: Final = replace(NOTED, step=Step.COPYING, holder="dead", held_until_s=NOW_S + 15.0)


class Site:
    """A store with moves in it, and a service that watches; `now_s` is everybody's time."""

    def __init__(self, store: SqliteStore) -> None:
        self.now_s = NOW_S
        self.store = store
        self.told: list[tuple[int, int]] = []
        self.drivers = MoveDrivers(self.mover("the service"), store, "the service", 4, self.clock)
        self.watch = MoveWatch(store, self.drivers, self.may_carry_on, self.tell, self.clock)

    def clock(self) -> float:
        return self.now_s

    def tell(self, is_open: int, without_driver: int) -> None:
        self.told.append((is_open, without_driver))

    def may_carry_on(self, move: Move) -> bool:
        return move.order.copy_hook == ""

    def mover(self, holder: str) -> Mover:
        store = self.store
        return Mover(store, store, store, NO_HOOKS, holder, self.clock, Patience(), MoveListener())

    async def left(self, operation: str, key: str, steps: int, copy_hook: str = "") -> None:
        """A move whose driver died, so many steps after it was noted."""
        dead = self.mover("dead")
        await dead.begin(MoveOrder(operation, key, "cell-b", copy_hook))
        for _ in range(steps):
            await dead.step(operation)

    async def step_of(self, operation: str) -> Step:
        move = await self.store.move(operation)
        assert move is not None
        return move.step

    async def all_over(self) -> None:
        await until(lambda: not self.drivers.count)


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    store = await SqliteStore.open(folder / "home.sqlite", create=True)
    await store.load([home(f"user:{number}") for number in range(1, 9)])
    made = Site(store)
    yield made
    await made.drivers.close()
    await store.close()


@asynchronous
async def test_a_move_whose_driver_died_is_carried_on_once_its_hold_has_run_out(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        await s.left("op-1", "user:1", 2)
        assert (await s.store.read(["user:1"]))["user:1"].state is State.MOVING
        await s.watch.look()
        assert (s.told, s.drivers.count) == ([(1, 0)], 0)
        s.now_s += HOLD_S
        await s.watch.look()
        await s.all_over()
        assert await s.step_of("op-1") is Step.DONE
        record = (await s.store.read(["user:1"]))["user:1"]
        assert (record.cell, record.epoch, record.state) == ("cell-b", 3, State.PLACED)
        await s.watch.look()
        assert s.told == [(1, 0), (1, 0), (0, 0)]


@asynchronous
async def test_a_move_that_waited_for_its_turn_in_a_service_that_died_is_begun(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        await s.left("op-1", "user:1", 0)
        await s.left("bulk/user:2", "user:2", 0)
        await s.watch.look()
        assert s.drivers.count == 0
        s.now_s += HOLD_S
        await s.watch.look()
        await s.all_over()
        assert await s.step_of("op-1") is Step.DONE
        assert await s.step_of("bulk/user:2") is Step.INTENDED


@asynchronous
async def test_what_others_copy_is_left_alone_and_counted(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        await s.left("by-hand", "user:1", 2, "./copy.sh")
        await s.left("op-2", "user:2", 2)
        s.now_s += HOLD_S
        await s.watch.look()
        await s.all_over()
        assert s.told == [(2, 1)]
        assert await s.step_of("by-hand") is Step.COPYING
        assert await s.step_of("op-2") is Step.DONE


@asynchronous
async def test_one_that_stands_still_again_is_not_begun_at_each_look(tmp_path: Path) -> None:
    class BrokenDrivers(MoveDrivers):
        starts = 0

        def start(self, operation: str) -> None:  # noqa: ARG002 - the driver's signature
            self.starts += 1

    async with site(tmp_path) as s:
        drivers = BrokenDrivers(s.mover("the service"), s.store, "the service", 4, s.clock)
        watch = MoveWatch(s.store, drivers, s.may_carry_on, s.tell, s.clock)
        await s.left("op-1", "user:1", 2)
        s.now_s += HOLD_S
        for _ in range(12):
            await watch.look()
            s.now_s += 5.0
        assert drivers.starts == 1
        await watch.look()
        assert drivers.starts == 2
        assert s.told == [(1, 0), *[(1, 1)] * 11, (1, 0)]


@asynchronous
async def test_it_looks_again_after_the_store_was_away(tmp_path: Path) -> None:
    class AwayStore(SqliteStore):
        looks = 0

        async def moves(self, *, open_only: bool, limit: int, after: Move | None = None) -> list[Move]:
            self.looks += 1
            if self.looks <= 2:
                raise StoreUnavailableError("away") if self.looks == 1 else RuntimeError("what is this?")
            return list(await super().moves(open_only=open_only, limit=limit, after=after))

    pauses: list[float] = []

    async def pause(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    store = await AwayStore.open(tmp_path / "home.sqlite", create=True)
    s = Site(store)
    watch = MoveWatch(store, s.drivers, s.may_carry_on, s.tell, s.clock, pause)
    with pytest.raises(asyncio.CancelledError):
        await watch.run()
    assert (store.looks, s.told) == (3, [(0, 0)])
    await store.close()


@asynchronous
async def test_a_service_looks_as_soon_as_it_runs_and_its_metrics_tell(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        await s.left("op-1", "user:1", 2)
        await s.left("by-hand", "user:2", 2, "./copy.sh")
        s.now_s += HOLD_S
        meters = ServiceMeters(lambda: 0.0)

        async def is_done() -> bool:
            return await s.step_of("op-1") is Step.DONE

        moving = Moving(s.store, NO_HOOKS, Patience(), 4, "the service", edges({}))
        answers = MoveAnswers(moving, PLAN, s.clock)
        watching = asyncio.create_task(answers.watch(meters.moves))
        await until(lambda: b"homecell_service_moves_open 2.0" in meters.text())
        assert b"homecell_service_moves_without_driver 1.0" in meters.text()
        await until_true(is_done, "the move is done")
        watching.cancel()
        await asyncio.wait((watching,))
        await answers.close()
        assert await s.step_of("by-hand") is Step.COPYING


@pytest.mark.parametrize(
    ("fields", "after_s", "expected"),
    [
        ({}, 14.9, False),
        ({}, 15.0, True),
        ({"holder": "", "held_until_s": 0.0}, 0.0, True),
        ({"step": Step.RETURNING}, 15.0, True),
        ({"step": Step.DONE}, 15.0, False),
        ({"step": Step.INTENDED, "holder": "", "held_until_s": 0.0}, 14.9, False),
        ({"step": Step.INTENDED, "holder": "", "held_until_s": 0.0}, 15.0, True),
        ({"order": MoveOrder("bulk/1", "user:1", "cell-b")}, 15.0, True),
        ({"step": Step.INTENDED, "order": MoveOrder("bulk/1", "user:1", "cell-b")}, 1e6, False),
    ],
)
def test_who_lacks_a_driver(fields: Mapping[str, object], after_s: float, expected: bool) -> None:
    assert lacks_driver(replace(COPYING, **fields), NOW_S + after_s) is expected  # type: ignore[arg-type]
