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
from proxy.wire.fields import FieldKinds, list_members
from proxy.wire.framing import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE
from proxy.wire.start_line import START_LINE, diagnose_start

SAFE_METHODS: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))

_PORT: Final = rb"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::" + _PORT + rb")?")
_HOSTS: Final[set[bytes]] = set()
"""Hosts that were found well-formed once, up to a bound."""

_LEARNED_HOSTS: Final = 1024
_ABSOLUTE: Final = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:=+/-]{1,128}")
_TRACEPARENT: Final = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_KINDS: Final = FieldKinds(
    {
        b"host": f.HOST,
        b"content-length": f.CONTENT_LENGTH,
        b"transfer-encoding": f.TRANSFER_ENCODING,
        b"connection": f.CONNECTION,
        b"expect": f.EXPECT,
        b"upgrade": f.UPGRADE,
        b"authorization": f.AUTHORIZATION,
        b"cookie": f.COOKIE,
        b"forwarded": f.FORWARDING,
        b"x-forwarded-for": f.FORWARDING,
        b"x-forwarded-proto": f.FORWARDING,
        b"x-forwarded-host": f.FORWARDING,
        b"x-request-id": f.REQUEST_ID,
        b"traceparent": f.TRACEPARENT,
        b"keep-alive": f.DROP,
        b"proxy-connection": f.DROP,
        b"proxy-authorization": f.DROP,
        b"te": f.DROP,
    }
)
_kind_of: Final = _KINDS.__getitem__
_RELIED_ON: Final = frozenset(
    (
        f.HOST,
        f.CONTENT_LENGTH,
        f.TRANSFER_ENCODING,
        f.AUTHORIZATION,
        f.COOKIE,
        f.FORWARDING,
        f.REQUEST_ID,
        f.TRACEPARENT,
        f.EXPECT,
    )
)


class RequestHead:
    """One request head that passed every check.

    target          origin form (or `*` for OPTIONS); an absolute form was reduced to it
    host            the authority as sent; b"" only in HTTP/1.0
    fields          lines `Name: value` to pass on, as received and in order; connection fields, the client's
                    forwarding fields and everything named X-Home-Cell* are gone
    authorization   field value, b"" if absent
    cookie          field values joined by b"; ", b"" if absent
    framing         NO_BODY, LENGTH (then content_length bytes follow) or CHUNKED
    forwarding      lines of Forwarded and X-Forwarded-* as the client sent them
    request_id      the client's id if it is usable, else b""; traceparent likewise
    upgrade         the protocol asked for, b"" if none
    """

    __slots__ = (
        "authorization",
        "content_length",
        "cookie",
        "expects_continue",
        "fields",
        "forwarding",
        "framing",
        "host",
        "keep_alive",
        "method",
        "minor",
        "request_id",
        "safe",
        "target",
        "traceparent",
        "upgrade",
    )

    def __init__(self, method: bytes, target: bytes, minor: int, fields: list[bytes]) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.fields = fields
        self.safe = method in SAFE_METHODS
        self.host = b""
        self.authorization = b""
        self.cookie = b""
        self.framing = NO_BODY
        self.content_length = 0
        self.keep_alive = minor == 1
        self.expects_continue = False
        self.forwarding: list[bytes] = _NO_LINES
        self.request_id = b""
        self.traceparent = b""
        self.upgrade = b""


_NO_LINES: Final[list[bytes]] = []


def parse_request_head(head: bytes) -> RequestHead | Refusal:
    """Parse one head, from the first octet of the start line to the end of the empty line.

    head    ends with CRLF CRLF and has no such sequence before
    Returns the meaning, or a Refusal with the status that the sender has earned.
    """
    lines = head.split(b"\r\n")
    count = len(lines) - 3
    if count > f.MAX_FIELDS or len(head) > f.MAX_HEAD_BYTES:
        return Refusal(HEAD_TOO_LARGE, f"more than {f.MAX_FIELDS} fields or {f.MAX_HEAD_BYTES} bytes")
    start = START_LINE.fullmatch(lines[0])
    if start is None:
        return diagnose_start(lines[0])
    if head.translate(None, f.TEXT) != f.LINE_ENDS[count + 2]:
        return Refusal(BAD_REQUEST, "a control character, a bare CR or a bare LF in the head")
    method, target, minor = start.groups()
    if method == b"CONNECT" or method == b"TRACE":
        return Refusal(METHOD_NOT_IMPLEMENTED, "CONNECT and TRACE are not offered")
    if len(target) > f.MAX_TARGET_BYTES:
        return Refusal(TARGET_TOO_LONG, f"the target has more than {f.MAX_TARGET_BYTES} bytes")
    request = RequestHead(method, target, 1 if minor == b"1" else 0, lines)
    names = f.FIELD_NAMES.findall(head)
    if len(names) != count:
        return Refusal(BAD_REQUEST, "a field line is folded, has no colon, or its name is no token")
    problem = _read_fields(request, lines, list(map(_kind_of, names)))
    if problem is None and (request.upgrade or not target.startswith(b"/")):
        problem = _check_whole(request)
    if problem is not None:
        return problem
    del lines[-2:]
    del lines[0]
    return request


