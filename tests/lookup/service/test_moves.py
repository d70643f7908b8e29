"""Users moved through the lookup service: a real store, a real server of webhooks, real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Final

import pytest
from aiohttp import web

from lookup.assignment import Assignment, State
from lookup.client import LookupClient
from lookup.flags import Flag
from lookup.hooks import ConfiguredHooks
from lookup.leases import Lease
from lookup.mover import MoveRefusedError, Patience
from lookup.moves import Event, Move, MoveOrder, Position, Step
from lookup.placement import CellRoom, ShareLimits
from lookup.placer import PlacementPlan
from lookup.ports import StoreUnavailableError, StoreUnusableError
from lookup.service.moves import Moving
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.service.site import READ_TOKEN, WRITE_TOKEN, Asker, served, serving
from tests.lookup.stores.contract import next_change
from tests.lookup.test_hooks import served as hooks_served
from tests.proxy.workers.stage import until

CELLS: Final = (CellRoom("cell-a", "eu"), CellRoom("cell-b", "eu"), CellRoom("us-1", "us"))
PLAN: Final = PlacementPlan(CELLS, {"eu": ("eu",), "us": ("us", "eu")}, ShareLimits())
ORDER: Final = {"operation": "op-1", "key": "user:1", "target": "cell-b"}
ROUTES: Final = (
    ("POST", "/v1/moves"),
    ("GET", "/v1/moves"),
    ("GET", "/v1/moves/op-1"),
    ("POST", "/v1/moves/op-1:resume"),
    ("POST", "/v1/moves/op-1:abort"),
)


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


@dataclass(slots=True)
class Mover:
    """A service that moves users, its store, and the webhooks that it calls; `gate` holds copies up."""

    store: SqliteStore
    service: Asker
    client: LookupClient
    hooks: ConfiguredHooks
    told: list[tuple[str, object]]
    gate: asyncio.Event
    hung_up: list[str] = field(default_factory=list)

    async def reached(self, operation: str, step: Step) -> bool:
        status = await self.client.moves.get(operation)
        return status is not None and status.move.step is step

    async def lease(self, position: Position, number: int) -> None:
        lease = Lease("w1", number, position, frozenset(), time() + 1000.0, 30.0)
        assert await self.store.renew_lease(lease)


@asynccontextmanager
async def mover(
    folder: Path,
    most: int = 16,
    kind: type[SqliteStore] = SqliteStore,
    acknowledge_s: float = 10.0,
) -> AsyncIterator[Mover]:
    told: list[tuple[str, object]] = []
    hung_up: list[str] = []
    gate = asyncio.Event()
    gate.set()

    async def copy(request: web.Request) -> web.Response:
        form = await request.json()
        told.append(("copy", form))
        try:
            await gate.wait()
        except asyncio.CancelledError:
            hung_up.append(form["key"])
            raise
        return web.Response(status=204)

    async def verify(request: web.Request) -> web.Response:
        told.append(("verify", await request.json()))
        return web.Response()

    store = await kind.open(folder / "home.sqlite", create=True)
    await store.load([home("user:1"), home("user:2"), home("user:3", "us-1")])
    async with hooks_served(copy=copy, verify=verify) as url:
        hooks = ConfiguredHooks(f"{url}/copy", f"{url}/verify", 30.0)
        moving = Moving(store, hooks, Patience(acknowledge_s), most, "the service")
        async with (
            serving(store, folder, PLAN, moving) as service,
            LookupClient(service.url, WRITE_TOKEN) as client,
        ):
            yield Mover(store, service, client, hooks, told, gate, hung_up)
    await store.close()


def slug(problem: dict[str, object]) -> str:
    return str(problem["type"]).rpartition("/")[2]


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
async def test_who_may_only_read_moves_nobody_and_hears_of_no_move(tmp_path: Path) -> None:
    async with mover(tmp_path) as m:
        for method, path in ROUTES:
            for token, expected in ((READ_TOKEN, (403, "not-permitted")), ("", (401, "no-credential"))):
                status, problem = await m.service.ask(method, path, dict(ORDER), token=token)
                assert (status, slug(problem)) == expected
        assert await m.store.moves(open_only=False, limit=9) == []


@pytest.mark.parametrize("hook", ["copy_hook", "copy_command", "copy_webhook"])
def test_what_a_request_would_have_executed_or_called_is_refused(tmp_path: Path, hook: str) -> None:
    @asynchronous
    async def scenario() -> None:
        async with mover(tmp_path) as m:
            for value in (f"touch {tmp_path}/executed", "http://169.254.169.254/latest"):
                status, problem = await m.service.ask("POST", "/v1/moves", {**ORDER, hook: value})
                assert (status, slug(problem)) == (400, "invalid-request")
                assert f"a move has no `{hook}`; what copies is in the service's config" in str(
                    problem["detail"]
                )
            assert await m.store.moves(open_only=False, limit=9) == []

    scenario()


@pytest.mark.parametrize(
    ("order", "status", "told"),
    [
        ({"key": "user:9"}, 404, "user:9 has no home to move from"),
        ({"target": "cell-x"}, 409, "user:1 is wanted in `cell-x`, but there is no such cell"),
        ({"target": "us-1"}, 409, "user:1 of eu may not live under the law of us"),
        ({"target": "cell-a"}, 409, "user:1 is at home in cell-a"),
        ({"key": "user:3", "target": "cell-c"}, 409, "no such cell"),
        ({"operation": "a/b"}, 400, "holds a slash"),
        ({"operation": ""}, 400, "1 to 128 printable characters"),
        ({"key": "nobody"}, 400, "kind:value"),
        ({"author": 7}, 400, "texts"),
        ({"reason": "x" * 1001}, 400, "longer than 1000"),
        ({"target": None}, 400, "the texts `operation`, `key` and `target`"),
    ],
)
def test_what_is_no_move_is_refused_before_it_is_noted(
    tmp_path: Path, order: dict[str, object], status: int, told: str
) -> None:
    @asynchronous
    async def scenario() -> None:
        async with mover(tmp_path) as m:
            found, problem = await m.service.ask("POST", "/v1/moves", {**ORDER, **order})
            assert found == status
            assert told in str(problem["detail"])
            assert await m.store.moves(open_only=False, limit=9) == []

    scenario()


@asynchronous
async def test_nobody_is_moved_to_a_cell_that_is_not_serving(tmp_path: Path) -> None:
    async with mover(tmp_path) as m:
        await m.store.set_flag("cell-b", Flag.DOWN, reason="fire", author="ann", now_s=NOW_S)
        with pytest.raises(MoveRefusedError, match="wanted in cell-b, which is not serving"):
            await m.client.moves.begin("op-1", "user:1", "cell-b")


@asynchronous
async def test_while_another_operation_moves_the_user_a_second_one_is_refused(tmp_path: Path) -> None:
    async with mover(tmp_path) as m:
        m.gate.clear()
        await m.client.moves.begin("op-1", "user:1", "cell-b")
        await until(lambda: m.reached("op-1", Step.COPYING), "it copies")
        with pytest.raises(MoveRefusedError, match="being moved to cell-b already"):
            await m.client.moves.begin("op-2", "user:1", "cell-b")


@asynchronous
async def test_an_aborted_move_hangs_up_on_the_copy_and_leaves_the_user_at_home(tmp_path: Path) -> None:
    async with mover(tmp_path) as m:
        m.gate.clear()
        await m.client.moves.begin("op-1", "user:1", "cell-b")
        await until(lambda: m.reached("op-1", Step.COPYING), "it copies")
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
        stopped = Moving(m.store, m.hooks, Patience(10.0), 4, "the former service")
        async with (
            serving(m.store, tmp_path, PLAN, stopped) as former,
            LookupClient(former.url, WRITE_TOKEN) as client,
        ):
            await client.moves.begin("op-1", "user:1", "cell-b")
            await until(lambda: m.reached("op-1", Step.COPYING), "it copies")
        left = await m.client.moves.get("op-1")
        assert left is not None
        assert (left.move.step, left.move.holder) == (Step.COPYING, "")
        assert left.waits_for == "somebody who resumes or aborts it: nobody carries it out"
        m.gate.set()
        resumed = await m.client.moves.resume("op-1")
        assert resumed.move.step is Step.COPYING
        await until(lambda: m.reached("op-1", Step.DONE), "the move is done")
        assert (await m.client.moves.resume("op-1")).move.step is Step.DONE


@pytest.mark.parametrize("hook", ["touch {}/executed", "http://127.0.0.1:1/copy"])
def test_a_move_with_another_hook_than_the_services_is_not_touched(tmp_path: Path, hook: str) -> None:
    @asynchronous
    async def scenario() -> None:
        async with mover(tmp_path) as m:
            order = MoveOrder("by-hand", "user:1", "cell-b", hook.format(tmp_path))
            await m.store.note_move(order, home("user:1"), time())
            with pytest.raises(MoveRefusedError, match="homecell moves resume by-hand"):
                await m.client.moves.resume("by-hand")
            with pytest.raises(MoveRefusedError, match="homecell moves resume by-hand"):
                await m.client.moves.begin("by-hand", "user:1", "cell-b")
            status = await m.client.moves.get("by-hand")
            assert status is not None
            assert (status.move.step, status.move.holder) == (Step.INTENDED, "")
            aborted = await m.client.moves.abort("by-hand", "the wrong way")
            assert aborted.move.step is Step.ABORTED
            assert not (tmp_path / "executed").exists()

    scenario()


@asynchronous
async def test_the_hooks_of_a_service_run_nothing_else_even_if_told_to(tmp_path: Path) -> None:
    move = Move(MoveOrder("op", "user:1", "cell-b"), "cell-a", "eu", 1, Step.COPYING, NOW_S, NOW_S)
    hooks = ConfiguredHooks("http://127.0.0.1:1/copy", "", 1.0)
    await hooks.run("", move)
    with pytest.raises(ValueError, match="no webhook of this service"):
        await hooks.run(f"touch {tmp_path}/executed", move)
    assert not (tmp_path / "executed").exists()


@asynchronous
async def test_a_service_that_is_not_set_up_to_move_says_what_to_add(tmp_path: Path) -> None:
    async with served(tmp_path, PLAN) as (_, service):
        for method, path in ROUTES:
            status, problem = await service.ask(method, path, {**ORDER, "reason": "r"})
            if (method, path) == ("POST", "/v1/moves/op-1:abort"):
                status, problem = await service.ask(method, path, {"reason": "r"})
            assert (status, slug(problem)) == (501, "no-moves")
            assert "add `moves` to `lookup_service`" in str(problem["detail"])
        async with LookupClient(service.url, WRITE_TOKEN) as client:
            with pytest.raises(StoreUnusableError, match="add `moves`"):
                await client.moves.begin("op-1", "user:1", "cell-b")


@asynchronous
async def test_no_user_is_written_to_another_cell_past_a_move(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service), LookupClient(service.url, WRITE_TOKEN) as client:
        await store.load([home("user:1")])
        with pytest.raises(ValueError, match=r"user:1 is at home in cell-a; .* move it: POST /v1/moves"):
            await client.compare_and_set(home("user:1", "cell-b", 2), 1)
        _, record = await service.ask("GET", "/v1/keys/user:1?fresh=true")
        form = {"home": {**record, "cell": "cell-b", "epoch": 2}, "expected_epoch": 1}
        status, problem = await service.ask("PUT", "/v1/keys/user:1", form)
        assert (status, slug(problem)) == (409, "home-elsewhere")
        assert await store.read(["user:1"]) == {"user:1": home("user:1")}
        await client.compare_and_set(home("user:1", "cell-a", 2), 1)
        assert (await store.read(["user:1"]))["user:1"].epoch == 2
