"""What an accepted request head means: what passes on, what is taken out, what the proxy learns."""

from __future__ import annotations

import pytest

from proxy.wire.framing import CHUNKED, LENGTH, NO_BODY
from tests.proxy.wire.heads import accepted, get, head, post, refused

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


# What the proxy learns.


def test_the_credential_fields_are_read_and_pass_on() -> None:
    lines = [b"Authorization:  Bearer x.y.z ", b"Cookie: a=1", b"cookie: b=2; c=3"]
    request = accepted(get(*lines))
    assert request.authorization == b"Bearer x.y.z"
    assert request.cookie == b"a=1; b=2; c=3"
    assert request.fields == [HOST, *lines]


def test_absent_credentials_are_empty() -> None:
    request = accepted(get())
    assert (request.authorization, request.cookie) == (b"", b"")


def test_two_authorizations_are_refused_because_a_cell_may_read_the_other_one() -> None:
    assert refused(get(b"Authorization: Bearer a", b"authorization: Bearer b")).problem.status == 400


def test_forwarding_fields_are_kept_apart_in_order_and_as_sent() -> None:
    lines = [
        b"X-Forwarded-For: 10.0.0.1",
        b"forwarded: for=10.0.0.1",
        b"X-Forwarded-Proto:https",
        b"x-forwarded-for: 10.0.0.2",
        b"X-Forwarded-Host: a",
    ]
    request = accepted(get(lines[0], b"X-A: 1", *lines[1:]))
    assert request.forwarding == lines
    assert request.fields == [HOST, b"X-A: 1"]
    assert accepted(get()).forwarding == []


@pytest.mark.parametrize("request_id", [b"abc", b"a" * 128, b"0af7651916cd43dd", b"A.b_c:d=e+f/g-h"])
def test_a_usable_request_id_is_kept(request_id: bytes) -> None:
    line = b"X-Request-ID: " + request_id
    request = accepted(get(line))
    assert (request.request_id, request.fields) == (request_id, [HOST, line])


@pytest.mark.parametrize("request_id", [b"", b"a" * 129, b"a b", b'a"b', b"a,b", b"<a>", b"a\tb", b"caf\xe9"])
def test_an_unusable_request_id_is_dropped(request_id: bytes) -> None:
    request = accepted(get(b"X-Request-Id: " + request_id, b"X-A: 1"))
    assert (request.request_id, request.fields) == (b"", [HOST, b"X-A: 1"])


def test_of_several_request_ids_the_first_counts() -> None:
    request = accepted(get(b"X-Request-Id: one", b"x-request-id: two"))
    assert (request.request_id, request.fields) == (b"one", [HOST, b"X-Request-Id: one"])


def test_a_good_request_id_behind_a_bad_one_does_not_count() -> None:
    request = accepted(get(b"X-Request-Id: o n e", b"x-request-id: two"))
    assert (request.request_id, request.fields) == (b"", [HOST])


TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"


def test_a_valid_traceparent_is_kept() -> None:
    value = b"00-" + TRACE + b"-" + SPAN + b"-01"
    request = accepted(get(b"traceparent: " + value))
    assert (request.traceparent, request.fields) == (value, [HOST, b"traceparent: " + value])


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00-" + TRACE + b"-" + SPAN,
        b"00-" + TRACE.upper() + b"-" + SPAN + b"-01",
        b"00-" + b"0" * 32 + b"-" + SPAN + b"-01",
        b"00-" + TRACE + b"-" + b"0" * 16 + b"-01",
        b"ff-" + TRACE + b"-" + SPAN + b"-01",
        b"00-" + TRACE + b"-" + SPAN + b"-01-more",
    ],
)
def test_an_invalid_traceparent_is_dropped(value: bytes) -> None:
    request = accepted(get(b"traceparent: " + value))
    assert (request.traceparent, request.fields) == (b"", [HOST])


def test_of_several_traceparents_one_passes() -> None:
    line = b"traceparent: 00-" + TRACE + b"-" + SPAN + b"-01"
    assert accepted(get(line, line)).fields == [HOST, line]


def test_expect_100_continue_is_noticed_and_passes_on() -> None:
    request = accepted(post(b"Expect: 100-Continue", b"Content-Length: 5"))
    assert request.expects_continue
    assert request.fields == [HOST, b"Expect: 100-Continue", b"Content-Length: 5"]


def test_expect_in_http_1_0_is_ignored_and_removed() -> None:
    request = accepted(head(b"POST / HTTP/1.0", HOST, b"Expect: 100-continue", b"Content-Length: 5"))
    assert not request.expects_continue
    assert request.fields == [HOST, b"Content-Length: 5"]


def test_upgrade_is_noticed_and_taken_out() -> None:
    request = accepted(
        get(b"Connection: keep-alive, Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
    )
    assert request.upgrade == b"websocket"
    assert request.keep_alive
    assert request.fields == [HOST, b"Sec-WebSocket-Version: 13"]


def test_several_upgrade_fields_are_one_list() -> None:
    assert accepted(get(b"Upgrade: h2c", b"Upgrade: websocket")).upgrade == b"h2c, websocket"


def test_upgrade_beside_an_empty_body_is_accepted() -> None:
    assert accepted(post(b"Upgrade: websocket", b"Content-Length: 0")).upgrade == b"websocket"


def test_two_heads_do_not_share_anything() -> None:
    first = accepted(get(b"Forwarded: for=a", b"Cookie: a=1", b"Connection: x-a"))
    second = accepted(get(b"Forwarded: for=b", b"Cookie: b=1", b"X-A: 1"))
    assert (first.forwarding, second.forwarding) == ([b"Forwarded: for=a"], [b"Forwarded: for=b"])
    assert (first.cookie, second.cookie) == (b"a=1", b"b=1")
    assert second.fields == [HOST, b"Cookie: b=1", b"X-A: 1"]
