"""How a connection ends, so that its client still gets all that it was sent."""

from __future__ import annotations

import asyncio

from tests.proxy.forward.begun import exchange
from tests.support.ends import until
from tests.support.messages import (
    answer,
    answered,
    ask,
    lines,
    unchunk,
)
from tests.support.stage import BODY_S, Stage, staged


@staged
async def test_a_client_that_reads_slowly_gets_the_end_of_a_closing_reply(stage: Stage) -> None:
    """The request is over for the proxy, but megabytes are still on their way: they must not be lost."""
    client, cell = await exchange(stage, ask(b"GET / HTTP/1.1", b"Connection: close"))
    client.stop_reading()
    cell.send(lines(b"HTTP/1.1 200 OK"))
    size = 0
    while not any(connection.write_paused for connection in stage.edge.connections):
        cell.send(bytes(100_000))
        size += 100_000
        await asyncio.sleep(0.001)
    cell.close()
    client.go_on_reading()
    await stage.settled()
    client.stop_reading()
    stage.pass_time(2)
    for _ in range(8):
        stage.pass_time(BODY_S / 2)
        client.go_on_reading()
        await asyncio.sleep(0.001)
        client.stop_reading()
    client.go_on_reading()
    body = (await client.rest()).partition(b"\r\n\r\n")[2]
    assert len(unchunk(body)) == size


@staged
async def test_what_the_kernel_holds_is_delivered_after_the_proxy_has_closed(stage: Stage) -> None:
    client, cell = await exchange(stage, ask(b"GET / HTTP/1.1", b"Connection: close"))
    client.stop_reading()
    cell.send(answer(bytes(200_000)))
    await stage.settled()
    (connection,) = stage.edge.connections
    transport = connection.transport
    assert transport is not None
    await until(lambda: transport.get_write_buffer_size() == 0, "all is in the kernel's hands")
    stage.pass_time(2)
    await until(lambda: not stage.edge.connections, "the proxy has closed")
    client.go_on_reading()
    assert await client.rest() == answered(bytes(200_000), b"Connection: close")


@staged
async def test_a_client_that_keeps_a_closed_connection_open_loses_it(stage: Stage) -> None:
    client, cell = await exchange(stage, ask(b"GET / HTTP/1.1", b"Connection: close"))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x", b"Connection: close"))
    await client.expect_end()
    assert stage.edge.connections
    stage.pass_time(2)
    await until(lambda: not stage.edge.connections, "the proxy has closed it")


@staged
async def test_a_client_that_never_reads_the_end_of_a_closing_reply_is_reset(stage: Stage) -> None:
    client, cell = await exchange(stage, ask(b"GET / HTTP/1.0"))
    client.stop_reading()
    cell.send(lines(b"HTTP/1.1 200 OK", b"Content-Length: 20000000"))
    sent = 0
    while not any(connection.write_paused for connection in stage.edge.connections):
        cell.send(bytes(100_000))
        sent += 100_000
        await asyncio.sleep(0.001)
    for _ in range(6):
        stage.pass_time(BODY_S / 4)
    await until(lambda: not stage.edge.connections, "the proxy has given it up")
    client.go_on_reading()
    await client.until_reset()
