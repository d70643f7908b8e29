"""A body that stalls, and who is to blame for it. The proxy's time is the test's to move."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from proxy.kernel.send_queue import unacknowledged_bytes
from tests.proxy.forward.begun import exchange
from tests.support.ends import End, until
from tests.support.messages import (
    Problem,
    answer,
    answered,
    ask,
    chunk,
    lines,
)
from tests.support.stage import BODY_S, Stage, staged

LOOK_S = BODY_S / 4
CHUNKED = b"Transfer-Encoding: chunked"


@staged
async def test_a_body_that_stalls_is_408(stage: Stage) -> None:
    client, cell = await exchange(stage, ask(b"POST / HTTP/1.1", CHUNKED) + chunk(b"some"))
    await cell.expect(chunk(b"some"))
    stage.pass_time(BODY_S - 1)
    client.send(chunk(b"more"))
    await cell.expect(chunk(b"more"))
    stage.pass_time(BODY_S - 1)
    assert not client.received
    stage.pass_time(1)
    problem = Problem(await client.rest())
    assert (problem.status, problem.slug, problem.closes) == (408, "request-timeout", True)
    assert "body" in problem.detail
    assert await cell.until_cut() == b""


@staged
async def test_a_body_that_never_begins_is_408(stage: Stage) -> None:
    client, cell = await exchange(stage, ask(b"POST / HTTP/1.1", b"Content-Length: 5"))
    stage.pass_time(BODY_S)
    assert Problem(await client.rest()).status == 408
    await cell.until_cut()


@staged
async def test_a_reply_that_stalls_is_broken_off(stage: Stage) -> None:
    client, cell = await exchange(stage)
    cell.send(lines(b"HTTP/1.1 200 OK", b"Content-Length: 9"), b"one")
    await client.take_to(b"one")
    stage.pass_time(BODY_S - 1)
    cell.send(b"two")
    await client.expect(b"two")
    stage.pass_time(BODY_S - 1)
    assert not client.gone
    stage.pass_time(1)
    assert await client.until_reset() == b""
    await cell.until_cut()
    assert (await stage.logged())["reason"] == "cell-timeout"


def untaken(transport: asyncio.Transport) -> int:
    """Bytes that have not reached the cell's kernel."""
    return transport.get_write_buffer_size() + unacknowledged_bytes(transport.get_extra_info("socket"))


@staged
async def test_a_cell_that_does_not_read_the_body_is_too_slow(stage: Stage) -> None:
    client, cell = await exchange(stage, ask(b"POST / HTTP/1.1", b"Content-Length: %d" % (64 << 20)))
    cell.stop_reading()
    while not any(connection.holds for connection in stage.edge.connections):
        client.send(bytes(1 << 20))
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)  # what is under way reaches the cell's kernel, which is the same
    for _ in range(4):
        stage.pass_time(LOOK_S)
        assert stage.edge.in_flight == 1
    stage.pass_time(LOOK_S)
    problem = Problem(await client.rest())
    assert (problem.slug, problem.detail) == ("cell-timeout", "it took no more of the request's body")


@staged
async def test_a_cell_that_reads_the_body_slowly_is_not_too_slow(stage: Stage) -> None:
    client, cell = await exchange(stage, ask(b"POST / HTTP/1.1", b"Content-Length: %d" % (64 << 20)))
    sock = cell.transport.get_extra_info("socket")
    cell.stop_reading()
    (connection,) = stage.edge.connections
    journey = connection._journey
    assert journey is not None
    assert journey.upstream is not None
    while not connection.holds:
        client.send(bytes(1 << 20))
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    transport = journey.upstream._transport
    assert transport is not None
    for _ in range(8):
        before = untaken(transport)
        while untaken(transport) == before:
            assert os.read(sock.fileno(), 65536)
        stage.pass_time(LOOK_S)
        assert stage.edge.in_flight == 1
        assert journey.upstream.write_paused  # as the transport sees it, the cell took nothing
    client.break_off()


async def pour(sender: End, is_held_up: Callable[[], bool]) -> int:
    """Send chunks until nobody takes more; returns how much was in them."""
    sent = 0
    while not is_held_up():
        sender.send(chunk(bytes(100_000)))
        sent += 100_000
        await asyncio.sleep(0.001)
    return sent


@staged
async def test_the_time_that_a_client_reads_nothing_is_not_the_cells(stage: Stage) -> None:
    client, cell = await exchange(stage)
    client.stop_reading()
    (connection,) = stage.edge.connections
    cell.send(lines(b"HTTP/1.1 200 OK", CHUNKED))
    sent = await pour(cell, lambda: connection.write_paused)
    stage.pass_time(BODY_S - 2)
    client.go_on_reading()
    await until(lambda: len(client.received) > sent, "the client has read what there was")
    await until(lambda: not connection.write_paused, "the proxy goes on")
    stage.pass_time(BODY_S - 2)
    cell.send(b"0\r\n\r\n")
    await client.take_to(b"0\r\n\r\n")
    assert (await stage.logged())["reason"] == ""


@staged
async def test_the_time_that_a_cell_reads_nothing_is_not_the_clients(stage: Stage) -> None:
    client, cell = await exchange(stage, ask(b"POST / HTTP/1.1", CHUNKED))
    cell.stop_reading()
    (connection,) = stage.edge.connections
    sent = await pour(client, lambda: connection.holds != 0)
    stage.pass_time(BODY_S - 2)
    cell.go_on_reading()
    await until(lambda: len(cell.received) > sent, "the cell has read what there was")
    await until(lambda: not connection.holds, "the proxy goes on")
    stage.pass_time(BODY_S - 2)
    client.send(b"0\r\n\r\n")
    await cell.take_to(b"0\r\n\r\n")
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
