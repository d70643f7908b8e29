"""A move from beginning to end on the embedded store: what it writes, when it gives up, who may drive it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from lookup.assignment import NO_EPOCH, State
from lookup.hooks import HookFailedError
from lookup.leases import CONFIRMING, Lease
from lookup.move_log import MoveInProgressError, MoveTakenError
from lookup.mover import HOLD_S, MoveListener, Mover, MoveRefusedError, Patience
from lookup.moves import Move, MoveOrder, Position, Step
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous, until
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
        self.now_s += pause_s
        await asyncio.sleep(0)

    def mover(self, holder: str = "ann", acknowledge_s: float = 60.0) -> Mover:
        patience = Patience(acknowledge_s, SKEW_S)
        store = self.store
        return Mover(store, store, store, self, holder, lambda: self.now_s, patience, self, self.pause)

    async def lease(self, position: Position, *held: str, worker: str = "w1") -> None:
        self.renewals += 1
        lease = Lease(worker, self.renewals, position, frozenset(held), self.now_s + 1000.0, 30.0)
        assert await self.store.renew_lease(lease)

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
