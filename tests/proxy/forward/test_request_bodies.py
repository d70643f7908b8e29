"""Request bodies reach the cell as they were sent, in whatever pieces, and end where they end."""

from __future__ import annotations

import pytest

from tests.support.ends import End
from tests.support.messages import (
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
    unchunk,
)
from tests.support.stage import Stage, staged

CHUNKED = b"Transfer-Encoding: chunked"
LAST = b"0\r\n\r\n"


async def finish(client: End, cell: End) -> None:
    """The exchange ends well, and both connections serve another one."""
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    client.send(get(b"/after"))
    await cell.expect(got(b"/after"))
    cell.send(answer(b"y"))
    await client.expect(answered(b"y"))


@pytest.mark.parametrize("body", [b"", b"a", b"hello\r\n\r\n", b"x" * 300_000])
@staged
async def test_a_body_of_known_length_passes_unchanged(stage: Stage, body: bytes) -> None:
    client = await stage.client()
    client.send(post(b"/", body))
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/", body))
    await finish(client, cell)


@pytest.mark.parametrize("body", [b"", b"hello", bytes(range(256)) * 1000])
@staged
async def test_a_chunked_body_keeps_its_data(stage: Stage, body: bytes) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", CHUNKED), chunk(body) if body else b"", LAST)
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", CHUNKED))
    coded = await cell.take_to(LAST)
    assert unchunk(coded) == body
    await finish(client, cell)


@staged
async def test_octet_by_octet_makes_no_difference_with_a_length(stage: Stage) -> None:
    client = await stage.client()
    await client.send_in_bytes(post(b"/", b"hello"))
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/", b"hello"))
    await finish(client, cell)


@staged
async def test_octet_by_octet_makes_no_difference_with_chunks(stage: Stage) -> None:
    client = await stage.client()
    message = ask(b"POST / HTTP/1.1", CHUNKED) + chunk(b"hello") + chunk(b"world!") + b"0\r\nX-Sum: 1\r\n\r\n"
    await client.send_in_bytes(message)
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", CHUNKED))
    coded = await cell.take_to(b"\r\n\r\n")
    assert coded.endswith(b"0\r\nX-Sum: 1\r\n\r\n")
    assert unchunk(coded.removesuffix(b"X-Sum: 1\r\n\r\n") + b"\r\n") == b"helloworld!"
    await finish(client, cell)


@staged
async def test_each_piece_is_passed_on_when_it_comes(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", CHUNKED))
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", CHUNKED))
    for piece in (b"one", b"two", b"three"):
        client.send(chunk(piece))
        await cell.expect(chunk(piece))
    client.send(LAST)
    await cell.expect(LAST)
    await finish(client, cell)


@staged
async def test_trailers_that_may_stand_there_are_passed_on(stage: Stage) -> None:
    client = await stage.client()
    trailers = lines(b"0", b"X-Checksum: abc", b"Content-Length: 5", b"X-Home-Cell: us-1", b"Cookie: a=b")
    client.send(ask(b"POST / HTTP/1.1", CHUNKED), chunk(b"x"), trailers)
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", CHUNKED), chunk(b"x"), b"0\r\nX-Checksum: abc\r\n\r\n")
    await finish(client, cell)


@staged
async def test_chunk_extensions_and_odd_spellings_are_not_passed_on(stage: Stage) -> None:
    client = await stage.client()
    client.send(
        ask(b"POST / HTTP/1.1", b"Transfer-Encoding:  Chunked "), b"00A;q=1\r\n0123456789\r\n00\r\n\r\n"
    )
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", CHUNKED), chunk(b"0123456789"), LAST)
    await finish(client, cell)


@staged
async def test_a_body_from_http_1_0(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.0", b"Content-Length: 5"), b"hello")
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", b"Content-Length: 5", minor=0), b"hello")
    cell.send(answer(b"x"))
    await client.expect(answered(b"x", b"Connection: close"))
    await client.expect_end()


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"PROPFIND"])
@staged
async def test_any_method_may_have_a_body(stage: Stage, method: bytes) -> None:
    client = await stage.client()
    client.send(ask(method + b" / HTTP/1.1", b"Content-Length: 5"), b"hello")
    cell = await stage.cell.connection()
    await cell.expect(asked(method + b" / HTTP/1.1", b"Content-Length: 5"), b"hello")
    cell.send(dated(b"HTTP/1.1 204 No Content"))
    await client.expect(dated(b"HTTP/1.1 204 No Content", b"X-Request-Id: r-1"))


@staged
async def test_a_body_that_comes_before_the_home_is_known_waits(stage: Stage) -> None:
    stage.store.open_gate.clear()
    client = await stage.client()
    body = bytes(range(256)) * 256 * 8  # eight times the window
    client.send(post(b"/", body))
    stage.store.open_gate.set()
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/", body))
    await finish(client, cell)


@pytest.mark.parametrize(
    "request_bytes",
    [
        ask(b"POST /small HTTP/1.1", b"Content-Length: 101") + b"x" * 101,
        ask(b"POST /small HTTP/1.1", b"Content-Length: 101"),
        ask(b"POST /small HTTP/1.1", b"Content-Length: 999999999999"),
        ask(b"POST /small HTTP/1.1", b"Content-Length: 101", b"Expect: 100-continue"),
        ask(b"POST /small HTTP/1.1", CHUNKED) + chunk(b"x" * 101),
        ask(b"POST /small HTTP/1.1", CHUNKED) + chunk(b"x" * 60) * 2,
    ],
)
@staged
async def test_a_body_over_the_routes_limit_never_begins(stage: Stage, request_bytes: bytes) -> None:
    client = await stage.client()
    client.send(request_bytes)
    problem = Problem(await client.rest())
    assert (problem.status, problem.slug, problem.closes) == (413, "body-too-large", True)
    assert "100 bytes" in problem.detail
    await stage.insist_untouched()


@staged
async def test_a_body_of_just_the_limit_passes(stage: Stage) -> None:
    client = await stage.client()
    client.send(post(b"/small", b"x" * 100))
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/small", b"x" * 100))
    await finish(client, cell)


@staged
async def test_a_body_that_outgrows_the_limit_is_broken_off_at_the_cell(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST /small HTTP/1.1", CHUNKED), chunk(b"x" * 60))
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST /small HTTP/1.1", CHUNKED), chunk(b"x" * 60))
    client.send(chunk(b"y" * 60))
    assert Problem(await client.rest()).status == 413
    assert await cell.until_cut() == b""  # no last chunk: the cell can't take it for a whole body


@staged
async def test_without_a_route_the_body_is_not_read(stage: Stage) -> None:
    stage.use_routes()
    client = await stage.client()
    client.send(post(b"/", b"x" * 1000))
    problem = Problem(await client.rest())
    assert (problem.status, problem.slug, problem.closes) == (404, "no-route", True)
    await stage.insist_untouched()


@staged
async def test_the_log_counts_the_data_of_both_bodies(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"POST / HTTP/1.1", CHUNKED), chunk(b"hello"), chunk(b"you"), LAST)
    cell = await stage.cell.connection()
    await cell.take_head()
    cell.send(lines(b"HTTP/1.1 200 OK", CHUNKED), chunk(b"abc"), chunk(b"de"), LAST)
    await client.take_head()
    line = await stage.logged()
    assert (line["request_bytes"], line["reply_bytes"]) == (8, 5)
