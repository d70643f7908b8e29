"""Replies reach the client as the cell sent them, framed so that this client knows where they end."""

from __future__ import annotations

import pytest

from tests.proxy.forward.begun import exchange
from tests.support.ends import End
from tests.support.messages import REQUEST_ID, answer, answered, ask, chunk, dated, get, got, lines, unchunk
from tests.support.stage import Stage, staged

CHUNKED = b"Transfer-Encoding: chunked"
LAST = b"0\r\n\r\n"
ID = b"X-Request-Id: " + REQUEST_ID
OK = b"HTTP/1.1 200 OK"


async def insist_kept(client: End, cell: End) -> None:
    """Both connections serve another exchange."""
    client.send(get(b"/after"))
    await cell.expect(got(b"/after"))
    cell.send(answer(b"y"))
    await client.expect(answered(b"y"))


@pytest.mark.parametrize("body", [b"", b"a", b"HTTP/1.1 200 OK\r\n\r\n", bytes(range(256)) * 4096])
@staged
async def test_a_reply_of_known_length_passes_unchanged(stage: Stage, body: bytes) -> None:
    client, cell = await exchange(stage)
    cell.send(answer(body))
    await client.expect(answered(body))
    await insist_kept(client, cell)


@staged
async def test_octet_by_octet_makes_no_difference_with_a_length(stage: Stage) -> None:
    client, cell = await exchange(stage)
    await cell.send_in_bytes(answer(b"hello", b"X-A: b"))
    await client.expect(dated(OK, b"Content-Length: 5", b"X-A: b", ID), b"hello")
    await insist_kept(client, cell)


@staged
async def test_octet_by_octet_makes_no_difference_with_chunks(stage: Stage) -> None:
    client, cell = await exchange(stage)
    await cell.send_in_bytes(
        dated(OK, CHUNKED) + chunk(b"hello") + b"5;ext=1\r\nworld\r\n" + b"0\r\nX-Sum: 1\r\n\r\n"
    )
    await client.expect(dated(OK, ID, CHUNKED))
    coded = await client.take_to(b"\r\n\r\n")
    assert coded.endswith(b"0\r\nX-Sum: 1\r\n\r\n")
    assert unchunk(coded.removesuffix(b"X-Sum: 1\r\n\r\n") + b"\r\n") == b"helloworld"
    await insist_kept(client, cell)


@staged
async def test_each_chunk_is_passed_on_when_it_comes(stage: Stage) -> None:
    client, cell = await exchange(stage)
    cell.send(dated(OK, CHUNKED))
    await client.expect(dated(OK, ID, CHUNKED))
    for piece in (b"one", b"two"):
        cell.send(chunk(piece))
        await client.expect(chunk(piece))
    cell.send(LAST)
    await client.expect(LAST)
    await insist_kept(client, cell)


@staged
async def test_trailers_that_may_stand_there_are_passed_on(stage: Stage) -> None:
    client, cell = await exchange(stage)
    trailers = lines(b"0", b"X-Sum: 1", b"Set-Cookie: a=b", b"Content-Length: 9", b"X-Home-Cell: us-1")
    cell.send(dated(OK, CHUNKED), chunk(b"x"), trailers)
    await client.expect(dated(OK, ID, CHUNKED), chunk(b"x"), b"0\r\nX-Sum: 1\r\n\r\n")
    await insist_kept(client, cell)


@staged
async def test_a_reply_that_ends_with_the_connection_is_chunked_for_http_1_1(stage: Stage) -> None:
    client, cell = await exchange(stage)
    cell.send(dated(OK, b"Content-Type: text/plain"), b"some")
    await client.expect(dated(OK, b"Content-Type: text/plain", ID, CHUNKED), chunk(b"some"))
    cell.send(b"more")
    await client.expect(chunk(b"more"))
    cell.close()
    await client.expect(LAST)
    client.send(get(b"/after"))
    await (await stage.cell.connection()).expect(got(b"/after"))


