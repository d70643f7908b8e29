"""The chunked coding (RFC 9112 section 7.1): strict decoding piece by piece, and encoding anew."""

from __future__ import annotations

import re
from typing import Final

from proxy.wire import fields as f

LAST_CHUNK: Final = b"0\r\n\r\n"

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t -~\x80-\xff]*)?")
_MAX_LINE_BYTES: Final = 4096
_MAX_TRAILER_BYTES: Final = 16384
_LINES_AT_ONCE: Final = 1024
"""Lines of the coding in one `feed`: a millisecond or two. One read of 256,000 bytes can hold 85,000."""

# States of the decoder.
_SIZE: Final = 0
_DATA: Final = 1
_DATA_END: Final = 2
_TRAILER: Final = 3
_DONE: Final = 4
_BROKEN: Final = 5

_NEVER_TRAILERS: Final = frozenset(
    (
        b"authorization",
        b"cache-control",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"cookie",
        b"expect",
        b"forwarded",
        b"host",
        b"keep-alive",
        b"max-forwards",
        b"proxy-authorization",
        b"set-cookie",
        b"te",
        b"trailer",
        b"traceparent",
        b"transfer-encoding",
        b"upgrade",
        b"www-authenticate",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-request-id",
    )
)
"""Fields for framing, routing, identity and control are dropped from trailers (RFC 9110 section 6.5.1)."""


class ChunkedDecoder:
    """Takes a chunked body apart, in whatever pieces it arrives.

    pieces      the data decoded by the last `feed`, to be taken before the next one
    trailers    trailer lines that may be passed on; complete when `done`
    problem     what is malformed, "" while nothing is; no more may be fed then
    backlog     what is not decoded yet, because it came in very small chunks: feed again, be it b"", so that
                a flood of them takes its turns with everybody else's work
    """

    __slots__ = (
        "_left",
        "_line",
        "_state",
        "_trailer_bytes",
        "_trailer_count",
        "backlog",
        "pieces",
        "problem",
        "trailers",
    )

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.trailers: list[bytes] = []
        self.problem = ""
        self.backlog = b""
        self._state = _SIZE
        self._left = 0
        self._line = b""
        self._trailer_bytes = 0
        self._trailer_count = 0

    @property
    def done(self) -> bool:
        """Whether the body has ended."""
        return self._state == _DONE

    def feed(self, data: bytes) -> bytes:
        """Decode what arrived; returns what follows the body's end (b"" while it has not ended)."""
        self.pieces = []
        if self.backlog:
            data = self.backlog + data
            self.backlog = b""
        position = 0
        lines = 0
        size = len(data)
        while position < size and self._state < _DONE:
            if self._state == _DATA:
                end = min(size, position + self._left)
                self._left -= end - position
                self.pieces.append(data[position:end])
                position = end
                if self._left == 0:
                    self._state = _DATA_END
            elif lines == _LINES_AT_ONCE:
                self.backlog = data[position:]
                break
            else:
                lines += 1
                position = self._take_line(data, position)
        return data[position:] if self._state == _DONE else b""

    def _take_line(self, data: bytes, position: int) -> int:
        """Take a line if it is complete, else keep its beginning; returns the new position."""
        end = data.find(b"\n", position)
        stop = len(data) if end < 0 else end + 1
        line = self._line + data[position:stop]
        if self._state == _DATA_END and line not in (b"\r", b"\r\n"):
            self._break("chunk data is not followed by CRLF")
        elif len(line) > _MAX_LINE_BYTES:
            self._break("a line of the chunked coding is too long")
        elif end < 0:
            self._line = line
        elif not line.endswith(b"\r\n"):
            self._break("a bare LF in the chunked coding")
        else:
            self._line = b""
            self._end_line(line[:-2])
        return stop

    def _end_line(self, line: bytes) -> None:
        if self._state == _DATA_END:
            self._state = _SIZE
        elif self._state == _SIZE:
            size = _SIZE_LINE.fullmatch(line)
            if size is None:
                self._break("malformed chunk size or extension")
                return
            self._left = int(size[1], 16)
            self._state = _DATA if self._left else _TRAILER
        elif not line:
            self._state = _DONE
        else:
            self._take_trailer(line)

    def _take_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        self._trailer_count += 1
        name, colon, _ = line.partition(b":")
        if not colon or f.TOKEN.fullmatch(name) is None or line.translate(None, f.TEXT):
            self._break("malformed trailer field")
        elif self._trailer_bytes > _MAX_TRAILER_BYTES or self._trailer_count > f.MAX_FIELDS:
            self._break("trailer section too large")
        else:
            hyphened = name.lower().replace(b"_", b"-")
            if hyphened not in _NEVER_TRAILERS and not hyphened.startswith(f.OWN_PREFIX):
                self.trailers.append(line)

    def _break(self, problem: str) -> None:
        self.problem = problem
        self._state = _BROKEN


def encode_chunk(pieces: list[bytes]) -> bytes:
    """One chunk that holds the pieces; b"" for nothing (an empty chunk would end the body)."""
    size = sum(map(len, pieces))
    return b"%x\r\n%b\r\n" % (size, b"".join(pieces)) if size else b""


def encode_end(trailers: list[bytes]) -> bytes:
    """The last chunk with its trailer section."""
    return b"0\r\n" + b"\r\n".join([*trailers, b"", b""]) if trailers else LAST_CHUNK
