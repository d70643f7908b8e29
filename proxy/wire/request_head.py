"""What a request head means, once it has passed every check."""

from __future__ import annotations

from typing import Final

from proxy.wire import fields as f
from proxy.wire.framing import NO_BODY

SAFE_METHODS: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))
KINDS: Final = {
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
    b"tracestate": f.TRACESTATE,
    b"keep-alive": f.DROP,
    b"proxy-connection": f.DROP,
    b"proxy-authorization": f.DROP,
    b"te": f.DROP,
}
"""What the special fields of a request mean to the proxy, by their names in lower case (`kind_of`)."""

_NO_LINES: Final[list[bytes]] = []


class RequestHead:
    """One request head that passed every check.

    target          origin form (or `*` for OPTIONS); an absolute form was reduced to it
    host            the authority as sent; b"" only in HTTP/1.0
    block           the field lines to pass on, as received and in order, with a CRLF before the first
                    and after each; connection fields, the client's forwarding fields and everything named
                    X-Home-Cell* are gone
    authorization   field value, b"" if absent
    cookie          field values joined by b"; ", b"" if absent
    framing         NO_BODY, LENGTH (then content_length bytes follow) or CHUNKED
    forwarding      lines of Forwarded and X-Forwarded-* as the client sent them
    request_id      the client's id if it is usable, else b""; traceparent likewise
    upgrade         the protocol asked for, b"" if none
    """

    __slots__ = (
        "authorization",
        "block",
        "content_length",
        "cookie",
        "expects_continue",
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

    def __init__(
        self, method: bytes, target: bytes, minor: int, block: bytes, host: bytes, authorization: bytes
    ) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.block = block
        self.safe = method in SAFE_METHODS
        self.host = host
        self.authorization = authorization
        self.cookie = b""
        self.framing = NO_BODY
        self.content_length = 0
        self.keep_alive = minor == 1
        self.expects_continue = False
        self.forwarding = _NO_LINES
        self.request_id = b""
        self.traceparent = b""
        self.upgrade = b""

    @property
    def fields(self) -> list[bytes]:
        """The lines of `block`, without their ends."""
        return self.block.split(b"\r\n")[1:-1]
