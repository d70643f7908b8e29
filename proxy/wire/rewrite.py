"""Heads built anew: what the cell is told about the request, and what the client is told about the reply."""

from __future__ import annotations

from typing import Final

from proxy.wire.forwarding import extended
from proxy.wire.framing import CHUNKED
from proxy.wire.ids import REQUEST_ID_DIGITS, IdPool
from proxy.wire.reply import ReplyHead
from proxy.wire.request_head import RequestHead

_VIA: Final = (b"\r\nVia: 1.0 homecell\r\n\r\n", b"\r\nVia: 1.1 homecell\r\n\r\n")
_AND_HOST: Final = b'"\r\nX-Forwarded-Host: '
_FEW: Final = 1024
_EPOCHS: Final = tuple(b"%d" % epoch for epoch in range(_FEW))


class Peer:
    """Who is on the other end of a client connection, and the lines that tell cells about it.

    address     IP literal
    trusted     whether its own Forwarded and X-Forwarded-* fields are extended; else they are replaced
    """

    __slots__ = ("_node", "address", "lines", "trusted")

    def __init__(self, address: str, trusted: bool) -> None:
        self.address = address
        self.trusted = trusted
        node = address.encode()
        self._node = b'"[%b]"' % node if b":" in node else node
        self.lines = (
            b'X-Forwarded-For: %b\r\nX-Forwarded-Proto: http\r\nForwarded: for=%b;proto=http;host="'
            % (
                node,
                self._node,
            )
        )

    def extended(self, head: RequestHead) -> bytes:
        """The lines of a trusted peer's request: its own forwarding fields with this hop added at the end."""
        return extended(head.forwarding, self.address.encode(), self._node, head.host)


def head_for_cell(head: RequestHead, peer: Peer, cell_lines: bytes, epoch: int, ids: IdPool) -> bytes:
    """The head that a cell gets. Sets `head.request_id` if the client sent none that is usable.

    cell_lines  b"X-Home-Cell: <name>\\r\\nX-Home-Cell-Epoch: "
    epoch       of the assignment, -1 when only a claim without an epoch named the cell (then 0 is sent)
    """
    more = b""
    if not head.request_id:
        head.request_id = ids.take(REQUEST_ID_DIGITS)
        more = b"X-Request-Id: " + head.request_id + b"\r\n"
    if head.framing == CHUNKED:
        more += b"Transfer-Encoding: chunked\r\n"
    host = named = head.host
    if not host:
        more += b"Host: homecell\r\n"
    forwarded, and_host = peer.lines, _AND_HOST
    if peer.trusted and head.forwarding:
        forwarded, and_host, named = peer.extended(head), b"", b""
    return b"".join(  # half the time of one `%`
        (
            head.method,
            b" ",
            head.target,
            b" HTTP/1.1",
            head.block,
            more,
            b"" if head.traceparent else ids.trace_line(),
            forwarded,
            named,
            and_host,
            named,
            b"\r\n",
            cell_lines,
            _EPOCHS[epoch] if 0 <= epoch < _FEW else b"%d" % max(0, epoch),
            _VIA[head.minor],
        )
    )


def keep_request_id(head: RequestHead) -> None:
    """Make the id that `head_for_cell` drew a part of the head, so that another cell gets the same one."""
    names = [line.partition(b":")[0].lower() for line in head.fields]
    if head.request_id and b"x-request-id" not in names:
        head.block += b"X-Request-Id: " + head.request_id + b"\r\n"


def head_for_client(
    reply: ReplyHead,
    request_id: bytes,
    chunked: bool,
    keep_alive: bool,
    minor: int,
    more: list[bytes],
    body: bytes,
) -> bytes:
    """The head that the client gets, with the first piece of the body behind it (one write for both).

    chunked     whether the body goes out in the chunked coding
    keep_alive  whether the client may send another request; said if HTTP/1.`minor` needs it
    more        further lines, e.g. a Set-Cookie
    """
    own = b""
    if chunked:
        own = b"\r\nTransfer-Encoding: chunked"
    if not keep_alive:
        own += b"\r\nConnection: close"
    elif minor == 0:
        own += b"\r\nConnection: keep-alive"
    for line in more:
        own += b"\r\n" + line
    return b"".join((reply.start, reply.block, b"X-Request-Id: ", request_id, own, b"\r\n\r\n", body))
