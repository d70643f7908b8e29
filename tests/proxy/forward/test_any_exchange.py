"""Whatever good messages are sent, in whatever pieces: h11 on the other side understands the same."""

from __future__ import annotations

import asyncio
from typing import Final

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.forward.exchanges import Exchange, Fields, Sent, exchanges
from tests.support.ends import PATIENCE_S, End
from tests.support.messages import DATE, REQUEST_ID, TRACE, bearer
from tests.support.stage import Stage, standing

_ADDED_FOR_CELLS: Final = (
    (b"X-Forwarded-For", b"127.0.0.1"),
    (b"X-Forwarded-Proto", b"http"),
    (b"Forwarded", b'for=127.0.0.1;proto=http;host="a.example"'),
    (b"X-Forwarded-Host", b"a.example"),
    (b"X-Home-Cell", b"eu-1"),
    (b"X-Home-Cell-Epoch", b"3"),
)


class Understood:
    """A message as h11 understood it."""

    def __init__(self, head: h11.Request | h11.Response) -> None:
        self.head = head
        self.fields: Fields = [(name, value) for name, value in head.headers.raw_items()]
        self.body = b""
        self.trailers: Fields = []


async def understand(end: End, parser: h11.Connection, leftover: bytes = b"") -> tuple[Understood, bytes]:
    """The next message, and what came behind it. Interim replies are not expected."""
    if leftover:
        parser.receive_data(leftover)
    message: Understood | None = None
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(await more(end))
        elif isinstance(event, h11.Request | h11.Response):
            message = Understood(event)
        elif isinstance(event, h11.Data):
            assert message is not None
            message.body += event.data
        else:
            assert isinstance(event, h11.EndOfMessage), event
            assert message is not None
            message.trailers = [(name, value) for name, value in event.headers.raw_items()]
            return message, parser.trailing_data[0]


async def more(end: End) -> bytes:
    """What comes next; b"" for the end."""
    async with asyncio.timeout(PATIENCE_S):
        while not (end.received or end.at_end or end.gone):
            end._changed.clear()
            await end._changed.wait()
    assert not end.reset
    return await end.take(len(end.received))


async def send(end: End, sent: Sent) -> None:
    for piece in sent.pieces:
        end.send(piece)
        await asyncio.sleep(0)


def check_request(seen: Understood, exchange: Exchange) -> None:
    sent = exchange.request
    assert isinstance(seen.head, h11.Request)
    assert (seen.head.method, seen.head.target) == sent.start
    assert seen.head.http_version == b"1.1"
    expected = [
        (b"Host", b"a.example"),
        (b"Authorization", bearer(1).partition(b": ")[2]),
        (b"X-Request-Id", REQUEST_ID),
        (b"traceparent", TRACE),
        *sent.fields,
        *([(b"Transfer-Encoding", b"chunked")] if sent.chunked else []),
        *_ADDED_FOR_CELLS,
        (b"Via", b"1.%d homecell" % exchange.minor),
    ]
    assert seen.fields == expected
    assert seen.body == sent.body
    assert seen.trailers == sent.trailers


def check_reply(seen: Understood, exchange: Exchange) -> None:
    sent = exchange.reply
    assert isinstance(seen.head, h11.Response)
    assert b"%d" % seen.head.status_code == sent.start[0]
    chunked = (sent.chunked or exchange.until_close) and exchange.minor == 1
    expected = [(b"Date", DATE.partition(b": ")[2]), *sent.fields, (b"X-Request-Id", REQUEST_ID)]
    if chunked:
        expected.append((b"Transfer-Encoding", b"chunked"))
    if not exchange.kept:
        expected.append((b"Connection", b"close"))
    elif exchange.minor == 0:
        expected.append((b"Connection", b"keep-alive"))
    assert seen.fields == expected
    assert seen.body == sent.body
    assert seen.trailers == (sent.trailers if chunked else [])


async def play_cell(stage: Stage, script: list[Exchange]) -> None:
    """The cell reads each request and answers it; what it sends late must answer nobody."""
    end: End | None = None
    left: End | None = None
    late = b""
    for exchange in script:
        end = end or await stage.cell.connection()
        seen, leftover = await understand(end, h11.Connection(h11.SERVER))
        assert leftover == b""
        check_request(seen, exchange)
        if left is not None:
            left.send(late)
            left = None
        await send(end, exchange.reply)
        if exchange.until_close:
            end.finish()
            end = None
        elif exchange.late:
            left, late, end = end, exchange.late, None


async def play_client(client: End, script: list[Exchange]) -> None:
    """The client reads each reply."""
    leftover = b""
    for exchange in script:
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=exchange.request.start[0], target="/", headers=[("Host", "a")]))
        parser.send(h11.EndOfMessage())
        seen, leftover = await understand(client, parser, leftover)
        check_reply(seen, exchange)
    assert leftover == b""
    if not script[-1].kept:
        await client.expect_end()


async def play(stage: Stage, script: list[Exchange]) -> None:
    """The exchanges, one after the other on one client connection that sends ahead."""
    for index, exchange in enumerate(script):
        if not exchange.kept:
            del script[index + 1 :]
            break
    stage.pool().close_idle()
    client = await stage.client()
    async with asyncio.TaskGroup() as group:
        group.create_task(play_cell(stage, script))
        group.create_task(play_client(client, script))
        for exchange in script:
            await send(client, exchange.request)
    await stage.settled()
    client.break_off()
    assert len(stage.log()) == len(script)
    stage.log_file.write_text("")


def check(stage: Stage, examples: int) -> None:
    with standing(stage) as run:

        @given(st.lists(exchanges(), min_size=1, max_size=4))
        @settings(max_examples=examples)
        def example(script: list[Exchange]) -> None:
            run(play(stage, script))

        example()


def test_some_exchanges_are_understood_as_they_were_meant(stage: Stage) -> None:
    check(stage, 60)


@pytest.mark.slow
def test_many_exchanges_are_understood_as_they_were_meant(stage: Stage) -> None:
    check(stage, 1500)
