"""Hypothesis strategies for whole exchanges: what each side sends, and what the other one must understand."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from tests.support.messages import HOST_LINE, REQUEST_ID, TRACE, bearer, chunk, dated, lines

Fields = list[tuple[bytes, bytes]]

_TOKEN: Final = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
_names: Final = st.text(_TOKEN, max_size=8).map(lambda name: b"X-" + name.encode())
_values: Final = st.binary(max_size=12).map(
    lambda raw: bytes(octet for octet in raw if octet == 9 or (octet >= 0x20 and octet != 0x7F)).strip(b" \t")
)
_field: Final = st.tuples(_names, _values)
_blank: Final = st.sampled_from((b"", b" ", b"\t", b"  "))
_bodies: Final = st.one_of(
    st.binary(max_size=40), st.integers(1, 90_000).map(lambda size: b"ab\r\n0" * (size // 5))
)
_targets: Final = st.text(
    "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "#"), max_size=20
).map(lambda text: b"/" + text.encode())
_methods: Final = st.sampled_from((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"BREW"))
_dropped_from_requests: Final = st.sampled_from(
    (
        b"Keep-Alive: timeout=9",
        b"TE: trailers",
        b"X-Home-Cell: us-1",
        b"X-HOME-CELL-EPOCH: 1",
        b"Forwarded: for=10.0.0.1",
        b"X-Forwarded-For: 10.0.0.1",
    )
)
_CODING: Final = b"Transfer-Encoding: chunked"
_late: Final = st.sampled_from((b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL\n"))
_dropped_from_replies: Final = st.sampled_from(
    (b"Keep-Alive: timeout=9", b"X-Home-Cell: us-1", b"X-Request-Id: other", b"Upgrade: x")
)


@dataclass
class Sent:
    """A message as it goes over the wire, and what must be understood on the other side.

    fields      that must arrive, in this order
    trailers    likewise; only ever with `chunked`
    pieces      of the wire's bytes, as they are sent
    """

    start: tuple[bytes, ...]
    fields: Fields
    body: bytes
    trailers: Fields
    chunked: bool
    pieces: list[bytes]


@dataclass
class Exchange:
    """A request and its reply.

    kept_by_client  neither version nor fields of the request end the connection
    until_close     the reply ends with the cell's connection
    late            of a body that may not follow the reply's head: the cell sends it while it serves the next
    """

    request: Sent
    reply: Sent
    minor: int
    kept_by_client: bool
    until_close: bool
    late: bytes

    @property
    def kept(self) -> bool:
        """Whether the client's connection serves another exchange afterwards."""
        unframed = self.until_close or self.reply.chunked
        return self.kept_by_client and not (self.minor == 0 and unframed)


def _line(draw: st.DrawFn, name: bytes, value: bytes) -> bytes:
    return name + b":" + draw(_blank) + value + draw(_blank)


def _coded(draw: st.DrawFn, body: bytes, trailers: Fields) -> bytes:
    """The chunked coding of the body, in chunks of any size, with extensions and odd spellings."""
    coded = b""
    while body:
        size = draw(st.integers(1, len(body)))
        if draw(st.booleans()):
            coded += chunk(body[:size])
        else:
            coded += b"00%X;ext=1\r\n%b\r\n" % (size, body[:size])
        body = body[size:]
    return coded + lines(b"0", *(b"%b:%b" % field for field in trailers))


def _cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    positions = sorted(set(draw(st.lists(st.integers(1, max(1, len(data) - 1)), max_size=6))))
    return [data[a:b] for a, b in zip([0, *positions], [*positions, len(data)], strict=True) if a < b]


def _mixed(draw: st.DrawFn, kept: Fields, dropped: list[bytes]) -> list[bytes]:
    """The lines of these fields in order, with others among them that must not pass."""
    mixed = [_line(draw, *field) for field in kept]
    for line in dropped:
        mixed.insert(draw(st.integers(0, len(mixed))), line)
    return mixed


