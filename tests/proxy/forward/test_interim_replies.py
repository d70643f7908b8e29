"""Interim replies, and replies that come before the request is complete."""

from __future__ import annotations

import asyncio
import socket
from functools import partial

import pytest

from proxy.forward.request_body import RequestBody
from tests.support.ends import End, until
from tests.support.messages import (
    REQUEST_ID,
    Problem,
    answer,
    answered,
    ask,
    asked,
    chunk,
    dated,
    get,
    got,
    lines,
    post,
    posted,
)
from tests.support.stage import BODY_S, REQUEST_S, Stage, staged

CONTINUE = lines(b"HTTP/1.1 100 Continue")
EXPECT = b"Expect: 100-continue"
LENGTH = b"Content-Length: 5"
HINTS = lines(b"HTTP/1.1 103 Early Hints", b"Link: </a.css>; rel=preload")


async def expecting(stage: Stage, *more: bytes) -> tuple[End, End]:
    """A client waits for a 100, the cell has its head."""
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", LENGTH, EXPECT, *more))
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", LENGTH, EXPECT, *more))
    return client, cell


@staged
async def test_the_cell_decides_whether_the_client_goes_on(stage: Stage) -> None:
    client, cell = await expecting(stage)
    assert not client.received
    cell.send(CONTINUE)
    await client.expect(CONTINUE)
    client.send(b"hello")
    await cell.expect(b"hello")
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    client.send(get())
    await cell.expect(got())


@staged
async def test_a_final_reply_in_place_of_100_closes(stage: Stage) -> None:
    client, cell = await expecting(stage)
    cell.send(answer(b"no"))
    await client.expect(answered(b"no", b"Connection: close"))
    await client.expect_end()
    assert await cell.until_cut() == b""


@staged
async def test_a_client_that_does_not_wait_for_100_is_not_made_to(stage: Stage) -> None:
    client, cell = await expecting(stage)
    client.send(b"hello")
    await cell.expect(b"hello")
    cell.send(CONTINUE, answer(b"x"))
    await client.expect(CONTINUE, answered(b"x"))


@staged
async def test_a_client_that_was_told_to_go_on_and_does_not_is_too_slow(stage: Stage) -> None:
    client, cell = await expecting(stage)
    cell.send(CONTINUE)
    await client.expect(CONTINUE)
    stage.pass_time(BODY_S)
    assert Problem(await client.rest()).status == 408
    await cell.until_cut()


@staged
async def test_a_cell_that_says_neither_100_nor_anything_else_is_too_slow(stage: Stage) -> None:
    client, cell = await expecting(stage)
    stage.pass_time(BODY_S)
    assert Problem(await client.rest()).status == 504
    await cell.until_cut()


@staged
async def test_the_second_100_is_dropped(stage: Stage) -> None:
    client, cell = await expecting(stage)
    cell.send(CONTINUE, CONTINUE)
    await client.expect(CONTINUE)
    client.send(b"hello")
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))


@staged
async def test_100_that_nobody_asked_for_is_dropped(stage: Stage) -> None:
    client = await stage.client()
    client.send(post(b"/", b"hello"))
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/", b"hello"))
    cell.send(CONTINUE, answer(b"x"))
    await client.expect(answered(b"x"))


@pytest.mark.parametrize("in_pieces", [False, True])
@staged
async def test_other_interim_replies_are_passed_on(stage: Stage, in_pieces: bool) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    replies = (
        HINTS + lines(b"HTTP/1.1 102 Processing", b"X-Home-Cell: x", b"Connection: close") + answer(b"x")
    )
    if in_pieces:
        await cell.send_in_bytes(replies)
    else:
        cell.send(replies)
    await client.expect(HINTS, lines(b"HTTP/1.1 102 Processing"), answered(b"x"))
    client.send(get())
    await cell.expect(got())


