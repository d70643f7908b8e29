"""Clients that send no more but go on reading."""

from __future__ import annotations

import pytest

from tests.support.ends import until
from tests.support.messages import (
    NO_CREDENTIAL,
    answer,
    answered,
    ask,
    chunk,
    get,
    got,
    length_of,
)
from tests.support.stage import Stage, staged


@staged
async def test_what_a_half_closing_client_sent_ahead_is_answered(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/1"), get(b"/2"))
    client.finish()
    cell = await stage.cell.connection()
    for path in (b"/1", b"/2"):
        await cell.expect(got(path))
        cell.send(answer(path))
    await client.expect(answered(b"/1"), answered(b"/2"))
    await client.expect_end()


@staged
async def test_a_refusal_does_not_end_what_a_half_closing_client_sent_ahead(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/1"), NO_CREDENTIAL, get(b"/3"))
    client.finish()
    (connection,) = stage.edge.connections
    cell = await stage.cell.connection()
    await cell.expect(got(b"/1"))
    await until(lambda: connection.ended, "the proxy knows that no more will come")
    cell.send(answer(b"one"))
    await client.expect(answered(b"one"))
    head = await client.take_head()
    assert head.startswith(b"HTTP/1.1 401 ")
    await client.take(length_of(head))
    await cell.expect(got(b"/3"))
    cell.send(answer(b"three"))
    await client.expect(answered(b"three"))
    await client.expect_end()


@staged
async def test_a_head_that_will_never_be_complete_is_not_waited_for(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/1"), b"GET /2 HT")
    client.finish()
    cell = await stage.cell.connection()
    await cell.expect(got(b"/1"))
    cell.send(answer(b"one"))
    await client.expect(answered(b"one"))
    await client.expect_end()
    await until(lambda: not stage.edge.connections, "the connection is over")


@pytest.mark.parametrize("beginning", [b"hel", chunk(b"x") * 3000], ids=["short", "in many small chunks"])
@pytest.mark.parametrize("refused", [0, 62, 63])
@staged
async def test_a_body_that_will_never_be_complete_is_not_waited_for(
    stage: Stage, beginning: bytes, refused: int
) -> None:
    client = await stage.client()
    framing = b"Content-Length: 10" if beginning == b"hel" else b"Transfer-Encoding: chunked"
    client.send(get(b"/1"), NO_CREDENTIAL * refused, ask(b"POST /2 HTTP/1.1", framing), beginning)
    client.finish()
    (connection,) = stage.edge.connections
    cell = await stage.cell.connection()
    await cell.expect(got(b"/1"))
    await until(lambda: connection.ended, "the proxy knows that no more will come")
    cell.send(answer(b"one"))
    await client.expect(answered(b"one"))
    assert (await client.rest()).count(b"HTTP/1.1 401 ") == refused
    await until(lambda: not stage.edge.connections, "the connection is over")
    reasons = [line["reason"] for line in stage.log()]
    assert reasons == ["", *["no-credential"] * refused, "client-closed"]
    await cell.until_cut()
