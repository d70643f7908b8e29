"""What the proxy learns from an accepted request head: credentials, ids, expectations, who forwarded it."""

from __future__ import annotations

import pytest

from tests.proxy.wire.heads import accepted, get, head, post, refused

HOST = b"Host: a.example"


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


def test_a_tracestate_passes_with_its_traceparent_wherever_it_stands() -> None:
    parent, state = b"traceparent: 00-" + TRACE + b"-" + SPAN + b"-01", b"tracestate: vendor=1"
    assert accepted(get(parent, state)).fields == [HOST, parent, state]
    assert accepted(get(state, parent)).fields == [HOST, state, parent]


def test_a_tracestate_goes_with_the_trace_that_ends_at_the_edge() -> None:
    assert accepted(get(b"tracestate: vendor=1")).fields == [HOST]
    assert accepted(get(b"tracestate: a=1", b"traceparent: 00-bad", b"Tracestate: b=2")).fields == [HOST]


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