@staged
async def test_an_empty_reply_that_ends_with_the_connection(stage: Stage) -> None:
    client, cell = await exchange(stage)
    cell.send(dated(OK))
    cell.close()
    await client.expect(dated(OK, ID, CHUNKED), LAST)


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(
    "reply",
    [dated(OK, CHUNKED) + chunk(b"so") + chunk(b"me") + LAST, dated(OK, b"Connection: close") + b"some"],
)
@staged
async def test_without_a_length_http_1_0_gets_plain_data_and_the_end(
    stage: Stage, reply: bytes, kept: bool
) -> None:
    more = (b"Connection: keep-alive",) if kept else ()
    client, cell = await exchange(stage, ask(b"GET / HTTP/1.0", *more))
    cell.send(reply)
    if b"chunked" not in reply:
        cell.close()
    await client.expect(dated(OK, ID, b"Connection: close"), b"some")
    await client.expect_end()


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (b"Content-Length: 5",),
        (b"Content-Length: 0",),
        (b"Content-Type: text/plain", b"Content-Length: 1234567890"),
    ],
)
@pytest.mark.parametrize("minor", [0, 1])
@staged
async def test_a_reply_to_head_has_no_body(stage: Stage, fields: tuple[bytes, ...], minor: int) -> None:
    more = (b"Connection: keep-alive",) if minor == 0 else ()
    client, cell = await exchange(stage, ask(b"HEAD / HTTP/1.%d" % minor, *more))
    cell.send(dated(OK, *fields))
    await client.expect(dated(OK, *fields, ID, *more))
    client.send(get(b"/after"))
    announced = any(b"Length" in field and field != b"Content-Length: 0" for field in fields)
    next_cell = await stage.cell.connection() if announced else cell
    await next_cell.expect(got(b"/after"))
    next_cell.send(answer(b"y"))
    await client.expect(answered(b"y"))


@staged
async def test_a_reply_to_head_may_name_the_chunked_coding(stage: Stage) -> None:
    client, cell = await exchange(stage, ask(b"HEAD / HTTP/1.1"))
    cell.send(dated(OK, CHUNKED))
    await client.expect(dated(OK, ID))
    client.send(get())
    await (await stage.cell.connection()).expect(got())


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (dated(b"HTTP/1.1 204 No Content"), dated(b"HTTP/1.1 204 No Content", ID)),
        (dated(b"HTTP/1.1 204 No Content", b"Content-Length: 0"), dated(b"HTTP/1.1 204 No Content", ID)),
        (dated(b"HTTP/1.1 304 Not Modified"), dated(b"HTTP/1.1 304 Not Modified", ID)),
        (
            dated(b"HTTP/1.1 304 Not Modified", b"Content-Length: 0", b'ETag: "a"'),
            dated(b"HTTP/1.1 304 Not Modified", b"Content-Length: 0", b'ETag: "a"', ID),
        ),
    ],
)
@staged
async def test_a_status_without_a_body_has_none(stage: Stage, reply: bytes, expected: bytes) -> None:
    client, cell = await exchange(stage)
    cell.send(reply)
    await client.expect(expected)
    await insist_kept(client, cell)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"HTTP/1.1 200", b"HTTP/1.1 200 "),
        (b"HTTP/1.1 200 ", b"HTTP/1.1 200 "),
        (b"HTTP/1.1 299 Very \xe9 well", b"HTTP/1.1 299 Very \xe9 well"),
        (b"HTTP/1.0 404 Not Found", b"HTTP/1.1 404 Not Found"),
    ],
)
@staged
async def test_status_lines_pass_in_their_canonical_form(stage: Stage, start: bytes, expected: bytes) -> None:
    client, cell = await exchange(stage)
    cell.send(dated(start, b"Content-Length: 1"), b"x")
    await client.expect(dated(expected, b"Content-Length: 1", ID), b"x")


@staged
async def test_fields_keep_their_order_and_spelling_but_those_of_the_connection_go(stage: Stage) -> None:
    client, cell = await exchange(stage)
    cell.send(
        dated(
            OK,
            b"set-cookie:a=1",
            b"Keep-Alive: timeout=5",
            b"Set-Cookie:   b=2 ",
            b"Connection: X-Hop, keep-alive",
            b"X-Hop: 1",
            b"X-Home-Cell: us-1",
            b"X-Request-Id: the cell's own",
            b"CONTENT-length: 1",
            b"Upgrade: h2c",
            b"X-Empty:",
            b"X-High: \xff\xfe",
        ),
        b"x",
    )
    await client.expect(
        dated(
            OK,
            b"set-cookie:a=1",
            b"Set-Cookie:   b=2 ",
            b"CONTENT-length: 1",
            b"X-Empty:",
            b"X-High: \xff\xfe",
            ID,
        ),
        b"x",
    )
    await insist_kept(client, cell)
