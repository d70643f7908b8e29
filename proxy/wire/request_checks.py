"""What is judged of a request head when all its fields have been read: repetitions, contradictions, forms."""

from __future__ import annotations

import re
from typing import Final

from proxy.errors import BAD_REQUEST, UNKNOWN_EXPECTATION, Refusal
from proxy.wire import fields as f
from proxy.wire.fields import without_lines_named
from proxy.wire.framing import CHUNKED, NO_BODY, UNTIL_CLOSE
from proxy.wire.request_head import KINDS, RequestHead

_PORT: Final = rb"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::" + _PORT + rb")?")
_HOSTS: Final[set[bytes]] = set()
"""Hosts that were found well-formed once, up to a bound."""

_LEARNED_HOSTS: Final = 1024
_ABSOLUTE: Final = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)
_RELIED_ON: Final = (
    f.HOST
    | f.CONTENT_LENGTH
    | f.TRANSFER_ENCODING
    | f.AUTHORIZATION
    | f.COOKIE
    | f.FORWARDING
    | f.REQUEST_ID
    | f.TRACEPARENT
    | f.EXPECT
)
"""Fields that no Connection field may take away."""


def check_fields(request: RequestHead, seen: int, repeated: int) -> Refusal | None:
    """Refuse what is repeated or missing although it may be there only once, or contradicts another field.

    seen, repeated  the kinds of fields that were there, and those of them that were there more than once
    """
    if not seen & f.HOST:
        if request.minor == 1:
            return Refusal(BAD_REQUEST, "Host is missing")
    elif repeated & f.HOST:
        return Refusal(BAD_REQUEST, "Host is repeated")
    elif request.host not in _HOSTS and not _learn_host(request.host):
        return Refusal(BAD_REQUEST, "Host is not a host name with an optional port")
    if repeated & f.AUTHORIZATION:
        return Refusal(BAD_REQUEST, "Authorization is repeated")
    if seen & f.EXPECT:
        if not request.expects_continue or repeated & f.EXPECT:
            return Refusal(UNKNOWN_EXPECTATION, "the only expectation known is 100-continue")
        request.expects_continue = request.minor == 1
    return None if request.framing == NO_BODY else _check_framing(request, seen, repeated)


def _learn_host(host: bytes) -> bool:
    """Whether it is a host name or address with an optional port."""
    if _HOST.fullmatch(host) is None:
        return False
    if len(host) <= 256:
        if len(_HOSTS) >= _LEARNED_HOSTS:
            _HOSTS.clear()
        _HOSTS.add(host)
    return True


def _check_framing(request: RequestHead, seen: int, repeated: int) -> Refusal | None:
    """Refuse every framing that two readers could understand differently (RFC 9112 section 6.3)."""
    coded = seen & f.TRANSFER_ENCODING
    if coded and seen & f.CONTENT_LENGTH:
        return Refusal(BAD_REQUEST, "Transfer-Encoding beside Content-Length")
    if repeated & f.CONTENT_LENGTH:
        return Refusal(BAD_REQUEST, "Content-Length is repeated")
    if repeated & f.TRANSFER_ENCODING or (coded and request.framing != CHUNKED):
        return Refusal(BAD_REQUEST, "Transfer-Encoding is not exactly `chunked`, once")
    if request.framing == UNTIL_CLOSE:
        return Refusal(BAD_REQUEST, "Content-Length is not a plain decimal number")
    if coded and request.minor == 0:
        return Refusal(BAD_REQUEST, "Transfer-Encoding in an HTTP/1.0 request")
    return None


def apply_connection(request: RequestHead, options: list[bytes]) -> Refusal | None:
    """Obey Connection (RFC 9110 section 7.6.1), but let it remove nothing that we rely on."""
    named: set[bytes] = set()
    for option in options:
        if option == b"close":
            request.keep_alive = False
        elif option == b"keep-alive":
            request.keep_alive = request.keep_alive or request.minor == 0
        elif option != b"upgrade":
            if f.TOKEN.fullmatch(option) is None:
                return Refusal(BAD_REQUEST, "Connection holds something that is no token")
            if KINDS[option] & _RELIED_ON or option.startswith(f.OWN_PREFIX) or option == b"via":
                return Refusal(BAD_REQUEST, "Connection names a field that must not be removed")
            named.add(option)
    if named:
        request.block = without_lines_named(request.block, named)
    if b"close" in options:
        request.keep_alive = False
    return None


def check_target(request: RequestHead) -> Refusal | None:
    """Judge and reduce the form of the target; refuse Upgrade beside a body."""
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
        request.block = b"\r\nHost: " + authority + request.block
    if path:
        request.target = path if path.startswith(b"/") else b"/" + path
    else:
        request.target = b"*" if request.method == b"OPTIONS" else b"/"
    return None
