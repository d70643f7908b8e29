"""A mover that is told to stop, while what it waits for has not heard of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lookup.mover import MoveListener, Mover, Patience
from lookup.moves import Move, Step
from tests.lookup.asynchronous import asynchronous
from tests.lookup.deaf import Deaf
from tests.lookup.move_bench import ORDER, bench


class DeafHooks(Deaf):
    async def run(self, _hook: str, _move: Move) -> None:
        await self.wait()


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
