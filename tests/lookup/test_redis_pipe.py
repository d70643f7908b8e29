"""Several commands under way on one connection: whose answer is whose, and what ends the connection."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from lookup.ports import StoreUnavailableError
from lookup.redis_pipe import RedisPipe
from tests.lookup.asynchronous import asynchronous, settle
from tests.lookup.model.standing_loop import standing_loop, timeless


class Wire:
    """Stands for a transport: what was written to it, and whether it was aborted."""

    def __init__(self) -> None:
        self.written = b""
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted


def connected(reply_timeout_s: float = 5.0) -> tuple[RedisPipe, Wire]:
    pipe, wire = RedisPipe(reply_timeout_s), Wire()
    pipe.connection_made(cast("asyncio.Transport", wire))
    return pipe, wire


@asynchronous
async def test_commands_leave_at_once_and_answers_belong_to_them_in_order() -> None:
    pipe, wire = connected()
    asked = [pipe.ask(("GET", f"name-{number}")) for number in range(3)]
    assert wire.written.count(b"*2\r\n$3\r\nGET\r\n") == 3
    pipe.data_received(b"$1\r\na\r\n$-1\r\n*2\r\n$1\r\nb\r\n$-1\r\n")
    assert await asyncio.gather(*asked) == [b"a", None, [b"b", None]]


@asynchronous
async def test_an_answer_in_single_bytes_is_whole_when_its_last_one_came() -> None:
    pipe, _ = connected()
    first, second = pipe.ask(("GET", "a")), pipe.ask(("GET", "b"))
    for byte in b"$6\r\nab\r\ncd\r\n$1\r\nx\r":
        pipe.data_received(bytes([byte]))
    assert (first.result(), second.done()) == (b"ab\r\ncd", False)
    pipe.data_received(b"\n")
    assert second.result() == b"x"


@asynchronous
async def test_the_answer_of_who_left_is_nobody_elses() -> None:
    pipe, wire = connected()
    first, left, last = (pipe.ask(("GET", name)) for name in "abc")
    left.cancel()
    pipe.data_received(b"$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n")
    assert (await first, await last) == (b"a", b"c")
    assert left.cancelled()
    assert not wire.aborted


@asynchronous
async def test_a_refused_command_fails_alone_and_its_error_names_no_key() -> None:
    pipe, wire = connected()
    refused, fine = pipe.ask(("MGET", "user:1")), pipe.ask(("PING",))
    pipe.data_received(b"-ERR unknown command 'MGET', with args beginning with: 'user:1'\r\n+PONG\r\n")
    with pytest.raises(StoreUnavailableError, match="unknown command 'MGET'") as refusal:
        await refused
    assert "user:1" not in str(refusal.value)
    assert await fine == b"PONG"
    assert not wire.aborted


@asynchronous
async def test_what_is_under_way_fails_with_the_connection_and_what_was_answered_stays() -> None:
    pipe, _ = connected()
    answered, half, unanswered = (pipe.ask(("GET", name)) for name in "abc")
    pipe.data_received(b"$1\r\na\r\n$5\r\nab")
    pipe.connection_lost(ConnectionResetError("reset"))
    assert await answered == b"a"
    for failed in (half, unanswered):
        with pytest.raises(StoreUnavailableError, match="broke"):
            await failed
    assert not pipe.is_open
    with pytest.raises(StoreUnavailableError, match="broke"):
        pipe.ask(("PING",))


@asynchronous
async def test_an_overdue_answer_ends_the_connection_and_all_that_is_under_way() -> None:
    pipe, wire = connected(reply_timeout_s=0.02)
    asked = [pipe.ask(("GET", name)) for name in "ab"]
    for failed in asked:
        with pytest.raises(StoreUnavailableError, match=r"no answer within 0\.02 s"):
            await failed
    assert wire.aborted
    pipe.connection_lost(None)
    with pytest.raises(StoreUnavailableError, match="no answer within"):
        pipe.ask(("PING",))


@timeless
async def test_each_command_has_its_own_time() -> None:
    pipe, wire = connected(reply_timeout_s=5.0)
    for _ in range(4):
        asked = pipe.ask(("GET", "a"))
        standing_loop().now_s += 3.0
        await settle()
        pipe.data_received(b"$1\r\na\r\n")
        assert await asked == b"a"
    assert pipe.is_open
    left_alone = pipe.ask(("GET", "b"))
    standing_loop().now_s += 5.0
    with pytest.raises(StoreUnavailableError, match="no answer"):
        await left_alone
    assert wire.aborted


@asynchronous
async def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    pipe, wire = connected()
    asked = pipe.ask(("GET", "a"))
    pipe.data_received(b"$1\r\na\r\n$1\r\nb\r\n")
    assert await asked == b"a"
    assert wire.aborted
    assert not pipe.is_open


@asynchronous
async def test_bytes_that_are_no_answer_end_the_connection() -> None:
    pipe, wire = connected()
    asked = pipe.ask(("GET", "a"))
    pipe.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(StoreUnavailableError, match="protocol"):
        await asked
    assert wire.aborted


@asynchronous
async def test_failures_that_nobody_waits_for_are_not_reported_as_forgotten() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    pipe, _ = connected()
    pipe.ask(("GET", "a"))
    pipe.end("enough")
    await settle()
    assert reported == []
