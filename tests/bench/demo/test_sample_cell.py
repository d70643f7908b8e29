from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from bench.demo.population import UNKNOWN_USER, resident
from bench.demo.replies import ANSWERED_BY
from bench.demo.sample_cell import COPY_PATH, NOT_MINE, TALLY_PATH, SampleCell
from proxy.model import Cell
from proxy.rooms.mint import SigningKey, mint_token
from tests.bench.demo.test_population import CELLS

HERE, ELSEWHERE = CELLS[0], CELLS[1]
Client = TestClient[Any, Any]  # the application's types, which these tests don't look at


def token(number: int) -> str:
    key = SigningKey("k", "HS256", b"s" * 32)
    return mint_token(key, subject=str(number), issuer="i", audience="a", now_s=1.0, lifetime_s=1)


def with_cell(scenario: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        async with TestClient(TestServer(SampleCell(HERE, CELLS).application())) as client:
            await scenario(client)

    asyncio.run(run())


def test_a_resident_is_answered_with_a_record_that_this_cell_keeps() -> None:
    headers = {
        "X-Home-Cell": HERE.name,
        "X-Home-Cell-Epoch": "1",
        "Authorization": f"Bearer {token(resident(HERE, CELLS))}",
    }

    async def scenario(client: Client) -> None:
        first = await (await client.get("/me", headers=headers)).json()
        again = await (await client.post("/notes", headers=headers, data=b"four")).json()
        assert first["cell"] == HERE.name
        assert first["edge_said"]["X-Home-Cell-Epoch"] == "1"
        assert again["record"] == {"locker": first["record"]["locker"], "visits": 2}
        assert again["request"] == {"method": "POST", "path": "/notes", "body_bytes": 4}

    with_cell(scenario)


def test_somebody_elses_user_is_refused_so_that_the_edge_understands_and_counted() -> None:
    headers = {
        "X-Home-Cell": HERE.name,
        "X-Home-Cell-Epoch": "7",
        "Cookie": f"session={token(resident(ELSEWHERE, CELLS))}",
    }

    async def scenario() -> None:
        sample = SampleCell(HERE, CELLS)
        async with (
            TestClient(TestServer(sample.application())) as client,
            TestClient(TestServer(sample.hooks())) as hooks,
        ):
            reply = await client.get("/me", headers=headers)
            assert (reply.status, (await reply.json())["error"]) == (421, "not-mine")
            assert reply.headers[NOT_MINE] == f"7; cell={ELSEWHERE.name}"
            assert await (await hooks.get(TALLY_PATH)).json() == {"requests": 1, "wrong": 1}

    asyncio.run(scenario())


def test_a_user_whom_nobody_knows_is_refused_without_a_guess_where_he_lives() -> None:
    headers = {"X-Home-Cell": HERE.name, "Authorization": f"Bearer {token(UNKNOWN_USER)}"}

    async def scenario(client: Client) -> None:
        reply = await client.get("/me", headers=headers)
        assert (reply.status, reply.headers[NOT_MINE]) == (421, "0")

    with_cell(scenario)


def test_a_request_meant_for_another_cell_is_an_error_even_without_a_user() -> None:
    async def scenario(client: Client) -> None:
        reply = await client.get("/", headers={"X-Home-Cell": ELSEWHERE.name})
        assert (reply.status, (await reply.json())["error"]) == (500, "wrong-cell")

    with_cell(scenario)


def test_a_reply_to_head_names_the_cell_in_a_field() -> None:
    async def scenario(client: Client) -> None:
        reply = await client.head("/me", headers={"X-Home-Cell": HERE.name})
        assert (reply.status, reply.headers[ANSWERED_BY]) == (200, HERE.name)

    with_cell(scenario)


def test_a_moved_user_keeps_the_record_and_the_old_cell_refuses_what_goes_by_older_epochs() -> None:
    async def scenario() -> None:
        number = resident(HERE, CELLS)
        left = SampleCell(HERE, CELLS)
        left_hooks = TestServer(left.hooks())
        await left_hooks.start_server()
        arrived_at = SampleCell(ELSEWHERE, CELLS, lambda _cell: str(left_hooks.make_url("")))
        async with (
            left_hooks,
            TestClient(TestServer(left.application())) as old,
            TestClient(TestServer(arrived_at.application())) as new,
            TestClient(TestServer(arrived_at.hooks())) as hooks,
        ):

            async def ask(client: Client, cell: Cell, epoch: int) -> tuple[int, dict[str, Any]]:
                headers = {
                    "X-Home-Cell": cell.name,
                    "X-Home-Cell-Epoch": str(epoch),
                    "Authorization": f"Bearer {token(number)}",
                }
                reply = await client.get("/me", headers=headers)
                return reply.status, await reply.json()

            _, first = await ask(old, HERE, 1)
            move = {"key": f"user:{number}", "source": HERE.name, "target": ELSEWHERE.name, "epoch": "2"}
            for _ in range(2):
                assert (await hooks.post(COPY_PATH, json=move)).status == 204
            assert (await ask(old, HERE, 1))[0] == 421
            assert (await ask(old, HERE, 2))[0] == 200
            assert (await ask(new, ELSEWHERE, 2))[0] == 421
            status, arrived = await ask(new, ELSEWHERE, 3)
            assert (status, arrived["cell"]) == (200, ELSEWHERE.name)
            assert arrived["record"]["locker"] == first["record"]["locker"]

    asyncio.run(scenario())


def test_a_copy_that_is_not_for_this_cell_or_of_nobody_at_home_in_the_source_is_refused() -> None:
    stranger = {"key": f"user:{UNKNOWN_USER}", "source": HERE.name, "epoch": "2"}

    async def scenario() -> None:
        source = TestServer(SampleCell(HERE, CELLS).hooks())
        await source.start_server()
        sample = SampleCell(ELSEWHERE, CELLS, lambda _cell: str(source.make_url("")))
        async with source, TestClient(TestServer(sample.hooks())) as hooks:
            for move, status in (
                ({**stranger, "target": ELSEWHERE.name}, 502),
                ({**stranger, "target": HERE.name}, 400),
                ({**stranger, "target": ELSEWHERE.name, "source": "nowhere"}, 400),
                ({"key": "email:a@b"}, 400),
            ):
                reply = await hooks.post(COPY_PATH, json=move)
                assert (reply.status, bool((await reply.json())["error"])) == (status, True)

    asyncio.run(scenario())


def test_a_record_that_can_not_be_fetched_is_told_with_the_cell_that_does_not_answer() -> None:
    move = {"key": f"user:{resident(ELSEWHERE, CELLS)}", "source": ELSEWHERE.name, "target": HERE.name}

    async def scenario() -> None:
        with socket.socket() as silent:  # bound, and never listening: whoever connects is refused
            silent.bind(("127.0.0.1", 0))
            left_at = f"http://127.0.0.1:{silent.getsockname()[1]}"
            sample = SampleCell(HERE, CELLS, lambda _cell: left_at)
            async with TestClient(TestServer(sample.hooks())) as hooks:
                reply = await hooks.post(COPY_PATH, json={**move, "epoch": "2"})
                told = {"error": f"{ELSEWHERE.name} does not answer"}
                assert (reply.status, await reply.json()) == (502, told)

    asyncio.run(scenario())
