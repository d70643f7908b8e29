"""A reply that is not whole and well-formed never looks so to the client, nor is its connection reused."""

from __future__ import annotations

from typing import Final

import pytest

from proxy.observe import layout
from tests.proxy.forward.begun import exchange
from tests.proxy.wire.test_chunked import MALFORMED
from tests.proxy.wire.test_reply import BROKEN
from tests.support.ends import End, until
from tests.support.messages import (
    REQUEST_ID,
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
    problem_of,
)
from tests.support.stage import Stage, staged

OK: Final = b"HTTP/1.1 200 OK"
CHUNKED: Final = b"Transfer-Encoding: chunked"
LAST: Final = b"0\r\n\r\n"
ENDLESS: Final = (
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"SSH-2.0-OpenSSH\r\n",
    b"\x15\x03\x03\x00\x02",
    b"HTTP/2 200\r\n",
)
ID: Final = b"X-Request-Id: " + REQUEST_ID


async def insist_fresh(stage: Stage, client: End) -> None:
    """The client is served again, over a new connection to the cell."""
    client.send(get(b"/after"))
    fresh = await stage.cell.connection()
    await fresh.expect(got(b"/after"))
    fresh.send(answer(b"y"))
    await client.expect(answered(b"y"))


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN)
@staged
async def test_a_malformed_head_is_a_bad_gateway(stage: Stage, reply: bytes) -> None:
    client, cell = await exchange(stage)
    cell.send(reply)
    problem = await problem_of(client)
    assert (problem.status, problem.slug, problem.cell) == (502, "cell-bad-reply", "eu-1")
    assert problem.detail
    await cell.until_cut()
    assert stage.counted(layout.ATTEMPT_FAILURES, "eu-1") == 1
    await insist_fresh(stage, client)


@pytest.mark.parametrize("octet_by_octet", [False, True])
@pytest.mark.parametrize("reply", ENDLESS)
@staged
async def test_what_can_become_no_head_is_not_waited_for(
    stage: Stage, reply: bytes, octet_by_octet: bool
) -> None:
    client, cell = await exchange(stage)
    if octet_by_octet:
        await cell.send_in_bytes(reply)
    else:
        cell.send(reply)
    assert (await problem_of(client)).slug == "cell-bad-reply"
    await cell.until_cut()


@staged
async def test_an_endless_head_is_cut_off(stage: Stage) -> None:
    client, cell = await exchange(stage)
    cell.send(OK, b"\r\nX-A: ", b"a" * 70_000)
    assert (await problem_of(client)).status == 502
    await cell.until_cut()


@staged
async def test_a_flood_of_interim_replies_is_cut_off(stage: Stage) -> None:
    client, cell = await exchange(stage)
    cell.send(lines(b"HTTP/1.1 100 Continue") * 65, answer(b"x"))
    assert (await problem_of(client)).status == 502
    await cell.until_cut()


@pytest.mark.parametrize("cut", [1, 9, 17, 40])
@staged
async def test_a_reply_cut_off_inside_its_head_is_a_bad_gateway(stage: Stage, cut: int) -> None:
    client, cell = await exchange(stage)
    cell.send(answer(b"whole", b"X-Padding: 0123456789")[:cut])
    cell.close()
    problem = await problem_of(client)
    assert (problem.status, problem.slug) == (502, "cell-bad-reply")
    await insist_fresh(stage, client)


@pytest.mark.parametrize("by_reset", [False, True])
@staged
async def test_a_body_shorter_than_its_length_is_broken_off(stage: Stage, by_reset: bool) -> None:
    client, cell = await exchange(stage)
    cell.send(dated(OK, b"Content-Length: 10"), b"01234")
    await client.expect(dated(OK, b"Content-Length: 10", ID), b"01234")
    if by_reset:
        cell.break_off()
    else:
        cell.close()
    assert await client.until_reset() == b""
    line = await stage.logged()
    assert (line["status"], line["reason"]) == (200, "cell-bad-reply")


