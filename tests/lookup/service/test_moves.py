"""Users moved through the lookup service: how far a move is, how it ends, what it survives."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lookup.assignment import Assignment, State
from lookup.client import LookupClient
from lookup.mover import MoveRefusedError, Patience
from lookup.moves import Event, Move, MoveOrder, Position, Step
from lookup.ports import StoreUnavailableError
from lookup.service.moves import MAX_LISTED, Moving
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import home
from tests.lookup.service.mover import ORDER, PLAN, edges, mover, slug
from tests.lookup.service.site import NAMED_TOKEN, WRITE_TOKEN, serving
from tests.lookup.stores.contract import next_change
from tests.proxy.workers.stage import until


class OutageStore(SqliteStore):
    """One that a move finds away once, when it is about to note its first step."""

    lost = 0

    async def advance_move(
        self,
        move: Move,
        event: Event,
        holder: str,
        now_s: float,
        detail: str = "",
        fence: Position | None = None,
    ) -> Move:
        if not self.lost:
            self.lost += 1
            raise StoreUnavailableError("away")
        return await super().advance_move(move, event, holder, now_s, detail, fence)


@asynchronous
async def test_a_move_is_begun_watched_and_done(tmp_path: Path) -> None:
    async with mover(tmp_path) as m:
        changes = m.client.changes()
        await anext(changes)
        status, begun = await m.service.ask("POST", "/v1/moves", {**ORDER, "author": "ann", "reason": "full"})
        assert (status, begun["step"], begun["is_over"]) == (202, "intended", False)
        seen = [(await next_change(changes)).assignment for _ in range(2)]
        assert [(r.cell, r.epoch, r.state) for r in seen if r is not None] == [
            ("cell-a", 2, State.MOVING),
            ("cell-b", 3, State.PLACED),
        ]
        await changes.aclose()
        await until(lambda: m.reached("op-1", Step.DONE), "the move is done")
        facts = {"operation": "op-1", "key": "user:1", "source": "cell-a", "target": "cell-b", "epoch": "2"}
        assert m.told == [
            ("copy", {**facts, "step": "copying", "attempt": "1"}),
            ("verify", {**facts, "step": "verifying", "attempt": "2"}),
        ]
        done = await m.client.moves.get("op-1")
        assert done is not None
        assert (done.move.order.author, done.move.order.reason, done.waits_for) == ("ann", "full", "")
        assert (await m.client.moves.unfinished()).moves == ()


@pytest.mark.parametrize(
    ("named", "author"),
    [({}, "billing"), ({"author": "ann"}, "ann by billing"), ({"author": "billing"}, "billing")],
)
def test_the_name_of_the_token_is_kept_as_who_asked(
    tmp_path: Path, named: dict[str, str], author: str
) -> None:
    @asynchronous
    async def scenario() -> None:
        async with mover(tmp_path) as m:
            status, begun = await m.service.ask("POST", "/v1/moves", {**ORDER, **named}, NAMED_TOKEN)
            assert (status, begun["author"]) == (202, author)
            (kept,) = await m.store.moves_of("user:1")
            assert kept.order.author == author

    scenario()


@asynchronous
async def test_more_open_moves_than_one_answer_holds_are_told_in_several(tmp_path: Path) -> None:
    async with mover(tmp_path) as m:
        count = MAX_LISTED + 2
        for number in range(count):
            order = MoveOrder(f"bulk/{number:04}", f"user:x{number}", "cell-b")
            await m.store.note_move(order, home(order.key), float(number))
        first = await m.client.moves.unfinished()
        assert (len(first.moves), first.more) == (MAX_LISTED, True)
        rest = await m.client.moves.unfinished(first.moves[-1].order.operation)
        told = [move.order.operation for move in (*first.moves, *rest.moves)]
        assert (told, rest.more) == ([f"bulk/{number:04}" for number in reversed(range(count))], False)
        with pytest.raises(MoveRefusedError, match="there is no move with the operation id op-9"):
            await m.client.moves.unfinished("op-9")


@asynchronous
async def test_asked_for_again_it_is_the_same_move(tmp_path: Path) -> None:
    async with mover(tmp_path) as m:
        m.gate.clear()
        await m.client.moves.begin("op-1", "user:1", "cell-b")
        await until(lambda: m.reached("op-1", Step.COPYING), "it copies")
        again = await m.client.moves.begin("op-1", "user:1", "cell-b")
        assert (again.move.step, again.waits_for) == (Step.COPYING, "the hook that copies")
        for order in ({**ORDER, "target": "us-1"}, {**ORDER, "key": "user:2"}):
            status, problem = await m.service.ask("POST", "/v1/moves", order)
            assert (status, slug(problem)) == (409, "move-refused")
            assert "is the move of user:1 to cell-b" in str(problem["detail"])
        m.gate.set()
        await until(lambda: m.reached("op-1", Step.DONE), "the move is done")
        status, over = await m.service.ask("POST", "/v1/moves", ORDER)
        assert (status, over["step"], over["epoch"]) == (200, "done", 1)
        assert [kind for kind, _ in m.told] == ["copy", "verify"]
        assert (await m.store.read(["user:1"]))["user:1"].epoch == 3


@asynchronous
async def test_an_aborted_move_hangs_up_on_the_copy_and_leaves_the_user_at_home(tmp_path: Path) -> None:
    async with mover(tmp_path) as m:
        m.gate.clear()
        await m.client.moves.begin("op-1", "user:1", "cell-b")
        await until(m.is_copying, "the webhook was called")
        aborted = await m.client.moves.abort("op-1", "cell-b is full")
        assert (aborted.move.step, aborted.move.detail) == (Step.ABORTED, "cell-b is full")
        record = (await m.store.read(["user:1"]))["user:1"]
        assert (record.cell, record.epoch, record.state) == ("cell-a", 3, State.PLACED)

        async def is_hung_up() -> bool:
            return m.hung_up == ["user:1"]

        await until(is_hung_up, "the copy is ended")
        with pytest.raises(MoveRefusedError, match="can't be given up, it is over"):
            await m.client.moves.abort("op-1", "again")
        with pytest.raises(MoveRefusedError, match="no move with the operation id op-9"):
            await m.client.moves.abort("op-9", "which?")
        status, _ = await m.service.ask("POST", "/v1/moves/op-1:abort", {})
        assert status == 400
        assert await m.client.moves.get("op-9") is None


@asynchronous
async def test_a_move_that_is_too_far_to_be_aborted_goes_on(tmp_path: Path) -> None:
    gate = asyncio.Event()

    class SlowStore(SqliteStore):
        async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
            if new.cell == "cell-b":
                await gate.wait()
            await super().compare_and_set(new, expected_epoch)

    async with mover(tmp_path, kind=SlowStore) as m:
        await m.client.moves.begin("op-1", "user:1", "cell-b")
        await until(lambda: m.reached("op-1", Step.COMMITTING), "it is verified")
        with pytest.raises(MoveRefusedError, match="committing: it can only be resumed"):
            await m.client.moves.abort("op-1", "too late")
        gate.set()
        await until(lambda: m.reached("op-1", Step.DONE), "the move is done")


@asynchronous
async def test_a_move_that_waits_for_its_turn_can_be_aborted(tmp_path: Path) -> None:
    async with mover(tmp_path, most=1) as m:
        m.gate.clear()
        await m.client.moves.begin("op-1", "user:1", "cell-b")
        await until(lambda: m.reached("op-1", Step.COPYING), "the first one copies")
        await m.client.moves.begin("op-2", "user:2", "cell-b")
        assert (await m.client.moves.abort("op-2", "not now")).move.step is Step.ABORTED
        m.gate.set()
        await until(lambda: m.reached("op-1", Step.DONE), "the first one is done")
        assert (await m.store.read(["user:2"]))["user:2"].cell == "cell-a"
        assert [kind for kind, _ in m.told] == ["copy", "verify"]


@asynchronous
async def test_it_tells_which_workers_have_not_acknowledged(tmp_path: Path) -> None:
    async with mover(tmp_path) as m:
        before = await m.store.position()
        await m.lease(before, 1)
        await m.client.moves.begin("op-1", "user:1", "cell-b")
        await until(lambda: m.reached("op-1", Step.FENCING), "its writes wait")
        waiting = await m.client.moves.get("op-1")
        assert waiting is not None
        assert (waiting.waits_for, waiting.workers) == ("w1 to acknowledge it", {"w1": False})
        (listed,) = (await m.client.moves.unfinished()).moves
        assert (listed.order.operation, listed.holder) == ("op-1", "the service")
        assert m.told == []
        await m.lease(Position(before.generation, before.sequence + 1), 2)
        await until(lambda: m.reached("op-1", Step.DONE), "the move is done")


@asynchronous
async def test_a_worker_that_never_acknowledges_ends_the_move(tmp_path: Path) -> None:
    async with mover(tmp_path, acknowledge_s=0.1) as m:
        await m.lease(await m.store.position(), 1)
        await m.client.moves.begin("op-1", "user:1", "cell-b")
        await until(lambda: m.reached("op-1", Step.ABORTED), "it is given up")
        status = await m.client.moves.get("op-1")
        assert status is not None
        assert "not acknowledged within 0.1 s by w1" in status.move.detail


@asynchronous
async def test_moves_beyond_the_bound_wait_for_their_turn_and_their_users_may_write(tmp_path: Path) -> None:
    async with mover(tmp_path, most=1) as m:
        m.gate.clear()
        await m.client.moves.begin("op-1", "user:1", "cell-b")
        await until(lambda: m.reached("op-1", Step.COPYING), "the first one copies")
        await m.client.moves.begin("op-2", "user:2", "cell-b")

        async def second_waits() -> bool:
            status = await m.client.moves.get("op-2")
            return status is not None and status.waits_for == "its turn: at most 1 are carried out at once"

        await until(second_waits, "the second one waits")
        assert (await m.store.read(["user:2"]))["user:2"].state is State.PLACED
        m.gate.set()
        await until(lambda: m.reached("op-2", Step.DONE), "both are done")
        assert await m.reached("op-1", Step.DONE)


@asynchronous
async def test_a_move_goes_on_after_an_outage_of_the_store(tmp_path: Path) -> None:
    async with mover(tmp_path, kind=OutageStore) as m:
        await m.client.moves.begin("op-1", "user:1", "cell-b")
        await until(lambda: m.reached("op-1", Step.DONE), "the move is done")
        assert isinstance(m.store, OutageStore)
        assert m.store.lost == 1


@asynchronous
async def test_what_a_service_left_when_it_stopped_another_one_resumes(tmp_path: Path) -> None:
    async with mover(tmp_path) as m:
        m.gate.clear()
        stopped = Moving(m.store, m.hooks, Patience(10.0), 4, "the former service", edges({}))
        async with (
            serving(m.store, tmp_path, PLAN, stopped) as former,
            LookupClient(former.url, WRITE_TOKEN) as client,
        ):
            await client.moves.begin("op-1", "user:1", "cell-b")
            await until(lambda: m.reached("op-1", Step.COPYING), "it copies")
        left = await m.client.moves.get("op-1")
        assert left is not None
        assert (left.move.step, left.move.holder) == (Step.COPYING, "")
        assert (
            left.waits_for
            == "a service that takes it over, or somebody who resumes or aborts it: nobody carries it out"
        )
        m.gate.set()
        resumed = await m.client.moves.resume("op-1")
        assert resumed.move.step is Step.COPYING
        await until(lambda: m.reached("op-1", Step.DONE), "the move is done")
        assert (await m.client.moves.resume("op-1")).move.step is Step.DONE
