"""Messages as they are sent, and as they must come out at the other side: the documented rewriting, once."""

from __future__ import annotations

import json
from typing import Final

from tests.support.credentials import token
from tests.support.ends import End

REQUEST_ID: Final = b"r-1"
DATE: Final = b"Date: Sun, 06 Nov 1994 08:49:37 GMT"
TRACE: Final = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

HOST_LINE: Final = b"Host: a.example"
_CONTEXT: Final = (b"X-Request-Id: " + REQUEST_ID, b"traceparent: " + TRACE)


def lines(*parts: bytes) -> bytes:
    """A head of these lines."""
    return b"\r\n".join([*parts, b"", b""])


NO_CREDENTIAL: Final = lines(b"GET /anonymous HTTP/1.1", HOST_LINE, b"X-Request-Id: " + REQUEST_ID)


def bearer(user: int) -> bytes:
    """The line that says who asks."""
    return b"Authorization: Bearer " + token(user)


def ask(start: bytes, *more: bytes, user: int = 1, host: bytes = HOST_LINE) -> bytes:
    """A request's head, e.g. ask(b"GET / HTTP/1.1"); what the proxy would draw at random is in it."""
    return lines(start, host, bearer(user), *_CONTEXT, *more)


def asked(
    start: bytes,
    *more: bytes,
    user: int = 1,
    home: tuple[bytes, int] = (b"eu-1", 3),
    minor: int = 1,
    host: bytes = HOST_LINE,
) -> bytes:
    """What the cell gets of `ask`: `more` without the connection fields, then what the proxy says."""
    name = host.partition(b": ")[2]
    return lines(
        start,
        host,
        bearer(user),
        *_CONTEXT,
        *more,
        b"X-Forwarded-For: 127.0.0.1",
        b"X-Forwarded-Proto: http",
        b'Forwarded: for=127.0.0.1;proto=http;host="%b"' % name,
        b"X-Forwarded-Host: " + name,
        b"X-Home-Cell: " + home[0],
        b"X-Home-Cell-Epoch: %d" % home[1],
        b"Via: 1.%d homecell" % minor,
    )


def get(path: bytes = b"/", user: int = 1) -> bytes:
    """An ordinary GET."""
    return ask(b"GET %b HTTP/1.1" % path, user=user)


def got(path: bytes = b"/", user: int = 1, home: tuple[bytes, int] = (b"eu-1", 3)) -> bytes:
    """What the cell gets of `get`."""
    return asked(b"GET %b HTTP/1.1" % path, user=user, home=home)


def post(path: bytes, body: bytes, user: int = 1) -> bytes:
    """A POST with Content-Length."""
    return ask(b"POST %b HTTP/1.1" % path, b"Content-Length: %d" % len(body), user=user) + body


def posted(path: bytes, body: bytes, user: int = 1) -> bytes:
    """What the cell gets of `post`."""
    return asked(b"POST %b HTTP/1.1" % path, b"Content-Length: %d" % len(body), user=user) + body


def dated(start: bytes, *more: bytes) -> bytes:
    """The head of a reply that says when it was made, so that the proxy needn't."""
    return lines(start, DATE, *more)


def answer(body: bytes, *more: bytes) -> bytes:
    """A cell's 200 with Content-Length."""
    return dated(b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *more) + body


def answered(body: bytes, *more: bytes) -> bytes:
    """What the client gets of `answer`; `more` stands behind the request id."""
    return answer(body, b"X-Request-Id: " + REQUEST_ID, *more)


def chunk(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def unchunk(body: bytes) -> bytes:
    """The data of a chunked body that consists of plain chunks and is complete."""
    pieces: list[bytes] = []
    position = 0
    while True:
        end = body.index(b"\r\n", position)
        count = int(body[position:end], 16)
        position = end + 2 + count
        assert body[position : position + 2] == b"\r\n"
        if count == 0:
            assert len(body) == position + 2, body[position:]
            return b"".join(pieces)
        pieces.append(body[end + 2 : position])
        position += 2


class Problem:
    """A problem document, with the reply that carried it."""

    def __init__(self, reply: bytes) -> None:
        head, _, body = reply.partition(b"\r\n\r\n")
        start, *fields = head.split(b"\r\n")
        self.status = int(start.split(b" ")[1])
        self.fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in fields)}
        assert self.fields[b"content-type"] == b"application/problem+json", reply
        assert int(self.fields[b"content-length"]) == len(body), reply
        document = json.loads(body)
        assert document["status"] == self.status
        self.slug: str = document["type"].rpartition("/")[2]
        self.detail: str = document.get("detail", "")
        self.cell: str = document.get("cell", "")
        self.edge: str = document.get("edge", "")
        self.closes = self.fields.get(b"connection") == b"close"


async def problem_of(client: End) -> Problem:
    """The problem document that comes next."""
    return Problem(await client.take_head() + await client.take_to(b"}\n"))


def length_of(head: bytes) -> int:
    """The Content-Length that a head names."""
    return int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