@pytest.mark.parametrize("sent", [b"", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n"])
@pytest.mark.parametrize("by_reset", [False, True])
@staged
async def test_a_chunked_body_cut_off_gets_no_last_chunk(stage: Stage, sent: bytes, by_reset: bool) -> None:
    client, cell = await exchange(stage)
    cell.send(dated(OK, CHUNKED))
    await client.expect(dated(OK, ID, CHUNKED))
    if sent:
        cell.send(sent)
        data = sent.partition(b"\r\n")[2].partition(b"\r\n")[0]
        await client.expect(chunk(data))
    if by_reset:
        cell.break_off()
    else:
        cell.close()
    assert await client.until_reset() == b""


@staged
async def test_a_reply_that_ends_with_the_connection_must_not_end_with_a_reset(stage: Stage) -> None:
    client, cell = await exchange(stage)
    cell.send(dated(OK), b"some")
    await client.expect(dated(OK, ID, CHUNKED), chunk(b"some"))
    cell.break_off()
    assert await client.until_reset() == b""


@staged
async def test_to_http_1_0_too_a_cut_reply_is_a_reset(stage: Stage) -> None:
    """Its client takes the end of the connection for the end of the reply: it must not see one."""
    client, cell = await exchange(stage, ask(b"GET / HTTP/1.0"))
    cell.send(dated(OK, CHUNKED), chunk(b"some"))
    await client.expect(dated(OK, ID, b"Connection: close"), b"some")
    cell.close()
    assert await client.until_reset() == b""


@pytest.mark.parametrize("stream", MALFORMED.values(), ids=MALFORMED)
@staged
async def test_malformed_chunks_are_broken_off(stage: Stage, stream: bytes) -> None:
    client, cell = await exchange(stage)
    cell.send(dated(OK, CHUNKED), chunk(b"good"))
    await client.expect(dated(OK, ID, CHUNKED), chunk(b"good"))
    await cell.send_in_bytes(stream[:600])
    cell.send(stream[600:])
    came = await client.until_reset()
    assert b"0\r\n" not in came
    await cell.until_cut()


@pytest.mark.parametrize("stream", MALFORMED.values(), ids=MALFORMED)
@staged
async def test_malformed_chunks_that_come_with_their_head_are_a_bad_gateway(
    stage: Stage, stream: bytes
) -> None:
    client, cell = await exchange(stage)
    cell.send(dated(OK, CHUNKED), stream)
    assert (await problem_of(client)).status == 502
    await cell.until_cut()
    await insist_fresh(stage, client)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer(b"x"), answered(b"x")),
        (dated(OK, CHUNKED) + chunk(b"x") + LAST, dated(OK, ID, CHUNKED) + chunk(b"x") + LAST),
        (dated(b"HTTP/1.1 204 No Content"), dated(b"HTTP/1.1 204 No Content", ID)),
        (answer(b""), answered(b"")),
    ],
)
@pytest.mark.parametrize("extra", [b"\r\n", b"x", answer(b"poison")])
@staged
async def test_a_connection_with_bytes_behind_the_reply_is_never_used_again(
    stage: Stage, reply: bytes, expected: bytes, extra: bytes
) -> None:
    client, cell = await exchange(stage)
    cell.send(reply, extra)
    await client.expect(expected)
    await cell.until_cut()
    await insist_fresh(stage, client)


@pytest.mark.parametrize("extra", [b"x", answer(b"poison"), lines(b"HTTP/1.1 408 Request Timeout")])
@staged
async def test_what_comes_on_an_idle_connection_answers_nobody(stage: Stage, extra: bytes) -> None:
    client, cell = await exchange(stage)
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    cell.send(extra)
    await until(lambda: stage.pool().open_count == 0, "the pool has thrown the connection away")
    await insist_fresh(stage, client)


@pytest.mark.parametrize("announced", [b"Content-Length: 43", CHUNKED])
@pytest.mark.parametrize(
    ("method", "status"),
    [
        (b"GET", b"204 No Content"),
        (b"GET", b"304 Not Modified"),
        (b"HEAD", b"200 OK"),
        (b"HEAD", b"204 No Content"),
        (b"HEAD", b"304 Not Modified"),
    ],
)
@staged
async def test_a_body_that_may_not_follow_and_comes_late_is_not_the_next_users_reply(
    stage: Stage, method: bytes, status: bytes, announced: bytes
) -> None:
    client = await stage.client()
    client.send(ask(method + b" / HTTP/1.1"))
    cell = await stage.cell.connection()
    await cell.take_head()
    start = b"HTTP/1.1 " + status
    cell.send(dated(start, announced))
    passed = announced != CHUNKED and not status.startswith(b"204")
    await client.expect(dated(start, *((announced,) if passed else ()), ID))
    other = await stage.client()
    other.send(get(user=2))
    await until(lambda: len(stage.cell.accepted) == 2 or b"GET" in cell.received, "it was asked")
    cell.send(answer(b"somebody else's"))
    fresh = await stage.cell.connection()
    await fresh.expect(got(user=2, home=(b"eu-1", 4)))
    fresh.send(answer(b"theirs"))
    await other.expect(answered(b"theirs"))
    await cell.until_reset()


@pytest.mark.parametrize("framing", [b"Content-Length: 7", CHUNKED])
@staged
async def test_an_interim_reply_that_announces_a_body_is_a_bad_gateway(stage: Stage, framing: bytes) -> None:
    client, cell = await exchange(stage)
    cell.send(lines(b"HTTP/1.1 103 Early Hints", framing))
    assert (await problem_of(client)).slug == "cell-bad-reply"
    await cell.until_cut()
    await insist_fresh(stage, client)


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@staged
async def test_what_comes_before_a_request_has_left_is_not_its_reply(stage: Stage, method: bytes) -> None:
    """It crosses the request on its way, so it can't be an answer to it; nothing of that was sent yet."""
    client, cell = await exchange(stage)
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    client.send(ask(method + b" / HTTP/1.1"))
    cell.send(answer(b"poison"))
    fresh = await stage.cell.connection()
    await fresh.expect(asked(method + b" / HTTP/1.1"))
    fresh.send(answer(b"good"))
    await client.expect(answered(b"good"))
    assert await cell.until_cut() == b""


@staged
async def test_a_request_with_a_body_gets_the_same(stage: Stage) -> None:
    client = await stage.client()
    client.send(post(b"/", b"hello"))
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/", b"hello"))
    cell.send(b"nonsense\r\n\r\n")
    assert (await problem_of(client)).status == 502
    await insist_fresh(stage, client)


@staged
async def test_a_broken_reply_is_not_tried_again(stage: Stage) -> None:
    client, cell = await exchange(stage)
    cell.send(b"nonsense\r\n\r\n")
    assert (await problem_of(client)).status == 502
    assert (await stage.logged())["attempts"] == 1
    await stage.insist_untouched()