@staged
async def test_http_1_0_gets_no_interim_reply(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.0", LENGTH, EXPECT), b"hello")
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", LENGTH, minor=0), b"hello")
    cell.send(CONTINUE, HINTS, answer(b"x"))
    await client.expect(answered(b"x", b"Connection: close"))


@staged
async def test_an_early_reply_is_passed_on_and_ends_both_connections(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Content-Length: 100"), b"some")
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", b"Content-Length: 100"), b"some")
    cell.send(dated(b"HTTP/1.1 413 Content Too Large", b"Content-Length: 3"), b"big")
    too_large = dated(
        b"HTTP/1.1 413 Content Too Large",
        b"Content-Length: 3",
        b"X-Request-Id: " + REQUEST_ID,
        b"Connection: close",
    )
    await client.expect(too_large, b"big")
    await client.expect_end()
    assert await cell.until_cut() == b""
    client.send(b"x" * 96, get(b"/never"))
    client.finish()
    await stage.settled()
    await stage.insist_untouched()


@staged
async def test_the_rest_of_the_body_may_come_while_an_early_reply_is_under_way(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Content-Length: 8"), b"some")
    cell = await stage.cell.connection()
    await cell.take_head()
    cell.send(dated(b"HTTP/1.1 200 OK", b"Content-Length: 6"), b"one")
    await client.take_to(b"one")
    client.send(b"more")
    await cell.expect(b"somemore")
    cell.send(b"two")
    await client.expect(b"two")
    await client.expect_end()


@staged
async def test_a_client_that_only_writes_can_read_the_early_reply_afterwards(stage: Stage) -> None:
    """Closing at once would reset the connection, and the reply would be lost on its way."""
    client = await stage.client()
    client.stop_reading()
    client.send(ask(b"POST / HTTP/1.1", b"Content-Length: %d" % (32 << 20)))
    cell = await stage.cell.connection()
    await cell.take_head()
    cell.send(answer(b"enough"))
    block = b"x" * 65536
    for _ in range((32 << 20) // len(block)):
        await client.flow(block)
    client.go_on_reading()
    assert await client.rest() == answered(b"enough", b"Connection: close")


@staged
async def test_a_refused_body_does_not_cost_the_client_the_refusal(stage: Stage) -> None:
    client = await stage.client()
    client.stop_reading()
    client.send(ask(b"POST /small HTTP/1.1", b"Content-Length: %d" % (8 << 20)))
    block = b"x" * 65536
    for _ in range((8 << 20) // len(block)):
        await client.flow(block)
    client.go_on_reading()
    assert Problem(await client.rest()).status == 413
    await stage.insist_untouched()


@staged
async def test_malformed_chunks_after_an_early_reply_break_it_off(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked"), chunk(b"x"))
    cell = await stage.cell.connection()
    await cell.take_head()
    cell.send(dated(b"HTTP/1.1 200 OK", b"Content-Length: 6"), b"one")
    await client.take_to(b"one")
    client.send(b"5\nhello\n")
    assert await client.until_reset() == b""
    await cell.until_cut()
    assert (await stage.logged())["reason"] == "bad-request"


@staged
async def test_switching_protocols_unasked_is_a_broken_reply(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(lines(b"HTTP/1.1 101 Switching Protocols", b"Upgrade: x"), b"tunnelled")
    problem = Problem(await client.take_head() + await client.take_to(b"}\n"))
    assert (problem.status, problem.slug) == (502, "cell-bad-reply")
    await cell.until_cut()


@staged
async def test_interim_replies_do_not_buy_the_cell_time(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    stage.pass_time(REQUEST_S / 2)
    cell.send(HINTS)
    await client.expect(HINTS)
    stage.pass_time(REQUEST_S / 2)
    assert Problem(await client.take_head() + await client.take_to(b"}\n")).status == 504


def has_come(body: RequestBody, count: int) -> bool:
    return body.received_bytes == count


@staged
async def test_a_cell_that_answers_without_reading_is_not_asked_again_on_that_connection(
    stage: Stage,
) -> None:
    """The request is complete, but a part of it still waits in the proxy to be taken."""
    client = await stage.client()
    client.send(ask(b"PUT / HTTP/1.1", b"Transfer-Encoding: chunked"))
    cell = await stage.cell.connection()
    await cell.take_head()
    cell.stop_reading()
    (connection,) = stage.edge.connections
    journey = connection._journey
    assert journey is not None
    upstream = journey.upstream
    assert upstream is not None
    assert upstream._transport is not None
    transport, body, block = upstream._transport, journey.body, bytes(50_000)
    assert body is not None
    # Buffers of a size that is set are not made bigger by the kernel.
    for end, option in ((cell.transport, socket.SO_RCVBUF), (transport, socket.SO_SNDBUF)):
        end.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, option, 4096
        )  # and the kernel adds no more
    sent = waiting = 0
    while waiting < 10:  # looks in a row that found something waiting: the kernel takes no more
        waiting = waiting + 1 if transport.get_write_buffer_size() else 0
        if not waiting:
            client.send(chunk(block))
            sent += len(block)
            await until(partial(has_come, body, sent), "the piece has come")
        await asyncio.sleep(0.002)
    transport.set_write_buffer_limits(transport.get_write_buffer_size())  # one byte more is too much
    client.send(chunk(b"the last"), b"0\r\n\r\n")  # small enough to be read as one
    await until(lambda: body.done and upstream.write_paused, "all has come and some of it waits")
    cell.send(answer(b"enough"))
    await client.expect(answered(b"enough"))
    client.send(get())
    await (await stage.cell.connection()).expect(got())
