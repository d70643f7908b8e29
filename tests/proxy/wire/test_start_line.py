"""What is said of the beginning of a head: nothing wrong of a good one, the mistake of a bad one, early."""

from __future__ import annotations

import pytest
from hypothesis import given

from proxy.errors import Refusal
from proxy.wire import fields as f
from proxy.wire.request_head import RequestHead
from proxy.wire.start_line import diagnose_start, diagnose_unfinished
from tests.proxy.wire.heads import accepted, byte_by_byte, get, received_in
from tests.proxy.wire.strategies import request_heads


@given(request_heads())
def test_no_beginning_of_a_good_head_is_refused(data: bytes) -> None:
    assert accepted(data)
    for end in range(len(data) - 3):
        assert diagnose_unfinished(data[:end]) is None
    assert isinstance(received_in(byte_by_byte(data)), RequestHead)


@pytest.mark.parametrize(
    ("beginning", "status"),
    [
        (b"GET / HTTP/1.1\n", 400),
        (b"GET / HTTP/1.1\rX", 400),
        (b"GET / HTTP/1.1\r\nHost: a\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\rb", 400),
        (b"GET  / HTTP/1.1\r\n", 400),
        (b"\r\n", 400),
        (b"PRI * HTTP/2.0\r\n", 400),
        (b"GET / HTTP/2.0\r\n", 505),
        (b"GET / HTTP/0.9\r\n", 505),
        (b"GET /\r\n", 400),
        (b"GET /" + b"a" * (f.MAX_TARGET_BYTES + 300), 414),
        (b"a" * (f.MAX_HEAD_BYTES + 1), 431),
        (b"GET / HTTP/1.1\r\nX-A: " + b"a" * f.MAX_HEAD_BYTES, 431),
        (b"GET / HTTP/1.1\r\n" + b"X-A: a\r\n" * 9000, 431),
    ],
)
def test_what_cannot_become_good_is_refused_before_the_head_ends(beginning: bytes, status: int) -> None:
    refusal = diagnose_unfinished(beginning)
    assert refusal is not None
    assert refusal.problem.status == status


@pytest.mark.parametrize("beginning", [b"", b"\r", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\nHost: a\r\n\r"])
def test_a_cr_at_the_end_may_still_get_its_lf(beginning: bytes) -> None:
    assert diagnose_unfinished(beginning) is None


def test_a_client_that_never_ends_its_line_is_refused_at_the_limit() -> None:
    for start in (b"", b"GET /", b"GET / HTTP/1.1\r\nX-A: "):
        assert isinstance(received_in([start, *[b"a" * 997] * 100]), Refusal)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"PRI * HTTP/2.0", "preface"),
        (b"GET /#x HTTP/1.1", "fragment"),
        (b"GET /caf\xe9 HTTP/1.1", "percent-encoded"),
        (b"GET / HTTP/3.0", "HTTP/1.1"),
        (b"GET  / HTTP/1.1", "request line"),
    ],
)
def test_the_detail_names_the_mistake(line: bytes, word: str) -> None:
    assert word in diagnose_start(line).detail


def test_a_refusal_never_repeats_what_the_client_sent() -> None:
    for data in (
        get(b"X-A\x00<script>: 1"),
        b"<script> <script> HTTP/1.1\r\n\r\n",
        get(b"Connection: <script>"),
    ):
        refusal = received_in([data])
        assert isinstance(refusal, Refusal)
        assert "script" not in refusal.detail
