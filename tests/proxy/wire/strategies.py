"""Hypothesis strategies: good heads with everything that is allowed, and structured damage to them."""

from __future__ import annotations

import string
from typing import Final

from hypothesis import strategies as st

from tests.proxy.wire.heads import head

_TOKEN_CHARACTERS: Final = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
_TARGET_CHARACTERS: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "#")

METHODS: Final = (
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"OPTIONS",
    b"PROPFIND",
    b"BREW",
    b"get",
)
HOSTS: Final = (b"a.example", b"A.example:8080", b"[::1]:80", b"127.0.0.1")

tokens: Final = st.text(_TOKEN_CHARACTERS, min_size=1, max_size=12).map(str.encode)
values: Final = st.binary(max_size=16).map(
    lambda raw: bytes(octet for octet in raw if octet == 9 or (octet >= 0x20 and octet != 0x7F))
)
plain_lines: Final = st.builds(b"X-%b:%b".__mod__, st.tuples(tokens, values))
known_lines: Final = st.sampled_from(
    (
        b"Accept: */*",
        b"Cookie: a=1",
        b"cookie: b=2",
        b"Connection: close",
        b"Connection: keep-alive",
        b"connection: X-Hop, close",
        b"X-Hop: 1",
        b"x-hop: 2",
        b"Keep-Alive: timeout=5",
        b"TE: trailers",
        b"X-Home-Cell: us-1",
        b"x-HOME-cell-epoch: 7",
        b"X-Forwarded-For: 10.0.0.1",
        b"Forwarded: for=10.0.0.1",
        b"X-Request-Id: abc",
        b"X-Request-Id: not usable",
        b"Trailer: X-Sum",
        b"Via: 1.1 other",
    )
)
framing_lines: Final = st.one_of(
    st.just(()),
    st.integers(0, 40).map(lambda size: (b"Content-Length: %d" % size,)),
    st.sampled_from(((b"Transfer-Encoding: chunked",), (b"transfer-encoding:\tChunked ",))),
    st.sampled_from(((b"Content-Length: 5", b"Expect: 100-continue"), (b"Upgrade: websocket",))),
)
targets: Final = st.one_of(
    st.text(_TARGET_CHARACTERS, max_size=24).map(lambda text: b"/" + text.encode()),
    st.sampled_from((b"/", b"/a?b=c", b"//a", b"/%2e%2e/")),
)


@st.composite
def request_heads(draw: st.DrawFn) -> bytes:
    """A head that must be accepted."""
    method = draw(st.sampled_from(METHODS))
    host = draw(st.sampled_from(HOSTS))
    target = draw(targets)
    if draw(st.integers(0, 7)) == 0:
        target = b"http://" + host + target
    elif method == b"OPTIONS" and draw(st.booleans()):
        target = b"*"
    lines = [b"Host: " + host, *draw(st.lists(st.one_of(plain_lines, known_lines), max_size=6))]
    framing = draw(framing_lines)
    lines += framing
    chunked = any(b"ransfer" in line for line in framing)
    version = b" HTTP/1.1" if chunked else draw(st.sampled_from((b" HTTP/1.1", b" HTTP/1.1", b" HTTP/1.0")))
    return head(method + b" " + target + version, *draw(st.permutations(lines)))


_REPLY_FRAMING: Final = st.sampled_from(
    ((), (b"Content-Length: 5",), (b"Transfer-Encoding: chunked",), (b"content-length:0",))
)
_REPLY_LINES: Final = st.sampled_from(
    (
        b"Server: cell",
        b"Set-Cookie: a=1",
        b"set-cookie: b=2",
        b"Connection: close",
        b"Connection: keep-alive",
        b"Connection: x-hop",
        b"X-Hop: 1",
        b"Keep-Alive: timeout=5",
        b"X-Home-Cell: us-1",
        b"Vary: Accept",
    )
)
_STATUS_LINES: Final = st.sampled_from(
    (
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 404 Not Found",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 ",
        b"HTTP/1.1 500",
    )
)


@st.composite
def reply_heads(draw: st.DrawFn) -> bytes:
    """A reply head that must be accepted."""
    lines = [*draw(st.lists(st.one_of(plain_lines, _REPLY_LINES), max_size=6)), *draw(_REPLY_FRAMING)]
    return head(draw(_STATUS_LINES), *draw(st.permutations(lines)))


FRAGMENTS: Final = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b"\r\n\t",
    b"\x00",
    b"\x0b",
    b"\x1b",
    b"\x7f",
    b"\x85",
    b"\xa0",
    b"\xff",
    b" ",
    b"\t",
    b":",
    b": ",
    b" :",
    b",",
    b";",
    b"=",
    b'"',
    b"#",
    b"@",
    b"*",
    b"/",
    b"//",
    b"\\",
    b"%00",
    b"%0d%0a",
    b"0",
    b"5",
    b"+5",
    b"-1",
    b"0x5",
    b"5, 5",
    b"18446744073709551616",
    b"chunked",
    b"gzip, chunked",
    b"identity",
    b"close",
    b"keep-alive",
    b"upgrade",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"RTSP/1.0",
    b"http://a.example",
    b"a.example",
    b"Content-Length: 5\r\n",
    b"Content-Length: 6\r\n",
    b"content-length : 5\r\n",
    b"Content_Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"transfer-encoding:\x0bchunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Host: b.example\r\n",
    b"Connection: content-length\r\n",
    b"Connection: transfer-encoding\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    b"X-Home-Cell: eu-1\r\n",
    b"Expect: 100-continue\r\n",
    b"GET /two HTTP/1.1\r\nHost: a.example\r\n\r\n",
)
"""What attackers put into heads."""


@st.composite
def damaged(draw: st.DrawFn, heads: st.SearchStrategy[bytes]) -> bytes:
    """A head with up to four acts of damage, cut to end where the accumulating reader ends it."""
    data = draw(heads)
    for _ in range(draw(st.integers(1, 4))):
        data = _damage(draw, data)
    end = data.find(b"\r\n\r\n")
    return data[: end + 4] if end >= 0 else data + b"\r\n\r\n"


def _damage(draw: st.DrawFn, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    act = draw(st.sampled_from(("insert", "overwrite", "delete", "line", "repeat", "swap", "drop", "case")))
    at = draw(st.integers(0, max(0, len(data) - 4)))
    if act == "insert":
        return data[:at] + draw(st.sampled_from(FRAGMENTS)) + data[at:]
    if act == "overwrite":
        return data[:at] + bytes((draw(st.integers(0, 255)),)) + data[at + 1 :]
    if act == "delete":
        return data[:at] + data[at + draw(st.integers(1, 4)) :]
    index = draw(st.integers(0, max(0, len(lines) - 3)))
    if act == "line":
        lines.insert(index + 1, draw(st.sampled_from(FRAGMENTS)).strip(b"\r\n"))
    elif act == "repeat":
        lines.insert(index, lines[index])
    elif act == "swap":
        other = draw(st.integers(0, max(0, len(lines) - 3)))
        lines[index], lines[other] = lines[other], lines[index]
    elif act == "drop":
        del lines[index]
    else:
        lines[index] = lines[index].swapcase()
    return b"\r\n".join(lines)
