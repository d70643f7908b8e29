"""Whole conversations of smugglers: whatever they hide, the cell sees the one legitimate request at most."""

from __future__ import annotations

from typing import Final

import h11
import pytest

from tests.support.ends import End
from tests.support.messages import Problem, answer, answered, ask, asked, chunk, get, got, lines, post, posted
from tests.support.stage import Stage, staged

HIDDEN: Final = get(b"/smuggled")
LAST: Final = b"0\r\n\r\n"
CHUNKED: Final = b"Transfer-Encoding: chunked"


def _length(body: bytes) -> bytes:
    return b"Content-Length: %d" % len(body)


def _with_both(first: bytes, second: bytes, body: bytes) -> bytes:
    return ask(b"POST /attack HTTP/1.1", first, second) + body


HEADS: Final = {
    "CL.TE": _with_both(_length(LAST + HIDDEN), CHUNKED, LAST + HIDDEN),
    "TE.CL": _with_both(CHUNKED, b"Content-Length: 4", chunk(HIDDEN) + LAST),
    "CL.CL": _with_both(_length(HIDDEN), b"Content-Length: 0", HIDDEN),
    "CL.CL the same": _with_both(_length(b""), b"Content-Length: 0", HIDDEN),
    "TE.TE identity": _with_both(CHUNKED, b"Transfer-Encoding: identity", LAST + HIDDEN),
    "TE.TE in another case": _with_both(CHUNKED, b"transfer-encoding: x", LAST + HIDDEN),
    "TE with a space before the colon": _with_both(
        _length(LAST), b"Transfer-Encoding : chunked", LAST + HIDDEN
    ),
    "TE behind a tab": _with_both(_length(LAST), b"\tTransfer-Encoding: chunked", LAST + HIDDEN),
    "TE folded": _with_both(_length(LAST), b"Transfer-Encoding:\r\n chunked", LAST + HIDDEN),
    "TE behind a bare LF": _with_both(_length(LAST), b"X: y\nTransfer-Encoding: chunked", LAST + HIDDEN),
    "TE behind a bare CR": _with_both(_length(LAST), b"X: y\rTransfer-Encoding: chunked", LAST + HIDDEN),
    "TE with a vertical tab": _with_both(_length(LAST), b"Transfer-Encoding: \x0bchunked", LAST + HIDDEN),
    "TE with NUL": _with_both(_length(LAST), b"Transfer-Encoding: chunked\x00", LAST + HIDDEN),
    "TE xchunked": _with_both(_length(LAST), b"Transfer-Encoding: xchunked", LAST + HIDDEN),
    "TE in a list": ask(b"POST /attack HTTP/1.1", b"Transfer-Encoding: chunked, identity") + LAST + HIDDEN,
    "TE in HTTP/1.0": ask(b"POST /attack HTTP/1.0", CHUNKED, b"Connection: keep-alive") + LAST + HIDDEN,
    "CL with a plus": ask(b"POST /attack HTTP/1.1", b"Content-Length: +0") + HIDDEN,
    "CL in hexadecimal": ask(b"POST /attack HTTP/1.1", b"Content-Length: 0x0") + HIDDEN,
    "CL as a list": ask(b"POST /attack HTTP/1.1", b"Content-Length: 0, 0") + HIDDEN,
    "CL that overflows": ask(b"POST /attack HTTP/1.1", b"Content-Length: 18446744073709551616") + HIDDEN,
    "CL with a space before the colon": ask(b"POST /attack HTTP/1.1", b"Content-Length : 0") + HIDDEN,
    "a request line in a field": ask(b"GET /attack HTTP/1.1", b"X: y\n\nGET /smuggled HTTP/1.1\nX: z"),
    "a request in the target": ask(b"GET /attack HTTP/1.1\r\n\r\nGET /smuggled HTTP/1.1"),
    "Connection that removes the length": ask(
        b"POST /attack HTTP/1.1", b"Connection: Content-Length", _length(HIDDEN)
    )
    + HIDDEN,
    "Connection that removes the coding": ask(
        b"POST /attack HTTP/1.1", b"Connection: Transfer-Encoding", CHUNKED
    )
    + LAST
    + HIDDEN,
    "Upgrade with a length": ask(
        b"POST /attack HTTP/1.1", b"Connection: upgrade", b"Upgrade: websocket", _length(HIDDEN)
    )
    + HIDDEN,
    "a fold of the first field": b"GET /attack HTTP/1.1\r\n Host: a.example\r\n\r\n" + HIDDEN,
}

