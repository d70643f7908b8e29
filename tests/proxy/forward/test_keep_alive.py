"""Connections are kept on both sides, used by one request at a time, newest first, and belong to one cell."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.ends import until
from tests.support.messages import answer, answered, ask, asked, dated, get, got
from tests.support.stage import CELL_IDLE_S, Stage, staged


@staged
async def test_both_connections_serve_the_next_request(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/first"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/first"))
    cell.send(answer(b"one"))
    await client.expect(answered(b"one"))
    client.send(get(b"/second"))
    await cell.expect(got(b"/second"))
    cell.send(answer(b"two"))
    await client.expect(answered(b"two"))
    await stage.insist_untouched()


@staged
async def test_clients_after_one_another_share_a_connection_to_the_cell(stage: Stage) -> None:
    for _ in range(3):
        client = await stage.client()
        client.send(get())
        cell = await stage.cell.connection() if not stage.cell.accepted else stage.cell.accepted[0]
        await cell.expect(got())
        cell.send(answer(b"x"))
        await client.expect(answered(b"x"))
        client.close()
    assert len(stage.cell.accepted) == 1


@staged
async def test_requests_at_the_same_time_have_a_connection_each(stage: Stage) -> None:
    clients = [await stage.client() for _ in range(3)]
    for number, client in enumerate(clients):
        client.send(get(b"/%d" % number))
        await (await stage.cell.connection()).expect(got(b"/%d" % number))
    for number, (cell, client) in enumerate(zip(stage.cell.accepted, clients, strict=True)):
        cell.send(answer(b"%d" % number))
        await client.expect(answered(b"%d" % number))


@staged
async def test_the_connection_used_last_is_used_next(stage: Stage) -> None:
    clients = [await stage.client() for _ in range(3)]
    for client in clients:
        client.send(get())
        await (await stage.cell.connection()).expect(got())
    for position in (0, 2, 1):
        stage.cell.accepted[position].send(answer(b"x"))
        await clients[position].expect(answered(b"x"))
    for position in (1, 2, 0):
        clients[0].send(get())
        await stage.cell.accepted[position].expect(got())
        clients[0], clients[position] = clients[position], clients[0]


@staged
async def test_a_connection_serves_one_cell_only(stage: Stage) -> None:
    client = await stage.client()
    for user, name, epoch in ((1, "eu-1", 3), (5, "eu-2", 5), (7, "us-1", 6)):
        client.send(get(user=user))
        cell = await stage.cells[name].connection()
        await cell.expect(got(user=user, home=(name.encode(), epoch)))
        cell.send(answer(name.encode()))
        await client.expect(answered(name.encode()))
    await stage.insist_untouched()


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"x", b"Connection: close"),
        dated(b"HTTP/1.0 200 OK", b"Content-Length: 1") + b"x",
    ],
)
@staged
async def test_a_connection_that_the_cell_will_close_is_not_kept(stage: Stage, reply: bytes) -> None:
    client = await stage.client()
    client.send(get())
    first = await stage.cell.connection()
    await first.expect(got())
    first.send(reply)
    await client.expect(answered(b"x"))
    await first.until_cut()
    client.send(get())
    await (await stage.cell.connection()).expect(got())


@staged
async def test_a_cell_of_http_1_0_may_keep_its_connection(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(dated(b"HTTP/1.0 200 OK", b"Content-Length: 1", b"Connection: Keep-Alive") + b"x")
    await client.expect(answered(b"x"))
    client.send(get())
    await cell.expect(got())


@staged
async def test_connection_close_is_obeyed_and_said(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"GET / HTTP/1.1", b"Connection: close"), get(b"/never"))
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(answer(b"x"))
    await client.expect(answered(b"x", b"Connection: close"))
    await client.expect_end()
    assert not cell.received
    await stage.insist_untouched()


@staged
async def test_connections_idle_too_long_are_trimmed_oldest_first(stage: Stage) -> None:
    clients = [await stage.client() for _ in range(2)]
    for client in clients:
        client.send(get())
        await (await stage.cell.connection()).expect(got())
    old, young = stage.cell.accepted
    old.send(answer(b"x"))
    await clients[0].expect(answered(b"x"))
    stage.pass_time(CELL_IDLE_S / 2)
    young.send(answer(b"x"))
    await clients[1].expect(answered(b"x"))
    stage.pass_time(CELL_IDLE_S / 2)
    stage.pool().trim()
    await old.until_cut()
    assert not young.at_end
    clients[0].send(get())
    await young.expect(got())


@staged
async def test_an_idle_connection_that_the_cell_closed_is_forgotten(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    cell.close()
    await until(lambda: stage.pool().open_count == 0, "the pool has forgotten it")
    client.send(get())
    await (await stage.cell.connection()).expect(got())


@staged
async def test_clients_that_come_at_once_get_no_more_connections_than_the_limit(stage: Stage) -> None:
    stage.pool().limit = 2
    clients = [await stage.client() for _ in range(10)]
    for client in clients:
        client.send(get())
    cells = [await stage.cell.connection() for _ in range(2)]
    await until(lambda: stage.edge.in_flight == 2, "the others were refused")
    await stage.insist_untouched()
    for cell in cells:
        await cell.expect(got())
        cell.send(answer(b"x"))
    await stage.settled()
    assert sorted(line["reason"] for line in stage.log()) == [""] * 2 + ["cell-busy"] * 8


@staged
async def test_a_cell_with_all_connections_in_use_is_busy(stage: Stage) -> None:
    stage.pool().limit = 1
    first, second = await stage.client(), await stage.client()
    first.send(get())
    await (await stage.cell.connection()).expect(got())
    second.send(get())
    assert (await second.take_head()).startswith(b"HTTP/1.1 503 ")
    await stage.insist_untouched()


@pytest.mark.parametrize("minor", [0, 1])
@staged
async def test_a_kept_client_of_either_version_is_served_again(stage: Stage, minor: int) -> None:
    start = b"GET / HTTP/1.%d" % minor
    more = (b"Connection: keep-alive",) if minor == 0 else ()
    client = await stage.client()
    for _ in range(2):
        client.send(ask(start, b"Connection: keep-alive"))
        cell = stage.cell.accepted[0] if stage.cell.accepted else await stage.cell.connection()
        await cell.expect(asked(b"GET / HTTP/1.1", minor=minor))
        cell.send(answer(b"x"))
        await client.expect(answered(b"x", *more))
    await asyncio.sleep(0)
    assert not client.at_end


@staged
async def test_a_client_of_http_1_0_is_closed_unless_it_asked(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"GET / HTTP/1.0"))
    cell = await stage.cell.connection()
    await cell.expect(asked(b"GET / HTTP/1.1", minor=0))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x", b"Connection: close"))
    await client.expect_end()
