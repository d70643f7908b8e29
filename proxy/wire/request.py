"""The request head: from one head's raw bytes to its meaning or a refusal. Nothing ambiguous passes."""

from __future__ import annotations

import re
from typing import Final

from proxy.errors import (
    BAD_REQUEST,
    HEAD_TOO_LARGE,
    METHOD_NOT_IMPLEMENTED,
    TARGET_TOO_LONG,
    UNKNOWN_EXPECTATION,
    Refusal,
)
from proxy.wire import fields as f
from proxy.wire.fields import FIELD, LINE_ENDS, MAX_FIELDS, MAX_HEAD_BYTES, TEXT, list_members, without_lines
from proxy.wire.framing import CHUNKED, LENGTH
from proxy.wire.request_checks import check_host, check_target, obey_connection
from proxy.wire.request_head import RequestHead
from proxy.wire.request_plan import NOT_JUST_CHUNKED, ONLY_CONTINUE, RequestPlan, RequestPlans
from proxy.wire.start_line import START_LINE, diagnose_start

_PLANS: Final = RequestPlans()
_ID_BYTES: Final = 128
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:=+/-]+")
_TRACEPARENT: Final = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def parse_request_head(head: bytes) -> RequestHead | Refusal:
    """Parse one head, from the first octet of the start line to the end of the empty line.

    head    ends with CRLF CRLF and has no such sequence before
    Returns the meaning, or a Refusal with the status that the sender has earned.
    """
    start = START_LINE.match(head)
    if start is None:
        return diagnose_start(head[: head.find(b"\r\n")])
    begin = start.end() - 2
    parts: list[bytes] = FIELD.split(head[begin:-4])
    names = tuple(parts[1::2])
    count = len(names)
    if count > MAX_FIELDS or len(head) > MAX_HEAD_BYTES:
        return Refusal(HEAD_TOO_LARGE, f.TOO_MANY_FIELDS)
    if head.translate(None, TEXT) != LINE_ENDS[count + 2]:
        problem = f.malformed(head)
        return Refusal(HEAD_TOO_LARGE if problem == f.TOO_MANY_FIELDS else BAD_REQUEST, problem)
    method, target, minor = start.groups()
    if method == b"CONNECT" or method == b"TRACE":
        return Refusal(METHOD_NOT_IMPLEMENTED, "CONNECT and TRACE are not offered")
    if len(target) > f.MAX_TARGET_BYTES:
        return Refusal(TARGET_TOO_LONG, f"the target has more than {f.MAX_TARGET_BYTES} bytes")
    plan = _PLANS[names]
    request = RequestHead(
        method,
        target,
        1 if minor == b"1" else 0,
        head[begin:-2],
        parts[plan.host].strip(),
        parts[plan.authorization].strip(),
    )
    return _read_fields(request, plan, parts) or request


def _read_fields(request: RequestHead, plan: RequestPlan, parts: list[bytes]) -> Refusal | None:
    """Take the meaning of the fields that have one for us, and remove those that must not pass."""
    if plan.refusal is not None:
        return plan.refusal
    gone: list[int] = []
    if plan.request_id:
        text = parts[plan.request_id].strip()
        if (len(text) <= _ID_BYTES and text.isalnum()) or _is_request_id(text):
            request.request_id = text
        else:
            gone.append(plan.request_id)
    problem = _read_others(request, plan, parts, gone) if plan.others else None
    if gone:
        request.block = without_lines(parts, gone)
    if problem is None:
        problem = check_host(request, plan.host != 0)
    if problem is None and (request.upgrade or not request.target.startswith(b"/")):
        problem = check_target(request)
    return problem


def _is_request_id(text: bytes) -> bool:
    return len(text) <= _ID_BYTES and _REQUEST_ID.fullmatch(text) is not None


def _read_others(
    request: RequestHead, plan: RequestPlan, parts: list[bytes], gone: list[int]
) -> Refusal | None:
    """The same for fields that not every request has; adds the places of those that don't pass to `gone`."""
    options: list[bytes] = []
    for kind, place in plan.others:
        value = parts[place].strip()
        if kind == f.CONNECTION:
            gone.append(place)
            if value != b"keep-alive" or request.minor == 0:
                if len(options) + value.count(b",") >= MAX_FIELDS:
                    return Refusal(BAD_REQUEST, f"Connection names more than {MAX_FIELDS} fields")
                options += list_members(value)
        elif kind == f.COOKIE:
            request.cookie = request.cookie + b"; " + value if request.cookie else value
        elif kind == f.FORWARDING:
            request.forwarding = [*request.forwarding, parts[place - 1][2:] + parts[place]]
            gone.append(place)
        elif kind == f.CONTENT_LENGTH:
            if not f.is_length(value):
                return Refusal(BAD_REQUEST, "Content-Length is not a plain decimal number")
            request.framing = LENGTH
            request.content_length = int(value)
        else:
            problem = _read_rare(request, kind, value, place, gone)
            if problem is not None:
                return problem
    if plan.tracestates and not request.traceparent:  # of a trace that ends here (W3C Trace Context)
        gone += plan.tracestates
    return obey_connection(request, options, parts, gone) if options else None


def _read_rare(request: RequestHead, kind: int, value: bytes, place: int, gone: list[int]) -> Refusal | None:
    """The same for one field that few requests have."""
    if kind == f.TRACESTATE:
        return None
    if kind == f.TRACEPARENT and _TRACEPARENT.fullmatch(value) is not None:
        request.traceparent = value
        return None
    if kind == f.EXPECT:
        if value.lower() != b"100-continue":
            return Refusal(UNKNOWN_EXPECTATION, ONLY_CONTINUE)
        request.expects_continue = request.minor == 1
        if request.expects_continue:
            return None
    elif kind == f.TRANSFER_ENCODING:
        if value.lower() != b"chunked":
            return Refusal(BAD_REQUEST, NOT_JUST_CHUNKED)
        if request.minor == 0:
            return Refusal(BAD_REQUEST, "Transfer-Encoding in an HTTP/1.0 request")
        request.framing = CHUNKED
    elif kind == f.UPGRADE:
        request.upgrade = request.upgrade + b", " + value if request.upgrade else value
    gone.append(place)
    return None
