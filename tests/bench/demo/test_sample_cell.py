from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from bench.demo.population import UNKNOWN_USER, resident
from bench.demo.replies import ANSWERED_BY
from bench.demo.sample_cell import NOT_MINE, TALLY_PATH, application
from proxy.rooms.mint import SigningKey, mint_token
from tests.bench.demo.test_population import CELLS

HERE, ELSEWHERE = CELLS[0], CELLS[1]
Client = TestClient[Any, Any]  # the application's types, which these tests don't look at


def token(number: int) -> str:
    key = SigningKey("k", "HS256", b"s" * 32)
    return mint_token(key, subject=str(number), issuer="i", audience="a", now_s=1.0, lifetime_s=1)


def with_cell(scenario: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        async with TestClient(TestServer(application(HERE, CELLS))) as client:
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

    async def scenario(client: Client) -> None:
        reply = await client.get("/me", headers=headers)
        assert (reply.status, (await reply.json())["error"]) == (421, "not-mine")
        assert reply.headers[NOT_MINE] == f"7; cell={ELSEWHERE.name}"
        assert await (await client.get(TALLY_PATH)).json() == {"requests": 1, "wrong": 1}

    with_cell(scenario)


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
