"""What an accepted request head means: what passes on and what is taken out."""

from __future__ import annotations

import pytest

from proxy.wire.framing import CHUNKED, LENGTH, NO_BODY
from tests.proxy.wire.heads import accepted, get, head, post

HOST = b"Host: a.example"


def passed_on(data: bytes) -> list[bytes]:
    """The field lines that pass on, without the Host line that every head here begins with."""
    fields = accepted(data).fields
    assert fields[0] == HOST
    return fields[1:]


# Fields that pass, fields that do not.


def test_fields_pass_untouched_and_in_order() -> None:
    lines = [
        b"Accept: */*",
        b"x-A:one",
        b"X-B: \t two \t",
        b"X-C:",
        b"X-D: a:b: c",
        b"X-E: caf\xe9",
        b"!#$%&'*+.^`|~: x",
    ]
    assert passed_on(get(*lines)) == lines


def test_repeated_fields_stay_repeated_and_in_order() -> None:
    lines = [b"X-A: 1", b"Accept: a", b"X-A: 2", b"accept: b", b"X-A: 1", b"Cookie: a=1", b"Cookie: b=2"]
    assert passed_on(get(*lines)) == lines


@pytest.mark.parametrize(
    "name",
    [
        b"Connection",
        b"Keep-Alive",
        b"Proxy-Connection",
        b"Proxy-Authorization",
        b"TE",
        b"Upgrade",
        b"Transfer-Encoding",
        b"Forwarded",
        b"X-Forwarded-For",
        b"X-Forwarded-Proto",
        b"X-Forwarded-Host",
        b"X-Home-Cell",
        b"X-Home-Cell-Epoch",
        b"X-Home-Cell-Degraded",
        b"X-Home-Cellar",
    ],
)
def test_connection_forwarding_and_own_fields_do_not_pass_in_any_spelling(name: bytes) -> None:
    value = b"chunked" if name == b"Transfer-Encoding" else b"x-other"
    for spelling in (name, name.lower(), name.upper(), name.swapcase()):
        assert passed_on(get(b"X-A: 1", spelling + b": " + value, b"X-B: 2")) == [b"X-A: 1", b"X-B: 2"]


@pytest.mark.parametrize(
    "name",
    [
        b"X_Home_Cell",
        b"x-home_cell",
        b"X_HOME-CELL_EPOCH",
        b"Content_Length",
        b"Transfer_Encoding",
        b"X_Forwarded_For",
        b"X_Request_Id",
        b"Proxy_Connection",
    ],
)
def test_an_underscore_does_not_smuggle_a_field_past_us_to_a_cell_that_reads_it_as_a_hyphen(
    name: bytes,
) -> None:
    request = accepted(post(b"X_A: 1", name + b": 5", b"Content-Length: 0"))
    assert request.fields == [HOST, b"X_A: 1", b"Content-Length: 0"]
    assert (request.framing, request.content_length, request.request_id) == (LENGTH, 0, b"")
    assert not request.forwarding


def test_removal_takes_every_occurrence_and_nothing_beside_it() -> None:
    data = get(
        b"X-Home-Cell: us-1",
        b"X-A: 1",
        b"TE: trailers",
        b"x-home-cell: us-2",
        b"X-HOME-CELL-EPOCH: 9",
        b"X-B: 2",
    )
    assert passed_on(data) == [b"X-A: 1", b"X-B: 2"]


def test_names_are_told_apart_even_after_thousands_of_spellings() -> None:
    for number in range(5000):
        assert passed_on(get(b"X-Filler-%d: 1" % number)) == [b"X-Filler-%d: 1" % number]
    data = get(
        b"x-HOME-cell-late: 1", b"X-Late: 2", b"CONNection: X-late-TOO", b"X-Late-Too: 3", b"FORWARDED: x"
    )
    for _ in range(2):
        assert passed_on(data) == [b"X-Late: 2"]
    assert accepted(post(b"CONTENT-length: 7")).content_length == 7


# Connection.


def test_fields_that_connection_names_are_removed() -> None:
    data = get(
        b"X-A: 1",
        b"Connection: close, X-A ,\tx-b,,",
        b"x-a: 2",
        b"X-B: 3",
        b"X-C: 4",
        b"connection: x-c",
        b"X-AB: 5",
    )
    assert passed_on(data) == [b"X-AB: 5"]


def test_many_fields_that_connection_names_are_removed_and_the_others_stay_in_order() -> None:
    lines = [b"X-%d: %d" % (number, number) for number in range(60)]
    named = b", ".join(b"X-%d" % number for number in range(0, 60, 2))
    assert passed_on(get(*lines, b"Connection: " + named)) == lines[1::2]


def test_connection_may_name_what_is_absent() -> None:
    assert passed_on(get(b"Connection: x-absent", b"X-A: 1")) == [b"X-A: 1"]


def test_an_empty_connection_means_nothing() -> None:
    request = accepted(get(b"Connection:", b"Connection: , ,", b"X-A: 1"))
    assert request.keep_alive
    assert request.fields == [HOST, b"X-A: 1"]