BODIES: Final = {
    "a chunk size with a bare LF": b"1\nx\r\n" + LAST + HIDDEN,
    "a last chunk with a bare LF": b"1\r\nx\r\n0\n\n" + HIDDEN,
    "a chunk extension with a bare LF": b"1;a\nb\r\nx\r\n" + LAST + HIDDEN,
    "a chunk longer than its size": b"1\r\nxyz\r\n" + LAST + HIDDEN,
    "a chunk size that overflows": b"10000000000000001\r\nx\r\n" + LAST + HIDDEN,
    "a chunk size with a prefix": b"0x1\r\nx\r\n" + LAST + HIDDEN,
    "a trailer with a space before the colon": b"0\r\nContent-Length : 5\r\n\r\n" + HIDDEN,
    "a trailer section that a fold prolongs": b"0\r\nX: y\r\n \r\n\r\n" + HIDDEN,
    "a request line as a trailer": b"0\r\n" + HIDDEN,
}


def complete_requests(data: bytes) -> list[bytes]:
    """The targets of the complete requests that a cell finds in what it got."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    targets: list[bytes] = []
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return targets
        if isinstance(event, h11.Request):
            target = event.target
        elif isinstance(event, h11.EndOfMessage):
            targets.append(target)
            connection.send(h11.Response(status_code=204, headers=[]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()
        elif isinstance(event, h11.Data):
            pass
        else:
            return targets


async def conversation(stage: Stage, attack: bytes) -> tuple[End, bytes]:
    """A legitimate exchange, then the attack on the same connections; returns the client and what came."""
    client = await stage.client()
    client.send(get(b"/legitimate"))
    cell = await stage.cell.connection()
    first = got(b"/legitimate")
    await cell.expect(first)
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    client.send(attack)
    problem = Problem(await client.rest())
    assert (problem.status, problem.closes) == (400, True)
    client.close()
    await stage.settled()
    stage.pool().close_idle()
    return client, first + await cell.until_cut()


@pytest.mark.parametrize("attack", HEADS.values(), ids=HEADS)
@staged
async def test_nothing_of_an_ambiguous_head_reaches_the_cell(stage: Stage, attack: bytes) -> None:
    _, seen = await conversation(stage, attack)
    assert seen == got(b"/legitimate")
    await stage.insist_untouched()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@staged
async def test_no_request_hides_in_a_chunked_body(stage: Stage, body: bytes) -> None:
    _, seen = await conversation(stage, ask(b"POST /attack HTTP/1.1", CHUNKED) + body)
    assert complete_requests(seen) == [b"/legitimate"]
    assert b"GET /smuggled" not in seen
    await stage.insist_untouched()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@staged
async def test_nor_when_the_body_comes_after_its_head_was_sent(stage: Stage, body: bytes) -> None:
    client = await stage.client()
    client.send(ask(b"POST /attack HTTP/1.1", CHUNKED))
    cell = await stage.cell.connection()
    head = asked(b"POST /attack HTTP/1.1", CHUNKED)
    await cell.expect(head)
    client.send(body)
    assert Problem(await client.rest()).status == 400
    seen = head + await cell.until_cut()
    assert complete_requests(seen) == []
    assert b"GET /smuggled" not in seen


@staged
async def test_a_request_inside_a_body_is_a_body(stage: Stage) -> None:
    client = await stage.client()
    client.send(post(b"/legitimate", HIDDEN))
    cell = await stage.cell.connection()
    await cell.expect(posted(b"/legitimate", HIDDEN))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))
    assert complete_requests(posted(b"/legitimate", HIDDEN)) == [b"/legitimate"]


@staged
async def test_a_reply_inside_the_body_of_a_reply_to_head_is_not_the_next_ones(stage: Stage) -> None:
    """The cell sends a body where none may stand: that connection is never used again."""
    client = await stage.client()
    client.send(ask(b"HEAD / HTTP/1.1"), get(b"/next"))
    cell = await stage.cell.connection()
    await cell.take_head()
    poison = answer(b"poison")
    cell.send(lines(b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(poison)), poison)
    fresh = await stage.cell.connection()
    await fresh.expect(got(b"/next"))
    fresh.send(answer(b"good"))
    assert (await client.take_head()).startswith(b"HTTP/1.1 200 OK\r\n")
    await client.expect(answered(b"good"))
    await cell.until_cut()
