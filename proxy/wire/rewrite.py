"""Heads built anew: what the cell is told about the request, and what the client is told about the reply."""

from __future__ import annotations

from typing import Final

from proxy.wire.framing import CHUNKED
from proxy.wire.ids import REQUEST_ID_DIGITS, SPAN_ID_DIGITS, IdPool
from proxy.wire.reply import ReplyHead
from proxy.wire.request import RequestHead

_VIA: Final = (b"\r\nVia: 1.0 homecell\r\n\r\n", b"\r\nVia: 1.1 homecell\r\n\r\n")


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

    def extended(self, head: RequestHead) -> list[bytes]:
        """The lines of a trusted peer's request: its own forwarding fields with this hop added at the end."""
        values: dict[bytes, list[bytes]] = {}
        for line in head.forwarding:
            name, _, value = line.partition(b":")
            values.setdefault(name.lower(), []).append(value.strip(b" \t"))
        hop = b'for=%b;proto=http;host="%b"' % (self._node, head.host)
        chain = [*values.get(b"x-forwarded-for", []), self.address.encode()]
        return [
            b"X-Forwarded-For: " + b", ".join(chain),
            b"X-Forwarded-Proto: " + values.get(b"x-forwarded-proto", [b"http"])[-1],
            b"X-Forwarded-Host: " + values.get(b"x-forwarded-host", [head.host])[-1],
            b"Forwarded: " + b", ".join([*values.get(b"forwarded", []), hop]),
        ]


def head_for_cell(head: RequestHead, peer: Peer, cell_lines: bytes, epoch: int, ids: IdPool) -> bytes:
    """The head that a cell gets. Sets `head.request_id` if the client sent none that is usable.

    cell_lines  b"X-Home-Cell: <name>\\r\\nX-Home-Cell-Epoch: "
    epoch       of the assignment, -1 when only a claim without an epoch named the cell (then 0 is sent)
    """
    digits = ids.take(REQUEST_ID_DIGITS + SPAN_ID_DIGITS)
    lines = head.fields
    if not head.request_id:
        head.request_id = digits[:REQUEST_ID_DIGITS]
        lines.append(b"X-Request-Id: " + head.request_id)
    if not head.traceparent:
        head.traceparent = b"00-" + digits[:REQUEST_ID_DIGITS] + b"-" + digits[REQUEST_ID_DIGITS:] + b"-00"
        lines.append(b"traceparent: " + head.traceparent)
    if not head.host:
        lines.append(b"Host: homecell")
    if head.framing == CHUNKED:
        lines.append(b"Transfer-Encoding: chunked")
    if head.forwarding and peer.trusted:
        lines += peer.extended(head)
    else:
        lines.append(peer.lines + head.host + b'"\r\nX-Forwarded-Host: ' + head.host)
    return b"".join(  # half the time of one `%`
        (
            head.method,
            b" ",
            head.target,
            b" HTTP/1.1\r\n",
            b"\r\n".join(lines),
            b"\r\n",
            cell_lines,
            b"%d" % epoch if epoch > 0 else b"0",
            _VIA[head.minor],
        )
    )


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
    lines = reply.fields
    lines.insert(0, reply.start)
    lines.append(b"X-Request-Id: " + request_id)
    if chunked:
        lines.append(b"Transfer-Encoding: chunked")
    if not keep_alive:
        lines.append(b"Connection: close")
    elif minor == 0:
        lines.append(b"Connection: keep-alive")
    if more:
        lines += more
    lines.append(b"")
    lines.append(body)
    return b"\r\n".join(lines)
