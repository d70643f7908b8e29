"""What it means that other readers understand a message as we do, and where each of them is known not to.

What our scanner accepts must be read alike by h11 and by httptools: start line, fields in order, where the
body ends, whether the connection goes on. A reader may refuse what we accept only for a reason listed here:

- httptools knows a fixed list of methods, though RFC 9110 section 9.1 leaves them open.
- httptools lets keep-alive overrule close in HTTP/1.0, though RFC 9112 section 9.3 says otherwise.
- h11 does not let HTTP/1.0 keep a connection, whatever Connection says.
- h11 takes a 101 only for the answer to its own Upgrade; httptools can't be told that a HEAD was asked.
"""

from __future__ import annotations

from typing import Final

from proxy.wire.framing import CHUNKED, LENGTH, NO_BODY
from proxy.wire.reply import ReplyHead
from proxy.wire.request_head import RequestHead
from tests.proxy.wire.oracles import (
    Message,
    h11_reply,
    h11_request,
    httptools_reply,
    httptools_request,
)

NEXT: Final = b"GET /next HTTP/1.1\r\nHost: next.example\r\n\r\n"
_PROBE_BYTES: Final = 64
_CHUNKED_BODY: Final = b"3\r\nabc\r\n0\r\n\r\n"

_LLHTTP_METHODS: Final = frozenset(
    b"DELETE GET HEAD POST PUT OPTIONS COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND "
    b"UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE "
    b"MKCALENDAR LINK UNLINK SOURCE QUERY".split()
)

_NEVER_PASSED: Final = frozenset(
    b"connection keep-alive proxy-connection proxy-authorization te transfer-encoding upgrade forwarded "
    b"x-forwarded-for x-forwarded-proto x-forwarded-host".split()
)
_ALSO_HYPHENED: Final = _NEVER_PASSED | frozenset((b"content-length", b"x-request-id"))
_NEVER_PASSED_BACK: Final = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate te transfer-encoding upgrade "
    b"x-request-id".split()
)


def check_request(data: bytes, request: RequestHead) -> None:
    """Insist that h11 and httptools read this accepted head as we do."""
    body, probe, complete = _probe(request.framing, request.content_length)
    by_h11 = h11_request(data + probe + NEXT if complete else data + probe)
    assert by_h11 is not None, f"only h11 refuses {data!r}"
    message, rest = by_h11
    assert rest == (NEXT if complete else b"")
    _check_request_message(data, request, message, body, complete)
    if request.minor == 1 and complete and not request.upgrade:
        assert message.keep_alive == request.keep_alive

    by_httptools = httptools_request(data + probe)
    if by_httptools is None:
        assert httptools_may_refuse(request), f"only httptools refuses {data!r}"
        return
    assert len(by_httptools) == 1
    _check_request_message(data, request, by_httptools[0], body, complete)
    assert request.keep_alive == _keeps(by_httptools[0])


def httptools_may_refuse(request: RequestHead) -> bool:
    """Whether this is one of the good requests that httptools is known to refuse."""
    return request.method not in _LLHTTP_METHODS


def _probe(framing: int, content_length: int) -> tuple[bytes, bytes, bool]:
    """A body for a framing: its data, its bytes on the wire, and whether that is all of it."""
    if framing == CHUNKED:
        return b"abc", _CHUNKED_BODY, True
    size = content_length if framing == LENGTH else 0
    data = b"b" * min(size, _PROBE_BYTES)
    return data, data, size <= _PROBE_BYTES


def _check_request_message(
    data: bytes, request: RequestHead, message: Message, body: bytes, complete: bool
) -> None:
    method, raw_target, version = data.partition(b"\r\n")[0].split(b" ")
    assert message.start == (method, raw_target, version.removeprefix(b"HTTP/"))
    assert (request.method, b"HTTP/1.%d" % request.minor) == (method, version)
    assert request.target == _origin_form(method, raw_target)
    assert (message.body, message.complete) == (body, complete)
    passed = _passed(message.fields, _NEVER_PASSED)
    if (b"host", request.host) not in message.fields and request.host:
        assert request.minor == 0
        assert _authority(raw_target) == request.host
        passed.insert(0, (b"host", request.host))
    assert _normal(request.fields) == _without_unusable(passed, request)
    assert request.cookie.split(b"; ") == _joined(message.fields, b"cookie").split(b"; ")
    assert request.authorization == _joined(message.fields, b"authorization")