def _read_fields(request: RequestHead, lines: list[bytes], kinds: list[int]) -> Refusal | None:
    """Take the meaning of the fields that have one for us, and remove those that must not pass."""
    seen = [0] * f.KINDS
    dropped: list[int] = []
    options: list[bytes] = _NO_LINES
    index = 0
    for kind in kinds:
        index += 1
        if kind == f.PLAIN:
            continue
        line = lines[index]
        value = line.partition(b":")[2].strip(b" \t")
        seen[kind] += 1
        if kind == f.HOST:
            request.host = value
        elif kind == f.AUTHORIZATION:
            request.authorization = value
        elif kind == f.COOKIE:
            request.cookie = request.cookie + b"; " + value if request.cookie else value
        elif kind == f.CONNECTION:
            dropped.append(index)
            if value != b"keep-alive" or request.minor == 0:
                options = options + list_members(value)
        elif kind == f.REQUEST_ID:
            if seen[kind] == 1 and (
                (value.isalnum() and len(value) <= 128) or _REQUEST_ID.fullmatch(value) is not None
            ):
                request.request_id = value
            else:
                dropped.append(index)
        elif not _read_rare(request, kind, value, line, seen[kind] == 1):
            dropped.append(index)
    problem = _check_counts(request, seen)
    if problem is not None:
        return problem
    for index in reversed(dropped):
        del lines[index]
    return _apply_connection(request, lines, options) if options else None


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


def _check_counts(request: RequestHead, seen: list[int]) -> Refusal | None:
    """Refuse what is repeated or missing although it may be there only once, or contradicts another field."""
    if seen[f.HOST] != 1:
        if seen[f.HOST] > 1:
            return Refusal(BAD_REQUEST, "Host is repeated")
        if request.minor == 1:
            return Refusal(BAD_REQUEST, "Host is missing")
    elif request.host not in _HOSTS and not _learn_host(request.host):
        return Refusal(BAD_REQUEST, "Host is not a host name with an optional port")
    if seen[f.AUTHORIZATION] > 1:
        return Refusal(BAD_REQUEST, "Authorization is repeated")
    if seen[f.EXPECT]:
        if not request.expects_continue or seen[f.EXPECT] > 1:
            return Refusal(UNKNOWN_EXPECTATION, "the only expectation known is 100-continue")
        request.expects_continue = request.minor == 1
    return None if request.framing == NO_BODY else _check_framing(request, seen)


def _learn_host(host: bytes) -> bool:
    """Whether it is a host name or address with an optional port."""
    if _HOST.fullmatch(host) is None:
        return False
    if len(_HOSTS) < _LEARNED_HOSTS and len(host) <= 256:
        _HOSTS.add(host)
    return True


def _check_framing(request: RequestHead, seen: list[int]) -> Refusal | None:
    """Refuse every framing that two readers could understand differently (RFC 9112 section 6.3)."""
    lengths, codings = seen[f.CONTENT_LENGTH], seen[f.TRANSFER_ENCODING]
    if lengths and codings:
        return Refusal(BAD_REQUEST, "Transfer-Encoding beside Content-Length")
    if lengths > 1:
        return Refusal(BAD_REQUEST, "Content-Length is repeated")
    if codings > 1 or (codings and request.framing != CHUNKED):
        return Refusal(BAD_REQUEST, "Transfer-Encoding is not exactly `chunked`, once")
    if request.framing == UNTIL_CLOSE:
        return Refusal(BAD_REQUEST, "Content-Length is not a plain decimal number")
    if codings and request.minor == 0:
        return Refusal(BAD_REQUEST, "Transfer-Encoding in an HTTP/1.0 request")
    return None


def _apply_connection(request: RequestHead, lines: list[bytes], options: list[bytes]) -> Refusal | None:
    """Obey Connection (RFC 9110 section 7.6.1), but let it remove nothing that we rely on."""
    for option in options:
        if option == b"close":
            request.keep_alive = False
        elif option == b"keep-alive":
            request.keep_alive = request.keep_alive or request.minor == 0
        elif option != b"upgrade":
            if f.TOKEN.fullmatch(option) is None:
                return Refusal(BAD_REQUEST, "Connection holds something that is no token")
            if _KINDS[option] in _RELIED_ON or option.startswith(f.OWN_PREFIX) or option == b"via":
                return Refusal(BAD_REQUEST, "Connection names a field that must not be removed")
            for index in range(len(lines) - 3, 0, -1):
                if lines[index].partition(b":")[0].lower() == option:
                    del lines[index]
    if b"close" in options:
        request.keep_alive = False
    return None


def _check_whole(request: RequestHead) -> Refusal | None:
    """What can be judged only when all fields are known: the form of the target, Upgrade beside a body."""
    if request.upgrade and (request.framing == CHUNKED or request.content_length > 0):
        return Refusal(BAD_REQUEST, "Upgrade beside a body")
    target = request.target
    if target.startswith(b"/"):
        return None
    if target == b"*":
        return (
            None if request.method == b"OPTIONS" else Refusal(BAD_REQUEST, "the target * is for OPTIONS only")
        )
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return Refusal(BAD_REQUEST, "the target is neither a path nor an http URI")
    authority, path = absolute.groups()
    if _HOST.fullmatch(authority) is None:
        return Refusal(BAD_REQUEST, "the target's authority holds user information or is no host name")
    if request.host and request.host.lower() != authority.lower():
        return Refusal(BAD_REQUEST, "Host disagrees with the target")
    if not request.host:
        request.host = authority
        request.fields.insert(1, b"Host: " + authority)
    if path:
        request.target = path if path.startswith(b"/") else b"/" + path
    else:
        request.target = b"*" if request.method == b"OPTIONS" else b"/"
    return None
