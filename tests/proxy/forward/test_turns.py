"""One connection's flood takes its turns with everybody else's work, and still arrives whole."""

from __future__ import annotations

import pytest

from tests.support.messages import answer, answered, ask, asked, get, got, lines, unchunk
from tests.support.stage import Stage, staged

CHUNKED = b"Transfer-Encoding: chunked"
LAST = b"0\r\n\r\n"
MANY = 30_000
"""Small chunks: some thirty turns' worth, in one read of the kernel's buffer or two."""


@pytest.mark.parametrize("trailer", [b"", b"X-Sum: 1\r\n"])
@staged
async def test_very_many_small_chunks_of_a_request_arrive_whole(stage: Stage, trailer: bytes) -> None:
    client = await stage.client()
    client.send(
        ask(b"POST / HTTP/1.1", CHUNKED), b"1\r\nx\r\n" * MANY, b"0\r\n" + trailer + b"\r\n", get(b"/2")
    )
    cell = await stage.cell.connection()
    await cell.expect(asked(b"POST / HTTP/1.1", CHUNKED))
    coded = await cell.take_to(b"0\r\n" + trailer + b"\r\n")
    assert unchunk(coded.removesuffix(b"0\r\n" + trailer + b"\r\n") + LAST) == b"x" * MANY
    cell.send(answer(b"one"))
    await cell.expect(got(b"/2"))
    cell.send(answer(b"two"))
    await client.expect(answered(b"one"), answered(b"two"))


@staged
async def test_very_many_small_chunks_of_a_reply_arrive_whole(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(lines(b"HTTP/1.1 200 OK", CHUNKED), b"1\r\nx\r\n" * MANY, LAST)
    await client.take_head()
    assert unchunk(await client.take_to(LAST)) == b"x" * MANY
    client.send(get(b"/after"))
    await cell.expect(got(b"/after"))
    cell.send(answer(b"y"))
    await client.expect(answered(b"y"))
