"""Before it copies a move waits for every worker that may still write for the user, and no longer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from lookup.leases import Lease
from lookup.move_hold import HOLD_S
from lookup.moves import Position, Step
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import NOW_S
from tests.lookup.move_bench import ORDER, RUNS_S, SKEW_S, bench


@asynchronous
async def test_copying_waits_for_each_worker_that_is_behind_or_holds_the_key(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        before = await b.store.position()
        await b.lease(before)
        await b.mover().begin(ORDER)
        driving = asyncio.create_task(b.mover().drive("op-1"))
        await until(lambda: b.waited_for == ["w1"])
        b.now_s += 1.0
        await b.lease(Position(before.generation, before.sequence + 1), "user:1")
        await asyncio.sleep(0.01)
        assert b.hooks == []
        b.now_s += 1.0
        await b.lease(Position(before.generation, before.sequence + 1))
        assert (await driving).step is Step.DONE


@pytest.mark.parametrize("behind", [False, True])
@asynchronous
async def test_copying_waits_for_writes_that_were_confirmed_without_a_lease(
    tmp_path: Path, behind: bool
) -> None:
    async with bench(tmp_path) as b:
        before = await b.store.position()
        await b.announce("w2/confirms", valid_s=10.0)
        if behind:
            await b.lease(before)
        await b.mover().begin(ORDER)
        driving = asyncio.create_task(b.mover().drive("op-1"))
        if behind:
            await until(lambda: b.waited_for == ["w1"])
            await b.lease(Position(before.generation, before.sequence + 1))
        await driving
        assert b.hooked_at_s[0] >= b.outlasted_s == pytest.approx(b.fenced_at_s + RUNS_S + SKEW_S)
        assert b.waited_for == (["w1"] if behind else [])


@asynchronous
async def test_who_confirms_no_more_is_waited_for_only_as_long_as_its_last_write_may_run(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        await b.announce("w2/confirms", valid_s=10.0)
        b.now_s += 30.0
        await b.mover().begin(ORDER)
        await b.mover().drive("op-1")
        assert b.hooked_at_s[0] == pytest.approx(NOW_S + 10.0 + RUNS_S + SKEW_S)
        b.now_s += 1.0
        assert (
            await b.mover().begin(replace(ORDER, operation="op-2", target="cell-a"))
        ).step is Step.INTENDED
        begun_s = b.now_s
        await b.mover().drive("op-2")
        assert b.hooked_at_s[2] == begun_s


@asynchronous
async def test_a_driver_that_takes_over_waits_for_the_rest_only(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.announce("w2/confirms", valid_s=10.0)
        await b.mover().begin(ORDER)
        crashing = b.mover("bob")
        await crashing.step("op-1")
        fenced_at_s = b.now_s
        b.now_s += HOLD_S + 1.0
        await b.mover().drive("op-1")
        assert b.hooked_at_s[0] == pytest.approx(fenced_at_s + RUNS_S + SKEW_S)


@asynchronous
async def test_a_worker_that_was_passed_over_gets_no_lease_before_it_has_caught_up(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        before = await b.store.position()
        await b.mover().begin(ORDER)
        await b.mover().drive("op-1")
        late = Lease("w1", 1, before, frozenset(), b.now_s + 3, 30.0)
        assert not await b.store.renew_lease(late)
        await b.lease(await b.store.position())


@asynchronous
async def test_a_renewal_that_was_overtaken_changes_nothing_and_none_shortens_a_lease(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        position = await b.store.position()
        for number, expires_at_s, held in ((2, 5, "user:1"), (1, 3, "user:2"), (3, 4, "user:3")):
            lease = Lease("w1", number, position, frozenset({held}), b.now_s + expires_at_s, 30.0)
            assert await b.store.renew_lease(lease)
        (kept,) = await b.store.leases()
        assert (kept.number, kept.expires_at_s, kept.held) == (3, b.now_s + 5, frozenset({"user:3"}))
        await b.store.end_lease("w1")
        assert list(await b.store.leases()) == []


@asynchronous
async def test_a_worker_that_never_acknowledges_brings_the_user_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.lease(await b.store.position())
        await b.mover().begin(ORDER)
        move = await b.mover(acknowledge_s=1.0).drive("op-1")
        assert move.step is Step.ABORTED
        assert move.detail == "not acknowledged within 1 s by w1"
        assert b.hooks == []
        assert (await b.store.read(["user:1"]))["user:1"].epoch == 3
        assert (await b.store.read(["user:1"]))["user:1"].cell == "cell-a"
