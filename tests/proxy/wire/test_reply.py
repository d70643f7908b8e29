"""The head of a cell's reply: as strict as a request's, and how its body ends."""

from __future__ import annotations

from typing import Final

import pytest

from proxy.wire import fields as f
from proxy.wire.framing import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE
from tests.proxy.wire.heads import accepted_reply, broken_reply, head


def ok(*lines: bytes) -> bytes:
    """A 200 with these field lines."""
    return head(b"HTTP/1.1 200 OK", *lines)


FRAMING: Final = {
    "Content-Length beside Transfer-Encoding": ok(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
    "Transfer-Encoding beside Content-Length": ok(b"Transfer-Encoding: chunked", b"Content-Length: 3"),
    "two different Content-Lengths": ok(b"Content-Length: 3", b"Content-Length: 4"),
    "two equal Content-Lengths": ok(b"Content-Length: 3", b"content-length: 3"),
    "a broken Content-Length before a good one": ok(b"Content-Length: x", b"Content-Length: 3"),
    "Content-Length in hexadecimal": ok(b"Content-Length: 0x5"),
    "Content-Length with a plus": ok(b"Content-Length: +5"),
    "Content-Length with a minus": ok(b"Content-Length: -5"),
    "Content-Length as a list": ok(b"Content-Length: 5,5"),
    "Content-Length with a space inside": ok(b"Content-Length: 5 5"),
    "Content-Length with an underscore": ok(b"Content-Length: 1_0"),
    "Content-Length that is empty": ok(b"Content-Length:"),
    "Content-Length that overflows": ok(b"Content-Length: " + b"9" * 19),
    "Transfer-Encoding identity": ok(b"Transfer-Encoding: identity"),
    "Transfer-Encoding gzip, chunked": ok(b"Transfer-Encoding: gzip, chunked"),
    "Transfer-Encoding chunked, gzip": ok(b"Transfer-Encoding: chunked, gzip"),
    "Transfer-Encoding twice": ok(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "Transfer-Encoding chunked, then identity": ok(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"
    ),
    "Transfer-Encoding that is empty": ok(b"Transfer-Encoding:"),
    "Transfer-Encoding in HTTP/1.0": head(b"HTTP/1.0 200 OK", b"Transfer-Encoding: chunked"),
}

STATUS_LINES: Final = {
    "an empty status line": head(b"", b"Server: x"),
    "a body where the head should be": head(b"<html>"),
    "HTTP/0.9": head(b"HTTP/0.9 200 OK"),
    "HTTP/1.2": head(b"HTTP/1.2 200 OK"),
    "HTTP/2": head(b"HTTP/2 200"),
    "HTTP/2.0": head(b"HTTP/2.0 200 OK"),
    "the protocol in lower case": head(b"http/1.1 200 OK"),
    "ICY": head(b"ICY 200 OK"),
    "two spaces before the code": head(b"HTTP/1.1  200 OK"),
    "a space before the protocol": head(b" HTTP/1.1 200 OK"),
    "a tab before the code": head(b"HTTP/1.1\t200 OK"),
    "a tab after the code": head(b"HTTP/1.1 200\tOK"),
    "no code": head(b"HTTP/1.1"),
    "no code but a reason": head(b"HTTP/1.1 OK"),
    "a code of two digits": head(b"HTTP/1.1 20 OK"),
    "a code of four digits": head(b"HTTP/1.1 2000 OK"),
    "a code below 100": head(b"HTTP/1.1 099 OK"),
    "a code above 599": head(b"HTTP/1.1 600 OK"),
    "a negative code": head(b"HTTP/1.1 -20 OK"),
    "a code with letters": head(b"HTTP/1.1 2xx OK"),
    "a code glued to its reason": head(b"HTTP/1.1 200OK"),
    "NUL in the reason": head(b"HTTP/1.1 200 O\x00K"),
    "a bare CR in the reason": head(b"HTTP/1.1 200 OK\rX-A: 1"),
    "a bare LF in the reason": head(b"HTTP/1.1 200 OK\nX-A: 1"),
    "DEL in the reason": head(b"HTTP/1.1 200 \x7f"),
    "a request line": head(b"GET / HTTP/1.1", b"Host: a.example"),
}

FIELD_LINES: Final = {
    "a folded value": ok(b"X-A: 1", b" 2"),
    "a value folded with a tab": ok(b"X-A: 1", b"\t2"),
    "a space before the colon": ok(b"Content-Length : 5"),
    "an empty name": ok(b": 1"),
    "no colon": ok(b"X-A"),
    "a known name without a colon": ok(b"Connection"),
    "a space in a name": ok(b"X A: 1"),
    "NUL in a name": ok(b"X\x00: 1"),
    "NUL in a value": ok(b"X-A: 1\x002"),
    "ESC in a value": ok(b"X-A: \x1b"),
    "DEL in a value": ok(b"X-A: \x7f"),
    "vertical tab in a value": ok(b"X-A: \x0b"),
    "a bare CR in a value": ok(b"X-A: 1\r2"),
    "a bare CR before a CRLF": ok(b"X-A: 1\r"),
    "a bare LF in a value": ok(b"X-A: 1\nX-B: 2"),
}

SIZES: Final = {
    "more fields than the limit": ok(*[b"X-A: 1"] * (f.MAX_FIELDS + 1)),
    "far more fields than the limit": ok(*[b"X-A: 1"] * 5000),
    "a head over the limit": ok(b"X-A: " + b"a" * f.MAX_HEAD_BYTES),
    "a reason over the limit": head(b"HTTP/1.1 200 " + b"a" * f.MAX_HEAD_BYTES),
}

BROKEN: Final = {**FRAMING, **STATUS_LINES, **FIELD_LINES, **SIZES}


@pytest.mark.parametrize("answers_head", [False, True])
@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_reply_head_that_breaks_a_rule_is_broken_also_in_answer_to_head(
    data: bytes, answers_head: bool
) -> None:
    assert broken_reply(data, answers_head)


@pytest.mark.parametrize("status", [b"100", b"103", b"204", b"304"])
@pytest.mark.parametrize("lines", [(b"Content-Length: 0x5",), (b"Content-Length: 5", b"Content-Length: 6")])
def test_broken_framing_is_broken_also_where_no_body_may_follow(
    status: bytes, lines: tuple[bytes, ...]
) -> None:
    assert broken_reply(head(b"HTTP/1.1 " + status + b" X", *lines))


def test_no_control_character_is_accepted_anywhere_in_a_reply_head() -> None:
    good = ok(b"X-A: one two", b"Content-Length: 0")
    for position in range(len(good) - 3):
        for code in (*range(0x09), *range(0x0A, 0x20), 0x7F):
            broken_reply(good[:position] + bytes((code,)) + good[position:])


def test_what_stands_just_inside_the_limits_is_accepted() -> None:
    assert len(accepted_reply(ok(*[b"X-A: 1"] * f.MAX_FIELDS)).fields) == f.MAX_FIELDS
    overhead = len(ok(b"X-A: "))
    assert accepted_reply(ok(b"X-A: " + b"a" * (f.MAX_HEAD_BYTES - overhead)))
    assert broken_reply(ok(b"X-A: " + b"a" * (f.MAX_HEAD_BYTES - overhead + 1)))


# The status line.


@pytest.mark.parametrize(
    ("received", "status", "sent"),
    [
        (b"HTTP/1.1 200 OK", 200, b"HTTP/1.1 200 OK"),
        (b"HTTP/1.1 200 ", 200, b"HTTP/1.1 200 "),
        (b"HTTP/1.1 200", 200, b"HTTP/1.1 200 "),
        (b"HTTP/1.1 299 Fine, \t \xe9", 299, b"HTTP/1.1 299 Fine, \t \xe9"),
        (b"HTTP/1.0 200 OK", 200, b"HTTP/1.1 200 OK"),
        (b"HTTP/1.0 404", 404, b"HTTP/1.1 404 "),
        (b"HTTP/1.1 599 X", 599, b"HTTP/1.1 599 X"),
    ],
)
def test_the_status_line_goes_on_as_http_1_1(received: bytes, status: int, sent: bytes) -> None:
    reply = accepted_reply(head(received))
    assert (reply.status, reply.start) == (status, sent)


# Framing and persistence.


@pytest.mark.parametrize(
    ("lines", "framing", "content_length"),
    [
        ([b"Content-Length: 5"], LENGTH, 5),
        ([b"content-length:\t5 "], LENGTH, 5),
        ([b"Content-Length: 0"], LENGTH, 0),
        ([b"Transfer-Encoding: chunked"], CHUNKED, 0),
        ([b"transfer-encoding: Chunked "], CHUNKED, 0),
        ([], UNTIL_CLOSE, 0),
    ],
)
def test_the_fields_say_how_the_body_ends(lines: list[bytes], framing: int, content_length: int) -> None:
    reply = accepted_reply(ok(*lines))
    assert (reply.framing, reply.content_length) == (framing, content_length)


@pytest.mark.parametrize("line", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X-A: 1"])
def test_no_body_follows_an_answer_to_head_nor_1xx_204_and_304(line: bytes) -> None:
    assert accepted_reply(ok(line), answers_head=True).framing == NO_BODY
    for status in (b"204 No Content", b"304 Not Modified"):
        assert accepted_reply(head(b"HTTP/1.1 " + status, line)).framing == NO_BODY
    for status in (b"100 Continue", b"103 Early Hints", b"199 X"):
        assert accepted_reply(head(b"HTTP/1.1 " + status, b"Content-Length: 0")).framing == NO_BODY
    for status in (b"200 OK", b"205 Reset", b"206 Partial", b"404 Not Found", b"500 X"):
        assert accepted_reply(head(b"HTTP/1.1 " + status, line)).framing != NO_BODY


def test_content_length_passes_on_where_it_may_stand() -> None:
    line = b"Content-Length: 5"
    assert accepted_reply(ok(line)).fields == [line]
    assert accepted_reply(ok(line), answers_head=True).fields == [line]
    assert accepted_reply(head(b"HTTP/1.1 304 X", line)).fields == [line]
    assert accepted_reply(head(b"HTTP/1.1 204 X", line)).fields == []
    assert accepted_reply(head(b"HTTP/1.1 103 X", b"Content-Length: 0")).fields == []


@pytest.mark.parametrize("line", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("status", [b"100 Continue", b"103 Early Hints"])
def test_an_interim_reply_that_announces_a_body_is_broken(status: bytes, line: bytes) -> None:
    assert broken_reply(head(b"HTTP/1.1 " + status, line)) == "an interim reply announces a body"


def test_who_announces_a_body_that_may_not_follow_is_not_asked_again_on_that_connection() -> None:
    for line in (b"Content-Length: 5", b"Transfer-Encoding: chunked"):
        for status in (b"204", b"304"):
            start = b"HTTP/1.1 %b X" % status
            assert not accepted_reply(head(start, line)).keep_alive
            assert not accepted_reply(head(start, line), answers_head=True).keep_alive
            assert not accepted_reply(head(start, line, b"Connection: keep-alive")).keep_alive
        assert not accepted_reply(ok(line), answers_head=True).keep_alive
    for none in ((), (b"Content-Length: 0",)):
        assert accepted_reply(head(b"HTTP/1.1 204 X", *none)).keep_alive
        assert accepted_reply(head(b"HTTP/1.1 304 X", *none)).keep_alive
        assert accepted_reply(ok(*none), answers_head=True).keep_alive


@pytest.mark.parametrize(
    ("version", "lines", "keep_alive"),
    [
        (b"1.1", [], True),
        (b"1.1", [b"Connection: close"], False),
        (b"1.1", [b"connection: Close"], False),
        (b"1.1", [b"Connection: keep-alive, close"], False),
        (b"1.1", [b"Connection: close", b"Connection: keep-alive"], False),
        (b"1.1", [b"Connection: keep-alive", b"Connection: close"], False),
        (b"1.0", [], False),
        (b"1.0", [b"Connection: keep-alive"], True),
        (b"1.0", [b"Connection: keep-alive, close"], False),
    ],
)
def test_persistence_follows_version_and_connection(
    version: bytes, lines: list[bytes], keep_alive: bool
) -> None:
    assert (
        accepted_reply(head(b"HTTP/%b 200 OK" % version, b"Content-Length: 5", *lines)).keep_alive
        == keep_alive
    )
    assert accepted_reply(head(b"HTTP/%b 304 X" % version, *lines)).keep_alive == keep_alive


def test_a_reply_that_ends_with_the_connection_never_keeps_it() -> None:
    assert not accepted_reply(ok()).keep_alive
    assert not accepted_reply(ok(b"Connection: keep-alive")).keep_alive


# Fields.


def test_two_replies_do_not_share_anything() -> None:
    accepted_reply(ok(b"Connection: x-a", b"X-A: 1"))
    assert accepted_reply(ok(b"X-A: 1")).fields == [b"X-A: 1"]
