"""Which fields of a cell's reply reach the client."""

from __future__ import annotations

import time

import pytest

from proxy.wire.framing import LENGTH
from tests.proxy.wire.heads import accepted_reply, head


def ok(*lines: bytes) -> bytes:
    """A 200 with these field lines."""
    return head(b"HTTP/1.1 200 OK", *lines)


def test_fields_pass_untouched_repeated_and_in_order() -> None:
    lines = [
        b"Set-Cookie: a=1",
        b"X-A:one",
        b"set-cookie: b=2",
        b"X-A: two ",
        b"Via: 1.1 x",
        b"X-B:",
        b"Trailer: X",
    ]
    assert accepted_reply(ok(*lines)).fields == lines


@pytest.mark.parametrize(
    "name",
    [
        b"Connection",
        b"Keep-Alive",
        b"Proxy-Connection",
        b"Proxy-Authenticate",
        b"TE",
        b"Upgrade",
        b"X-Request-Id",
        b"X-Home-Cell",
        b"X-Home-Cell-Degraded",
        b"X_Home_Cell",
    ],
)
def test_connection_fields_and_our_own_do_not_pass_in_any_spelling(name: bytes) -> None:
    for spelling in (name, name.lower(), name.upper()):
        assert accepted_reply(ok(b"X-A: 1", spelling + b": x-other", b"X-B: 2")).fields == [
            b"X-A: 1",
            b"X-B: 2",
        ]


def test_fields_that_connection_names_are_removed() -> None:
    data = ok(
        b"X-A: 1", b"Connection: X-a , x-b", b"X-B: 2", b"connection: x-c", b"x-A: 3", b"X-C: 4", b"X-D: 5"
    )
    assert accepted_reply(data).fields == [b"X-D: 5"]


def test_thousands_of_names_in_connection_cost_one_pass_over_the_fields() -> None:
    assert _cost_s(100) < 8 * _cost_s(1)  # a pass for each name: far more


def _cost_s(count: int) -> float:
    """Processor time for so many fields and 6,000 names, the least of several."""
    fields = [b"X-%d: 1" % number for number in range(count)]
    data = ok(*fields, b"Connection: close" + b",x-absent" * 6000)
    costs_s = []
    for _ in range(5):
        began_s = time.process_time()
        assert accepted_reply(data).fields == fields
        costs_s.append(time.process_time() - began_s)
    return min(costs_s)


def test_connection_can_remove_neither_the_length_nor_the_cookies() -> None:
    lines = [b"Content-Length: 5", b"Set-Cookie: a=1"]
    reply = accepted_reply(ok(b"Connection: Content-Length, set-cookie, transfer-encoding", *lines))
    assert (reply.framing, reply.fields) == (LENGTH, lines)
