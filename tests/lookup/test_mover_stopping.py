"""A mover that is told to stop, while what it waits for has not heard of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lookup.assignment import Assignment
from lookup.mover import MoveListener, Mover, Patience
from lookup.moves import Move, MoveOrder, Step
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.deaf import Deaf
from tests.lookup.move_bench import ORDER, bench


class DeafHooks(Deaf):
    async def run(self, _hook: str, _move: Move) -> None:
        await self.wait()


class AnswersNever(SqliteStore):
    """Notes a move, and does not say so."""

    noted = False

    async def note_move(
        self,
        order: MoveOrder,
        record: Assignment,
        now_s: float,
        holder: str = "",
        held_until_s: float = 0.0,
    ) -> Move:
        await super().note_move(order, record, now_s, holder, held_until_s)
        self.noted = True
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


@asynchronous
async def test_who_is_stopped_while_it_begins_a_move_at_once_does_not_hold_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        store = await AnswersNever.open(tmp_path / "home.sqlite")
        mover = Mover(store, store, store, b, "ann", lambda: b.now_s, Patience(), b, b.pause)
        record = (await store.read(["user:1"]))["user:1"]
        beginning = asyncio.create_task(mover.begin_at_once(ORDER, record))
        await until(lambda: store.noted)
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        await store.close()
        (move,) = await b.store.moves(open_only=True, limit=10)
        assert (move.step, move.holder, move.detail) == (Step.INTENDED, "", "its driver was stopped")


@asynchronous
async def test_a_step_that_lost_its_cancellation_is_told_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        store, hooks = b.store, DeafHooks(times=1)
        patience = Patience(again_s=0.02)
        mover = Mover(store, store, store, hooks, "ann", lambda: b.now_s, patience, MoveListener())
        await mover.begin(ORDER)
        driving = asyncio.create_task(mover.drive("op-1"))
        await hooks.waiting.wait()
        driving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await driving
        assert hooks.heard == 2
        (move,) = await store.moves(open_only=True, limit=10)
        assert (move.step, move.holder, move.detail) == (Step.COPYING, "", "its driver was stopped")
