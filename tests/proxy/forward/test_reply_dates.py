"""Every reply has a Date: the cell's, or the edge's where the cell left it out (RFC 9110 section 6.6.1)."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import pytest

from tests.proxy.forward.begun import exchange
from tests.support.messages import DATE, REQUEST_ID, ask, chunk, lines
from tests.support.stage import Stage, staged

ID = b"X-Request-Id: " + REQUEST_ID


def dates_in(head: bytes) -> list[bytes]:
    return [line for line in head.split(b"\r\n") if line.lower().startswith(b"date:")]


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        (b"GET", lines(b"HTTP/1.1 200 OK", b"Content-Length: 0")),
        (b"GET", lines(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + chunk(b"x") + b"0\r\n\r\n"),
        (b"GET", lines(b"HTTP/1.1 204 No Content")),
        (b"GET", lines(b"HTTP/1.1 304 Not Modified", b'ETag: "a"')),
        (b"HEAD", lines(b"HTTP/1.1 200 OK", b"Content-Length: 7")),
        (b"GET", lines(b"HTTP/1.1 500 Internal Server Error", b"X-Date: 1", b"Content-Length: 0")),
    ],
)
@staged
async def test_a_reply_without_a_date_is_dated_when_it_is_received(
    stage: Stage, method: bytes, reply: bytes
) -> None:
    client = await stage.client()
    client.send(ask(method + b" / HTTP/1.1"))
    cell = await stage.cell.connection()
    await cell.take_head()
    began_s = int(time.time())
    cell.send(reply)
    (date,) = dates_in(await client.take_head())
    name, _, value = date.partition(b": ")
    assert name == b"Date"
    assert began_s <= parsedate_to_datetime(value.decode()).timestamp() <= time.time()


@pytest.mark.parametrize("date", [DATE, b"date:x", b"DATE: " + DATE[6:], b"Date:"])
@staged
async def test_the_cells_own_date_passes_as_it_is(stage: Stage, date: bytes) -> None:
    client, cell = await exchange(stage)
    cell.send(lines(b"HTTP/1.1 200 OK", b"Content-Length: 0", date))
    await client.expect(lines(b"HTTP/1.1 200 OK", b"Content-Length: 0", date, ID))


@staged
async def test_connection_does_not_take_the_date_away(stage: Stage) -> None:
    client, cell = await exchange(stage)
    cell.send(lines(b"HTTP/1.1 200 OK", DATE, b"Connection: date, x-hop", b"X-Hop: 1", b"Content-Length: 0"))
    await client.expect(lines(b"HTTP/1.1 200 OK", DATE, b"Content-Length: 0", ID))


@staged
async def test_an_interim_reply_needs_no_date(stage: Stage) -> None:
    client, cell = await exchange(stage)
    hints = lines(b"HTTP/1.1 103 Early Hints", b"Link: </a.css>; rel=preload")
    cell.send(hints, lines(b"HTTP/1.1 204 No Content"))
    await client.expect(hints)
    assert len(dates_in(await client.take_head())) == 1