@st.composite
def _requests(draw: st.DrawFn, minor: int, more: tuple[bytes, ...]) -> Sent:
    method, target = draw(_methods), draw(_targets)
    fields = draw(st.lists(_field, max_size=4))
    trailers: Fields = []
    body = b""
    dropped = [*draw(st.lists(_dropped_from_requests, max_size=2)), *more]
    framing = draw(st.sampled_from(("none", "length", "chunked") if minor else ("none", "length")))
    if framing != "none":
        body = draw(_bodies)
    if framing == "length":
        fields.insert(draw(st.integers(0, len(fields))), (b"Content-Length", b"%d" % len(body)))
    elif framing == "chunked":
        dropped.append(b"Transfer-Encoding: chunked")
        trailers = draw(st.lists(_field, max_size=2))
    head = lines(
        b"%b %b HTTP/1.%d" % (method, target, minor),
        HOST_LINE,
        bearer(1),
        b"X-Request-Id: " + REQUEST_ID,
        b"traceparent: " + TRACE,
        *_mixed(draw, fields, dropped),
    )
    coded = _coded(draw, body, trailers) if framing == "chunked" else body
    return Sent((method, target), fields, body, trailers, framing == "chunked", _cut(draw, head + coded))


@st.composite
def _announcements(draw: st.DrawFn) -> bytes:
    """The framing of a body that may not follow 204 and 304, or none."""
    return draw(st.sampled_from((b"", b"Content-Length: 0", b"Content-Length: 43", _CODING)))


@st.composite
def _replies(draw: st.DrawFn, answers_head: bool, until_close: bool) -> tuple[Sent, bytes]:
    """The reply, and what of it may come late, though it may not come at all."""
    status = draw(st.sampled_from((200, 201, 404, 500) if until_close else (200, 204, 304, 404, 503)))
    fields = draw(st.lists(_field, max_size=4))
    dropped = draw(st.lists(_dropped_from_replies, max_size=2))
    trailers: Fields = []
    bodiless = answers_head or status in (204, 304)
    body = b"" if bodiless else draw(_bodies)
    framing = b""
    if status in (204, 304):
        framing = draw(_announcements())
    elif not until_close and draw(st.booleans()):
        framing = _CODING
    elif not until_close:
        framing = b"Content-Length: %d" % (draw(st.integers(0, 99)) if answers_head else len(body))
    chunked = framing == _CODING and not bodiless
    if framing == _CODING or status == 204:
        dropped += [framing] if framing else []
    elif framing:
        fields.insert(draw(st.integers(0, len(fields))), (b"Content-Length", framing.partition(b": ")[2]))
    if chunked:
        trailers = draw(st.lists(_field, max_size=2))
    head = dated(b"HTTP/1.1 %d Reason" % status, *_mixed(draw, fields, dropped))
    if draw(st.integers(0, 4)) == 0:
        head = lines(b"HTTP/1.1 100 Continue") + head  # nobody asked for it
    coded = _coded(draw, body, trailers) if chunked else body
    sent = Sent((b"%d" % status,), fields, body, trailers, chunked, _cut(draw, head + coded))
    announced = bodiless and framing not in (b"", b"Content-Length: 0")
    return sent, draw(_late) if announced else b""


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    """One request and its reply."""
    minor = draw(st.sampled_from((1, 1, 1, 0)))
    kept = draw(st.integers(0, 3)) > 0
    more: tuple[bytes, ...] = ()
    if minor == 1 and not kept:
        more = (b"Connection: close",)
    elif minor == 0 and kept:
        more = (b"Connection: Keep-Alive",)
    request = draw(_requests(minor, more))
    until_close = request.start[0] != b"HEAD" and draw(st.integers(0, 4)) == 0
    reply, late = draw(_replies(request.start[0] == b"HEAD", until_close))
    return Exchange(request, reply, minor, kept, until_close, late)