def _keeps(message: Message) -> bool:
    """What httptools says about the connection, except where it lets keep-alive overrule close."""
    return message.keep_alive and not (
        message.start[2] == b"1.0" and b"close" in _connection_options(message.fields)
    )


def _connection_options(fields: list[tuple[bytes, bytes]]) -> set[bytes]:
    values = [value for name, value in fields if name == b"connection"]
    return {option.strip(b" \t").lower() for value in values for option in value.split(b",")}


def _joined(fields: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    return b"; ".join(value for field, value in fields if field == name and value)


def _without_unusable(fields: list[tuple[bytes, bytes]], request: RequestHead) -> list[tuple[bytes, bytes]]:
    """The fields without what we drop for its value: ids that can't be used, Expect in HTTP/1.0."""
    kept = {b"x-request-id": request.request_id, b"traceparent": request.traceparent}
    if request.minor == 0:
        kept[b"expect"] = b""
    left: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        if name in kept:
            if not kept[name]:
                continue
            assert kept.pop(name) == value
            kept[name] = b""
        left.append((name, value))
    return left


def _passed(fields: list[tuple[bytes, bytes]], never: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    """The fields that must pass on, by the rules as they are written and not as they are programmed."""
    named = _connection_options(fields)
    left = []
    for name, value in fields:
        hyphened = name.replace(b"_", b"-")
        imitates = hyphened != name and hyphened in _ALSO_HYPHENED | never
        if not (name in never or name in named or imitates or hyphened.startswith(b"x-home-cell")):
            left.append((name, value))
    return left


def _normal(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    pairs = [line.partition(b":") for line in lines]
    return [(name.lower(), value.strip(b" \t")) for name, _, value in pairs]


def _authority(target: bytes) -> bytes:
    return target.split(b"/")[2].split(b"?")[0] if b"://" in target else b""


def _origin_form(method: bytes, target: bytes) -> bytes:
    if target.startswith((b"/", b"*")):
        return target
    rest = target.split(b"://", 1)[1].removeprefix(_authority(target))
    if not rest:
        return b"*" if method == b"OPTIONS" else b"/"
    return rest if rest.startswith(b"/") else b"/" + rest


def check_reply(data: bytes, reply: ReplyHead, method: bytes) -> None:
    """Insist that h11 and httptools read this accepted reply head as we do."""
    body, probe, complete = _probe(reply.framing, reply.content_length)
    ends_with_close = reply.framing not in (NO_BODY, LENGTH, CHUNKED)
    if ends_with_close:
        body, probe, complete = b"until close", b"until close", False
    if reply.status != 101:
        by_h11 = h11_reply(data + probe, method)
        assert by_h11 is not None, f"only h11 refuses {data!r}"
        message, rest = by_h11
        assert rest == b""
        _check_reply_message(data, reply, message, body, complete)
    if method == b"HEAD" or reply.status == 101:
        return
    by_httptools = httptools_reply(data + probe)
    assert by_httptools is not None, f"only httptools refuses {data!r}"
    _check_reply_message(data, reply, by_httptools[0], body, complete)
    if complete and reply.status >= 200:
        careful = reply.framing == NO_BODY and not reply.keep_alive  # of a body that may not follow
        assert careful or reply.keep_alive == _keeps(by_httptools[0])


def _check_reply_message(
    data: bytes, reply: ReplyHead, message: Message, body: bytes, complete: bool
) -> None:
    line = data.partition(b"\r\n")[0]
    assert message.start[0] == line[9:12] == b"%d" % reply.status
    assert message.start[1] == line[13:] == reply.start[13:]
    assert message.start[2] == line[5:8]
    assert (message.body, message.complete) == (body, complete)
    never = _NEVER_PASSED_BACK
    if reply.status < 200 or reply.status == 204:
        never = never | {b"content-length"}
    relied_on = [(b"connection", b"")] if reply.framing == LENGTH else []
    assert _normal(reply.fields) == _passed([*relied_on, *_sparing(message.fields)], never)


def _sparing(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The fields with Connection options taken out that have no power over what the client relies on."""
    spared = (b"content-length", b"set-cookie")
    return [
        (name, b",".join(o for o in value.split(b",") if o.strip(b" \t").lower() not in spared))
        if name == b"connection"
        else (name, value)
        for name, value in fields
    ]
