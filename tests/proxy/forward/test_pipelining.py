"""Requests sent ahead are answered in order, one after the other, whatever their bodies and refusals."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.messages import (
    NO_CREDENTIAL,
    Problem,
    answer,
    answered,
    ask,
    asked,
    chunk,
    get,
    got,
    length_of,
    post,
    posted,
)
from tests.support.stage import HEAD_S, Stage, staged


@staged
async def test_the_second_waits_for_the_reply_to_the_first(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/1"), get(b"/2"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/1"))
    await stage.insist_untouched()
    assert not cell.received
    cell.send(answer(b"one"))
    await cell.expect(got(b"/2"))
    await client.expect(answered(b"one"))
    assert not client.received
    cell.send(answer(b"two"))
    await client.expect(answered(b"two"))


@staged
async def test_requests_for_different_cells_are_answered_in_order(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/1"), get(b"/2", user=5), get(b"/3"))
    near = await stage.cell.connection()
    await near.expect(got(b"/1"))
    near.send(answer(b"one"))
    other = await stage.cells["eu-2"].connection()
    await other.expect(got(b"/2", user=5, home=(b"eu-2", 5)))
    await client.expect(answered(b"one"))
    assert not near.received
    other.send(answer(b"two"))
    await near.expect(got(b"/3"))
    near.send(answer(b"three"))
    await client.expect(answered(b"two"), answered(b"three"))


@staged
async def test_a_body_ends_where_the_next_request_begins(stage: Stage) -> None:
    client = await stage.client()
    chunked = ask(b"POST /2 HTTP/1.1", b"Transfer-Encoding: chunked")
    client.send(post(b"/1", b"GET /not HTTP/1.1\r\n\r\n"), chunked, chunk(b"abc"), b"0\r\n\r\n", get(b"/3"))
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/1", b"GET /not HTTP/1.1\r\n\r\n"))
    assert not cell.received
    cell.send(answer(b"one"))
    await cell.expect(asked(b"POST /2 HTTP/1.1", b"Transfer-Encoding: chunked"), chunk(b"abc"), b"0\r\n\r\n")
    assert not cell.received
    cell.send(answer(b"two"))
    await cell.expect(got(b"/3"))
    cell.send(answer(b"three"))
    await client.expect(answered(b"one"), answered(b"two"), answered(b"three"))


@staged
async def test_a_body_that_comes_later_is_not_the_next_request(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST /1 HTTP/1.1", b"Content-Length: 10"), b"01234")
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST /1 HTTP/1.1", b"Content-Length: 10"), b"01234")
    client.send(b"56789", get(b"/2"))
    await cell.expect(b"56789")
    cell.send(answer(b"one"))
    await cell.expect(got(b"/2"))
    cell.send(answer(b"two"))
    await client.expect(answered(b"one"), answered(b"two"))


@staged
async def test_a_refusal_takes_its_place_in_the_order(stage: Stage) -> None:
    client = await stage.client()
    unknown = get(b"/unknown", user=404)
    client.send(get(b"/1"), NO_CREDENTIAL, unknown, get(b"/2"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/1"))
    cell.send(answer(b"one"))
    await cell.expect(got(b"/2"))
    await client.expect(answered(b"one"))
    cell.send(answer(b"two"))
    for status in (401, 404):
        head = await client.take_head()
        problem = Problem(head + await client.take(length_of(head)))
        assert problem.status == status
        assert not problem.closes
    await client.expect(answered(b"two"))


@staged
async def test_a_malformed_request_ends_the_order(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/1"), b"GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n", get(b"/never"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/1"))
    cell.send(answer(b"one"))
    await client.expect(answered(b"one"))
    problem = Problem(await client.rest())
    assert (problem.status, problem.closes) == (400, True)
    client.close()
    assert not cell.received
    await stage.insist_untouched()


@staged
async def test_a_thousand_requests_in_one_go(stage: Stage) -> None:
    client = await stage.client()
    client.send(*(get(b"/%d" % number) for number in range(1000)))
    cell = await stage.cell.connection()
    for number in range(1000):
        await cell.expect(got(b"/%d" % number))
        assert not cell.received
        cell.send(answer(b"%d" % number))
    for number in range(1000):
        await client.expect(answered(b"%d" % number))
    await stage.settled()
    assert len(stage.log()) == 1000


@staged
async def test_a_thousand_refusals_in_one_go(stage: Stage) -> None:
    client = await stage.client()
    client.send(NO_CREDENTIAL * 1000, get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(answer(b"last"))
    for _ in range(1000):
        head = await client.take_head()
        assert head.startswith(b"HTTP/1.1 401 ")
        await client.take(length_of(head))
    await client.expect(answered(b"last"))


@staged
async def test_a_client_far_ahead_is_read_no_further(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/1"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/1"))
    padded = ask(b"GET /2 HTTP/1.1", b"X-Padding: " + b"x" * 8000)
    sent = 0
    while not client.transport.get_write_buffer_size():  # until no window is left anywhere on the way
        client.send(padded)
        sent += 1
        await asyncio.sleep(0)
    assert sent > 0
    for connection in stage.edge.connections:
        assert connection.kept_bytes() <= 65536 + 256_000  # the look-ahead and one read beyond it
    cell.send(answer(b"1"))
    for _ in range(sent):
        await cell.expect(asked(b"GET /2 HTTP/1.1", b"X-Padding: " + b"x" * 8000))
        cell.send(answer(b"2"))
    await client.expect(answered(b"1"), answered(b"2") * sent)


@pytest.mark.parametrize("empty_lines", [b"\r\n"])
@staged
async def test_an_empty_line_before_a_request_is_forgiven(stage: Stage, empty_lines: bytes) -> None:
    client = await stage.client()
    client.send(empty_lines, get(b"/1"), empty_lines, get(b"/2"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/1"))
    cell.send(answer(b"one"))
    await cell.expect(got(b"/2"))
    cell.send(answer(b"two"))
    await client.expect(answered(b"one"), answered(b"two"))


@staged
async def test_an_empty_line_octet_by_octet_is_forgiven_too(stage: Stage) -> None:
    client = await stage.client()
    await client.send_in_bytes(b"\r\n" + get(b"/1"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/1"))
    cell.send(answer(b"one"))
    await client.expect(answered(b"one"))


@staged
async def test_an_empty_line_behind_a_body_is_no_request_that_is_too_slow(stage: Stage) -> None:
    client = await stage.client()
    client.send(post(b"/", b"hello") + b"\r\n")
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/", b"hello"))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    await stage.settled()
    stage.pass_time(HEAD_S)
    await client.expect_end()


@staged
async def test_the_start_of_a_head_sent_ahead_has_the_time_of_a_head(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/1"), b"GET /2 HT")
    cell = await stage.cell.connection()
    await cell.expect(got(b"/1"))
    cell.send(answer(b"one"))
    await client.expect(answered(b"one"))
    await stage.settled()
    stage.pass_time(HEAD_S)
    assert Problem(await client.rest()).status == 408


@staged
async def test_the_start_of_a_head_behind_a_refusal_has_the_time_of_a_head(stage: Stage) -> None:
    client = await stage.client()
    client.send(NO_CREDENTIAL, b"GET /2 HT")
    head = await client.take_head()
    await client.take(length_of(head))
    stage.pass_time(HEAD_S)
    assert Problem(await client.rest()).status == 408
