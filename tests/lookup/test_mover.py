"""A move from beginning to end on the embedded store: what it writes, when it gives up, who may drive it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from lookup.assignment import State
from lookup.move_hold import HOLD_S
from lookup.move_log import MoveInProgressError, MoveTakenError
from lookup.mover import MoveRefusedError
from lookup.moves import MoveOrder, Step
from lookup.settings import CLAIM_LIFETIME_S
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import home
from tests.lookup.move_bench import ORDER, bench


@asynchronous
async def test_a_move_passes_every_step_and_leaves_the_user_in_the_target(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.mover().begin(ORDER)
        move = await b.mover().drive("op-1")
        assert b.steps == [
            Step.INTENDED,
            Step.FENCING,
            Step.COPYING,
            Step.VERIFYING,
            Step.COMMITTING,
            Step.DONE,
        ]
        assert b.hooks == [("copy", Step.COPYING), ("verify", Step.VERIFYING)]
        assert (await b.store.read(["user:1"]))["user:1"] == home("user:1", "cell-b", 3)
        past = await b.store.past("user:1")
        assert [(old.epoch, old.cell, old.state) for old in past] == [
            (1, "cell-a", State.PLACED),
            (2, "cell-a", State.MOVING),
            (3, "cell-b", State.PLACED),
        ]
        assert (move.step, move.source, move.order) == (Step.DONE, "cell-a", ORDER)
        (kept,) = await b.store.moves_of("user:1")
        assert (kept.step, kept.holder) == (Step.DONE, "")


@pytest.mark.parametrize(
    ("copy", "verify", "steps"),
    [
        ("", "", ()),
        ("copy", "", (Step.COPYING,)),
        ("", "verify", (Step.VERIFYING,)),
    ],
)
def test_a_step_without_a_hook_is_left_out(
    copy: str, verify: str, steps: tuple[Step, ...], tmp_path: Path
) -> None:
    @asynchronous
    async def check() -> None:
        async with bench(tmp_path) as b:
            await b.mover().begin(replace(ORDER, copy_hook=copy, verify_hook=verify))
            await b.mover().drive("op-1")
            assert b.steps == [Step.INTENDED, Step.FENCING, *steps, Step.COMMITTING, Step.DONE]
            assert [step for _, step in b.hooks] == list(steps)
            assert (await b.store.read(["user:1"]))["user:1"] == home("user:1", "cell-b", 3)

    check()


@asynchronous
async def test_who_begins_a_move_at_once_holds_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        record = (await b.store.read(["user:1"]))["user:1"]
        move = await b.mover("ann").begin_at_once(ORDER, record)
        with pytest.raises(MoveTakenError, match="by ann"):
            await b.mover("bob").drive("op-1", move)
        b.now_s += HOLD_S
        assert (await b.mover("bob").drive("op-1", move)).step is Step.DONE
        with pytest.raises(MoveRefusedError, match="is at home in cell-b already"):
            await b.mover().begin_at_once(
                replace(ORDER, operation="op-2"), (await b.store.read(["user:1"]))["user:1"]
            )


@asynchronous
async def test_a_move_that_others_took_and_ended_is_not_driven_by_what_was_known_before(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        record = (await b.store.read(["user:1"]))["user:1"]
        known = await b.mover("ann").begin_at_once(ORDER, record)
        b.now_s += HOLD_S
        over = await b.mover("bob").drive("op-1")
        assert await b.mover("ann").drive("op-1", known) == over
        assert (await b.store.read(["user:1"]))["user:1"].epoch == 3


@pytest.mark.parametrize("hook", ["copy", "verify"])
def test_a_hook_that_fails_brings_the_user_back_and_its_words_are_kept(hook: str, tmp_path: Path) -> None:
    @asynchronous
    async def check() -> None:
        async with bench(tmp_path) as b:
            b.failing = hook
            await b.mover().begin(ORDER)
            move = await b.mover().drive("op-1")
            assert (move.step, move.detail) == (Step.ABORTED, f"{hook} went wrong")
            home_now = (await b.store.read(["user:1"]))["user:1"]
            assert (home_now.cell, home_now.epoch, home_now.state) == ("cell-a", 3, State.PLACED)

    check()


@asynchronous
async def test_the_same_operation_is_the_same_move_and_another_one_must_wait(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        first = await b.mover().begin(ORDER)
        assert await b.mover("bob").begin(ORDER) == first
        with pytest.raises(MoveInProgressError, match="op-1"):
            await b.mover().begin(MoveOrder("op-2", "user:1", "cell-c"))
        with pytest.raises(MoveRefusedError, match="is the move of user:1 to cell-b"):
            await b.mover().begin(MoveOrder("op-1", "user:1", "cell-c"))
        await b.mover().drive("op-1")
        assert (await b.mover().begin(ORDER)).step is Step.DONE
        assert len(b.hooks) == 2


@asynchronous
async def test_who_has_no_home_or_lives_there_already_is_not_moved(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        with pytest.raises(MoveRefusedError, match="user:9 has no home"):
            await b.mover().begin(MoveOrder("op-2", "user:9", "cell-b"))
        with pytest.raises(MoveRefusedError, match="at home in cell-a already"):
            await b.mover().begin(MoveOrder("op-2", "user:1", "cell-a"))
        assert list(await b.store.moves(open_only=False, limit=10)) == []


@asynchronous
async def test_nobody_drives_a_move_that_another_drives_until_that_one_is_silent(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.gate.clear()
        await b.mover().begin(ORDER)
        driving = asyncio.create_task(b.mover("ann").drive("op-1"))
        await until(lambda: b.hooks != [])
        with pytest.raises(MoveTakenError, match="by ann"):
            await b.mover("bob").drive("op-1")
        b.now_s += HOLD_S
        b.gate.set()
        assert (await b.mover("bob").drive("op-1")).step is Step.DONE
        with pytest.raises(MoveTakenError):
            await driving


@asynchronous
async def test_giving_up_takes_the_move_from_its_driver_and_brings_the_user_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.gate.clear()
        await b.mover().begin(ORDER)
        driving = asyncio.create_task(b.mover("ann").drive("op-1"))
        await until(lambda: b.hooks != [])
        move = await b.mover("bob").give_up("op-1", "wrong cell")
        assert (move.step, move.detail) == (Step.ABORTED, "wrong cell")
        b.gate.set()
        with pytest.raises(MoveTakenError):
            await driving
        assert (await b.store.read(["user:1"]))["user:1"].cell == "cell-a"
        with pytest.raises(MoveRefusedError, match="it is over"):
            await b.mover("bob").give_up("op-1", "again")


@asynchronous
async def test_a_move_that_was_stopped_says_so_and_can_be_resumed(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.gate.clear()
        await b.mover().begin(ORDER)
        driving = asyncio.create_task(b.mover("ann").drive("op-1"))
        await until(lambda: b.hooks != [])
        driving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await driving
        (move,) = await b.store.moves(open_only=True, limit=10)
        assert (move.step, move.holder, move.detail) == (Step.COPYING, "", "its driver was stopped")
        b.gate.set()
        assert (await b.mover("bob").drive("op-1")).step is Step.DONE
        assert [hook for hook, _ in b.hooks] == ["copy", "copy", "verify"]
        assert b.attempts == [1, 2, 3]


@asynchronous
@pytest.mark.slow
async def test_a_driver_that_was_frozen_stops_its_copy_once_it_sees_that_another_one_went_on(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        frozen = b.gate = asyncio.Event()
        await b.mover().begin(ORDER)
        driving = asyncio.create_task(b.mover("ann").drive("op-1"))
        await until(lambda: b.hooks != [])
        b.now_s += HOLD_S
        b.gate = asyncio.Event()
        b.gate.set()
        over = await b.mover("bob").drive("op-1")
        with pytest.raises(MoveTakenError):
            await driving
        assert not frozen.is_set()  # so it was cut off
        assert await b.store.move("op-1") == replace(over, holder="", held_until_s=0.0)


@asynchronous
async def test_a_move_whose_copy_took_a_day_brings_the_user_back(tmp_path: Path) -> None:
    """Workers that started meanwhile don't know that its writes must wait."""
    async with bench(tmp_path) as b:
        await b.mover().begin(ORDER)
        while (await b.mover().step("op-1")).step is not Step.VERIFYING:
            pass
        b.now_s += CLAIM_LIFETIME_S
        move = await b.mover().drive("op-1")
        assert move.step is Step.ABORTED
        assert "open for 86400 s" in move.detail
        assert (await b.store.read(["user:1"]))["user:1"].epoch == 3


@asynchronous
async def test_a_commit_that_was_left_alone_for_a_day_brings_the_user_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.mover().begin(ORDER)
        while (await b.mover().step("op-1")).step is not Step.COMMITTING:
            pass
        b.now_s += CLAIM_LIFETIME_S
        assert (await b.mover("bob").drive("op-1")).step is Step.ABORTED
        record = (await b.store.read(["user:1"]))["user:1"]
        assert (record.cell, record.epoch, record.state) == ("cell-a", 3, State.PLACED)


@asynchronous
async def test_a_commit_that_was_done_and_not_noted_is_found_done_after_a_day(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.mover().begin(ORDER)
        while (move := await b.mover().step("op-1")).step is not Step.COMMITTING:
            pass
        await b.store.compare_and_set(move.arrived(b.now_s), move.epoch + 1)
        b.now_s += CLAIM_LIFETIME_S
        assert (await b.mover("bob").drive("op-1")).step is Step.DONE
        assert (await b.store.read(["user:1"]))["user:1"].cell == "cell-b"
