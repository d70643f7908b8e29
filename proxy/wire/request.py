"""The request head: from one head's raw bytes to its meaning or a refusal. Nothing ambiguous passes."""

from __future__ import annotations

import re
from typing import Final

from proxy.errors import BAD_REQUEST, HEAD_TOO_LARGE, METHOD_NOT_IMPLEMENTED, TARGET_TOO_LONG, Refusal
from proxy.wire import fields as f
from proxy.wire.fields import list_members, without_line
from proxy.wire.framing import CHUNKED, LENGTH, UNTIL_CLOSE
from proxy.wire.request_checks import apply_connection, check_fields, check_target
from proxy.wire.request_head import KINDS, RequestHead
from proxy.wire.start_line import START_LINE, diagnose_start

_ID_BYTES: Final = 128
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:=+/-]+")
_TRACEPARENT: Final = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_NO_OPTIONS: Final[list[bytes]] = []


def parse_request_head(head: bytes) -> RequestHead | Refusal:
    """Parse one head, from the first octet of the start line to the end of the empty line.

    head    ends with CRLF CRLF and has no such sequence before
    Returns the meaning, or a Refusal with the status that the sender has earned.
    """
    start = START_LINE.match(head)
    if start is None:
        return diagnose_start(head[: head.find(b"\r\n")])
    block_begin = start.end() - 2
    fields: list[tuple[bytes, bytes]] = f.FIELDS.findall(head, block_begin)
    count = len(fields)
    if count > f.MAX_FIELDS or len(head) > f.MAX_HEAD_BYTES:
        return Refusal(HEAD_TOO_LARGE, f.TOO_MANY_FIELDS)
    if head.translate(None, f.TEXT) != f.LINE_ENDS[count + 2]:
        problem = f.malformed(head)
        return Refusal(HEAD_TOO_LARGE if problem == f.TOO_MANY_FIELDS else BAD_REQUEST, problem)
    method, target, minor = start.groups()
    if method == b"CONNECT" or method == b"TRACE":
        return Refusal(METHOD_NOT_IMPLEMENTED, "CONNECT and TRACE are not offered")
    if len(target) > f.MAX_TARGET_BYTES:
        return Refusal(TARGET_TOO_LONG, f"the target has more than {f.MAX_TARGET_BYTES} bytes")
    request = RequestHead(method, target, 1 if minor == b"1" else 0, head[block_begin:-2])
    return _read_fields(request, fields) or request


def _read_fields(request: RequestHead, fields: list[tuple[bytes, bytes]]) -> Refusal | None:
    """Take the meaning of the fields that have one for us, and remove those that must not pass."""
    seen = 0
    repeated = 0
    options = _NO_OPTIONS
    for name, value in fields:
        kind = KINDS[name]
        if kind == f.PLAIN:
            continue
        repeated |= seen & kind
        seen |= kind
        text = value.strip(b" \t")
        passes = True
        if kind == f.HOST:
            request.host = text
        elif kind == f.AUTHORIZATION:
            request.authorization = text
        elif kind == f.COOKIE:
            request.cookie = request.cookie + b"; " + text if request.cookie else text
        elif kind == f.REQUEST_ID:
            if repeated & kind or not ((len(text) <= _ID_BYTES and text.isalnum()) or _is_request_id(text)):
                passes = False
            else:
                request.request_id = text
        elif kind == f.CONNECTION:
            passes = False
            if text != b"keep-alive" or request.minor == 0:
                if len(options) + text.count(b",") >= f.MAX_FIELDS:
                    return Refusal(BAD_REQUEST, f"Connection names more than {f.MAX_FIELDS} fields")
                options = options + list_members(text)
        else:
            passes = _read_rare(request, kind, text, name + b":" + value, not repeated & kind)
        if not passes:
            request.block = without_line(request.block, name, value)
    problem = check_fields(request, seen, repeated)
    if problem is None and options:
        problem = apply_connection(request, options)
    if problem is None and (seen & f.UPGRADE or not request.target.startswith(b"/")):
        problem = check_target(request)
    return problem


def _is_request_id(text: bytes) -> bool:
    return len(text) <= _ID_BYTES and _REQUEST_ID.fullmatch(text) is not None


def _read_rare(request: RequestHead, kind: int, value: bytes, line: bytes, first: bool) -> bool:
    """The same for the fields that few requests have; returns whether the line passes on.

    Broken framing is left as UNTIL_CLOSE, which no request can have.
    """
    if kind == f.CONTENT_LENGTH:
        request.framing = LENGTH if f.is_length(value) else UNTIL_CLOSE
        request.content_length = int(value) if request.framing == LENGTH else 0
        return True
    if kind == f.TRACEPARENT:
        if first and _TRACEPARENT.fullmatch(value) is not None:
            request.traceparent = value
            return True
    elif kind == f.EXPECT:
        request.expects_continue = value.lower() == b"100-continue"
        return request.minor == 1
    elif kind == f.TRANSFER_ENCODING:
        request.framing = CHUNKED if value.lower() == b"chunked" else UNTIL_CLOSE
    elif kind == f.UPGRADE:
        request.upgrade = request.upgrade + b", " + value if request.upgrade else value
    elif kind == f.FORWARDING:
        request.forwarding = [*request.forwarding, line]
    return False
