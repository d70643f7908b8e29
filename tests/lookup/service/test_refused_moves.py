"""What the lookup service does not move, and what it does not let a request choose."""

from __future__ import annotations

from pathlib import Path
from time import time
from typing import Final

import pytest

from lookup.client import LookupClient
from lookup.flags import Flag
from lookup.hooks import ConfiguredHooks
from lookup.mover import MoveRefusedError
from lookup.moves import Move, MoveOrder, Step
from lookup.ports import StoreUnusableError
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.service.mover import ORDER, PLAN, mover, slug
from tests.lookup.service.site import READ_TOKEN, WRITE_TOKEN, served
from tests.proxy.workers.stage import until

ROUTES: Final = (
    ("POST", "/v1/moves"),
    ("GET", "/v1/moves"),
    ("GET", "/v1/moves/op-1"),
    ("POST", "/v1/moves/op-1:resume"),
    ("POST", "/v1/moves/op-1:abort"),
)


@asynchronous
async def test_who_may_only_read_moves_nobody_and_hears_of_no_move(tmp_path: Path) -> None:
    async with mover(tmp_path) as m:
        for method, path in ROUTES:
            for token, expected in ((READ_TOKEN, (403, "not-permitted")), ("", (401, "no-credential"))):
                status, problem = await m.service.ask(method, path, dict(ORDER), token=token)
                assert (status, slug(problem)) == expected
        assert await m.store.moves(open_only=False, limit=9) == []


@pytest.mark.parametrize(
    "change", [{"target": "\ud800"}, {"\ud800": "x"}, {"operation": "."}, {"operation": ".."}]
)
def test_what_no_answer_or_path_could_hold_is_refused(tmp_path: Path, change: dict[str, str]) -> None:
    @asynchronous
    async def scenario() -> None:
        async with mover(tmp_path) as there:
            status, problem = await there.service.ask("POST", "/v1/moves", {**ORDER, **change})
            assert (status, slug(problem)) == (400, "invalid-request")

    scenario()


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
async def test_nobody_is_moved_to_a_cell_that_a_running_edge_does_not_list(tmp_path: Path) -> None:
    async with mover(tmp_path, unlisted={"cell-b": "edge-1 does not list `cell-b` yet"}) as m:
        found, problem = await m.service.ask("POST", "/v1/moves", ORDER)
        assert (found, slug(problem)) == (409, "move-refused")
        assert problem["detail"] == "edge-1 does not list `cell-b` yet"
        assert await m.store.moves(open_only=False, limit=9) == []


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
