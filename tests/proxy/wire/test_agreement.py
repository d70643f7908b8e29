"""Differential tests: what our scanner accepts is read alike by h11 and httptools, and by the cell."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from proxy.wire.framing import CHUNKED, LENGTH, NO_BODY
from proxy.wire.ids import IdPool
from proxy.wire.reply import ReplyHead, broken_beginning, parse_reply_head
from proxy.wire.request import parse_request_head
from proxy.wire.request_head import RequestHead
from proxy.wire.rewrite import Peer, head_for_cell
from tests.proxy.wire.agreement import NEXT, check_reply, check_request, httptools_may_refuse
from tests.proxy.wire.heads import accepted, accepted_reply, head, post
from tests.proxy.wire.oracles import h11_request, httptools_request
from tests.proxy.wire.strategies import damaged, reply_heads, request_heads

CELL_LINES: Final = b"X-Home-Cell: eu-1\r\nX-Home-Cell-Epoch: "
PEERS: Final = (
    Peer("192.0.2.1", False),
    Peer("192.0.2.1", True),
    Peer("2001:db8::1", False),
    Peer("2001:db8::1", True),
)
BODIES: Final = {NO_BODY: b"", CHUNKED: b"3\r\nabc\r\n0\r\n\r\n"}


@given(request_heads())
def test_a_good_request_is_read_alike_by_all(data: bytes) -> None:
    check_request(data, accepted(data))


@pytest.mark.slow
@pytest.mark.parametrize(
    "good",
    [
        post(b"Content-Length: 3", b"Connection: a", b"A: 1"),
        head(b"PUT http://a/ HTTP/1.0", b"Host: a", b"X: 1"),
        head(b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked"),
    ],
)
def test_every_change_of_one_octet_is_read_alike_by_all_or_refused_by_us(good: bytes) -> None:
    accepted_count = 0
    for position in range(len(good) - 4):
        for octet in range(256):
            for skip in (0, 1):
                data = good[:position] + bytes((octet,)) + good[position + skip :]
                outcome = parse_request_head(data)
                if isinstance(outcome, RequestHead):
                    accepted_count += 1
                    check_request(data, outcome)
    assert accepted_count > 2000


@given(reply_heads())
def test_no_beginning_of_a_good_reply_is_called_broken(data: bytes) -> None:
    assert not any(broken_beginning(data[:length]) for length in range(len(data) - 3))


@given(reply_heads(), st.sampled_from((b"GET", b"HEAD")))
def test_a_good_reply_is_read_alike_by_all(data: bytes, method: bytes) -> None:
    check_reply(data, accepted_reply(data, method == b"HEAD"), method)


@pytest.mark.slow
@settings(max_examples=400)
@given(damaged(reply_heads()), st.sampled_from((b"GET", b"HEAD")))
def test_a_damaged_reply_is_read_alike_by_all_or_refused_by_us(data: bytes, method: bytes) -> None:
    outcome = parse_reply_head(data, method == b"HEAD")
    event("accepted" if isinstance(outcome, ReplyHead) else "refused")
    if isinstance(outcome, ReplyHead):
        check_reply(data, outcome, method)


def _sent_to_cell(request: RequestHead, peer: Peer) -> None:
    """Insist that what a cell gets is one request for h11 and httptools, framed as we frame it."""
    framing, content_length = request.framing, request.content_length
    if framing == LENGTH and content_length > 64:
        return
    body = BODIES.get(framing, b"b" * content_length)
    sent = head_for_cell(request, peer, CELL_LINES, 7, IdPool())
    outcome = h11_request(sent + body + NEXT)
    assert outcome is not None, sent
    message, rest = outcome
    assert message.complete
    assert rest == NEXT
    assert message.start == (request.method, request.target, b"1.1")
    assert message.body == (b"abc" if framing == CHUNKED else body)
    by_name: dict[bytes, list[bytes]] = {}
    for name, value in message.fields:
        by_name.setdefault(name.replace(b"_", b"-"), []).append(value)
    assert by_name[b"x-home-cell"] == [b"eu-1"]
    assert by_name[b"x-home-cell-epoch"] == [b"7"]
    assert len(by_name.get(b"transfer-encoding", [])) == (framing == CHUNKED)
    assert len(by_name.get(b"content-length", [])) == (framing == LENGTH)
    for name in (
        b"host",
        b"x-request-id",
        b"traceparent",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
    ):
        assert len(by_name[name]) == 1
    if not peer.trusted:
        assert by_name[b"x-forwarded-for"] == [peer.address.encode()]
    assert not {b"connection", b"keep-alive", b"te", b"upgrade", b"proxy-connection"} & set(by_name)
    by_httptools = httptools_request(sent + body + NEXT)
    if by_httptools is None:
        assert httptools_may_refuse(request)
    else:
        assert [one.complete for one in by_httptools] == [True, True]
        assert by_httptools[0].body == message.body
        assert by_httptools[1].start[1] == b"/next"


@given(request_heads(), st.sampled_from(PEERS))
def test_a_good_request_reaches_the_cell_as_exactly_one(data: bytes, peer: Peer) -> None:
    _sent_to_cell(accepted(data), peer)


@pytest.mark.slow
@settings(max_examples=600)
@given(damaged(request_heads()), st.sampled_from(PEERS))
def test_a_damaged_request_is_refused_or_read_alike_by_all_and_smuggles_nothing(
    data: bytes, peer: Peer
) -> None:
    outcome = parse_request_head(data)
    event("accepted" if isinstance(outcome, RequestHead) else "refused")
    if isinstance(outcome, RequestHead):
        check_request(data, outcome)
        _sent_to_cell(outcome, peer)
