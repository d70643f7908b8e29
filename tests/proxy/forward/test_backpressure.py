"""A slow reader on one side stops the reading on the other: what waits inside the proxy stays small."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final

import pytest

from proxy.forward.reading import HEAD, LINGER
from tests.support.ends import End, until
from tests.support.messages import answer, answered, ask, chunk, get, got, lines, unchunk
from tests.support.stage import BODY_S, Stage, staged

SIZE: Final = 64 << 20
BLOCK: Final = bytes(range(256)) * 256
BOUND: Final = 2 * (65536 + 256_000)
"""Of what may wait: on each side the window and, beyond it, one read of uvloop's."""


class Scales:
    """Weighs what waits inside the proxy, whenever asked."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.heaviest = 0

    def weigh(self) -> int:
        """The weight now."""
        weight = 0
        for connection in self._stage.edge.connections:
            weight += connection.kept_bytes()
            if connection.transport is not None:
                weight += connection.transport.get_write_buffer_size()
            journey = connection._journey
            if journey is not None:
                weight += len(journey.pending)
                if journey.upstream is not None and journey.upstream._transport is not None:
                    weight += journey.upstream._transport.get_write_buffer_size()
        self.heaviest = max(self.heaviest, weight)
        return weight


async def read_slowly(end: End, scales: Scales, is_whole: Callable[[bytearray], bool]) -> bytes:
    """What comes until it is whole, read with many pauses: the first until nothing goes on any more."""
    end.stop_reading()
    await until(lambda: scales.weigh() > 65536, "the proxy holds what it may hold")
    while not is_whole(end.received):
        assert not end.gone
        end.go_on_reading()
        await asyncio.sleep(0)
        end.stop_reading()
        scales.weigh()
    end.go_on_reading()
    return await end.take(len(end.received))


def has_size(received: bytearray) -> bool:
    return len(received) >= SIZE


def has_last_chunk(received: bytearray) -> bool:
    return received.endswith(b"\r\n0\r\n\r\n")


async def pour(end: End, chunked: bool) -> None:
    """Send SIZE bytes, as fast as they are taken."""
    for _ in range(SIZE // len(BLOCK)):
        await end.flow(chunk(BLOCK) if chunked else BLOCK)
    if chunked:
        end.send(b"0\r\n\r\n")


def insist_whole(body: bytes, chunked: bool) -> None:
    """It is what `pour` sent."""
    data = unchunk(body) if chunked else body
    assert hashlib.blake2b(data).digest() == hashlib.blake2b(BLOCK * (SIZE // len(BLOCK))).digest()


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [False, True])
@staged
async def test_an_upload_to_a_cell_that_reads_slowly(stage: Stage, chunked: bool) -> None:
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % SIZE
    client = await stage.client()
    client.send(ask(b"PUT / HTTP/1.1", framing))
    cell = await stage.cell.connection()
    await cell.take_head()
    scales = Scales(stage)
    pouring = asyncio.create_task(pour(client, chunked))
    insist_whole(await read_slowly(cell, scales, has_last_chunk if chunked else has_size), chunked)
    await pouring
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    assert scales.heaviest < BOUND, scales.heaviest
    assert (await stage.logged())["request_bytes"] == SIZE
    client.send(get())
    await cell.expect(got())


@pytest.mark.parametrize("chunked", [False, True])
@staged
async def test_a_download_to_a_client_that_reads_slowly(stage: Stage, chunked: bool) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % SIZE
    cell.send(lines(b"HTTP/1.1 200 OK", framing))
    await client.take_head()
    scales = Scales(stage)
    pouring = asyncio.create_task(pour(cell, chunked))
    insist_whole(await read_slowly(client, scales, has_last_chunk if chunked else has_size), chunked)
    await pouring
    assert scales.heaviest < BOUND, scales.heaviest
    assert (await stage.logged())["reply_bytes"] == SIZE
    client.send(get())
    await cell.expect(got())


@staged
async def test_a_body_for_a_home_that_is_not_known_yet_is_held_back(stage: Stage) -> None:
    stage.store.open_gate.clear()
    client = await stage.client()
    client.send(ask(b"PUT / HTTP/1.1", b"Content-Length: %d" % SIZE))
    pouring = asyncio.create_task(pour(client, chunked=False))
    scales = Scales(stage)
    await until(lambda: scales.weigh() > 65536, "the proxy holds what it may hold")
    for _ in range(100):
        await asyncio.sleep(0)
        scales.weigh()
    assert scales.heaviest < BOUND, scales.heaviest
    stage.store.open_gate.set()
    cell = await stage.cell.connection()
    await cell.take_head()
    await pouring
    insist_whole(await cell.take(SIZE), chunked=False)
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))


@staged
async def test_replies_to_a_client_that_does_not_read_are_not_begun(stage: Stage) -> None:
    """Requests sent ahead by a client that takes no replies stop being served."""
    client = await stage.client()
    client.stop_reading()
    client.send(get() * 500)
    cell = await stage.cell.connection()
    scales = Scales(stage)
    (connection,) = stage.edge.connections
    body = bytes(100_000)
    served = 0
    while not connection.write_paused:
        await cell.expect(got())
        cell.send(answer(body))
        served += 1
        await until(lambda: bool(cell.received) or connection.write_paused, "it goes on or waits")
        scales.weigh()
    if cell.received:  # begun before the proxy noticed
        await cell.expect(got())
        cell.send(answer(body))
        served += 1
    for _ in range(100):
        await asyncio.sleep(0)
        scales.weigh()
    assert served < 500
    assert not cell.received
    assert scales.heaviest < BOUND + 500 * len(get())
    client.go_on_reading()
    for _ in range(served):
        await client.expect(answered(body))
    await cell.expect(got())


@staged
async def test_a_client_that_reads_no_refusals_is_read_no_further(stage: Stage) -> None:
    client = await stage.client()
    client.stop_reading()
    refused = lines(b"GET / HTTP/1.1", b"Host: a.example")
    (connection,) = stage.edge.connections
    scales = Scales(stage)
    sent = 0
    while client.transport.get_write_buffer_size() < SIZE:  # far more than any buffer of the kernel
        client.send(refused * 2000)
        sent += 2000
        await asyncio.sleep(0)
        scales.weigh()
    assert connection.write_paused
    assert scales.heaviest < BOUND, scales.heaviest
    passed_s = 0.0
    while connection.phase == HEAD and passed_s < 2 * BODY_S:  # it is the reading that is slow, and no head
        stage.pass_time(BODY_S / 4)
        passed_s += BODY_S / 4
    assert connection.phase == LINGER
    assert passed_s > BODY_S
    client.go_on_reading()
    received = await client.until_cut()
    assert b"HTTP/1.1 401 " in received
    assert b"HTTP/1.1 408 " not in received


@staged
async def test_hints_for_a_client_that_does_not_read_are_dropped(stage: Stage) -> None:
    client = await stage.client()
    client.stop_reading()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    (connection,) = stage.edge.connections
    scales = Scales(stage)
    hints = lines(b"HTTP/1.1 103 Early Hints", b"Link: <%b>" % (b"x" * 8000)) * 50
    for _ in range(100):
        await cell.flow(hints)
        scales.weigh()
    assert connection.write_paused
    assert scales.heaviest < BOUND + len(hints), scales.heaviest
    cell.send(answer(b"x"))
    client.go_on_reading()
    await client.take_to(answered(b"x"))


@staged
async def test_what_a_half_closing_client_sent_ahead_waits_until_it_reads(stage: Stage) -> None:
    client = await stage.client()
    client.stop_reading()
    client.send(get() * 500)
    cell = await stage.cell.connection()
    (connection,) = stage.edge.connections
    body = bytes(100_000)
    served = 0
    while not connection.write_paused or cell.received:
        await cell.expect(got())
        cell.send(answer(body))
        served += 1
        await until(lambda: bool(cell.received) or connection.write_paused, "it goes on or waits")
    client.finish()
    for _ in range(20):
        await asyncio.sleep(0)
    client.go_on_reading()
    for _ in range(served, 500):
        await cell.expect(got())
        cell.send(answer(b""))
    await client.expect(answered(body) * served, answered(b"") * (500 - served))
    await client.expect_end()
