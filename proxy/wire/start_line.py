"""The request line: its grammar, and what is wrong with one that breaks it (RFC 9112 section 3)."""

from __future__ import annotations

import re
from typing import Final

from proxy.errors import BAD_REQUEST, HEAD_TOO_LARGE, TARGET_TOO_LONG, VERSION_NOT_SUPPORTED, Refusal
from proxy.wire import fields as f

START_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) ([!\"$-~]+) HTTP/1\.([01])\r\n")
"""Method of at most 64 bytes, target of visible ASCII without `#`, minor version; single spaces between."""

MAX_METHOD_BYTES: Final = 64
_PREFACE: Final = b"PRI * HTTP/2.0"
_ANY_VERSION: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^\x00-\x20\x7f]+) HTTP/([0-9]+\.[0-9]+)")


def diagnose_start(line: bytes) -> Refusal:
    """Say why a start line was not accepted."""
    if line == _PREFACE:
        return Refusal(BAD_REQUEST, "this is the HTTP/2 preface; HTTP/1.1 is spoken here")
    other = _ANY_VERSION.fullmatch(line)
    if other is None:
        return Refusal(BAD_REQUEST, "the request line is not `method SP target SP HTTP/1.x`")
    if other[3] not in (b"1.0", b"1.1"):
        return Refusal(VERSION_NOT_SUPPORTED, "HTTP/1.1 and HTTP/1.0 are spoken here")
    if len(other[2]) > f.MAX_TARGET_BYTES:
        return Refusal(TARGET_TOO_LONG, f"the target has more than {f.MAX_TARGET_BYTES} bytes")
    if len(other[1]) > MAX_METHOD_BYTES:
        return Refusal(BAD_REQUEST, f"the method has more than {MAX_METHOD_BYTES} bytes")
    if b"#" in other[2]:
        return Refusal(BAD_REQUEST, "a fragment in the target")
    return Refusal(BAD_REQUEST, "the target holds octets that must be percent-encoded")


def diagnose_unfinished(received: bytes) -> Refusal | None:
    """What is already wrong with the beginning of a head; None if it may still become a good one.

    received    everything since the start of the message, without the CRLF CRLF that would end the head
    """
    end = received.find(b"\r\n")
    line = received if end < 0 else received[:end]
    if len(line) > f.MAX_TARGET_BYTES + 256 and line.count(b" ") == 1:
        return Refusal(TARGET_TOO_LONG, f"the target has more than {f.MAX_TARGET_BYTES} bytes")
    if len(received) > f.MAX_HEAD_BYTES:
        return Refusal(HEAD_TOO_LARGE, f"the head has more than {f.MAX_HEAD_BYTES} bytes")
    if end >= 0 and START_LINE.match(received) is None:
        return diagnose_start(line)
    if received.count(b"\n") != received.count(b"\r\n"):
        return Refusal(BAD_REQUEST, "a bare LF as line end")
    if received.count(b"\r", 0, -1) != received.count(b"\r\n"):
        return Refusal(BAD_REQUEST, "a bare CR in the head")
    return None
