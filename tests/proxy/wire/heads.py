"""Heads for the wire's tests: building them, feeding them in pieces, insisting on how they end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from proxy.errors import Refusal
from proxy.wire.reply import ReplyHead, parse_reply_head
from proxy.wire.request import parse_request_head
from proxy.wire.request_head import RequestHead
from proxy.wire.start_line import diagnose_unfinished

HEAD_END: Final = b"\r\n\r\n"


def head(start: bytes, *lines: bytes) -> bytes:
    """One head with these lines, each ended as it should be."""
    return b"\r\n".join([start, *lines, b"", b""])


def get(*lines: bytes) -> bytes:
    """An ordinary GET with a Host and these field lines after it."""
    return head(b"GET / HTTP/1.1", b"Host: a.example", *lines)


def post(*lines: bytes) -> bytes:
    """An ordinary POST with a Host and these field lines after it."""
    return head(b"POST /submit HTTP/1.1", b"Host: a.example", *lines)


def received_in(pieces: Iterable[bytes]) -> RequestHead | Refusal | None:
    """What a connection makes of a head that arrives in pieces: accumulate, then parse.

    Until the head's end has arrived, its beginning is asked what is already wrong with it. None means that
    everything has arrived and the connection still waits for more. The one empty line that a connection
    forgives before a request is not the scanner's business.
    """
    received = b""
    for piece in pieces:
        received += piece
        end = received.find(HEAD_END)
        if end >= 0:
            return parse_request_head(received[: end + len(HEAD_END)])
        refusal = diagnose_unfinished(received)
        if refusal is not None:
            return refusal
    return None


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    """The data, one octet at a time."""
    return (data[index : index + 1] for index in range(len(data)))


def accepted(data: bytes) -> RequestHead:
    """The meaning of a request head that must be accepted."""
    request = parse_request_head(data)
    assert isinstance(request, RequestHead), request
    return request


def refused(data: bytes) -> Refusal:
    """The refusal of a request head that must not be accepted."""
    refusal = parse_request_head(data)
    assert isinstance(refusal, Refusal), f"accepted: {data[:400]!r}"
    return refusal


def accepted_reply(data: bytes, answers_head: bool = False) -> ReplyHead:
    """The meaning of a reply head that must be accepted."""
    reply = parse_reply_head(data, answers_head)
    assert isinstance(reply, ReplyHead), reply
    return reply


def broken_reply(data: bytes, answers_head: bool = False) -> str:
    """What is broken in a reply head that must not be accepted."""
    problem = parse_reply_head(data, answers_head)
    assert isinstance(problem, str), f"accepted: {data[:400]!r}"
    assert problem, "a broken reply must say what is broken"
    return problem