@pytest.mark.parametrize(
    ("version", "lines", "keep_alive"),
    [
        (b"1.1", [], True),
        (b"1.1", [b"Connection: close"], False),
        (b"1.1", [b"Connection: Close"], False),
        (b"1.1", [b"Connection: keep-alive"], True),
        (b"1.1", [b"Connection: close, keep-alive"], False),
        (b"1.1", [b"Connection: keep-alive", b"Connection: close"], False),
        (b"1.1", [b"Connection: close", b"Connection: keep-alive"], False),
        (b"1.1", [b"Connection: closed"], True),
        (b"1.1", [b"X-Connection: close"], True),
        (b"1.0", [], False),
        (b"1.0", [b"Connection: keep-alive"], True),
        (b"1.0", [b"Connection: KEEP-ALIVE, x"], True),
        (b"1.0", [b"Connection: close, keep-alive"], False),
        (b"1.0", [b"Connection: keep-alive, close"], False),
    ],
)
def test_persistence_follows_version_and_connection(
    version: bytes, lines: list[bytes], keep_alive: bool
) -> None:
    assert accepted(head(b"GET / HTTP/" + version, HOST, *lines)).keep_alive == keep_alive


# Framing.


@pytest.mark.parametrize(
    ("line", "content_length"),
    [
        (b"Content-Length: 0", 0),
        (b"Content-Length: 5", 5),
        (b"content-length:5", 5),
        (b"CONTENT-LENGTH: \t 5 \t", 5),
        (b"Content-Length: 007", 7),
        (b"Content-Length: 999999999999999999", 999999999999999999),
    ],
)
def test_content_length_frames_the_body_and_passes_on(line: bytes, content_length: int) -> None:
    request = accepted(post(line))
    assert (request.framing, request.content_length) == (LENGTH, content_length)
    assert request.fields == [HOST, line]


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b" chunked\t", b"CHUNKED "])
def test_the_chunked_coding_frames_the_body_and_is_left_to_the_sender_to_name(value: bytes) -> None:
    request = accepted(post(b"Transfer-Encoding:" + value))
    assert (request.framing, request.content_length, request.fields) == (CHUNKED, 0, [HOST])


def test_without_framing_fields_there_is_no_body_whatever_the_method() -> None:
    for method in (b"GET", b"POST", b"PUT", b"BREW"):
        request = accepted(head(method + b" / HTTP/1.1", HOST))
        assert (request.framing, request.content_length) == (NO_BODY, 0)


# The request line and Host.


@pytest.mark.parametrize(
    ("method", "safe"),
    [
        (b"GET", True),
        (b"HEAD", True),
        (b"OPTIONS", True),
        (b"POST", False),
        (b"DELETE", False),
        (b"get", False),
        (b"PROPFIND", False),
        (b"M-SEARCH", False),
        (b"!#$%&'*+.^_`|~", False),
    ],
)
def test_every_token_is_a_method_and_only_known_safe_ones_are_safe(method: bytes, safe: bool) -> None:
    request = accepted(head(method + b" /x HTTP/1.1", HOST))
    assert (request.method, request.target, request.minor, request.safe) == (method, b"/x", 1, safe)


@pytest.mark.parametrize(
    ("start", "target"),
    [
        (b"GET /", b"/"),
        (b"GET //a//b", b"//a//b"),
        (b"GET /a?b=c?d/e", b"/a?b=c?d/e"),
        (b"GET /%00%zz", b"/%00%zz"),
        (b'GET /"<>\\^`{|}', b'/"<>\\^`{|}'),
        (b"GET /../a", b"/../a"),
        (b"OPTIONS *", b"*"),
        (b"OPTIONS /x", b"/x"),
        (b"GET http://a.example", b"/"),
        (b"GET http://a.example/", b"/"),
        (b"GET HTTP://A.EXAMPLE/x", b"/x"),
        (b"GET https://a.example/x?y", b"/x?y"),
        (b"GET http://a.example//b", b"//b"),
        (b"GET http://a.example?y", b"/?y"),
        (b"GET http://a.example/http://b.example/", b"/http://b.example/"),
        (b"OPTIONS http://a.example", b"*"),
        (b"OPTIONS http://a.example/", b"/"),
    ],
)
def test_the_target_goes_on_in_origin_form(start: bytes, target: bytes) -> None:
    request = accepted(head(start + b" HTTP/1.1", HOST))
    assert (request.target, request.host, request.fields) == (target, b"a.example", [HOST])


@pytest.mark.parametrize(
    "host",
    [
        b"a",
        b"a.example",
        b"A.Example:8080",
        b"127.0.0.1:80",
        b"[::1]",
        b"[2001:DB8::1]:65535",
        b"[::ffff:127.0.0.1]",
        b"under_score.example",
        b"xn--caf-dma.example",
        b"a:0",
    ],
)
def test_host_names_addresses_and_ports_are_accepted(host: bytes) -> None:
    request = accepted(head(b"GET / HTTP/1.1", b"Host: " + host))
    assert request.host == host
    assert accepted(head(b"GET http://" + host.swapcase() + b"/ HTTP/1.1", b"Host:\t" + host)).host == host


def test_http_1_0_needs_no_host() -> None:
    request = accepted(head(b"GET /x HTTP/1.0"))
    assert (request.minor, request.host, request.fields) == (0, b"", [])


def test_http_1_0_takes_its_host_from_an_absolute_target() -> None:
    request = accepted(head(b"GET http://b.example:81/x HTTP/1.0", b"X-A: 1"))
    assert (request.host, request.target) == (b"b.example:81", b"/x")
    assert request.fields == [b"Host: b.example:81", b"X-A: 1"]
