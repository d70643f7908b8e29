"""What is judged of a request head as a whole: its host, its target, what Connection takes away."""

from __future__ import annotations

import re
from typing import Final

from proxy.errors import BAD_REQUEST, Refusal
from proxy.wire import fields as f
from proxy.wire.fields import kind_of, lower_name
from proxy.wire.framing import CHUNKED
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


def check_host(request: RequestHead, is_there: bool) -> Refusal | None:
    """Refuse a Host that names no host, or (`is_there`) is missing."""
    host = request.host
    if host in _HOSTS or _learn_host(host):
        return None
    if is_there:
        return Refusal(BAD_REQUEST, "Host is not a host name with an optional port")
    return Refusal(BAD_REQUEST, "Host is missing") if request.minor == 1 else None


def _learn_host(host: bytes) -> bool:
    """Whether it is a host name or address with an optional port."""
    if _HOST.fullmatch(host) is None:
        return False
    if len(host) <= 256:
        if len(_HOSTS) >= _LEARNED_HOSTS:
            _HOSTS.clear()
        _HOSTS.add(host)
    return True


def obey_connection(
    request: RequestHead, options: list[bytes], parts: list[bytes], gone: list[int]
) -> Refusal | None:
    """Obey Connection (RFC 9110 section 7.6.1), but let it remove nothing that we rely on.

    parts, gone     what FIELD made of the head; the places of the lines that are named are added to `gone`
    """
    named: set[bytes] = set()
    for option in options:
        if option == b"close":
            request.keep_alive = False
        elif option == b"keep-alive":
            request.keep_alive = request.keep_alive or request.minor == 0
        elif option != b"upgrade":
            if f.TOKEN.fullmatch(option) is None:
                return Refusal(BAD_REQUEST, "Connection holds something that is no token")
            if kind_of(option, KINDS) & _RELIED_ON or option.startswith(f.OWN_PREFIX) or option == b"via":
                return Refusal(BAD_REQUEST, "Connection names a field that must not be removed")
            named.add(option)
    if named:
        gone += [place for place in range(2, len(parts), 2) if lower_name(parts[place - 1]) in named]
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
