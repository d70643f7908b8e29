"""A client that reads slowly gets all of its reply, however long it takes; one that reads no more is cut."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from proxy.forward.downstream import Downstream
from proxy.forward.reading import HEAD, LINGER
from proxy.kernel.send_queue import unacknowledged_bytes
from tests.support.cells import HOST
from tests.support.ends import End, until
from tests.support.messages import answer, get, lines
from tests.support.stage import BODY_S, IDLE_S, Stage, staged

LOOK_S: Final = BODY_S / 4
BLOCK: Final = bytes(1 << 20)
SIP_BYTES: Final = 16_384


class Congested(NamedTuple):
    """A reply that has come as far as it can: the client's socket, its cell, what the proxy has of it."""

    client: socket.socket
    cell: End
    connection: Downstream

    def untaken(self) -> int:
        """Bytes that have not reached the client's kernel."""
        transport = self.connection.transport
        assert transport is not None
        return transport.get_write_buffer_size() + unacknowledged_bytes(transport.get_extra_info("socket"))

    async def sip(self) -> None:
        """Read so little that the proxy's kernel gets rid of something, and of not much."""
        before = self.untaken()
        loop = asyncio.get_running_loop()
        while self.untaken() == before:
            assert await loop.sock_recv(self.client, SIP_BYTES)


@asynccontextmanager
async def congested(stage: Stage) -> AsyncIterator[Congested]:
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        await loop.sock_connect(client, (HOST, stage.port))
        await loop.sock_sendall(client, get())
        cell = await stage.cell.connection()
        await cell.take_head()
        cell.send(lines(b"HTTP/1.1 200 OK", b"Content-Length: %d" % (64 << 20)))
        (connection,) = stage.edge.connections
        while not connection.write_paused:
            cell.send(BLOCK)
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)  # what is under way reaches the client's kernel, which is the same
        yield Congested(client, cell, connection)


@staged
async def test_a_client_that_reads_on_slowly_is_not_cut(stage: Stage) -> None:
    async with congested(stage) as reply:
        for _ in range(8):
            await reply.sip()
            stage.pass_time(LOOK_S)
            assert stage.edge.in_flight == 1
            assert reply.connection.write_paused  # as the transport sees it, the client took nothing
        reply.cell.break_off()


@staged
async def test_a_client_that_does_not_read_its_reply_is_cut(stage: Stage) -> None:
    async with congested(stage) as reply:
        for _ in range(4):
            stage.pass_time(LOOK_S)
            assert stage.edge.in_flight == 1
        stage.pass_time(LOOK_S)
        await reply.cell.until_cut()
        assert (await stage.logged())["reason"] == "client-too-slow"


@staged
async def test_a_client_that_stops_to_read_after_a_while_is_cut(stage: Stage) -> None:
    async with congested(stage) as reply:
        for _ in range(3):
            stage.pass_time(LOOK_S)
        await reply.sip()
        for _ in range(4):
            stage.pass_time(LOOK_S)
            assert stage.edge.in_flight == 1
        stage.pass_time(LOOK_S)
        await reply.cell.until_cut()
        assert (await stage.logged())["reason"] == "client-too-slow"


AHEAD: Final = 60
LAST: Final = b"/last"
REPLY: Final = answer(bytes(100_000))


@asynccontextmanager
async def congested_between_requests(stage: Stage) -> AsyncIterator[Congested]:
    """The client sent requests ahead and takes no replies; the proxy has begun no further one for now."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        await loop.sock_connect(client, (HOST, stage.port))
        await loop.sock_sendall(client, get() * AHEAD + get(LAST))
        cell = await stage.cell.connection()
        (connection,) = stage.edge.connections
        while not (connection.write_paused and connection.phase == HEAD):
            await cell.take_head()
            cell.send(REPLY)
            await until(lambda: bool(cell.received) or connection.phase == HEAD, "the reply has come")
        await asyncio.sleep(0.05)  # what is under way reaches the client's kernel, which is the same
        yield Congested(client, cell, connection)


@staged
async def test_who_reads_on_slowly_is_answered_what_he_sent_ahead(stage: Stage) -> None:
    async with congested_between_requests(stage) as congestion:
        for _ in range(8):
            await congestion.sip()
            stage.pass_time(LOOK_S)
            assert congestion.connection.write_paused
            assert congestion.connection.phase == HEAD
        answering = asyncio.create_task(_answer_on(congestion.cell))
        await _read_all(congestion.client, stage)
        answering.cancel()
        stage.pass_time(IDLE_S / 2)
        assert congestion.connection.phase == HEAD, "an idle connection has the time of one"
        stage.pass_time(IDLE_S / 2)
        assert congestion.connection.phase == LINGER


@staged
async def test_who_reads_no_more_is_answered_nothing_of_what_he_sent_ahead(stage: Stage) -> None:
    async with congested_between_requests(stage) as congestion:
        for _ in range(6):
            stage.pass_time(LOOK_S)
        assert congestion.connection.phase >= LINGER
        assert not congestion.cell.received


async def _answer_on(cell: End) -> None:
    while True:
        asked = await cell.take_head()
        cell.send(answer(LAST) if LAST in asked else REPLY)


async def _read_all(client: socket.socket, stage: Stage) -> None:
    """All replies to what was sent ahead."""
    piece = b""
    while not piece.endswith(LAST):
        piece = await asyncio.get_running_loop().sock_recv(client, 1 << 20)
        assert piece, "it ended too early"
    await stage.settled()
